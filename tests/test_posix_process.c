/* SPDX-License-Identifier: MIT */
/* Child processes on POSIX: signals, other children, descriptors below 3, and
 * every system call of a spawn made to fail. */
#include "posix/native.h"

#include "children.h"

/* ---- the shim: the n-th call from now on fails ----
 *
 * The child of a fork counts on by itself: the same number hits a call of its
 * own if the parent does not come to it. */

static atomic_long shim_left; /* 0: nothing fails */
static atomic_bool shim_no_pidfd;
static atomic_bool shim_no_process;
static struct native_calls real;

static bool shim_fails(void) {
  long left = shim_left;
  while (left > 0 && !atomic_compare_exchange_weak(&shim_left, &left, left - 1))
    ;
  if (left == 1)
    errno = EIO;
  return left == 1;
}

static int shim_openat(int dir, const char *path, int flags, mode_t mode) {
  return shim_fails() ? -1 : real.openat(dir, path, flags, mode);
}
static int shim_fcntl(int fd, int command, int argument) {
  return shim_fails() ? -1 : real.fcntl(fd, command, argument);
}
static int shim_fstat(int fd, struct stat *out) {
  return shim_fails() ? -1 : real.fstat(fd, out);
}
static ssize_t shim_read(int fd, void *buffer, size_t length) {
  return shim_fails() ? -1 : real.read(fd, buffer, length);
}
static int shim_dup2(int from, int to) {
  return shim_fails() ? -1 : real.dup2(from, to);
}
static int shim_chdir(const char *path) {
  return shim_fails() ? -1 : real.chdir(path);
}
static char *shim_getcwd(char *out, size_t room) {
  return shim_fails() ? NULL : real.getcwd(out, room);
}
static pid_t shim_fork(void) {
  if (shim_no_process) {
    errno = EAGAIN;
    return -1;
  }
  return shim_fails() ? -1 : real.fork();
}
static int shim_execve(const char *path, char *const *arguments,
                       char *const *environment) {
  return shim_fails() ? -1 : real.execve(path, arguments, environment);
}
#if NATIVE_HAS_PIPE2
static int shim_pipe2(int fds[2], int flags) {
  return shim_fails() ? -1 : real.pipe2(fds, flags);
}
#endif
#if NATIVE_HAS_PIDFD
static int shim_pidfd_open(pid_t pid, unsigned flags) {
  if (shim_no_pidfd) {
    errno = ENOSYS;
    return -1;
  }
  return shim_fails() ? -1 : real.pidfd_open(pid, flags);
}
#endif
#if NATIVE_HAS_CLOSE_RANGE
static int shim_close_range(unsigned first, unsigned last, int flags) {
  return shim_fails() ? -1 : real.close_range(first, last, flags);
}
#endif

static void shim_install(void) {
  real = native;
  native.openat = shim_openat;
  native.fcntl = shim_fcntl;
  native.fstat = shim_fstat;
  native.read = shim_read;
  native.dup2 = shim_dup2;
  native.chdir = shim_chdir;
  native.getcwd = shim_getcwd;
  native.fork = shim_fork;
  native.execve = shim_execve;
#if NATIVE_HAS_PIPE2
  native.pipe2 = shim_pipe2;
#endif
#if NATIVE_HAS_PIDFD
  native.pidfd_open = shim_pidfd_open;
#endif
#if NATIVE_HAS_CLOSE_RANGE
  native.close_range = shim_close_range;
#endif
}

/* ---- faults ---- */

/* With every kind of stream. 0: it ran to its end, too. */
static int spawn_everything(unsigned long fail_at) {
  struct child child;
  struct ovio_process process;
  struct ovio_file in;
  struct ovio_file out;
  child_prepare(&child, "exit", "0", NULL);
  child.options.input = (struct ovio_process_stream){OVIO_PROCESS_PIPE, &in};
  child.options.output = (struct ovio_process_stream){OVIO_PROCESS_PIPE, &out};
  child.options.error.kind = OVIO_PROCESS_IGNORE;
  child.options.directory = "/";
  shim_left = (long)fail_at;
  int error = ovio_spawn_process(&process, &child.options);
  shim_left = 0;
  if (error)
    return error;
  error = ovio_process_wait(&process, NULL);
  ovio_process_close(&process);
  ovio_close(&in);
  ovio_close(&out);
  return error;
}

