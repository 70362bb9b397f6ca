/* SPDX-License-Identifier: MIT */
/* ovbench: how fast ovio is, beside the system itself and other libraries.
 *
 * A setting is an operation, pattern, mode, block and depth. Its variants take
 * turns, round by round, so that what else happens on the machine hits all of
 * them. What is told of a variant is the median of its rounds; a ratio is the
 * median of the ratios of each round to the first variant's. */
#include "bench.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { VARIANTS_MAX = 32, ROUNDS_MAX = 99, LIST_MAX = 16 };

struct options {
  const char *file;
  const char *variants;
  const char *label;
  char ops[BENCH_OPS];
  bool random[2]; /* sequential, random */
  bool direct[2]; /* cached, direct */
  uint64_t blocks[LIST_MAX];
  uint64_t depths[LIST_MAX];
  size_t block_count, depth_count;
  uint64_t size;        /* bytes of the file */
  uint64_t files;       /* in the folder */
  uint64_t ops_a_round; /* 0: as many as fit into the time */
  uint64_t round_ms;
  size_t rounds;
  bool csv;
  bool keep;
  bool warm; /* a thorough round before the others */
};

/* A variant in a setting. */
struct runner {
  const struct variant *variant;
  void *state;
  bool there;
  bool wrong;
  int error;
  double wall[ROUNDS_MAX]; /* ns per operation */
  double cpu[ROUNDS_MAX];
  double allocations[ROUNDS_MAX];
  double transfers[ROUNDS_MAX];
};

struct setting {
  struct job job;
  struct runner runners[VARIANTS_MAX];
  size_t count;
  size_t rounds;
};

static bool anything_wrong;

/* ---- statistics ---- */

static int compare(const void *left, const void *right) {
  double a = *(const double *)left, b = *(const double *)right;
  return (a > b) - (a < b);
}

static double median(const double *values, size_t count) {
  double sorted[ROUNDS_MAX];
  memcpy(sorted, values, count * sizeof *sorted);
  qsort(sorted, count, sizeof *sorted, compare);
  return count % 2 ? sorted[count / 2]
                   : (sorted[count / 2 - 1] + sorted[count / 2]) / 2;
}

static double median_ratio(const double *ours, const double *reference,
                           size_t count) {
  double ratios[ROUNDS_MAX];
  for (size_t at = 0; at < count; at++)
    ratios[at] = reference[at] > 0 ? ours[at] / reference[at] : 0;
  return median(ratios, count);
}

/* ---- rounds ---- */

static bool uses_file(enum bench_op op) {
  return op == BENCH_READ || op == BENCH_WRITE;
}

static void setting__warm(struct job *job) {
  if (uses_file(job->op) && !job->direct)
    file_warm(job->path, job->blocks * job->block);
}

/* Returns the time it took. */
static int64_t runner__round(struct runner *runner, struct job *job,
                             size_t round) {
  job_begin(job);
  uint64_t transfers = sys_transfers();
  uint64_t allocations = allocations_count();
  int64_t cpu = sys_cpu_ns();
  int64_t wall = sys_wall_ns();
  int error = runner->variant->run(job, runner->state);
  wall = sys_wall_ns() - wall;
  cpu = sys_cpu_ns() - cpu;
  allocations = allocations_count() - allocations;
  transfers = sys_transfers() - transfers;
  runner->wall[round] = (double)wall / (double)job->count;
  runner->cpu[round] = (double)cpu / (double)job->count;
  runner->allocations[round] = (double)allocations / (double)job->count;
  runner->transfers[round] = (double)transfers / (double)job->count;
  if (error)
    runner->error = error;
  if (!job_is_right(job) && !(runner->variant->flags & BENCH_HIDDEN))
    runner->wrong = true;
  return wall;
}

static void runner__check_writes(struct runner *runner, struct job *job) {
  if (job->op == BENCH_WRITE && !file_verify_writes(job))
    runner->wrong = true;
}

static uint64_t round_up(uint64_t value, uint64_t step) {
  return (value + step - 1) / step * step;
}

/* Posts go in bursts from both sides, and every task has the same share. */
static void setting__set_count(struct job *job, uint64_t count) {
  uint64_t least = job->depth * 2;
  job->count = round_up(count < least ? least : count, least);
}

