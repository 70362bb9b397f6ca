/* SPDX-License-Identifier: MIT */
/* Child processes: this program, started by itself. */
#include "children.h"
#include "ovio_test.h"

/* ---- starting and ending ---- */

static void test_exit_code(struct test *test) {
  static const char *const codes[] = {"0", "1", "7", "200"};
  for (int at = 0; at < 4; at++) {
    struct child child;
    struct ovio_process process;
    struct ovio_exit end = {99, 99};
    child_prepare(&child, "exit", codes[at], NULL);
    TRY_EQ(ovio_spawn_process(&process, &child.options), 0);
    TRY(ovio_process_id(&process) != 0);
    TRY_EQ(ovio_process_wait(&process, &end), 0);
    TRY_EQ(end.code, strtol(codes[at], NULL, 10));
    TRY_EQ(end.signal, 0);
    end.code = 99;
    TRY_EQ(ovio_process_wait(&process, &end), 0);
    TRY_EQ(end.code, strtol(codes[at], NULL, 10));
    TRY_EQ(ovio_process_wait(&process, NULL), 0);
    TRY_EQ(ovio_process_close(&process), 0);
    TRY_EQ(ovio_process_id(&process), 0);
    TRY_EQ(ovio_process_close(&process), OVIO_EBADF);
    TRY_EQ(ovio_process_wait(&process, &end), OVIO_EBADF);
  }
  TRY(test_is_childless());
}

static void test_through_pipes(struct test *test) {
  struct child child;
  struct ovio_process process;
  struct ovio_file in;
  struct ovio_file out;
  struct ovio_exit end;
  char bytes[8];
  child_prepare(&child, "echo", NULL, NULL);
  child.options.input = (struct ovio_process_stream){OVIO_PROCESS_PIPE, &in};
  child.options.output = (struct ovio_process_stream){OVIO_PROCESS_PIPE, &out};
  TRY_EQ(ovio_spawn_process(&process, &child.options), 0);
  for (int round = 0; round < 3; round++) {
    TRY_EQ(ovio_write(&in, "hello", 5, OVIO_HERE), 5);
    TRY_EQ(ovio_read(&out, bytes, sizeof bytes, OVIO_HERE), 5);
    TRY(memcmp(bytes, "hello", 5) == 0);
  }
  TRY_EQ(ovio_close(&in), 0);
  TRY_EQ(ovio_read(&out, bytes, sizeof bytes, OVIO_HERE), 0);
  TRY_EQ(ovio_process_wait(&process, &end), 0);
  TRY_EQ(end.code, 0);
  TRY_EQ(ovio_process_close(&process), 0);
  TRY_EQ(ovio_close(&out), 0);
  TRY(test_is_childless());
}

static void test_kill(struct test *test) {
  struct child child;
  struct ovio_process process;
  struct ovio_exit end = {99, 99};
  child_prepare(&child, "sleep", "", NULL);
  TRY_EQ(ovio_spawn_process(&process, &child.options), 0);
  TRY_EQ(ovio_process_kill(&process, 77), OVIO_EINVAL);
  TRY_EQ(ovio_process_kill(&process, OVIO_KILL_FORCE), 0);
  TRY_EQ(ovio_process_wait(&process, &end), 0);
  TRY_EQ(end.code, 0);
  TRY_EQ(end.signal, 9);
  TRY_EQ(ovio_process_kill(&process, OVIO_KILL_FORCE), OVIO_ENOENT);
  TRY_EQ(ovio_process_close(&process), 0);
  TRY_EQ(ovio_process_kill(&process, OVIO_KILL_FORCE), OVIO_EBADF);
  TRY(test_is_childless());
}

/* Ended, but nobody has waited. */
static void test_kill_is_too_late(struct test *test) {
  struct child child;
  struct ovio_process process;
  struct ovio_file out;
  char byte;
  child_prepare(&child, "exit", "5", NULL);
  child.options.output = (struct ovio_process_stream){OVIO_PROCESS_PIPE, &out};
  TRY_EQ(ovio_spawn_process(&process, &child.options), 0);
  TRY_EQ(ovio_read(&out, &byte, 1, OVIO_HERE), 0);
  int error = 0;
  AWAIT((error = ovio_process_kill(&process, OVIO_KILL_FORCE)) == OVIO_ENOENT);
  struct ovio_exit end;
  TRY_EQ(ovio_process_wait(&process, &end), 0);
  TRY(end.code == 5 || end.signal == 9);
  TRY_EQ(ovio_process_close(&process), 0);
  TRY_EQ(ovio_close(&out), 0);
}

/* Collects what was let go of, by the way. */
static bool run_another(void) {
  struct child child;
  struct ovio_process process;
  child_prepare(&child, "exit", "0", NULL);
  return ovio_spawn_process(&process, &child.options) == 0 &&
         ovio_process_wait(&process, NULL) == 0 &&
         ovio_process_close(&process) == 0;
}