static void test_every_call_fails_once(struct test *test) {
  enum { CALLS = 80 };
  int failed = 0;
  int last = 1;
  for (unsigned long at = 1; at <= CALLS; at++) {
    last = spawn_everything(at);
    if (last != 0) {
      TRY_EQ(last, OVIO_EIO);
      failed++;
    }
    TRY(test_is_childless());
  }
  TRY_EQ(last, 0); /* the number was beyond the last call */
  TRY(failed >= 20);
}

/* EAGAIN, but nothing becomes ready. */
static void test_fork_at_its_limit(struct test *test) {
  struct child child;
  struct ovio_process process;
  child_prepare(&child, "exit", "0", NULL);
  shim_no_process = true;
  int error = ovio_spawn_process(&process, &child.options);
  shim_no_process = false;
  TRY_EQ(error, OVIO_ENOBUFS);
  TRY_EQ(ovio_native_error(), EAGAIN);
}

/* The child's own words, in its own pipe. */
static void test_cause_comes_back(struct test *test) {
  struct child child;
  struct ovio_process process;
  child_prepare(&child, "exit", "0", NULL);
  child.options.program = "ovio/missing";
  TRY_EQ(ovio_spawn_process(&process, &child.options), OVIO_ENOENT);
  TRY_EQ(ovio_native_error(), ENOENT);
}

/* ---- without pidfd ---- */

static void test_without_pidfd(struct test *test) {
  struct child child;
  struct ovio_process process;
  struct ovio_exit end;
  struct ovio_output output;
  shim_no_pidfd = true;
  child_prepare(&child, "say", "a", "b");
  int ran = ovio_run(&child.options, &output);
  child_prepare(&child, "sleep", "", NULL);
  child.options.output.kind = OVIO_PROCESS_IGNORE;
  int spawned = ovio_spawn_process(&process, &child.options);
  shim_no_pidfd = false;
  TRY_EQ(ran, 0);
  TRY(child_output_is(&output, "a", "b"));
  TRY_EQ(spawned, 0);
  if (test->loop) {
    TRY_EQ(ovio_deadline(30000000), 0);
    TRY_EQ(ovio_process_wait(&process, &end), OVIO_ETIMEDOUT);
    TRY_EQ(ovio_deadline(0), 0);
  }
  TRY_EQ(ovio_process_kill(&process, OVIO_KILL_ASK), 0);
  TRY_EQ(ovio_process_wait(&process, &end), 0);
  TRY_EQ(end.signal, SIGTERM);
  TRY_EQ(ovio_process_close(&process), 0);
  TRY(test_is_childless());
}

/* ---- signals ---- */

/* In the child: "default" if nothing is blocked or ignored. A handler cannot
 * have come along; sanitizers have some. */
static int child_signals(void) {
  sigset_t mask;
  sigemptyset(&mask);
  sigprocmask(SIG_SETMASK, NULL, &mask);
  for (int number = 1; number < NSIG; number++) {
    struct sigaction action = {.sa_handler = SIG_DFL};
    if (sigismember(&mask, number) == 1)
      return child_say(1, "blocked") ? 0 : 1;
    if (sigaction(number, NULL, &action) == 0 && action.sa_handler == SIG_IGN)
      return child_say(1, "ignored") ? 0 : 1;
  }
  return child_say(1, "default") ? 0 : 1;
}

