/* SPDX-License-Identifier: MIT */
/* Buffers and ops that a program uses while they are the library's: what
 * becomes of it is seen in a child, which ends with a word on what it did. */
#include "children.h"
#include "common/poison.h"
#include "files.h"

#ifndef POISON_IS_ON
#define POISON_IS_ON 0
#endif

/* What a child returns that got away with it. */
enum { UNPUNISHED = 55, NOT_BEGUN = 56 };

#define MILLISECOND 1000000
#define HOUR        UINT64_C(3600000000000)

struct scene {
  struct ovio_loop *loop;
  struct pipe_files pipe;
  struct ovio_op op;
  struct ovio_op other;
  char *bytes; /* 64 of them */
};

static struct scene scene;

static bool set_up(void) {
  scene.bytes = malloc(64);
  if (!scene.bytes)
    return false;
  memset(scene.bytes, 0, 64);
  return ovio_loop_create(&scene.loop, NULL) == 0 &&
         pipe_files_open(&scene.pipe, TEST_PIPE_OVERLAPPED);
}

static void ignore(struct ovio_op *op, int64_t result) {
  (void)op;
  (void)result;
}

/* What the compiler must not know. */
static char *volatile hidden;

static void free_bytes(void) {
  hidden = scene.bytes;
  free(scene.bytes);
}

static int start_read(struct ovio_op *op, size_t length) {
  return ovio_start_read(scene.loop, op, &scene.pipe.in, scene.bytes, length,
                         OVIO_HERE, ignore);
}

/* ---- buffers, for the address sanitizer ---- */

static int write_freed_bytes(void) {
  free_bytes();
  return ovio_start_write(scene.loop, &scene.op, &scene.pipe.out, hidden, 64,
                          OVIO_HERE, ignore);
}

static int read_too_much(void) {
  return start_read(&scene.op, 65);
}

static int read_too_much_at_once(void) {
  struct ovio_file file;
  if (!files_put(test_path("child"), 100) ||
      files_open(&file, test_path("child"), FORM_OWN) != 0)
    return NOT_BEGUN;
  return ovio_read(&file, scene.bytes, 65, 0) == 65;
}

static int write_a_freed_part(void) {
  struct ovio_iovec parts[] = {{(char[]){'x'}, 1}, {scene.bytes, 64}};
  free_bytes();
  return ovio_writev(&scene.pipe.out, parts, 2, OVIO_HERE) == 65;
}

static int start_a_freed_op(void) {
  struct ovio_op *op = calloc(1, sizeof *op);
  hidden = (char *)op;
  free(op);
  return ovio_post(scene.loop, (struct ovio_op *)(void *)hidden, ignore);
}

static int look_at_a_buffer(void) {
  if (start_read(&scene.op, 64) != 0)
    return NOT_BEGUN;
  return scene.bytes[20];
}

static void look_later(struct ovio_op *op, int64_t result) {
  (void)op;
  (void)result;
  scene.bytes[20]++;
}

static void read_in_task(void *argument) {
  (void)argument;
  (void)ovio_read(&scene.pipe.in, scene.bytes, 64, OVIO_HERE);
}

static int look_at_a_tasks_buffer(void) {
  if (ovio_spawn(scene.loop, read_in_task, NULL) != 0 ||
      ovio_start_sleep(scene.loop, &scene.op, MILLISECOND, look_later) != 0)
    return NOT_BEGUN;
  return ovio_loop_run(scene.loop);
}

static int read_twice_into_a_buffer(void) {
  if (start_read(&scene.op, 64) != 0)
    return NOT_BEGUN;
  return start_read(&scene.other, 64);
}

static int free_in_flight(void) {
  if (start_read(&scene.op, 64) != 0)
    return NOT_BEGUN;
  free_bytes();
  ovio_cancel(&scene.op); /* else the sanitizer's own notes there are lost */
  return ovio_loop_run(scene.loop);
}

/* ---- ops ---- */

static void zero_other(struct ovio_op *op, int64_t result) {
  (void)op;
  (void)result;
  memset(&scene.other, 0, sizeof scene.other);
}

static void scribble_on_other(struct ovio_op *op, int64_t result) {
  (void)op;
  (void)result;
  memset(&scene.other, 0xdd, sizeof scene.other);
}

static void start_other_anew(struct ovio_op *op, int64_t result) {
  zero_other(op, result);
  (void)ovio_start_sleep(scene.loop, &scene.other, HOUR, ignore);
  exit(UNPUNISHED);
}

static struct ovio_op elsewhere;

static void move_other(struct ovio_op *op, int64_t result) {
  elsewhere = scene.other;
  scribble_on_other(op, result);
}

static int after_a_sleep(ovio_done *done) {
  if (ovio_start_sleep(scene.loop, &scene.other, HOUR, ignore) != 0 ||
      ovio_start_sleep(scene.loop, &scene.op, MILLISECOND, done) != 0)
    return NOT_BEGUN;
  return ovio_loop_run(scene.loop);
}

static int zero_a_sleep(void) {
  return after_a_sleep(zero_other);
}

