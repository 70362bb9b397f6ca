/* SPDX-License-Identifier: MIT */
/* ovcp: copies files and trees with many reads and writes in flight. */
#include "ovcp.h"

#include <stdlib.h>
#include <string.h>

#define MAX_JOBS  1024
#define MAX_BLOCK (UINT64_C(1) << 30)

/* ---- Options ---- */

static const char usage[] =
    "Usage: ovcp [OPTION]... SOURCE TARGET\n"
    "       ovcp [OPTION]... SOURCE... DIRECTORY\n"
    "Copies files, and with -r trees, and keeps their modes and times.\n"
    "\n"
    "  -j, --jobs=N       reads and writes in flight (16)\n"
    "  -b, --block=SIZE   bytes of each; K, M and G may follow (256K)\n"
    "  -r, -R, --recursive\n"
    "                     copy directories and what is in them\n"
    "  -V, --verify       read source and copy again, and compare\n"
    "  -D, --direct       past the system's cache\n"
    "  -q, --quiet        only say what fails\n"
    "  -h, --help         this\n"
    "      --version      of the library\n"
    "\n"
    "A copy is made under a temporary name, .ovcp-* or .ovio-*, and renamed\n"
    "when it is complete: one that fails or is interrupted changes nothing.\n"
    "Within trees, symbolic links are copied as links; on Windows as what\n"
    "they lead to.\n";

enum { SHOW_VERSION = 1 };

struct option {
  const char *name;
  char letter;
  bool has_value;
};

static const struct option known[] = {
    {"jobs", 'j', true},
    {"block", 'b', true},
    {"recursive", 'r', false},
    {"recursive", 'R', false},
    {"verify", 'V', false},
    {"direct", 'D', false},
    {"quiet", 'q', false},
    {"help", 'h', false},
    {"version", SHOW_VERSION, false},
};

enum { KNOWN = sizeof known / sizeof *known };

/* A number with an optional K, M or G; 0 if it is none. */
static uint64_t read_number(const char *text, bool unit) {
  char *end;
  uint64_t number = strtoull(text, &end, 10);
  if (text[0] < '0' || text[0] > '9' || number > UINT32_MAX)
    return 0;
  if (unit && (*end == 'K' || *end == 'M' || *end == 'G')) {
    number <<= *end == 'K' ? 10 : *end == 'M' ? 20 : 30;
    end++;
  }
  return *end ? 0 : number;
}

static int show(const char *text) {
  fputs(text, stdout);
  exit(sys_end(EXIT_SUCCESS));
}

static int refuse(const char *what, const char *value) {
  fprintf(stderr, "ovcp: %s '%s'\n", what, value);
  return -1;
}

/* 0, or -1 after having said why. */
static int set_option(struct options *options, char letter, const char *value) {
  uint64_t number = value ? read_number(value, letter == 'b') : 0;
  switch (letter) {
  case 'j':
    options->jobs = (unsigned)number;
    return number && number <= MAX_JOBS ? 0 : refuse("invalid number", value);
  case 'b':
    options->block = (size_t)number;
    return number && number <= MAX_BLOCK ? 0 : refuse("invalid size", value);
  case 'V':
    options->verify = true;
    return 0;
  case 'D':
    options->direct = true;
    return 0;
  case 'q':
    options->quiet = true;
    return 0;
  case 'h':
    return show(usage);
  case SHOW_VERSION:
    return show("ovcp (ovio " OVIO_VERSION ")\n");
  default:
    options->recursive = true;
    return 0;
  }
}

static const struct option *find_letter(char letter) {
  for (int i = 0; i < KNOWN; i++)
    if (known[i].letter == letter)
      return &known[i];
  return NULL;
}

static const struct option *find_name(const char *name, size_t length) {
  for (int i = 0; i < KNOWN; i++)
    if (strlen(known[i].name) == length && !memcmp(known[i].name, name, length))
      return &known[i];
  return NULL;
}