static void test_signals_are_default(struct test *test) {
  ONE_THREAD("the other threads block signals");
  struct child child;
  struct ovio_output output;
  sigset_t some;
  sigset_t before;
  void (*pipe_before)(int) = signal(SIGPIPE, SIG_IGN);
  void (*user_before)(int) = signal(SIGUSR1, SIG_IGN);
  sigemptyset(&some);
  sigaddset(&some, SIGUSR2);
  pthread_sigmask(SIG_BLOCK, &some, &before);
  child_prepare(&child, "signals", NULL, NULL);
  int error = ovio_run(&child.options, &output);
  sigset_t after;
  pthread_sigmask(SIG_SETMASK, &before, &after);
  signal(SIGPIPE, pipe_before);
  signal(SIGUSR1, user_before);
  TRY_EQ(error, 0);
  TRY(child_output_is(&output, "default", ""));
  TRY_EQ(sigismember(&after, SIGUSR2), 1);
  TRY_EQ(sigismember(&after, SIGTERM), 0);
}

static void test_death_by_signal(struct test *test) {
  struct child child;
  struct ovio_process process;
  struct ovio_exit end = {9, 9};
  child_prepare(&child, "sleep", "", NULL);
  child.options.output.kind = OVIO_PROCESS_IGNORE;
  TRY_EQ(ovio_spawn_process(&process, &child.options), 0);
  TRY_EQ(kill((pid_t)ovio_process_id(&process), SIGUSR1), 0);
  TRY_EQ(ovio_process_wait(&process, &end), 0);
  TRY_EQ(end.code, 0);
  TRY_EQ(end.signal, SIGUSR1);
  TRY_EQ(ovio_process_close(&process), 0);
}

static void test_ignored_sigchld(struct test *test) {
  struct child child;
  struct ovio_process process;
  struct ovio_exit end;
  void (*before)(int) = signal(SIGCHLD, SIG_IGN);
  child_prepare(&child, "exit", "3", NULL);
  int spawned = ovio_spawn_process(&process, &child.options);
  int waited = ovio_process_wait(&process, &end);
  int again = ovio_process_wait(&process, &end);
  int killed = ovio_process_kill(&process, OVIO_KILL_FORCE);
  int closed = ovio_process_close(&process);
  signal(SIGCHLD, before);
  TRY_EQ(spawned, 0);
  TRY_EQ(waited, OVIO_ENOENT);
  TRY_EQ(again, OVIO_ENOENT);
  TRY_EQ(killed, OVIO_ENOENT);
  TRY_EQ(closed, 0);
}

/* ---- other children ---- */

static void test_other_children_are_left_alone(struct test *test) {
  struct child child;
  struct ovio_output output;
  pid_t other = fork();
  if (other == 0)
    _exit(42);
  TRY(other > 0);
  child_prepare(&child, "exit", "0", NULL);
  int error = ovio_run(&child.options, &output);
  ovio_free(output.output);
  ovio_free(output.error);
  int status = 0;
  pid_t found = waitpid(other, &status, 0);
  TRY_EQ(error, 0);
  TRY_EQ(found, other);
  TRY(WIFEXITED(status) && WEXITSTATUS(status) == 42);
}

/* ---- descriptors ---- */

/* A program whose own streams are closed: the pipes get the numbers 0 to 2. In
 * a process of its own, which says by its exit code how it went. */
/* What was let go of while it ran is collected by the close of another. */
static void test_close_collects_others(struct test *test) {
  struct child child;
  struct ovio_process first, second;
  struct ovio_file in;
  siginfo_t info = {.si_pid = 0};
  child_prepare(&child, "exit", "0", NULL);
  TRY_EQ(ovio_spawn_process(&second, &child.options), 0);
  child_prepare(&child, "echo", NULL, NULL);
  child.options.input = (struct ovio_process_stream){OVIO_PROCESS_PIPE, &in};
  child.options.output.kind = OVIO_PROCESS_IGNORE;
  TRY_EQ(ovio_spawn_process(&first, &child.options), 0);
  id_t id = (id_t)ovio_process_id(&first);
  TRY_EQ(ovio_process_wait(&second, NULL), 0);
  TRY_EQ(ovio_process_close(&first), 0);
  TRY_EQ(ovio_close(&in), 0);
  AWAIT(waitid(P_PID, id, &info, WEXITED | WNOHANG | WNOWAIT) == 0 &&
        info.si_pid != 0);
  TRY_EQ(ovio_process_close(&second), 0);
  TRY(test_is_childless());
}

