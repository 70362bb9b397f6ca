/* SPDX-License-Identifier: MIT */
/* Random reads, writes, truncations, seeks and vectors on a file, against a
 * plain array that must stay the same. OVIO_TEST_SEED repeats a run. */
#include "files.h"
#include "scene.h"

#include <inttypes.h>

enum {
  STEPS = 100000,
  SIZE_LIMIT = 100000, /* of the file */
  LENGTH_LIMIT = 9000, /* of a transfer */
  PARTS_LIMIT = 9,
  COMPARE_EVERY = 2000
};

struct model {
  struct test *test;
  struct ovio_file file;
  char path[600];
  uint64_t random;
  uint64_t seed;
  int step;
  bool append;
  int64_t position;
  int64_t size;
  unsigned char bytes[SIZE_LIMIT];
  unsigned char buffer[SIZE_LIMIT + LENGTH_LIMIT];
  struct ovio_iovec parts[PARTS_LIMIT];
  size_t count;
  int64_t length;
};

/* ---- chance ---- */

/* splitmix64: any seed is a good one. */
static uint64_t model_random(struct model *model) {
  uint64_t mixed = model->random += UINT64_C(0x9e3779b97f4a7c15);
  mixed = (mixed ^ (mixed >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
  mixed = (mixed ^ (mixed >> 27)) * UINT64_C(0x94d049bb133111eb);
  return mixed ^ (mixed >> 31);
}

static int64_t model_below(struct model *model, int64_t limit) {
  return (int64_t)(model_random(model) % (uint64_t)limit);
}

/* Small numbers more often than large ones. */
static int64_t model_skewed(struct model *model, int64_t limit) {
  return model_below(model, 1 + model_below(model, limit));
}

/* ---- checks; `test` for TRY ---- */

#define AGREE(is, wanted)                                                      \
  do {                                                                         \
    if (!model_agrees(model, __LINE__, #is, (int64_t)(is), (int64_t)(wanted))) \
      return;                                                                  \
  } while (0)

static bool model_agrees(struct model *model, int line, const char *text,
                         int64_t is, int64_t wanted) {
  char told[300];
  if (is == wanted)
    return true;
  snprintf(told, sizeof told,
           "seed %" PRIu64 ", step %d: %s is %lld, wanted %lld", model->seed,
           model->step, text, (long long)is, (long long)wanted);
  test_fail(model->test, __FILE__, line, told);
  return false;
}

static void model_compare(struct model *model) {
  AGREE(ovio_size(&model->file), model->size);
  AGREE(ovio_seek(&model->file, 0, SEEK_CUR), model->position);
  AGREE(ovio_read(&model->file, model->buffer, SIZE_LIMIT, 0), model->size);
  AGREE(memcmp(model->buffer, model->bytes, (size_t)model->size), 0);
}

/* ---- steps ---- */

/* Some parts of the buffer, one after the other. */
static void model_make_parts(struct model *model, int64_t room) {
  model->length = 0;
  model->count = (size_t)(1 + model_below(model, PARTS_LIMIT));
  for (size_t at = 0; at < model->count; at++) {
    int64_t left = room - model->length;
    int64_t length = left > 0 && model_below(model, 4) > 0
                         ? model_skewed(model, left / 2 + 1)
                         : 0;
    model->parts[at] =
        (struct ovio_iovec){model->buffer + model->length, (size_t)length};
    model->length += length;
  }
}

static void model_read(struct model *model, bool here) {
  int64_t offset = here ? model->position : model_skewed(model, SIZE_LIMIT);
  int64_t wanted = 0;
  model_make_parts(model, LENGTH_LIMIT);
  if (offset < model->size)
    wanted = model->length < model->size - offset ? model->length
                                                  : model->size - offset;
  memset(model->buffer, 0xee, (size_t)model->length);
  int64_t at = here ? OVIO_HERE : offset;
  int64_t got =
      model_below(model, 2)
          ? ovio_readv(&model->file, model->parts, model->count, at)
          : ovio_read(&model->file, model->buffer, (size_t)model->length, at);
  AGREE(got, wanted);
  AGREE(memcmp(model->buffer, model->bytes + (got ? offset : 0), (size_t)got),
        0);
  int64_t touched = 0;
  for (int64_t rest = got; rest < model->length; rest++)
    touched += model->buffer[rest] != 0xee;
  AGREE(touched, 0); /* behind what was read */
  if (here)
    model->position += got;
}

static void model_write(struct model *model, bool here) {
  int64_t offset = model_skewed(model, SIZE_LIMIT);
  if (model->append)
    offset = model->size;
  else if (here)
    offset = model->position;
  if (offset > SIZE_LIMIT)
    return;
  int64_t room = SIZE_LIMIT - offset;
  model_make_parts(model, room < LENGTH_LIMIT ? room : LENGTH_LIMIT);
  for (int64_t at = 0; at < model->length; at++)
    model->buffer[at] = (unsigned char)(model->step + at);
  int64_t at = here ? OVIO_HERE : model->append ? model->step : offset;
  int64_t wrote =
      model_below(model, 2)
          ? ovio_writev(&model->file, model->parts, model->count, at)
          : ovio_write(&model->file, model->buffer, (size_t)model->length, at);
  AGREE(wrote, model->length);
  if (wrote == 0)
    return;
  if (offset > model->size)
    memset(model->bytes + model->size, 0, (size_t)(offset - model->size));
  memcpy(model->bytes + offset, model->buffer, (size_t)wrote);
  if (offset + wrote > model->size)
    model->size = offset + wrote;
  if (here || model->append)
    model->position = offset + wrote;
}

static void model_truncate(struct model *model) {
  int64_t size = model_below(model, 3) ? model_below(model, SIZE_LIMIT)
                                       : model_skewed(model, SIZE_LIMIT);
  AGREE(ovio_truncate(&model->file, size), 0);
  if (size > model->size)
    memset(model->bytes + model->size, 0, (size_t)(size - model->size));
  model->size = size;
}

static void model_seek(struct model *model) {
  int64_t base = 0;
  int whence = SEEK_SET;
  int64_t to = model_skewed(model, SIZE_LIMIT + SIZE_LIMIT / 10);
  int64_t kind = model_below(model, 3);
  if (kind == 1) {
    whence = SEEK_CUR;
    base = model->position;
  } else if (kind == 2) {
    whence = SEEK_END;
    base = model->size;
  }
  AGREE(ovio_seek(&model->file, to - base, whence), to);
  model->position = to;
}

/* Closes and opens again, as another kind of file each time. */
static void model_reopen(struct model *model) {
  AGREE(ovio_close(&model->file), 0);
  int64_t form = model_below(model, FORM_COUNT + 1);
  model->append = form == FORM_COUNT;
  int error = model->append
                  ? ovio_open(&model->file, model->path,
                              OVIO_READ | OVIO_WRITE | OVIO_APPEND, 0)
                  : files_open(&model->file, model->path, (enum form)form);
  AGREE(error, 0);
  model->position = 0;
}

static void model_change_limit(struct model *model) {
  static const size_t limits[] = {0, 0, 100, 1000, 4096, 65536};
  ovio_set_max_transfer(limits[model_below(model, 6)]);
}

static void model_step(struct model *model) {
  int64_t kind = model_below(model, 1000);
  if (kind < 2)
    model_reopen(model);
  else if (kind < 5)
    model_change_limit(model);
  else if (kind < 45)
    model_truncate(model);
  else if (kind < 150)
    model_seek(model);
  else if (kind < 200)
    AGREE(ovio_size(&model->file), model->size);
  else if (kind < 240)
    AGREE(ovio_seek(&model->file, 0, SEEK_CUR), model->position);
  else if (kind < 640)
    model_read(model, kind % 2);
  else
    model_write(model, kind % 2);
}

static uint64_t model_seed(void) {
  const char *given = getenv("OVIO_TEST_SEED");
  return given && *given ? strtoull(given, NULL, 0) : (uint64_t)os_clock_ns();
}

static void test_model(struct test *test) {
  struct model *model = calloc(1, sizeof *model);
  TRY(model);
  model->test = test;
  model->seed = model->random = model_seed();
  snprintf(model->path, sizeof model->path, "%s", test_path("model"));
  /* Each step costs Wine some messages to its server. */
  int steps = test_is_wine() ? STEPS / 2 : STEPS;
  printf("%s: %d steps, OVIO_TEST_SEED=%" PRIu64 "\n", test->mode->name, steps,
         model->seed);
  fflush(stdout);
  TRY_EQ(files_make(&model->file, "model", 0), 0);
  for (int step = 0; step < steps && !test->failure[0]; step++) {
    model->step = step;
    model_step(model);
    if (step % COMPARE_EVERY == 0 && !test->failure[0])
      model_compare(model);
  }
  ovio_set_max_transfer(0);
  if (!test->failure[0])
    model_compare(model);
  TRY_EQ(ovio_close(&model->file), 0);
  free(model);
}

int main(void) {
  static const struct test_case cases[] = {
      TEST(test_model),
  };
  return test_main(cases, sizeof cases / sizeof *cases);
}