/* "--name", "--name=value", "--name value"; *next is the word. */
static int read_long(struct options *options, char ***next) {
  char *word = **next;
  char *name = word + 2;
  char *equals = strchr(name, '=');
  size_t length = equals ? (size_t)(equals - name) : strlen(name);
  const struct option *option = find_name(name, length);
  if (!option)
    return refuse("unrecognized option", word);
  if (equals && !option->has_value)
    return refuse("no value is allowed in", word);
  char *value = equals ? equals + 1 : NULL;
  if (option->has_value && !value) {
    value = *(*next + 1);
    if (!value)
      return refuse("a value is missing after", word);
    ++*next;
  }
  return set_option(options, option->letter, value);
}

/* "-rj8", "-j 8"; *next is the word. */
static int read_short(struct options *options, char ***next) {
  char *word = **next;
  for (char *letter = word + 1; *letter; letter++) {
    const struct option *option = find_letter(*letter);
    if (!option || *letter == SHOW_VERSION)
      return refuse("invalid option in", word);
    char *value = NULL;
    if (option->has_value) {
      value = letter[1] ? letter + 1 : *++*next;
      if (!value)
        return refuse("a value is missing after", word);
    }
    if (set_option(options, *letter, value))
      return -1;
    if (value)
      return 0;
  }
  return 0;
}

/* Reads the options and moves the other words, in order, to the front of
 * `words`. Their number, or -1 after having said what is wrong. */
static int read_arguments(struct options *options, char **words) {
  int count = 0;
  bool no_more = false;
  for (char **next = words; *next; next++) {
    char *word = *next;
    int error = 0;
    if (no_more || word[0] != '-' || !word[1])
      words[count++] = word;
    else if (!strcmp(word, "--"))
      no_more = true;
    else
      error = word[1] == '-' ? read_long(options, &next)
                             : read_short(options, &next);
    if (error)
      return -1;
  }
  words[count] = NULL;
  return count;
}

static bool options_are_good(const struct options *options, char **operands,
                             int count) {
  if (options->direct && options->block % OVCP_ALIGNMENT)
    fprintf(stderr, "ovcp: --direct needs a block size of %d times N\n",
            OVCP_ALIGNMENT);
  else if (count == 0)
    fprintf(stderr, "ovcp: missing file operand\n");
  else if (count == 1)
    fprintf(stderr, "ovcp: missing destination file operand after '%s'\n",
            operands[0]);
  else
    return true;
  return false;
}

/* ---- The crew ---- */

static void work(void *argument) {
  struct slot *slot = argument;
  struct job *job = slot->job;
  int step = 0;
  while (step >= 0 && !sys_interrupted()) {
    struct item item;
    struct copy *copy = copy_to_help(job);
    step = copy ? 1 : walk_step(&job->walk, &item);
    if (step > 0)
      crew_grow(job);
    if (copy)
      copy_work(slot, copy);
    else if (step > 0)
      copy_item(slot, &item);
    else if (step == 0)
      ovio_yield();
  }
  slot->idle = true;
}

/* Tasks that found nothing to do have ended; there is no queue to wait at. Each
 * one that finds something starts the next. */
void crew_grow(struct job *job) {
  for (unsigned i = 0; i < job->options.jobs; i++) {
    struct slot *slot = &job->slots[i];
    if (!slot->idle)
      continue;
    /* Out of memory: fewer at work. */
    slot->idle = ovio_group_spawn(&job->crew, job->loop, work, slot);
    return;
  }
}

/* The main task. */
static void conduct(void *argument) {
  struct job *job = argument;
  int error = ovio_group_spawn(&job->display, job->loop, display_work, job);
  if (!error) {
    /* The first one may not fail: it is the one that starts the others. */
    job->slots[0].idle = false;
    error = ovio_group_spawn(&job->crew, job->loop, work, &job->slots[0]);
  }
  if (error)
    complain(job, error, "cannot start");
  /* If it fails, there is no percentage. */
  if (!error && job->terminal && !job->options.quiet)
    ovio_group_spawn(&job->display, job->loop, display_scout, job);
  ovio_group_wait(&job->crew);
  job->finished = true;
  ovio_group_cancel(&job->display);
  ovio_group_wait(&job->display);
}