/* As many operations as take the reference the time of a round. */
static void setting__calibrate(struct setting *setting,
                               const struct options *options) {
  struct job *job = &setting->job;
  int64_t wanted = (int64_t)options->round_ms * 1000000;
  if (options->ops_a_round) {
    setting__set_count(job, options->ops_a_round);
    return;
  }
  setting__set_count(job, 64);
  for (;;) {
    int64_t wall = runner__round(&setting->runners[0], job, 0);
    if (wall >= wanted / 4 || setting->runners[0].error) {
      double scale = (double)wanted / (double)(wall > 0 ? wall : 1);
      setting__set_count(job, (uint64_t)((double)job->count * scale));
      return;
    }
    setting__set_count(job, job->count * 4);
  }
}

static void setting__thorough(struct setting *setting) {
  struct job *job = &setting->job;
  uint64_t count = job->count;
  if (count > job->blocks * 2 && uses_file(job->op))
    setting__set_count(job, job->blocks * 2);
  job->thorough = true;
  for (size_t at = 0; at < setting->count; at++) {
    runner__round(&setting->runners[at], job, 0);
    runner__check_writes(&setting->runners[at], job);
  }
  job->thorough = false;
  job->count = count;
}

static void setting__rounds(struct setting *setting) {
  for (size_t round = 0; round < setting->rounds; round++) {
    setting__warm(&setting->job);
    for (size_t at = 0; at < setting->count; at++) {
      runner__round(&setting->runners[at], &setting->job, round);
      if (round + 1 == setting->rounds)
        runner__check_writes(&setting->runners[at], &setting->job);
    }
  }
}

/* ---- output ---- */

static const char *pattern_name(const struct job *job) {
  return !uses_file(job->op) ? "-" : job->random ? "random" : "sequential";
}

static const char *mode_name(const struct job *job) {
  return !uses_file(job->op) ? "-" : job->direct ? "direct" : "cached";
}

static void print_values(const double *values, size_t count) {
  for (size_t at = 0; at < count; at++)
    printf("%s%.1f", at ? " " : "", values[at]);
}

static void print_csv(const struct options *options,
                      const struct setting *setting,
                      const struct runner *runner) {
  const struct job *job = &setting->job;
  const struct runner *first = &setting->runners[0];
  size_t rounds = setting->rounds;
  printf("%s,%s,%s,%s,%s,%zu,%zu,%zu,%.1f,%.1f,%.3f,%.3f,%.4f,%s,",
         options->label, runner->variant->name, op_name(job->op),
         pattern_name(job), mode_name(job), job->block, job->depth, rounds,
         median(runner->wall, rounds), median(runner->cpu, rounds),
         median_ratio(runner->wall, first->wall, rounds),
         median_ratio(runner->cpu, first->cpu, rounds),
         median(runner->allocations, rounds), runner->wrong ? "WRONG" : "ok");
  print_values(runner->wall, rounds);
  printf(",");
  print_values(runner->cpu, rounds);
  printf(",%.4f\n", median(runner->transfers, rounds));
}

static void print_row(const struct setting *setting,
                      const struct runner *runner) {
  const struct runner *first = &setting->runners[0];
  size_t rounds = setting->rounds;
  double wall = median(runner->wall, rounds);
  printf("%-24s %12.0f %11.0f %11.0f %8.2f %8.2f %8.3f  %s\n",
         runner->variant->name, wall > 0 ? 1e9 / wall : 0, wall,
         median(runner->cpu, rounds),
         median_ratio(runner->wall, first->wall, rounds),
         median_ratio(runner->cpu, first->cpu, rounds),
         median(runner->allocations, rounds), runner->wrong ? "WRONG" : "ok");
}

static void print_title(const struct job *job) {
  printf("\n%s", op_name(job->op));
  if (uses_file(job->op))
    printf(", %s, %s", pattern_name(job), mode_name(job));
  printf(", block %zu, depth %zu, %" PRIu64 " a round\n", job->block,
         job->depth, job->count);
  printf("%-24s %12s %11s %11s %8s %8s %8s  %s\n", "variant", "per second",
         "ns wall", "ns CPU", "wall/1st", "CPU/1st", "allocs", "check");
}