static void test_close_lets_it_run(struct test *test) {
  struct child child;
  struct ovio_process process;
  struct ovio_file in;
  struct ovio_file out;
  char bytes[8];
  long before = memory_alive;
  child_prepare(&child, "echo", NULL, NULL);
  child.options.input = (struct ovio_process_stream){OVIO_PROCESS_PIPE, &in};
  child.options.output = (struct ovio_process_stream){OVIO_PROCESS_PIPE, &out};
  TRY_EQ(ovio_spawn_process(&process, &child.options), 0);
  TRY_EQ(ovio_process_close(&process), 0);
  TRY_EQ(ovio_write(&in, "still", 5, OVIO_HERE), 5);
  TRY_EQ(ovio_read(&out, bytes, sizeof bytes, OVIO_HERE), 5);
  TRY_EQ(ovio_close(&in), 0);
  TRY_EQ(ovio_read(&out, bytes, sizeof bytes, OVIO_HERE), 0);
  TRY_EQ(ovio_close(&out), 0);
  AWAIT(run_another() && test_is_childless());
  if (test->loop)
    return; /* its worker threads have come to the memory */
  TRY_EQ(memory_alive, before);
}

/* ---- waiting ---- */

static void test_deadline_leaves_it_alone(struct test *test) {
  struct child child;
  struct ovio_process process;
  struct ovio_file in;
  struct ovio_exit end;
  child_prepare(&child, "echo", NULL, NULL);
  child.options.input = (struct ovio_process_stream){OVIO_PROCESS_PIPE, &in};
  child.options.output.kind = OVIO_PROCESS_IGNORE;
  TRY_EQ(ovio_spawn_process(&process, &child.options), 0);
  TRY_EQ(ovio_deadline(20000000), 0);
  TRY_EQ(ovio_process_wait(&process, &end), OVIO_ETIMEDOUT);
  TRY_EQ(ovio_process_wait(&process, &end), OVIO_ETIMEDOUT);
  TRY_EQ(ovio_deadline(0), 0);
  TRY_EQ(ovio_close(&in), 0);
  TRY_EQ(ovio_process_wait(&process, &end), 0);
  TRY_EQ(end.code, 0);
  TRY_EQ(end.signal, 0);
  TRY_EQ(ovio_process_close(&process), 0);
}

struct waiting {
  struct ovio_process *process;
  struct ovio_exit end;
  int result;
};

static void wait_for_it(void *argument) {
  struct waiting *waiting = argument;
  waiting->result = ovio_process_wait(waiting->process, &waiting->end);
}

static void test_cancel_leaves_it_alone(struct test *test) {
  ONE_THREAD("it is about what one thread does after the other");
  struct child child;
  struct ovio_process process;
  struct ovio_group group;
  struct waiting waiting = {&process, {0, 0}, 1};
  child_prepare(&child, "sleep", "", NULL);
  TRY_EQ(ovio_spawn_process(&process, &child.options), 0);
  ovio_group_init(&group);
  TRY_EQ(ovio_group_spawn(&group, test->loop, wait_for_it, &waiting), 0);
  ovio_yield();
  TRY_EQ(ovio_process_close(&process), OVIO_EBUSY);
  ovio_group_cancel(&group);
  ovio_group_wait(&group);
  TRY_EQ(waiting.result, OVIO_ECANCELED);
  TRY_EQ(ovio_process_kill(&process, OVIO_KILL_FORCE), 0);
  TRY_EQ(ovio_process_wait(&process, NULL), 0);
  TRY_EQ(ovio_process_close(&process), 0);
}

static void test_two_waiters(struct test *test) {
  struct child child;
  struct ovio_process process;
  struct ovio_group group;
  struct waiting waiting[3] = {
      {&process, {9, 9}, 1}, {&process, {9, 9}, 1}, {&process, {9, 9}, 1}};
  struct ovio_file in;
  child_prepare(&child, "echo", NULL, NULL);
  child.options.input = (struct ovio_process_stream){OVIO_PROCESS_PIPE, &in};
  TRY_EQ(ovio_spawn_process(&process, &child.options), 0);
  ovio_group_init(&group);
  for (int at = 0; at < 3; at++)
    TRY_EQ(ovio_group_spawn(&group, test->loop, wait_for_it, &waiting[at]), 0);
  ovio_yield();
  TRY_EQ(ovio_close(&in), 0);
  ovio_group_wait(&group);
  for (int at = 0; at < 3; at++) {
    TRY_EQ(waiting[at].result, 0);
    TRY_EQ(waiting[at].end.code, 0);
    TRY_EQ(waiting[at].end.signal, 0);
  }
  TRY_EQ(ovio_process_close(&process), 0);
  TRY(test_is_childless());
}

struct two_children {
  struct child children[2];
  struct ovio_process processes[2];
  struct ovio_file input; /* of the first one, which ends with it */
  struct waiting waiting[2];
};

static void wait_for_the_first(void *argument) {
  struct two_children *two = argument;
  wait_for_it(&two->waiting[0]);
}

static void wait_for_the_second(void *argument) {
  struct two_children *two = argument;
  wait_for_it(&two->waiting[1]);
  ovio_close(&two->input);
}

