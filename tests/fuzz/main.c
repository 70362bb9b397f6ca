/* SPDX-License-Identifier: MIT */
/* Runs a fuzz target without libFuzzer, and takes the same arguments:
 *
 *   fuzz_x [-runs=N] [-max_total_time=SECONDS] [-seed=N] [FILE or FOLDER...]
 *
 * First every file as it is; then, for N runs or that many seconds, changed at
 * random. The seed says what the changes are. The input that ends the program
 * is left in crash-<target>. */
#include "fuzz.h"

#include <signal.h>

#include "common/os.h"

enum { INPUTS_MAX = 4096, LENGTH_MAX = 4096, CHANGES_MAX = 6 };

struct sample {
  uint8_t *bytes;
  size_t length;
};

static struct sample samples[INPUTS_MAX]; /* stay until the end */
static size_t sample_count;

/* What is run, for the one who looks at the crash. */
static uint8_t current[LENGTH_MAX];
static size_t current_length;
static const char *target = "fuzz";
static uint64_t seed = 1;
static uint64_t chance;
static unsigned long long runs_done;

/* ---- samples ---- */

static int sample__add(struct ovio_file *dir, const char *name) {
  void *bytes;
  size_t length;
  int error = ovio_read_file(dir, name, 1 << 24, &bytes, &length);
  if (error == 0 && sample_count < INPUTS_MAX)
    samples[sample_count++] = (struct sample){bytes, length};
  else
    ovio_free(bytes);
  return error;
}

static int sample__add_all(struct ovio_file *dir) {
  static char buffer[32768];
  struct ovio_dir walk;
  struct ovio_entry entry;
  int more = ovio_dir_begin(&walk, dir, buffer, sizeof buffer);
  while (more >= 0 && (more = ovio_dir_next(&walk, &entry)) > 0) {
    int error = sample__add(dir, entry.name);
    if (error)
      more = error;
  }
  ovio_dir_end(&walk);
  return more;
}

/* A file, or those in a folder. */
static void sample__load(const char *path) {
  struct ovio_file dir;
  int error = ovio_open(&dir, path, OVIO_READ | OVIO_DIRECTORY, 0);
  if (error == OVIO_ENOTDIR) {
    error = sample__add(NULL, path);
  } else if (!error) {
    error = sample__add_all(&dir);
    ovio_close(&dir);
  }
  if (error) {
    fprintf(stderr, "%s: %s\n", path, ovio_error_text(error));
    exit(2);
  }
}

/* ---- chance ---- */