static void setting__print(const struct options *options,
                           const struct setting *setting) {
  if (!options->csv)
    print_title(&setting->job);
  for (size_t at = 0; at < setting->count; at++) {
    const struct runner *runner = &setting->runners[at];
    if (runner->wrong)
      anything_wrong = true;
    if (runner->error)
      fprintf(stderr, "ovbench: %s: %s\n", runner->variant->name,
              ovio_error_text(runner->error));
    if (options->csv)
      print_csv(options, setting, runner);
    else
      print_row(setting, runner);
  }
  fflush(stdout);
}

/* ---- a setting ---- */

/* Leaves out what this system does not have. */
static void setting__begin(struct setting *setting,
                           const struct variant **found, size_t count) {
  for (size_t at = 0; at < count; at++) {
    struct runner *runner = &setting->runners[setting->count];
    *runner = (struct runner){.variant = found[at]};
    int error = found[at]->begin(&setting->job, found[at], &runner->state);
    if (!error)
      setting->count++;
    else
      fprintf(stderr, "ovbench: %s, %s: left out: %s\n", found[at]->name,
              op_name(setting->job.op), ovio_error_text(error));
  }
}

static void setting__measure(struct setting *setting,
                             const struct options *options) {
  const struct variant *found[VARIANTS_MAX];
  size_t count =
      variants_find(setting->job.op, options->variants, found, VARIANTS_MAX);
  setting__begin(setting, found, count);
  if (setting->count) {
    setting__warm(&setting->job);
    setting__calibrate(setting, options);
    if (options->warm)
      setting__thorough(setting);
    setting__rounds(setting);
    setting__print(options, setting);
  }
  for (size_t at = 0; at < setting->count; at++)
    setting->runners[at].variant->end(setting->runners[at].state);
}

static void measure(const struct options *options, struct job job) {
  struct setting *setting = calloc(1, sizeof *setting);
  int error = setting ? 0 : OVIO_ENOMEM;
  if (!error) {
    setting->job = job;
    setting->rounds = options->rounds;
    error = job_buffers_create(&setting->job);
  }
  if (!error) {
    setting__measure(setting, options);
    job_buffers_destroy(&setting->job);
  }
  free(setting);
  if (error) {
    fprintf(stderr, "ovbench: %s\n", ovio_error_text(error));
    anything_wrong = true;
  }
}

static void measure_file(const struct options *options, struct job job) {
  job.blocks = options->size / job.block;
  for (int direct = 0; direct < 2; direct++) {
    for (int random = 0; random < 2; random++) {
      job.direct = direct;
      job.random = random;
      if (options->direct[direct] && options->random[random])
        measure(options, job);
    }
  }
}

static void measure_op(const struct options *options, struct job job) {
  for (size_t block = 0; block < options->block_count; block++) {
    for (size_t depth = 0; depth < options->depth_count; depth++) {
      job.block = (size_t)options->blocks[block];
      job.depth = (size_t)options->depths[depth];
      if (uses_file(job.op))
        measure_file(options, job);
      else
        measure(options, job);
    }
  }
}

/* ---- files to work on ---- */

static void complain(const char *path, int error) {
  fprintf(stderr, "ovbench: %s: %s\n", path,
          error == OVIO_EEXIST
              ? "is there, and is not ovbench's, or of another --size"
              : ovio_error_text(error));
  anything_wrong = true;
}

static void do_file(const struct options *options, enum bench_op op) {
  char path[BENCH_PATH];
  bool write = op == BENCH_WRITE;
  /* What is written has other content: a file of its own, under a name that
   * nobody else has, so one that is left over may go. */
  snprintf(path, sizeof path, "%s%s", options->file,
           write ? ".ovbench-write" : "");
  if (write)
    sys_file_remove(path);
  int error = file_prepare(path, options->size);
  if (error) {
    complain(path, error);
    return;
  }
  measure_op(options, (struct job){.op = op, .path = path, .blocks = 1});
  if (write || !options->keep)
    sys_file_remove(path);
}