/* The pipe that tells of a failure has a number that a stream is to get. */
static int fail_without_streams(struct ovio_file *file) {
  struct child child;
  struct ovio_process process;
  child_prepare(&child, "exit", "0", NULL);
  child.options.program = "ovio/missing";
  child.options.input = (struct ovio_process_stream){OVIO_PROCESS_FILE, file};
  child.options.output = (struct ovio_process_stream){OVIO_PROCESS_FILE, file};
  child.options.error.kind = OVIO_PROCESS_JOIN;
  return ovio_spawn_process(&process, &child.options);
}

static int without_streams(void) {
  struct child child;
  struct ovio_output output;
  struct ovio_file file;
  if (ovio_open(&file, "/dev/null", OVIO_READ | OVIO_WRITE | OVIO_BLOCKING, 0))
    return 5;
  close(0);
  close(1);
  close(2);
  if (fail_without_streams(&file) != OVIO_ENOENT || ovio_close(&file) != 0)
    return 6;
  child_prepare(&child, "echo", NULL, NULL);
  child.options.input_bytes = "through";
  child.options.input_length = 7;
  if (ovio_run(&child.options, &output) != 0)
    return 1;
  if (!child_output_is(&output, "through", ""))
    return 2;
  child_prepare(&child, "say", "one", "two");
  if (ovio_run(&child.options, &output) != 0)
    return 3;
  return child_output_is(&output, "one", "two") ? 0 : 4;
}

static void test_without_streams(struct test *test) {
  struct child child;
  struct ovio_output output;
  child_prepare(&child, "without-streams", NULL, NULL);
  TRY_EQ(ovio_run(&child.options, &output), 0);
  TRY_EQ(output.exit.code, 0);
  TRY(child_output_is(&output, "", ""));
}

/* Streams that are each other's: 1 is to be 2 and the reverse. */
static void test_crossed_streams(struct test *test) {
  struct child child;
  struct ovio_output output;
  child_prepare(&child, "crossed", NULL, NULL);
  TRY_EQ(ovio_run(&child.options, &output), 0);
  TRY_EQ(output.exit.code, 0);
  TRY(child_output_is(&output, "error", "out"));
}

static int crossed(void) {
  struct child child;
  struct ovio_process process;
  struct ovio_file files[2];
  struct ovio_exit end = {9, 9};
  for (int at = 0; at < 2; at++) {
    if (ovio_adopt(&files[at], at + 1, OVIO_WRITE | OVIO_BLOCKING) != 0)
      return 1;
  }
  child_prepare(&child, "say", "out", "error");
  child.options.output =
      (struct ovio_process_stream){OVIO_PROCESS_FILE, &files[1]};
  child.options.error =
      (struct ovio_process_stream){OVIO_PROCESS_FILE, &files[0]};
  if (ovio_spawn_process(&process, &child.options) != 0)
    return 2;
  if (ovio_process_wait(&process, &end) != 0)
    return 3;
  return ovio_process_close(&process) == 0 ? (int)end.code : 4;
}

static void test_standard_is_not_inherited_by_number(struct test *test) {
  struct child child;
  struct ovio_process process;
  struct ovio_file file;
  struct ovio_file *const files[1] = {&file};
  TRY_EQ(ovio_adopt(&file, 2, OVIO_WRITE), 0);
  child_prepare(&child, "exit", "0", NULL);
  child.options.inherited = files;
  child.options.inherited_count = 1;
  int error = ovio_spawn_process(&process, &child.options);
  TRY_EQ(ovio_release(&file), 2);
  TRY_EQ(error, OVIO_EINVAL);
}

/* ---- programs ---- */

static void test_script_without_interpreter(struct test *test) {
  struct child child;
  struct ovio_process process;
  const char *path = test_path("script");
  TRY(test_put(path, "exit 0\n", 7));
  TRY_EQ(chmod(path, 0700), 0);
  child_prepare(&child, "exit", "0", NULL);
  child.options.program = path;
  TRY_EQ(ovio_spawn_process(&process, &child.options), OVIO_EACCES);
  TRY_EQ(ovio_native_error(), ENOEXEC);
  test_remove(path);
}