static int start_a_sleep_anew(void) {
  return after_a_sleep(start_other_anew);
}

static int after_a_read(ovio_done *done) {
  if (start_read(&scene.other, 64) != 0 ||
      ovio_start_sleep(scene.loop, &scene.op, MILLISECOND, done) != 0)
    return NOT_BEGUN;
  return ovio_loop_run(scene.loop);
}

static int scribble_on_a_read(void) {
  return after_a_read(scribble_on_other);
}

static int move_a_read(void) {
  return after_a_read(move_other);
}

static int zero_a_post(void) {
  if (ovio_post(scene.loop, &scene.other, ignore) != 0)
    return NOT_BEGUN;
  zero_other(NULL, 0);
  return ovio_loop_run(scene.loop);
}

/* These go on: the right errors, and the original is as it was. */
static int end_well(void) {
  if (ovio_cancel(&scene.op) != 0 || ovio_loop_run(scene.loop) != 0 ||
      ovio_loop_destroy(scene.loop) != 0 || pipe_files_close(&scene.pipe) != 0)
    return UNPUNISHED;
  free(scene.bytes);
  return 0;
}

static int cancel_a_copy(void) {
  if (ovio_start_sleep(scene.loop, &scene.op, HOUR, ignore) != 0)
    return NOT_BEGUN;
  elsewhere = scene.op;
  if (ovio_cancel(&elsewhere) != OVIO_EINVAL)
    return UNPUNISHED;
  return end_well();
}

static int start_a_copy(void) {
  if (ovio_start_sleep(scene.loop, &scene.op, HOUR, ignore) != 0)
    return NOT_BEGUN;
  elsewhere = scene.op;
  if (ovio_post(scene.loop, &elsewhere, ignore) != OVIO_EBUSY)
    return UNPUNISHED;
  return end_well();
}

static int start_what_is_not_zeroed(void) {
  memset(&elsewhere, 0xff, sizeof elsewhere);
  if (ovio_post(scene.loop, &elsewhere, ignore) != OVIO_EBUSY ||
      ovio_cancel(&elsewhere) != OVIO_EINVAL ||
      ovio_start_sleep(scene.loop, &scene.op, HOUR, ignore) != 0)
    return UNPUNISHED;
  return end_well();
}

/* ---- crimes and their ends ---- */

struct crime {
  const char *name;
  int (*commit)(void);
  bool ends_well;
  const char *text; /* on its error stream */
  const char *also;
};

