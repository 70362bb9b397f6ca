/* SPDX-License-Identifier: MIT */
/* OVIO_BENEATH: what lies outside of the directory stays out of reach. */
#include "support.h"

#define INSIDE (OVIO_READ | OVIO_BENEATH)

/* scene/outside, scene/jail/inside, scene/jail/sub/inner */
static int scene_open(struct test *test, struct ovio_file *scene,
                      struct ovio_file *jail) {
  static int number;
  char name[64];
  char path[512];
  snprintf(name, sizeof name, "beneath-%s-%d", test->mode->name, number++);
  snprintf(path, sizeof path, "%s", test_path(name));
  if (!test_make_folder(path))
    return OVIO_EUNKNOWN;
  int error = ovio_open(scene, path, OVIO_DIRECTORY, 0);
  if (!error)
    error = ovio_mkdir(scene, "jail", 0700);
  if (!error)
    error = ovio_mkdir(scene, "jail/sub", 0700);
  if (!error)
    error = ovio_write_file(scene, "outside", "out", 3, 0600);
  if (!error)
    error = ovio_write_file(scene, "jail/inside", "in", 2, 0600);
  if (!error)
    error = ovio_write_file(scene, "jail/sub/inner", "in", 2, 0600);
  return error ? error : ovio_openat(jail, scene, "jail", OVIO_DIRECTORY, 0);
}

/* What opening says; closes it again. */
static int try_open(struct ovio_file *dir, const char *path, unsigned flags) {
  struct ovio_file file;
  int error = ovio_openat(&file, dir, path, flags, 0600);
  return error ? error : ovio_close(&file);
}

static void test_paths(struct test *test) {
  static const struct {
    const char *path;
    int result;
  } cases[] = {
      {"inside", 0},
      {"./inside", 0},
      {"sub//inner", 0},
      {"sub/../inside", 0},
      {"sub/./../sub/inner", 0},
      {"../outside", OVIO_EXDEV},
      {"..", OVIO_EXDEV},
      {"sub/../../outside", OVIO_EXDEV},
      {"sub/../../jail/inside", OVIO_EXDEV},
      {"/", OVIO_EXDEV},
      {"none", OVIO_ENOENT},
      {"none/x", OVIO_ENOENT},
      {"", OVIO_ENOENT},
  };
  struct ovio_file scene;
  struct ovio_file jail;
  TRY_EQ(scene_open(test, &scene, &jail), 0);
  for (size_t at = 0; at < sizeof cases / sizeof *cases; at++)
    TRY_EQ(try_open(&jail, cases[at].path, INSIDE), cases[at].result);
  TRY_EQ(try_open(&jail, ".", OVIO_DIRECTORY | OVIO_BENEATH), 0);
  TRY_EQ(try_open(&jail, "sub", OVIO_DIRECTORY | OVIO_BENEATH), 0);
  TRY_EQ(try_open(&jail, "sub", INSIDE), OVIO_EISDIR);
  TRY_EQ(try_open(&jail, "inside/x", INSIDE), OVIO_ENOTDIR);
  if (os_path_separates('\\')) {
    TRY_EQ(try_open(&jail, "C:\\x", INSIDE), OVIO_EXDEV);
    TRY_EQ(try_open(&jail, "C:x", INSIDE), OVIO_EXDEV);
    TRY_EQ(try_open(&jail, "sub\\C:x", INSIDE), OVIO_EXDEV);
    /* Windows takes any unit for a drive's letter. */
    TRY_EQ(try_open(&jail, "\xd9\xb5:x", INSIDE), OVIO_EXDEV);
    TRY_EQ(try_open(&jail, "sub\\\xe2\x82\xac:\\x", INSIDE), OVIO_EXDEV);
    TRY_EQ(try_open(&jail, "sub\\..\\..\\outside", INSIDE), OVIO_EXDEV);
    TRY_EQ(try_open(&jail, "\\\\?\\C:\\", INSIDE), OVIO_EXDEV);
  }
  TRY_EQ(ovio_close(&jail), 0);
  TRY_EQ(ovio_close(&scene), 0);
}

static void test_nothing_is_made_outside(struct test *test) {
  const unsigned make = OVIO_WRITE | OVIO_CREATE | OVIO_TRUNCATE | OVIO_BENEATH;
  struct ovio_file scene;
  struct ovio_file jail;
  struct ovio_stat stat;
  TRY_EQ(scene_open(test, &scene, &jail), 0);
  TRY_EQ(try_open(&jail, "sub/new", make), 0);
  TRY_EQ(ovio_stat_at(&jail, "sub/new", 0, &stat), 0);
  TRY_EQ(try_open(&jail, "../new", make), OVIO_EXDEV);
  TRY_EQ(ovio_stat_at(&scene, "new", 0, &stat), OVIO_ENOENT);
  TRY_EQ(try_open(&jail, "../outside", make), OVIO_EXDEV);
  TRY_EQ(ovio_stat_at(&scene, "outside", 0, &stat), 0);
  TRY_EQ(stat.size, 3);
  TRY_EQ(ovio_close(&jail), 0);
  TRY_EQ(ovio_close(&scene), 0);
}

static void test_links(struct test *test) {
  struct ovio_file scene;
  struct ovio_file jail;
  struct ovio_stat stat;
  TRY_EQ(scene_open(test, &scene, &jail), 0);
  if (ovio_symlink("../outside", &jail, "leak", 0) != 0 ||
      ovio_stat_at(&jail, "leak", OVIO_NOFOLLOW, &stat) != 0) {
    ovio_close(&jail);
    ovio_close(&scene);
    SKIP("no symbolic links here");
  }
  TRY_EQ(ovio_symlink("..", &jail, "up", OVIO_DIRECTORY), 0);
  TRY_EQ(ovio_symlink("sub", &jail, "down", OVIO_DIRECTORY), 0);
  TRY_EQ(ovio_symlink("/", &jail, "root", OVIO_DIRECTORY), 0);
  TRY_EQ(try_open(&jail, "leak", OVIO_READ), 0);
  /* EXDEV from a kernel that follows links, ELOOP from a walk that does not. */
  int answer = try_open(&jail, "leak", INSIDE);
  TRY(answer == OVIO_EXDEV || answer == OVIO_ELOOP);
  TRY_EQ(try_open(&jail, "up/outside", INSIDE), answer);
  TRY_EQ(try_open(&jail, "root/etc", INSIDE), answer);
  TRY_EQ(try_open(&jail, "down/inner", INSIDE),
         answer == OVIO_EXDEV ? 0 : OVIO_ELOOP);
  TRY_EQ(try_open(&jail, "leak", INSIDE | OVIO_NOFOLLOW), OVIO_ELOOP);
  TRY_EQ(ovio_close(&jail), 0);
  TRY_EQ(ovio_close(&scene), 0);
}

int main(void) {
  static const struct test_case cases[] = {
      TEST(test_paths),
      TEST(test_nothing_is_made_outside),
      TEST(test_links),
  };
  return test_main(cases, sizeof cases / sizeof *cases);
}