/* ---- The job ---- */

/* All memory that copying takes is allocated here, once. */
static int slots_create(struct job *job) {
  const struct options *options = &job->options;
  uint64_t stride = options->block * (options->verify ? UINT64_C(2) : 1);
  uint64_t bytes = stride * options->jobs + OVCP_ALIGNMENT;
  if (bytes > SIZE_MAX / 2)
    return OVIO_ENOMEM;
  job->slots = calloc(options->jobs, sizeof *job->slots);
  job->memory = malloc((size_t)bytes);
  if (!job->slots || !job->memory)
    return OVIO_ENOMEM;
  uintptr_t odd = (uintptr_t)job->memory % OVCP_ALIGNMENT;
  unsigned char *next = job->memory;
  next += OVCP_ALIGNMENT - odd;
  for (unsigned i = 0; i < options->jobs; i++, next += stride)
    job->slots[i] = (struct slot){
        .job = job,
        .block = next,
        .second = options->verify ? next + options->block : NULL,
        .idle = true,
    };
  return 0;
}

static int run_loop(struct job *job) {
  struct ovio_loop_options options = {
      .size = sizeof options,
      .max_workers = job->options.jobs > 64 ? job->options.jobs : 0,
  };
  int error = ovio_loop_create(&job->loop, &options);
  if (error)
    return error;
  error = ovio_spawn(job->loop, conduct, job);
  if (!error)
    error = ovio_loop_run(job->loop);
  ovio_loop_destroy(job->loop);
  return error;
}

/* What the last operand is decides what the others become. */
static bool look_at_target(struct job *job, char **operands, int count) {
  const char *target = operands[count - 1];
  struct ovio_stat stat;
  int error = path_look(job, target, true, &stat);
  bool into = !error && stat.type == OVIO_TYPE_DIRECTORY;
  if (count > 2 && !into)
    complain(job, error, "target '%s'%s", target,
             error ? "" : " is not a directory");
  else if (error && error != OVIO_ENOENT)
    complain(job, error, "cannot stat '%s'", target);
  job->walk = (struct walk){
      .job = job,
      .operands = operands,
      .count = count - 1,
      .target = target,
      .into = into,
  };
  job->scout = job->walk;
  job->scout.scout = true;
  return !job->failed;
}

static int copy_all(struct job *job, char **operands, int count) {
  ovio_group_init(&job->crew);
  ovio_group_init(&job->display);
  job->terminal = sys_terminal();
  int error = ovio_open(&job->here, ".", OVIO_DIRECTORY | OVIO_INLINE, 0);
  if (error)
    complain(job, error, "cannot open the current directory");
  if (error || !look_at_target(job, operands, count))
    return EXIT_FAILURE;
  sys_watch();
  job->begin_ns = sys_clock_ns();
  error = slots_create(job);
  if (!error)
    error = run_loop(job);
  if (error) {
    /* Tasks may be left, and use the memory until the process ends. */
    complain(job, error, "cannot go on");
    return EXIT_FAILURE;
  }
  walk_end(&job->walk);
  walk_end(&job->scout);
  copy_remove_leftovers(job);
  ovio_close(&job->here);
  free(job->slots);
  free(job->memory);
  if (sys_interrupted())
    complain(job, 0, "interrupted");
  else if (!job->options.quiet)
    display_summary(job);
  return job->failed ? EXIT_FAILURE : EXIT_SUCCESS;
}

int main(int argc, char **argv) {
  struct job job = {.options = {.jobs = 16, .block = 256 * 1024}};
  int error = sys_begin(&argc, &argv);
  if (error) {
    fprintf(stderr, "ovcp: %s\n", ovio_error_text(error));
    return EXIT_FAILURE;
  }
  char **operands = argv + (argc > 0);
  int count = read_arguments(&job.options, operands);
  if (count < 0 || !options_are_good(&job.options, operands, count)) {
    fputs("Try 'ovcp --help' for more information.\n", stderr);
    return sys_end(EXIT_FAILURE);
  }
  return sys_end(copy_all(&job, operands, count));
}