#define CRIME(commit, text, also)                                              \
  { #commit, commit, false, text, also }
#define WORD(commit, text)                                                     \
  { #commit, commit, true, text, "ovio: operation " }

static const struct crime crimes_of_buffers[] = {
    CRIME(write_freed_bytes, "heap-use-after-free", "ovio_start_write"),
    CRIME(read_too_much, "heap-buffer-overflow", "ovio_start_read"),
    CRIME(read_too_much_at_once, "heap-buffer-overflow", "ovio_read"),
    CRIME(write_a_freed_part, "heap-use-after-free", "ovio_writev"),
    CRIME(start_a_freed_op, "heap-use-after-free", "ovio_post"),
    CRIME(look_at_a_buffer, "use-after-poison", "look_at_a_buffer"),
    CRIME(look_at_a_tasks_buffer, "use-after-poison", "look_later"),
    CRIME(read_twice_into_a_buffer, "use-after-poison", "ovio_start_read"),
    CRIME(free_in_flight, "heap-use-after-free", "free_bytes"),
};

#define OVERWRITTEN "was overwritten, moved or freed while it was in flight"

static const struct crime crimes_of_ops[] = {
    CRIME(zero_a_sleep, OVERWRITTEN, "ovio: operation "),
    CRIME(start_a_sleep_anew, OVERWRITTEN, "ovio: operation "),
    CRIME(scribble_on_a_read, OVERWRITTEN, "ovio: operation "),
    CRIME(move_a_read, OVERWRITTEN, "ovio: operation "),
    CRIME(zero_a_post, OVERWRITTEN, "ovio: operation "),
    WORD(cancel_a_copy, "is a copy of one in flight"),
    WORD(start_a_copy, "is a copy of one in flight"),
    WORD(start_what_is_not_zeroed, "was never started"),
};

enum {
  BUFFER_CRIMES = sizeof crimes_of_buffers / sizeof *crimes_of_buffers,
  OP_CRIMES = sizeof crimes_of_ops / sizeof *crimes_of_ops
};

static int commit(const char *name) {
  if (!set_up())
    return NOT_BEGUN;
  for (int at = 0; at < BUFFER_CRIMES; at++) {
    if (strcmp(crimes_of_buffers[at].name, name) == 0)
      return crimes_of_buffers[at].commit() == NOT_BEGUN ? NOT_BEGUN
                                                         : UNPUNISHED;
  }
  for (int at = 0; at < OP_CRIMES; at++) {
    const struct crime *crime = &crimes_of_ops[at];
    if (strcmp(crime->name, name) == 0)
      return crime->ends_well ? crime->commit() : (crime->commit(), UNPUNISHED);
  }
  return NOT_BEGUN;
}

static bool is_punished(const struct crime *crime,
                        const struct ovio_output *output) {
  bool well = output->exit.code == 0 && output->exit.signal == 0;
  return output->exit.code != UNPUNISHED && output->exit.code != NOT_BEGUN &&
         well == crime->ends_well && strstr(output->error, crime->text) &&
         strstr(output->error, crime->also);
}

static void try_crimes(struct test *test, const struct crime *crimes,
                       int count) {
  for (int at = 0; at < count; at++) {
    struct child child;
    struct ovio_output output;
    child_prepare(&child, "crime", crimes[at].name, NULL);
    TRY_EQ(ovio_run(&child.options, &output), 0);
    bool punished = is_punished(&crimes[at], &output);
    if (!punished)
      fprintf(stderr, "%s: exit %u, signal %d\n%s\n", crimes[at].name,
              (unsigned)output.exit.code, output.exit.signal, output.error);
    ovio_free(output.output);
    ovio_free(output.error);
    TRY(punished);
  }
}

static void test_buffers(struct test *test) {
  if (!POISON_IS_ON)
    SKIP("needs the address sanitizer");
  try_crimes(test, crimes_of_buffers, BUFFER_CRIMES);
}

static void test_ops(struct test *test) {
  try_crimes(test, crimes_of_ops, OP_CRIMES);
}

/* ---- what is allowed ---- */

enum { PIECES = 20, PIECE = 5 };

struct pieces {
  struct ovio_op op; /* first */
  char *bytes;
  bool same;
};

static void piece_done(struct ovio_op *op, int64_t result) {
  struct pieces *piece = (struct pieces *)(void *)op;
  piece->same = result == PIECE && memcmp(piece->bytes, "abcde", 5) == 0;
  memset(piece->bytes, 'x', PIECE); /* it is ours again */
}

/* Neighbours share granules of the sanitizer. */
static void test_neighbours(struct test *test) {
  struct ovio_loop *loop;
  struct pipe_files files;
  struct pieces pieces[PIECES];
  char bytes[PIECES * PIECE + 2] = "";
  memset(pieces, 0, sizeof pieces);
  TRY_EQ(test_loop_create(test, &loop, NULL), 0);
  TRY(pipe_files_open(&files, TEST_PIPE_OVERLAPPED));
  for (int at = 0; at < PIECES; at++) {
    pieces[at].bytes = bytes + 1 + at * PIECE;
    TRY_EQ(ovio_start_read(loop, &pieces[at].op, &files.in, pieces[at].bytes,
                           PIECE, OVIO_HERE, piece_done),
           0);
    TRY_EQ(bytes[0], 0); /* before the first, and behind the last */
    TRY_EQ(bytes[1 + PIECE + at * PIECE], 0);
    TRY_EQ(ovio_write(&files.out, "abcde", PIECE, OVIO_HERE), PIECE);
  }
  TRY_EQ(ovio_loop_run(loop), 0);
  for (int at = 0; at < PIECES; at++)
    TRY(pieces[at].same);
  TRY_EQ(bytes[0], 0);
  TRY_EQ(pipe_files_close(&files), 0);
  TRY_EQ(ovio_loop_destroy(loop), 0);
}

/* What is written from may be looked at, and written from twice. */
static void test_writes_share(struct test *test) {
  struct ovio_loop *loop;
  struct ovio_file file;
  struct outcome outcome[2];
  char *bytes = malloc(64);
  TRY(bytes);
  memset(bytes, 'y', 64);
  memset(outcome, 0, sizeof outcome);
  TRY_EQ(test_loop_create(test, &loop, NULL), 0);
  TRY_EQ(files_make(&file, "share", 0), 0);
  for (int at = 0; at < 2; at++)
    TRY_EQ(ovio_start_write(loop, &outcome[at].op, &file, bytes, 64, at * 64,
                            outcome_done),
           0);
  TRY_EQ(bytes[33], 'y');
  TRY_EQ(ovio_loop_run(loop), 0);
  for (int at = 0; at < 2; at++)
    TRY_EQ(outcome[at].result, 64);
  TRY_EQ(
      ovio_start_read(loop, &outcome[0].op, &file, bytes, 64, 0, outcome_done),
      0);
  TRY_EQ(ovio_cancel(&outcome[0].op), 0);
  TRY_EQ(ovio_loop_run(loop), 0);
  TRY_EQ(bytes[33], 'y'); /* ours again, whatever came of the cancel */
  free(bytes);
  TRY_EQ(ovio_close(&file), 0);
  TRY_EQ(ovio_loop_destroy(loop), 0);
}

int main(int argc, char **argv) {
  if (argc > 3 && strcmp(argv[2], "crime") == 0)
    return commit(argv[3]);
  CHILDREN(argc, argv);
  static const struct test_case cases[] = {
      TEST_PLAIN(test_buffers, "a child has its own loop"),
      TEST_PLAIN(test_ops, "a child has its own loop"),
      TEST_ENGINES(test_neighbours),
      TEST_ENGINES(test_writes_share),
  };
  return test_main(cases, sizeof cases / sizeof *cases);
}