/* With one worker in all: a wait that had it would keep the others from it. */
static void test_waits_take_no_worker(struct test *test) {
  static struct two_children two;
  struct ovio_loop_options options = {.size = sizeof options, .max_workers = 1};
  struct ovio_loop *loop;
  child_prepare(&two.children[0], "echo", NULL, NULL);
  child_prepare(&two.children[1], "say", "", NULL);
  two.children[0].options.input =
      (struct ovio_process_stream){OVIO_PROCESS_PIPE, &two.input};
  for (int at = 0; at < 2; at++) {
    TRY_EQ(ovio_spawn_process(&two.processes[at], &two.children[at].options),
           0);
    two.waiting[at] = (struct waiting){&two.processes[at], {9, 9}, 1};
  }
  TRY_EQ(test_loop_create(test, &loop, &options), 0);
  TRY_EQ(ovio_spawn(loop, wait_for_the_first, &two), 0);
  TRY_EQ(ovio_spawn(loop, wait_for_the_second, &two), 0);
  TRY_EQ(ovio_loop_run(loop), 0);
  TRY_EQ(ovio_loop_destroy(loop), 0);
  for (int at = 0; at < 2; at++) {
    TRY_EQ(two.waiting[at].result, 0);
    TRY_EQ(ovio_process_close(&two.processes[at]), 0);
  }
}

static void test_two_threads_wait(struct test *test) {
  struct child child;
  struct ovio_process process;
  struct os_thread threads[3];
  struct waiting waiting[3] = {
      {&process, {9, 9}, 1}, {&process, {9, 9}, 1}, {&process, {9, 9}, 1}};
  child_prepare(&child, "sleep", "", NULL);
  TRY_EQ(ovio_spawn_process(&process, &child.options), 0);
  for (int at = 0; at < 3; at++)
    TRY_EQ(os_thread_start(&threads[at], wait_for_it, &waiting[at]), 0);
  ovio_sleep(5000000);
  TRY_EQ(ovio_process_kill(&process, OVIO_KILL_FORCE), 0);
  for (int at = 0; at < 3; at++)
    os_thread_join(&threads[at]);
  for (int at = 0; at < 3; at++) {
    TRY_EQ(waiting[at].result, 0);
    TRY_EQ(waiting[at].end.signal, 9);
  }
  TRY_EQ(ovio_process_close(&process), 0);
}

/* ---- what cannot be started ---- */

static void test_bad_arguments(struct test *test) {
  static const char *const none[] = {NULL};
  static const char *const nameless[] = {"HOME", NULL};
  struct child child;
  struct ovio_process process;
  struct ovio_file file;
  struct ovio_process_options *options = &child.options;
  child_prepare(&child, "exit", "0", NULL);
  TRY_EQ(ovio_spawn_process(NULL, options), OVIO_EINVAL);
  TRY_EQ(ovio_spawn_process(&process, NULL), OVIO_EINVAL);
  options->size = 0;
  TRY_EQ(ovio_spawn_process(&process, options), OVIO_EINVAL);
  child_prepare(&child, "exit", "0", NULL);
  options->program = NULL;
  TRY_EQ(ovio_spawn_process(&process, options), OVIO_EINVAL);
  options->program = "";
  TRY_EQ(ovio_spawn_process(&process, options), OVIO_ENOENT);
  child_prepare(&child, "exit", "0", NULL);
  options->arguments = none;
  TRY_EQ(ovio_spawn_process(&process, options), OVIO_EINVAL);
  child_prepare(&child, "exit", "0", NULL);
  options->environment = nameless;
  TRY_EQ(ovio_spawn_process(&process, options), OVIO_EINVAL);
  child_prepare(&child, "exit", "0", NULL);
  options->directory = "";
  TRY_EQ(ovio_spawn_process(&process, options), OVIO_ENOENT);
  child_prepare(&child, "exit", "0", NULL);
  options->inherited_count = 1;
  TRY_EQ(ovio_spawn_process(&process, options), OVIO_EINVAL);
  child_prepare(&child, "exit", "0", NULL);
  options->input.kind = 17;
  TRY_EQ(ovio_spawn_process(&process, options), OVIO_EINVAL);
  options->input.kind = OVIO_PROCESS_JOIN;
  TRY_EQ(ovio_spawn_process(&process, options), OVIO_EINVAL);
  options->input.kind = OVIO_PROCESS_PIPE;
  TRY_EQ(ovio_spawn_process(&process, options), OVIO_EINVAL);
  options->input.file = options->error.file = &file;
  options->error.kind = OVIO_PROCESS_PIPE;
  TRY_EQ(ovio_spawn_process(&process, options), OVIO_EINVAL);
  TRY_EQ(ovio_process_close(&process), OVIO_EBADF);
  TRY_EQ(ovio_process_wait(NULL, NULL), OVIO_EBADF);
  TRY_EQ(ovio_process_kill(NULL, 0), OVIO_EBADF);
  TRY_EQ(ovio_process_close(NULL), OVIO_EBADF);
  TRY_EQ(ovio_process_id(NULL), 0);
}