/* splitmix64: any seed is a good one. */
static uint64_t chance__next(void) {
  uint64_t mixed = chance += UINT64_C(0x9e3779b97f4a7c15);
  mixed = (mixed ^ (mixed >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
  mixed = (mixed ^ (mixed >> 27)) * UINT64_C(0x94d049bb133111eb);
  return mixed ^ (mixed >> 31);
}

static size_t chance__below(size_t limit) {
  return limit ? (size_t)(chance__next() % limit) : 0;
}

/* ---- changes ---- */

static const uint8_t telling[] = {0,    1,    2,    8,    '\n', '\r', '"',
                                  '%',  '.',  '/',  '\\', 0x7f, 0x80, 0xc2,
                                  0xed, 0xa0, 0xf4, 0xfe, 0xff};

static void change__set(void) {
  if (current_length)
    current[chance__below(current_length)] =
        chance__below(2) ? telling[chance__below(sizeof telling)]
                         : (uint8_t)chance__next();
}

/* Makes room for `length` bytes at `at`, or for as many as there is room. */
static size_t change__open(size_t at, size_t length) {
  if (length > LENGTH_MAX - current_length)
    length = LENGTH_MAX - current_length;
  memmove(current + at + length, current + at, current_length - at);
  current_length += length;
  return length;
}

static void change__insert(void) {
  size_t at = chance__below(current_length + 1);
  size_t length = change__open(at, 1 + chance__below(8));
  bool same = chance__below(2);
  uint8_t byte = telling[chance__below(sizeof telling)];
  for (size_t more = 0; more < length; more++)
    current[at + more] = same ? byte : (uint8_t)chance__next();
}

static void change__remove(void) {
  size_t at = chance__below(current_length);
  size_t length = chance__below(current_length - at) / (1 + chance__below(8));
  memmove(current + at, current + at + length, current_length - at - length);
  current_length -= length;
}

/* A part of another sample. */
static void change__splice(void) {
  if (!sample_count)
    return;
  const struct sample *other = &samples[chance__below(sample_count)];
  size_t from = chance__below(other->length);
  size_t at = chance__below(current_length + 1);
  size_t length = change__open(at, chance__below(other->length - from + 1));
  if (length)
    memcpy(current + at, other->bytes + from, length);
}

static void change__begin(void) {
  const struct sample *sample =
      sample_count ? &samples[chance__below(sample_count)] : NULL;
  current_length = sample ? sample->length : 0;
  if (current_length > LENGTH_MAX)
    current_length = LENGTH_MAX;
  if (current_length)
    memcpy(current, sample->bytes, current_length);
}

static void change__make(void) {
  static void (*const changes[])(void) = {
      change__set, change__set, change__insert, change__remove, change__splice};
  change__begin();
  for (size_t left = 1 + chance__below(CHANGES_MAX); left > 0; left--)
    changes[chance__below(sizeof changes / sizeof *changes)]();
}

/* ---- running ---- */

static void run__crashed(int number) {
  char name[256];
  signal(number, SIG_DFL);
  snprintf(name, sizeof name, "crash-%s", target);
  FILE *file = fopen(name, "wb");
  if (file) {
    fwrite(current, 1, current_length, file);
    fclose(file);
  }
  fprintf(stderr, "%s: -seed=%llu, run %llu: the input is in %s\n", target,
          (unsigned long long)seed, runs_done, name);
  raise(number);
}

static void run__samples(void) {
  for (size_t at = 0; at < sample_count; at++) {
    current_length = samples[at].length;
    if (current_length > LENGTH_MAX)
      current_length = LENGTH_MAX;
    memcpy(current, samples[at].bytes, current_length);
    LLVMFuzzerTestOneInput(samples[at].bytes, samples[at].length);
  }
}

/* The target sees a copy that ends where the input does. */
static void run__changed(void) {
  change__make();
  uint8_t *exact = fuzz_allocate(current_length);
  memcpy(exact, current, current_length);
  LLVMFuzzerTestOneInput(exact, current_length);
  free(exact);
  runs_done++;
}

static bool run__option(const char *argument, const char *name,
                        unsigned long long *value) {
  size_t length = strlen(name);
  if (strncmp(argument, name, length) != 0)
    return false;
  *value = strtoull(argument + length, NULL, 10);
  return true;
}

static double run__seconds(void) {
  return (double)os_clock_ns() / 1e9;
}

int main(int argc, char **argv) {
  unsigned long long runs = 0;
  unsigned long long most_seconds = 0;
  unsigned long long given = 1;
  for (const char *at = target = argv[0]; *at; at++) {
    if (*at == '/' || *at == '\\')
      target = at + 1;
  }
  for (int at = 1; at < argc; at++) {
    if (!run__option(argv[at], "-runs=", &runs) &&
        !run__option(argv[at], "-max_total_time=", &most_seconds) &&
        !run__option(argv[at], "-seed=", &given))
      sample__load(argv[at]);
  }
  seed = chance = given;
  signal(SIGABRT, run__crashed);
  signal(SIGSEGV, run__crashed);
  signal(SIGILL, run__crashed);
  double begun = run__seconds();
  run__samples();
  while (runs_done < runs ||
         (most_seconds && run__seconds() - begun < (double)most_seconds))
    run__changed();
  double took = run__seconds() - begun;
  printf("%s: %zu samples, %llu runs, -seed=%llu, %.0f a second\n", target,
         sample_count, runs_done, given,
         (double)(sample_count + runs_done) / (took > 1e-9 ? took : 1e-9));
  return 0;
}