static bool write_script(const char *path, mode_t mode, const char *text) {
  char script[128];
  snprintf(script, sizeof script, "#!/bin/sh\nprintf %s\n", text);
  return test_put(path, script, strlen(script)) && chmod(path, mode) == 0;
}

/* Found in PATH: behind what may not be run, and past empty parts. */
static void test_search(struct test *test) {
  static const char *const arguments[] = {"found", NULL};
  char path[2048];
  char first[600];
  char second[600];
  struct ovio_output output;
  snprintf(first, sizeof first, "%s/first", test_folder());
  snprintf(second, sizeof second, "%s/second", test_folder());
  TRY(test_make_folder(first) && test_make_folder(second));
  char here[600];
  char started[1024];
  snprintf(here, sizeof here, "%s/here", test_folder());
  TRY(test_make_folder(here) && getcwd(started, sizeof started));
  TRY(write_script(test_path("here/ovio-here"), 0700, "here"));
  TRY(write_script(test_path("first/ovio-search"), 0600, "first"));
  TRY(write_script(test_path("second/ovio-search"), 0700, "second"));
  TRY(write_script(test_path("first/ovio-refused"), 0600, "none"));
  const char *before = getenv("PATH");
  char *kept = before ? strdup(before) : NULL;
  snprintf(path, sizeof path, ":%s::%s:", first, second);
  setenv("PATH", path, 1);
  struct ovio_process_options options = {.size = sizeof options,
                                         .program = "ovio-search",
                                         .arguments = arguments,
                                         .directory = "/"};
  int found = ovio_run(&options, &output);
  struct ovio_process process;
  options.program = "ovio-refused";
  int refused = ovio_spawn_process(&process, &options);
  options.program = "ovio-here"; /* in the current directory alone */
  int missing = chdir(here);
  if (missing == 0)
    missing = ovio_spawn_process(&process, &options);
  int back = chdir(started);
  if (kept)
    setenv("PATH", kept, 1);
  free(kept);
  TRY_EQ(found, 0);
  TRY(child_output_is(&output, "second", ""));
  TRY_EQ(refused, OVIO_EACCES);
  TRY_EQ(missing, OVIO_ENOENT);
  TRY_EQ(back, 0);
}

/* Not from the child's directory. */
static void test_relative_program(struct test *test) {
  struct ovio_output output;
  char here[1024];
  TRY(write_script(test_path("relative"), 0700, "relative"));
  TRY(getcwd(here, sizeof here) != NULL);
  TRY_EQ(chdir(test_folder()), 0);
  struct ovio_process_options options = {
      .size = sizeof options, .program = "./relative", .directory = "/"};
  int error = ovio_run(&options, &output);
  TRY_EQ(chdir(here), 0);
  TRY_EQ(error, 0);
  TRY(child_output_is(&output, "relative", ""));
}

int main(int argc, char **argv) {
  const char *verb =
      argc > 2 && strcmp(argv[1], "child") == 0 ? argv[2] : "none";
  shim_install();
  if (strcmp(verb, "signals") == 0)
    return child_signals();
  if (strcmp(verb, "without-streams") == 0)
    return without_streams();
  if (strcmp(verb, "crossed") == 0)
    return crossed();
  CHILDREN(argc, argv);
  static const char *const directory = "changes the process's directory";
  static const struct test_case cases[] = {
      TEST(test_every_call_fails_once),
      TEST(test_fork_at_its_limit),
      TEST(test_cause_comes_back),
      TEST(test_without_pidfd),
      TEST(test_signals_are_default),
      TEST(test_death_by_signal),
      TEST(test_ignored_sigchld),
      TEST(test_other_children_are_left_alone),
      TEST(test_close_collects_others),
      TEST(test_without_streams),
      TEST(test_crossed_streams),
      TEST(test_standard_is_not_inherited_by_number),
      TEST(test_script_without_interpreter),
      TEST_PLAIN(test_search, "changes the process's environment"),
      TEST_PLAIN(test_relative_program, directory),
  };
  return test_main(cases, sizeof cases / sizeof *cases);
}