/* Fails, with pipes that were asked for. */
static int spawn_fails(struct ovio_process_options *options) {
  struct ovio_process process;
  struct ovio_file in;
  struct ovio_file out;
  options->input = (struct ovio_process_stream){OVIO_PROCESS_PIPE, &in};
  options->output = (struct ovio_process_stream){OVIO_PROCESS_PIPE, &out};
  options->error.kind = OVIO_PROCESS_IGNORE;
  int error = ovio_spawn_process(&process, options);
  if (error == 0 || ovio_process_close(&process) != OVIO_EBADF ||
      ovio_close(&in) != OVIO_EBADF || ovio_close(&out) != OVIO_EBADF)
    return 1;
  return error;
}

static void test_no_such_program(struct test *test) {
  struct child child;
  child_prepare(&child, "exit", "0", NULL);
  child.options.program = test_path("missing");
  TRY_EQ(spawn_fails(&child.options), OVIO_ENOENT);
  child.options.program = test_path("missing/deeper");
  TRY_EQ(spawn_fails(&child.options), OVIO_ENOENT);
  child.options.program = "ovio-no-such-program";
  TRY_EQ(spawn_fails(&child.options), OVIO_ENOENT);
  child.options.program = test_folder();
  TRY_EQ(spawn_fails(&child.options), OVIO_EACCES);
  TRY(test_is_childless());
}

static void test_not_executable(struct test *test) {
  struct child child;
  child_prepare(&child, "exit", "0", NULL);
  const char *path = test_path("text.exe");
  TRY(test_put(path, "no program\n", 11));
  child.options.program = path;
  TRY_EQ(spawn_fails(&child.options), OVIO_EACCES);
  test_remove(path);
}

/* The test programs are in the current directory when ctest runs them. */
static void test_current_directory_is_not_searched(struct test *test) {
  struct child child;
  const char *program = test_program();
  const char *name = program;
  for (const char *at = program; *at; at++) {
    if (*at == '/' || *at == '\\')
      name = at + 1;
  }
  child_prepare(&child, "exit", "0", NULL);
  child.options.program = name;
  TRY_EQ(spawn_fails(&child.options), OVIO_ENOENT);
}

static void test_bad_directory(struct test *test) {
  struct child child;
  child_prepare(&child, "exit", "0", NULL);
  child.options.directory = test_path("missing");
  TRY_EQ(spawn_fails(&child.options), OVIO_ENOENT);
  const char *path = test_path("file");
  TRY(test_put(path, "", 0));
  child.options.directory = path;
  TRY_EQ(spawn_fails(&child.options), OVIO_ENOTDIR);
  test_remove(path);
}

static void test_too_many_arguments(struct test *test) {
  enum { LENGTH = 4 << 20 };
  char *argument = malloc(LENGTH + 1);
  TRY(argument != NULL);
  memset(argument, 'a', LENGTH);
  argument[LENGTH] = 0;
  struct child child;
  child_prepare(&child, "say", argument, NULL);
  int error = spawn_fails(&child.options);
  free(argument);
  TRY_EQ(error, OVIO_E2BIG);
}

static void in_callback(struct ovio_op *op, int64_t result) {
  struct outcome *outcome = (struct outcome *)(void *)op;
  struct child child;
  struct ovio_process process;
  struct ovio_output output;
  child_prepare(&child, "exit", "0", NULL);
  outcome->result =
      result == 0 &&
      ovio_spawn_process(&process, &child.options) == OVIO_EDEADLK &&
      ovio_process_close(&process) == OVIO_EBADF &&
      ovio_run(&child.options, &output) == OVIO_EDEADLK;
  outcome->calls++;
}

static void test_callback(struct test *test) {
  struct outcome outcome = {.result = 0};
  TRY_EQ(ovio_post(test->loop, &outcome.op, in_callback), 0);
  AWAIT(outcome.calls == 1);
  TRY_EQ(outcome.result, 1);
}

/* ---- streams and handles ---- */

static void test_given_file(struct test *test) {
  struct child child;
  struct ovio_process process;
  struct ovio_file file;
  char bytes[16];
  const char *path = test_path("given");
  TRY_EQ(ovio_open(&file, path,
                   OVIO_WRITE | OVIO_CREATE | OVIO_TRUNCATE | OVIO_BLOCKING,
                   0600),
         0);
  TRY_EQ(ovio_write(&file, "abc", 3, OVIO_HERE), 3);
  child_prepare(&child, "say", "def", "ghi");
  child.options.output = (struct ovio_process_stream){OVIO_PROCESS_FILE, &file};
  child.options.error.kind = OVIO_PROCESS_JOIN;
  TRY_EQ(ovio_spawn_process(&process, &child.options), 0);
  TRY_EQ(ovio_process_wait(&process, NULL), 0);
  TRY_EQ(ovio_process_close(&process), 0);
  TRY_EQ(ovio_close(&file), 0);
  TRY_EQ(test_get(path, bytes, sizeof bytes), 9);
  TRY(memcmp(bytes, "abcdefghi", 9) == 0);
  test_remove(path);
}