static void do_folder(const struct options *options) {
  char path[BENCH_PATH];
  snprintf(path, sizeof path, "%s.ovbench-files", options->file);
  folder_remove(path, options->files);
  struct job job = {.op = BENCH_FILES, .path = path, .blocks = options->files};
  int error = folder_prepare(path, options->files, (size_t)options->blocks[0]);
  if (error) {
    complain(path, error);
    folder_remove(path, options->files);
    return;
  }
  for (size_t depth = 0; depth < options->depth_count; depth++) {
    job.block = (size_t)options->blocks[0];
    job.depth = (size_t)options->depths[depth];
    measure(options, job);
  }
  folder_remove(path, options->files);
}

static void do_op(const struct options *options, enum bench_op op) {
  if (uses_file(op) || op == BENCH_HANDLES)
    do_file(options, op);
  else if (op == BENCH_FILES)
    do_folder(options);
  else
    measure_op(options, (struct job){.op = op, .blocks = 1});
}

/* ---- arguments ---- */

static const char usage[] =
    "ovbench [OPTION...]: how fast ovio reads and writes here\n"
    "\n"
    "  --file F       works on F, which is made if it is missing "
    "(ovbench.tmp)\n"
    "  --size N       bytes of it (64m)\n"
    "  --op A,B       read, write, files, yield, spawn, post, pingpong, "
    "stream,\n"
    "                 compute, timers, tasks, inflight, sleeps, handles "
    "(read)\n"
    "  --pattern A,B  random, sequential (random)\n"
    "  --mode A,B     cached, direct (cached); --direct is --mode direct\n"
    "  --block A,B    bytes of an operation, as 4k or 1m (4k)\n"
    "  --depth A,B    operations in flight (32)\n"
    "  --variants A,B the first one is what the others are compared with "
    "(all)\n"
    "  --rounds N     of every variant (7)\n"
    "  --time N       ms that a round of the first variant takes (100)\n"
    "  --ops N        operations a round, instead of --time\n"
    "  --files N      small files for the operation files (2000)\n"
    "  --no-warm      no thorough round before the others\n"
    "  --keep         leave F for the next time\n"
    "  --csv          one line for each variant; --label X is its first field\n"
    "  --header       print the names of the fields of --csv\n"
    "  --list         the variants of this build\n"
    "  --sizes        bytes of ovio's objects, and of a waiting task\n"
    "  --waiting A,B  what each of so many waiting tasks takes, as CSV\n"
    "\n"
    "Example, for a disk of your own:\n"
    "  ovbench --file /mnt/disk/test --size 1g --direct --depth 1,4,32\\\n"
    "    --variants pread,ovio-callbacks,ovio-task\n";

static const char header[] =
    "label,variant,op,pattern,mode,block,depth,rounds,ns_wall_per_op,"
    "ns_cpu_per_op,ratio_wall,ratio_cpu,allocations_per_op,check,"
    "ns_wall_of_rounds,ns_cpu_of_rounds,transfer_calls_per_op";

static _Noreturn void refuse(const char *option, const char *value) {
  fprintf(stderr, "ovbench: %s %s: not understood; --help tells more\n", option,
          value);
  exit(2);
}

/* A number with k, m or g behind it; moves *text past it. */
static uint64_t number(const char *option, const char **text) {
  static const char units[] = "kmg";
  char *end;
  uint64_t value = strtoull(*text, &end, 10);
  const char *unit = *end ? strchr(units, *end) : NULL;
  if (end == *text || value == 0)
    refuse(option, *text);
  if (unit) {
    value <<= 10 * (unit - units + 1);
    end++;
  }
  if (*end && *end != ',')
    refuse(option, *text);
  *text = end;
  return value;
}

static size_t numbers(const char *option, const char *text,
                      uint64_t out[LIST_MAX]) {
  size_t count = 0;
  while (*text && count < LIST_MAX) {
    out[count++] = number(option, &text);
    text += *text == ',';
  }
  return count;
}

static bool has_word(const char *list, const char *word) {
  size_t length = strlen(word);
  while (*list) {
    size_t part = strcspn(list, ",");
    if (part == length && memcmp(list, word, length) == 0)
      return true;
    list += part + (list[part] == ',');
  }
  return false;
}

static void set_pair(bool pair[2], const char *option, const char *value,
                     const char *first, const char *second) {
  pair[0] = has_word(value, first);
  pair[1] = has_word(value, second);
  if (!pair[0] && !pair[1])
    refuse(option, value);
}