static void test_unfit_file(struct test *test) {
  struct child child;
  struct ovio_process process;
  struct ovio_file file = {{0}};
  struct ovio_file ends[2];
  child_prepare(&child, "exit", "0", NULL);
  child.options.output = (struct ovio_process_stream){OVIO_PROCESS_FILE, &file};
  TRY_EQ(ovio_spawn_process(&process, &child.options), OVIO_EBADF);
  TRY_EQ(ovio_open(&file, test_path("unfit"), OVIO_WRITE | OVIO_CREATE, 0600),
         0);
  TRY_EQ(ovio_spawn_process(&process, &child.options), OVIO_EINVAL);
  TRY_EQ(ovio_close(&file), 0);
  TRY_EQ(ovio_pipe(ends, 0), 0);
  child.options.output.file = &ends[1];
  TRY_EQ(ovio_spawn_process(&process, &child.options), OVIO_EINVAL);
  TRY_EQ(ovio_close(&ends[0]), 0);
  TRY_EQ(ovio_close(&ends[1]), 0);
  /* Said to be a plain one, but it is not. */
  ovio_handle handles[2];
  TRY(test_pipe(handles, TEST_PIPE_OVERLAPPED));
  TRY_EQ(ovio_adopt(&file, handles[1], OVIO_WRITE | OVIO_BLOCKING), 0);
  child.options.output.file = &file;
  TRY_EQ(ovio_spawn_process(&process, &child.options), OVIO_EINVAL);
  TRY_EQ(ovio_close(&file), 0);
  TRY(test_close_handle(handles[0]));
  test_remove(test_path("unfit"));
}

/* What "read" says of that handle. */
static bool child_reads(struct ovio_file *file, bool name_it,
                        struct ovio_output *output) {
  struct child child;
  char number[32];
  struct ovio_file *const twice[2] = {file, file};
  snprintf(number, sizeof number, "%lld",
           (long long)(intptr_t)ovio_file_handle(file));
  child_prepare(&child, "read", number, NULL);
  child.options.inherited = twice;
  child.options.inherited_count = name_it ? 2 : 0;
  return ovio_run(&child.options, output) == 0;
}

static void test_only_named_handles(struct test *test) {
  static const unsigned flags[] = {0, OVIO_INHERIT};
  const char *path = test_path("named");
  TRY(test_put(path, "12345", 5));
  for (int at = 0; at < 2; at++) {
    struct ovio_file file;
    struct ovio_output output;
    TRY_EQ(ovio_open(&file, path, OVIO_READ | OVIO_BLOCKING | flags[at], 0), 0);
    TRY(child_reads(&file, true, &output));
    TRY(child_output_is(&output, "12345", ""));
    TRY_EQ(test_is_inheritable(ovio_file_handle(&file)), at);
    TRY(test_handle_move(ovio_file_handle(&file), 0));
    TRY(child_reads(&file, false, &output));
    TRY(child_output_is(&output, "none", ""));
    TRY_EQ(ovio_close(&file), 0);
    TRY(ovio_file_handle(&file) == OVIO_NO_HANDLE);
  }
  test_remove(path);
}

static void test_ignored_streams(struct test *test) {
  struct child child;
  struct ovio_process process;
  struct ovio_exit end;
  child_prepare(&child, "echo", NULL, NULL);
  child.options.input.kind = OVIO_PROCESS_IGNORE;
  child.options.output.kind = OVIO_PROCESS_IGNORE;
  child.options.error.kind = OVIO_PROCESS_IGNORE;
  TRY_EQ(ovio_spawn_process(&process, &child.options), 0);
  TRY_EQ(ovio_process_wait(&process, &end), 0);
  TRY_EQ(end.code, 0);
  TRY_EQ(ovio_process_close(&process), 0);
}

static void test_environment(struct test *test) {
  static const char *const environment[] = {"zebra=1", "OVIO_TEST=a b=c",
                                            "Apple=2", NULL};
  struct child child;
  struct ovio_output output;
  child_prepare(&child, "environment", "OVIO_TEST", NULL);
  child.options.environment = environment;
  TRY_EQ(ovio_run(&child.options, &output), 0);
  TRY(child_output_is(&output, "a b=c", ""));
  child_prepare(&child, "environment", "PATH", NULL);
  TRY_EQ(ovio_run(&child.options, &output), 0);
  TRY(child_output_is(&output, getenv("PATH"), ""));
  child.options.environment = environment;
  TRY_EQ(ovio_run(&child.options, &output), 0);
  TRY(child_output_is(&output, "(none)", ""));
}

static void test_directory(struct test *test) {
  struct child child;
  struct ovio_output output;
  child_prepare(&child, "here", NULL, NULL);
  TRY_EQ(ovio_run(&child.options, &output), 0);
  TRY(child_output_is(&output, test_here(), ""));
  child.options.directory = test_folder();
  TRY_EQ(ovio_run(&child.options, &output), 0);
  TRY(child_output_is(&output, test_folder(), ""));
}

static void test_arguments(struct test *test) {
  static const char *const arguments[] = {"name of its own",
                                          "child",
                                          "arguments",
                                          "",
                                          " ",
                                          "a b",
                                          "\"quoted\"",
                                          "back\\slash\\",
                                          "\\\"",
                                          "%a%",
                                          "$a",
                                          "a&b|c>d",
                                          NULL};
  struct child child;
  struct ovio_output output;
  child_prepare(&child, "arguments", NULL, NULL);
  child.options.arguments = arguments;
  TRY_EQ(ovio_run(&child.options, &output), 0);
  TRY(child_output_is(&output,
                      "\n \na b\n\"quoted\"\nback\\slash\\\n\\\"\n%a%\n$a\n"
                      "a&b|c>d\n",
                      ""));
}

/* ---- ovio_run() ---- */

static void test_run(struct test *test) {
  struct child child;
  struct ovio_output output;
  child_prepare(&child, "say", "to the output", "to the error stream");
  TRY_EQ(ovio_run(&child.options, &output), 0);
  TRY_EQ(output.exit.code, 0);
  TRY(child_output_is(&output, "to the output", "to the error stream"));
  child.options.error.kind = OVIO_PROCESS_JOIN;
  TRY_EQ(ovio_run(&child.options, &output), 0);
  TRY(strcmp(output.output, "to the outputto the error stream") == 0);
  TRY(output.error == NULL);
  ovio_free(output.output);
  child_prepare(&child, "exit", "3", NULL);
  child.options.output.kind = OVIO_PROCESS_IGNORE;
  child.options.error.kind = OVIO_PROCESS_INHERIT;
  TRY_EQ(ovio_run(&child.options, &output), 0);
  TRY_EQ(output.exit.code, 3);
  TRY(output.output == NULL && output.error == NULL);
  TRY(test_is_childless());
}

/* A caller who knows fewer fields. */
static void test_older_options(struct test *test) {
  struct child child;
  struct ovio_output output;
  child_prepare(&child, "say", "out", "error");
  child.options.size = offsetof(struct ovio_process_options, input);
  child.options.input.kind = 77;
  TRY_EQ(ovio_run(&child.options, &output), 0);
  TRY(child_output_is(&output, "out", "error"));
}

static void test_run_bad_arguments(struct test *test) {
  struct child child;
  struct ovio_output output;
  struct ovio_file file;
  child_prepare(&child, "exit", "3", NULL);
  TRY_EQ(ovio_run(&child.options, NULL), OVIO_EINVAL);
  TRY_EQ(ovio_run(NULL, &output), OVIO_EINVAL);
  child.options.input_length = 1;
  TRY_EQ(ovio_run(&child.options, &output), OVIO_EINVAL);
  child_prepare(&child, "exit", "3", NULL);
  child.options.output = (struct ovio_process_stream){OVIO_PROCESS_PIPE, &file};
  TRY_EQ(ovio_run(&child.options, &output), OVIO_EINVAL);
  child_prepare(&child, "exit", "3", NULL);
  child.options.program = test_path("missing");
  TRY_EQ(ovio_run(&child.options, &output), OVIO_ENOENT);
  TRY(ovio_native_error() != 0);
  TRY(output.output == NULL && output.error == NULL);
}

/* More than any pipe holds, there and back. */
static void test_run_feeds(struct test *test) {
  enum { LENGTH = 1000000 };
  struct child child;
  struct ovio_output output;
  char *bytes = malloc(LENGTH);
  TRY(bytes != NULL);
  for (int at = 0; at < LENGTH; at++)
    bytes[at] = (char)(at * 7 + at / 251);
  child_prepare(&child, "echo", NULL, NULL);
  child.options.input_bytes = bytes;
  child.options.input_length = LENGTH;
  int error = ovio_run(&child.options, &output);
  bool same = error == 0 && output.output_length == LENGTH &&
              memcmp(bytes, output.output, LENGTH) == 0;
  ovio_free(output.output);
  ovio_free(output.error);
  /* Nor is one needed who reads it. */
  child_prepare(&child, "exit", "4", NULL);
  child.options.input_bytes = bytes;
  child.options.input_length = LENGTH;
  int unread = ovio_run(&child.options, &output);
  bool empty = unread == 0 && child_output_is(&output, "", "");
  free(bytes);
  TRY_EQ(error, 0);
  TRY(same);
  TRY_EQ(unread, 0);
  TRY(empty);
}

/* The child has ended well, with what it took for all of its input. */
static void test_run_fails_to_feed(struct test *test) {
  struct ovio_test_rule rule = {.size = sizeof rule};
  struct child child;
  struct ovio_output output;
  rule.kinds = OVIO_TEST_WRITE;
  rule.error = OVIO_EIO;
  child_prepare(&child, "echo", NULL, NULL);
  child.options.input_bytes = "abc";
  child.options.input_length = 3;
  ovio_test_add(&rule);
  int result = ovio_run(&child.options, &output);
  ovio_test_clear();
  ovio_free(output.output);
  ovio_free(output.error);
  TRY_EQ(result, OVIO_EIO);
  TRY_EQ(output.output_length, 0);
}