static void set_ops(struct options *options, const char *value) {
  bool any = false;
  for (int op = 0; op < BENCH_OPS; op++) {
    options->ops[op] = has_word(value, op_name((enum bench_op)op));
    any |= options->ops[op];
  }
  if (!any)
    refuse("--op", value);
}

static bool set_number(struct options *options, const char *option,
                       const char *value) {
  uint64_t *target = strcmp(option, "--size") == 0    ? &options->size
                     : strcmp(option, "--ops") == 0   ? &options->ops_a_round
                     : strcmp(option, "--time") == 0  ? &options->round_ms
                     : strcmp(option, "--files") == 0 ? &options->files
                                                      : NULL;
  if (strcmp(option, "--rounds") == 0) {
    uint64_t rounds = number(option, &value);
    options->rounds = rounds > ROUNDS_MAX ? ROUNDS_MAX : (size_t)rounds;
    return true;
  }
  if (target)
    *target = number(option, &value);
  return target != NULL;
}

static _Noreturn void tell_waiting(const char *value) {
  uint64_t counts[LIST_MAX];
  size_t length = numbers("--waiting", value, counts);
  exit(memory_tell_waiting(counts, length) != 0);
}

static bool set_text(struct options *options, const char *option,
                     const char *value) {
  if (strcmp(option, "--file") == 0)
    options->file = value;
  else if (strcmp(option, "--label") == 0)
    options->label = value;
  else if (strcmp(option, "--variants") == 0)
    options->variants = value;
  else if (strcmp(option, "--op") == 0)
    set_ops(options, value);
  else if (strcmp(option, "--pattern") == 0)
    set_pair(options->random, option, value, "sequential", "random");
  else if (strcmp(option, "--mode") == 0)
    set_pair(options->direct, option, value, "cached", "direct");
  else if (strcmp(option, "--block") == 0)
    options->block_count = numbers(option, value, options->blocks);
  else if (strcmp(option, "--waiting") == 0)
    tell_waiting(value);
  else if (strcmp(option, "--depth") == 0)
    options->depth_count = numbers(option, value, options->depths);
  else
    return set_number(options, option, value);
  return true;
}

static _Noreturn void tell(const char *text) {
  puts(text);
  exit(0);
}

static bool set_switch(struct options *options, const char *option) {
  if (strcmp(option, "--help") == 0)
    tell(usage);
  if (strcmp(option, "--header") == 0)
    tell(header);
  if (strcmp(option, "--sizes") == 0) {
    memory_tell();
    exit(0);
  }
  if (strcmp(option, "--list") == 0) {
    variants_list();
    exit(0);
  }
  if (strcmp(option, "--csv") == 0)
    options->csv = true;
  else if (strcmp(option, "--keep") == 0)
    options->keep = true;
  else if (strcmp(option, "--no-warm") == 0)
    options->warm = false;
  else if (strcmp(option, "--direct") == 0)
    set_pair(options->direct, option, "direct", "cached", "direct");
  else
    return false;
  return true;
}

static void parse(struct options *options, int argc, char **argv) {
  for (int at = 1; at < argc; at++) {
    if (set_switch(options, argv[at]))
      continue;
    if (at + 1 >= argc || !set_text(options, argv[at], argv[at + 1]))
      refuse(argv[at], at + 1 < argc ? argv[at + 1] : "");
    at++;
  }
  for (size_t at = 0; at < options->block_count; at++) {
    if (options->blocks[at] % 8 || options->blocks[at] > options->size)
      refuse("--block", "(a multiple of 8, up to --size)");
  }
}

int main(int argc, char **argv) {
  struct options options = {
      .file = "ovbench.tmp",
      .label = "",
      .random = {false, true},
      .direct = {true, false},
      .blocks = {4096},
      .depths = {32},
      .block_count = 1,
      .depth_count = 1,
      .size = UINT64_C(64) << 20,
      .files = 2000,
      .round_ms = 100,
      .rounds = 7,
      .warm = true,
  };
  set_ops(&options, "read");
  parse(&options, argc, argv);
  if (!options.csv)
    printf("ovio %s on %s\n", ovio_version(), sys_name());
  for (int op = 0; op < BENCH_OPS; op++) {
    if (options.ops[op])
      do_op(&options, (enum bench_op)op);
  }
  return anything_wrong;
}