static void test_run_reads_both(struct test *test) {
  struct child child;
  struct ovio_output output;
  child_prepare(&child, "flood", "300000", NULL);
  TRY_EQ(ovio_run(&child.options, &output), 0);
  size_t lengths[2] = {output.output_length, output.error_length};
  ovio_free(output.output);
  ovio_free(output.error);
  TRY_EQ(lengths[0], 300000);
  TRY_EQ(lengths[1], 300000);
}

static void test_run_limit(struct test *test) {
  static const struct {
    size_t limit;
    const char *length;
    int result;
  } rows[] = {{1000, "1000", 0},
              {999, "1000", OVIO_EFBIG},
              {1, "1000000", OVIO_EFBIG},
              {100000, "1000000", OVIO_EFBIG}};
  for (size_t at = 0; at < sizeof rows / sizeof *rows; at++) {
    struct child child;
    struct ovio_output output;
    child_prepare(&child, "flood", rows[at].length, NULL);
    child.options.output_limit = rows[at].limit;
    int result = ovio_run(&child.options, &output);
    size_t longest = output.output_length > output.error_length
                         ? output.output_length
                         : output.error_length;
    bool ended = output.output && output.output[output.output_length] == 0;
    ovio_free(output.output);
    ovio_free(output.error);
    TRY_EQ(result, rows[at].result);
    TRY(ended);
    TRY_EQ(longest, rows[at].limit);
    TRY(test_is_childless());
  }
}

/* The other stream stays open and silent: the limit alone ends it. */
static void test_run_limit_of_an_endless_child(struct test *test) {
  struct child child;
  struct ovio_output output;
  child_prepare(&child, "drone", NULL, NULL);
  child.options.output_limit = 5000;
  int result = ovio_run(&child.options, &output);
  size_t length = output.output_length;
  ovio_free(output.output);
  ovio_free(output.error);
  TRY_EQ(result, OVIO_EFBIG);
  TRY_EQ(length, 5000);
  TRY(test_is_childless());
}

static void test_run_deadline(struct test *test) {
  struct child child;
  struct ovio_output output;
  child_prepare(&child, "sleep", "so far", NULL);
  TRY_EQ(ovio_deadline(test_is_wine() ? 2000000000 : 1000000000), 0);
  TRY_EQ(ovio_run(&child.options, &output), OVIO_ETIMEDOUT);
  TRY_EQ(ovio_deadline(0), 0);
  TRY(child_output_is(&output, "so far", ""));
  TRY(test_is_childless());
}

struct running {
  struct child child;
  struct ovio_output output;
  int result;
};

static void run_it(void *argument) {
  struct running *running = argument;
  running->result = ovio_run(&running->child.options, &running->output);
}

/* It neither reads what it is fed nor ends. */
static void test_run_deadline_of_a_feeder(struct test *test) {
  enum { LENGTH = 1000000 };
  struct child child;
  struct ovio_output output;
  char *bytes = calloc(LENGTH, 1);
  TRY(bytes != NULL);
  child_prepare(&child, "sleep", "so far", NULL);
  child.options.input_bytes = bytes;
  child.options.input_length = LENGTH;
  ovio_deadline(test_is_wine() ? 2000000000 : 1000000000);
  int error = ovio_run(&child.options, &output);
  ovio_deadline(0);
  free(bytes);
  TRY_EQ(error, OVIO_ETIMEDOUT);
  TRY(child_output_is(&output, "so far", ""));
  TRY(test_is_childless());
}

/* Every moment of a run at which it may be cancelled. */
static void test_run_cancel(struct test *test) {
  for (int round = 0; round < 12; round++) {
    struct running running = {.result = 1};
    struct ovio_group group;
    child_prepare(&running.child, "sleep", "", NULL);
    ovio_group_init(&group);
    TRY_EQ(ovio_group_spawn(&group, test->loop, run_it, &running), 0);
    for (int turn = 0; turn < round % 4; turn++)
      ovio_yield();
    ovio_sleep((uint64_t)(round / 4) * 5000000);
    ovio_group_cancel(&group);
    ovio_group_wait(&group);
    ovio_free(running.output.output);
    ovio_free(running.output.error);
    TRY_EQ(running.result, OVIO_ECANCELED);
    TRY(test_is_childless());
  }
}

static void test_loop_cancel(struct test *test) {
  struct ovio_loop *loop;
  struct running running = {.result = 1};
  struct loop_thread thread;
  child_prepare(&running.child, "sleep", "", NULL);
  TRY_EQ(test_loop_create(test, &loop, NULL), 0);
  TRY(loop_thread_start(&thread, loop));
  TRY_EQ(ovio_spawn(loop, run_it, &running), 0);
  ovio_sleep(100000000);
  ovio_loop_cancel(loop);
  TRY_EQ(loop_thread_end(&thread), 0);
  TRY_EQ(ovio_loop_destroy(loop), 0);
  ovio_free(running.output.output);
  ovio_free(running.output.error);
  TRY_EQ(running.result, OVIO_ECANCELED);
  TRY(test_is_childless());
}

/* One says something, one is killed by a deadline, in turns. */
static void run_with_a_deadline(void *argument) {
  struct running *running = argument;
  ovio_deadline(20000000);
  run_it(running);
}

static void test_several_threads(struct test *test) {
  enum { COUNT = 12 };
  static struct running running[COUNT];
  struct ovio_loop_options options = {.size = sizeof options, .threads = 4};
  struct ovio_loop *loop;
  int error = test_loop_create(test, &loop, &options);
  if (error == OVIO_ENOTSUP)
    SKIP("no ring here");
  TRY_EQ(error, 0);
  for (int at = 0; at < COUNT; at++) {
    running[at].result = 1;
    child_prepare(&running[at].child, at % 2 ? "sleep" : "say", "out", "error");
    TRY_EQ(
        ovio_spawn(loop, at % 2 ? run_with_a_deadline : run_it, &running[at]),
        0);
  }
  TRY_EQ(ovio_loop_run(loop), 0);
  TRY_EQ(ovio_loop_destroy(loop), 0);
  for (int at = 0; at < COUNT; at++) {
    TRY_EQ(running[at].result, at % 2 ? OVIO_ETIMEDOUT : 0);
    if (at % 2 == 0)
      TRY(child_output_is(&running[at].output, "out", "error"));
    ovio_free(at % 2 ? running[at].output.output : NULL);
    ovio_free(at % 2 ? running[at].output.error : NULL);
  }
  TRY(test_is_childless());
}

static void test_many_at_once(struct test *test) {
  enum { COUNT = 12 };
  static struct running running[COUNT];
  struct ovio_group group;
  char texts[COUNT][8];
  ovio_group_init(&group);
  for (int at = 0; at < COUNT; at++) {
    snprintf(texts[at], sizeof texts[at], "%d", at);
    running[at].result = 1;
    child_prepare(&running[at].child, "say", texts[at], texts[at]);
    TRY_EQ(ovio_group_spawn(&group, test->loop, run_it, &running[at]), 0);
  }
  ovio_group_wait(&group);
  for (int at = 0; at < COUNT; at++) {
    TRY_EQ(running[at].result, 0);
    TRY(child_output_is(&running[at].output, texts[at], texts[at]));
  }
  TRY(test_is_childless());
}

/* ---- no memory ---- */

static void test_no_memory(struct test *test) {
  int result = 1;
  for (unsigned long at = 1; at < 200 && result != 0; at++) {
    struct child child;
    struct ovio_output output;
    child_prepare(&child, "say", "out", "error");
    memory_fail_at = at;
    result = ovio_run(&child.options, &output);
    memory_fail_at = 0;
    ovio_free(output.output);
    ovio_free(output.error);
    if (result != 0)
      TRY_EQ(result, OVIO_ENOMEM);
    TRY(test_is_childless());
  }
  TRY_EQ(result, 0);
}

int main(int argc, char **argv) {
  static const char *const needs_task = "needs a task";
  CHILDREN(argc, argv);
  static const struct test_case cases[] = {
      TEST(test_exit_code),
      TEST(test_through_pipes),
      TEST(test_kill),
      TEST(test_kill_is_too_late),
      TEST(test_close_lets_it_run),
      TEST_LOOP(test_deadline_leaves_it_alone, "only tasks have deadlines"),
      TEST_LOOP(test_cancel_leaves_it_alone, "only tasks are cancelled"),
      TEST_ENGINES(test_waits_take_no_worker),
      TEST_ENGINES(test_several_threads),
      TEST_LOOP(test_two_waiters, "threads: test_two_threads_wait"),
      TEST_PLAIN(test_two_threads_wait, "tasks: test_two_waiters"),
      TEST(test_bad_arguments),
      TEST(test_no_such_program),
      TEST(test_not_executable),
      TEST(test_current_directory_is_not_searched),
      TEST(test_bad_directory),
      TEST(test_too_many_arguments),
      TEST_LOOP(test_callback, "no callbacks there"),
      TEST(test_given_file),
      TEST(test_unfit_file),
      TEST(test_only_named_handles),
      TEST(test_ignored_streams),
      TEST(test_environment),
      TEST(test_directory),
      TEST(test_arguments),
      TEST(test_run),
      TEST(test_older_options),
      TEST(test_run_bad_arguments),
      TEST(test_run_feeds),
      TEST(test_run_fails_to_feed),
      TEST(test_run_reads_both),
      TEST(test_run_limit),
      TEST(test_run_limit_of_an_endless_child),
      TEST_LOOP(test_run_deadline, "only tasks have deadlines"),
      TEST_LOOP(test_run_deadline_of_a_feeder, "only tasks have deadlines"),
      TEST_LOOP(test_run_cancel, "only tasks are cancelled"),
      TEST_ENGINES(test_loop_cancel),
      TEST_LOOP(test_many_at_once, needs_task),
      TEST(test_no_memory),
  };
  return test_main(cases, sizeof cases / sizeof *cases);
}
