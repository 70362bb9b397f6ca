/* SPDX-License-Identifier: MIT */
/* What only POSIX has: SIGPIPE, interrupting signals, O_NONBLOCK, positions
 * that several descriptors share, and names of any bytes. */
#define _GNU_SOURCE
#include "files.h"
#include "scene.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <sys/stat.h>
#include <unistd.h>

/* ---- SIGPIPE ---- */

static bool stream_make(ovio_handle ends[2], int kind) {
  if (kind == 2)
    return test_socket_pair(ends);
  return test_pipe(ends, kind ? TEST_PIPE_OVERLAPPED : TEST_PIPE_SYNC);
}

static int stream_open(struct pipe_files *files, int kind) {
  ovio_handle ends[2];
  if (!stream_make(ends, kind))
    return OVIO_EUNKNOWN;
  int error = ovio_adopt(&files->in, ends[0], OVIO_READ);
  return error ? error : ovio_adopt(&files->out, ends[1], OVIO_WRITE);
}

static atomic_int sigpipes;

static void on_sigpipe(int number) {
  (void)number;
  atomic_fetch_add(&sigpipes, 1);
}

static void write_into_nothing(struct test *test, int kind) {
  struct pipe_files files;
  char many[100] = "";
  struct ovio_iovec parts[2] = {{many, 50}, {many + 50, 50}};
  TRY_EQ(stream_open(&files, kind), 0);
  TRY_EQ(ovio_close(&files.in), 0);
  TRY_EQ(ovio_write(&files.out, many, 100, OVIO_HERE), OVIO_EPIPE);
  TRY_EQ(ovio_native_error(), EPIPE);
  TRY_EQ(ovio_writev(&files.out, parts, 2, OVIO_HERE), OVIO_EPIPE);
  TRY_EQ(ovio_close(&files.out), 0);
}

/* With the disposition that kills, with a handler, and with the signal blocked
 * and pending: the library leaves no trace of it. */
static void test_sigpipe_is_never_raised(struct test *test) {
  ONE_THREAD("the other threads block signals");
  struct sigaction killing = {.sa_handler = SIG_DFL};
  struct sigaction handler = {.sa_handler = on_sigpipe};
  struct sigaction before, after;
  sigset_t mask, pending;
  TRY_EQ(sigaction(SIGPIPE, &killing, &before), 0);
  for (int kind = 0; kind < 3; kind++)
    write_into_nothing(test, kind);
  TRY_EQ(sigaction(SIGPIPE, &handler, &after), 0);
  TRY(after.sa_handler == SIG_DFL);
  for (int kind = 0; kind < 3; kind++)
    write_into_nothing(test, kind);
  TRY_EQ(sigaction(SIGPIPE, &before, &after), 0);
  TRY(after.sa_handler == on_sigpipe);
  TRY_EQ(sigpipes, 0);
  TRY_EQ(pthread_sigmask(SIG_SETMASK, NULL, &mask), 0);
  TRY_EQ(sigismember(&mask, SIGPIPE), 0);
  TRY_EQ(sigpending(&pending), 0);
  TRY_EQ(sigismember(&pending, SIGPIPE), 0);
}

/* One that the program has pending is the program's. */
static void test_pending_sigpipe_is_left_alone(struct test *test) {
  sigset_t sigpipe, mask, pending;
  struct timespec now = {0, 0};
  sigemptyset(&sigpipe);
  sigaddset(&sigpipe, SIGPIPE);
  TRY_EQ(pthread_sigmask(SIG_BLOCK, &sigpipe, &mask), 0);
  TRY_EQ(pthread_kill(pthread_self(), SIGPIPE), 0);
  for (int kind = 0; kind < 3; kind++)
    write_into_nothing(test, kind);
  TRY_EQ(sigpending(&pending), 0);
  TRY_EQ(sigismember(&pending, SIGPIPE), 1);
  TRY_EQ(sigtimedwait(&sigpipe, NULL, &now), SIGPIPE);
  TRY_EQ(pthread_sigmask(SIG_SETMASK, &mask, NULL), 0);
}

/* ---- signals that interrupt ---- */

static atomic_int interruptions;

static void on_interruption(int number) {
  (void)number;
  atomic_fetch_add(&interruptions, 1);
}

struct interrupter {
  pthread_t target;
  atomic_bool over;
  struct ovio_file *out;
};

/* Interrupts the reader some times, writes then. */
static void interrupt_and_write(void *argument) {
  struct interrupter *self = argument;
  for (int round = 0; round < 20; round++) {
    int before = atomic_load(&interruptions);
    pthread_kill(self->target, SIGUSR1);
    for (int at = 0; at < 10000 && atomic_load(&interruptions) == before; at++)
      os_sleep_ns(100000);
    os_sleep_ns(1000000);
  }
  ovio_write(self->out, "abc", 3, OVIO_HERE);
}

static void test_interrupted_calls_are_retried(struct test *test) {
  struct sigaction action = {.sa_handler = on_interruption}; /* no SA_RESTART */
  struct sigaction before;
  TRY_EQ(sigaction(SIGUSR1, &action, &before), 0);
  for (int kind = 0; kind < 3; kind++) {
    struct pipe_files files;
    struct os_thread thread;
    char bytes[8];
    TRY_EQ(stream_open(&files, kind), 0);
    struct interrupter interrupter = {.target = pthread_self(),
                                      .out = &files.out};
    TRY_EQ(os_thread_start(&thread, interrupt_and_write, &interrupter), 0);
    int64_t got = ovio_read(&files.in, bytes, sizeof bytes, OVIO_HERE);
    os_thread_join(&thread);
    TRY_EQ(got, 3);
    TRY_EQ(pipe_files_close(&files), 0);
  }
  TRY_EQ(sigaction(SIGUSR1, &before, NULL), 0);
  TRY(atomic_load(&interruptions) >= 1);
}

/* ---- O_NONBLOCK ---- */

static void write_later(void *argument) {
  ovio_sleep(20000000);
  ovio_write(argument, "abc", 3, OVIO_HERE);
}

/* Ready or not is the library's affair: the caller waits. */
static void test_nonblocking_descriptor_is_waited_for(struct test *test) {
  struct pipe_files files;
  struct partner partner;
  char bytes[8];
  TRY(pipe_files_open(&files, TEST_PIPE_OVERLAPPED));
  TRY_EQ(partner_start(&partner, test, write_later, &files.out), 0);
  TRY_EQ(ovio_read(&files.in, bytes, sizeof bytes, OVIO_HERE), 3);
  partner_end(&partner);
  TRY_EQ(pipe_files_close(&files), 0);
}

static void test_nonblock_flag_answers_at_once(struct test *test) {
  for (int kind = 0; kind < 3; kind++) {
    struct pipe_files files;
    char bytes[8];
    TRY_EQ(stream_open(&files, kind), 0);
    ovio_handle in = ovio_release(&files.in);
    ovio_handle out = ovio_release(&files.out);
    int status = fcntl(in, F_GETFL);
    TRY_EQ(ovio_adopt(&files.in, in, OVIO_READ | OVIO_NONBLOCK), 0);
    TRY_EQ(ovio_adopt(&files.out, out, OVIO_WRITE | OVIO_NONBLOCK), 0);
    TRY_EQ(ovio_read(&files.in, bytes, 8, OVIO_HERE), OVIO_EWOULDBLOCK);
    TRY_EQ(ovio_write(&files.out, "abc", 3, OVIO_HERE), 3);
    TRY_EQ(ovio_read(&files.in, bytes, 8, OVIO_HERE), 3);
    TRY_EQ(ovio_read(&files.in, bytes, 8, OVIO_HERE), OVIO_EWOULDBLOCK);
    TRY_EQ(fcntl(in, F_GETFL), status);
    TRY_EQ(ovio_close(&files.out), 0);
    TRY_EQ(ovio_read(&files.in, bytes, 8, OVIO_HERE), 0);
    TRY_EQ(ovio_close(&files.in), 0);
  }
}

/* What fits is a prefix of the vector, and counts. */
static void test_nonblock_write_tells_what_fitted(struct test *test) {
  enum { LENGTH = 300000 };
  struct pipe_files files;
  ovio_handle ends[2];
  char *bytes = malloc(2 * (size_t)LENGTH);
  TRY(bytes);
  files_fill(bytes, LENGTH, 0);
  TRY(test_pipe(ends, TEST_PIPE_OVERLAPPED));
  TRY_EQ(ovio_adopt(&files.in, ends[0], OVIO_READ | OVIO_NONBLOCK), 0);
  TRY_EQ(ovio_adopt(&files.out, ends[1], OVIO_WRITE | OVIO_NONBLOCK), 0);
  struct ovio_iovec parts[3] = {
      {bytes, 1000}, {bytes + 1000, 0}, {bytes + 1000, LENGTH - 1000}};
  int64_t wrote = ovio_writev(&files.out, parts, 3, OVIO_HERE);
  TRY(wrote > 1000 && wrote < LENGTH);
  TRY_EQ(ovio_write(&files.out, bytes, LENGTH, OVIO_HERE), OVIO_EWOULDBLOCK);
  int64_t got = 0;
  for (int round = 0; round < 1000 && got < wrote; round++) {
    int64_t now = ovio_read(&files.in, bytes + LENGTH + got, LENGTH, OVIO_HERE);
    TRY(now > 0);
    got += now;
  }
  TRY_EQ(got, wrote);
  TRY(files_match(bytes + LENGTH, (size_t)got, 0));
  TRY_EQ(ovio_read(&files.in, bytes, 8, OVIO_HERE), OVIO_EWOULDBLOCK);
  TRY_EQ(pipe_files_close(&files), 0);
  free(bytes);
}

/* In a task the flag means nothing: the task waits, the thread does not. */
static void test_nonblock_flag_does_not_concern_tasks(struct test *test) {
  struct ovio_file in, out;
  ovio_handle ends[2];
  struct partner partner;
  char bytes[8];
  TRY(test_pipe(ends, TEST_PIPE_OVERLAPPED));
  TRY_EQ(ovio_adopt(&in, ends[0], OVIO_READ | OVIO_NONBLOCK), 0);
  TRY_EQ(ovio_adopt(&out, ends[1], OVIO_WRITE), 0);
  TRY_EQ(partner_start(&partner, test, write_later, &out), 0);
  TRY_EQ(ovio_read(&in, bytes, 8, OVIO_HERE), 3);
  partner_end(&partner);
  TRY_EQ(ovio_deadline(10000000), 0);
  TRY_EQ(ovio_read(&in, bytes, 8, OVIO_HERE), OVIO_ETIMEDOUT);
  TRY_EQ(ovio_deadline(0), 0);
  TRY_EQ(ovio_close(&in), 0);
  TRY_EQ(ovio_close(&out), 0);
}

/* Others hold the same description: its mode is theirs too. */
static void test_descriptor_mode_is_never_changed(struct test *test) {
  for (int kind = 0; kind < 3; kind++) {
    struct pipe_files files;
    ovio_handle ends[2];
    char bytes[8];
    TRY(stream_make(ends, kind));
    int before[2] = {fcntl(ends[0], F_GETFL), fcntl(ends[1], F_GETFL)};
    TRY_EQ(ovio_adopt(&files.in, ends[0], OVIO_READ), 0);
    TRY_EQ(ovio_adopt(&files.out, ends[1], OVIO_WRITE), 0);
    TRY_EQ(ovio_write(&files.out, "abc", 3, OVIO_HERE), 3);
    TRY_EQ(ovio_read(&files.in, bytes, 8, OVIO_HERE), 3);
    TRY_EQ(fcntl(ends[0], F_GETFL), before[0]);
    TRY_EQ(fcntl(ends[1], F_GETFL), before[1]);
    TRY_EQ(ovio_release(&files.in), ends[0]);
    TRY_EQ(fcntl(ends[0], F_GETFL), before[0]);
    TRY(test_close_handle(ends[0]));
    TRY_EQ(ovio_close(&files.out), 0);
  }
}

/* ---- positions that are shared ---- */

/* As in "prog >out 2>&1": each goes on where the other one stopped. */
static void test_shared_position_is_kept_by_the_system(struct test *test) {
  struct ovio_file one, two;
  char bytes[16];
  const char *path = test_path("shared");
  TRY(test_put(path, "", 0));
  ovio_handle handle = test_open_handle(path, true, false);
  ovio_handle other = test_duplicate(handle);
  TRY_EQ(ovio_adopt(&one, handle, OVIO_READ | OVIO_WRITE), 0);
  TRY_EQ(ovio_adopt(&two, other, OVIO_READ | OVIO_WRITE), 0);
  TRY_EQ(ovio_write(&one, "ab", 2, OVIO_HERE), 2);
  TRY_EQ(ovio_write(&two, "cd", 2, OVIO_HERE), 2);
  TRY_EQ(write(handle, "ef", 2), 2);
  TRY_EQ(ovio_write(&one, "gh", 2, OVIO_HERE), 2);
  TRY_EQ(test_handle_position(other), 8);
  TRY_EQ(ovio_seek(&two, 0, SEEK_CUR), 8);
  TRY_EQ(ovio_seek(&two, 1, SEEK_SET), 1);
  TRY_EQ(ovio_read(&one, bytes, 3, OVIO_HERE), 3);
  TRY(memcmp(bytes, "bcd", 3) == 0);
  TRY_EQ(ovio_read(&one, bytes, 16, 0), 8);
  TRY(memcmp(bytes, "abcdefgh", 8) == 0);
  TRY_EQ(test_handle_position(handle), 4);
  TRY_EQ(ovio_close(&one), 0);
  TRY_EQ(ovio_close(&two), 0);
}

static void test_append_needs_a_descriptor_that_appends(struct test *test) {
  struct ovio_file file;
  char bytes[16];
  const char *path = test_path("append");
  TRY(test_put(path, "abc", 3));
  ovio_handle handle = test_open_handle(path, true, false);
  TRY_EQ(ovio_adopt(&file, handle, OVIO_WRITE | OVIO_APPEND), OVIO_EINVAL);
  TRY(test_close_handle(handle));
  handle = open(path, O_RDWR | O_APPEND | O_CLOEXEC);
  TRY_EQ(ovio_adopt(&file, handle, OVIO_READ | OVIO_WRITE), 0);
  TRY_EQ(ovio_write(&file, "d", 1, 0), 1); /* one that is, is APPEND */
  TRY_EQ(ovio_seek(&file, 0, SEEK_CUR), 4);
  TRY_EQ(ovio_read(&file, bytes, 16, 0), 4);
  TRY(memcmp(bytes, "abcd", 4) == 0);
  TRY_EQ(ovio_close(&file), 0);
}

/* ---- devices ---- */

static void test_full_device_is_enospc(struct test *test) {
  struct ovio_file file;
  if (access("/dev/full", W_OK) != 0)
    SKIP("no /dev/full");
  TRY_EQ(ovio_open(&file, "/dev/full", OVIO_WRITE, 0), 0);
  TRY_EQ(ovio_write(&file, "abc", 3, OVIO_HERE), OVIO_ENOSPC);
  TRY_EQ(ovio_native_error(), ENOSPC);
  TRY_EQ(ovio_close(&file), 0);
}

static void test_null_and_zero_devices(struct test *test) {
  struct ovio_file file;
  struct ovio_stat about;
  char bytes[8];
  TRY_EQ(ovio_open(&file, "/dev/null", OVIO_READ | OVIO_WRITE, 0), 0);
  TRY_EQ(ovio_stat(&file, &about), 0);
  TRY_EQ(about.type, OVIO_TYPE_CHARACTER);
  TRY_EQ(ovio_read(&file, bytes, 8, OVIO_HERE), 0);
  TRY_EQ(ovio_write(&file, bytes, 8, OVIO_HERE), 8);
  TRY_EQ(ovio_close(&file), 0);
  TRY_EQ(ovio_open(&file, "/dev/zero", OVIO_READ, 0), 0);
  memset(bytes, 1, 8);
  TRY_EQ(ovio_read(&file, bytes, 8, OVIO_HERE), 8);
  TRY(memcmp(bytes, "\0\0\0\0\0\0\0\0", 8) == 0);
  TRY_EQ(ovio_close(&file), 0);
}

/* ---- names ---- */

static void test_names_are_bytes(struct test *test) {
  struct ovio_file file;
  const char *path = test_path("\xff\xfe\x80 no utf-8 \xc3");
  TRY_EQ(ovio_open(&file, path, OVIO_WRITE | OVIO_CREATE, 0600), 0);
  TRY_EQ(ovio_close(&file), 0);
  TRY(test_exists(path));
  char name[300];
  memset(name, 'n', 299);
  name[299] = 0;
  TRY_EQ(ovio_open(&file, test_path(name), OVIO_WRITE | OVIO_CREATE, 0600),
         OVIO_ENAMETOOLONG);
  TRY_EQ(ovio_native_error(), ENAMETOOLONG);
}

static void test_links_that_lead_nowhere(struct test *test) {
  struct ovio_file file;
  const char *link = test_path("in-a-ring");
  TRY(test_exists(link) || test_make_link("in-a-ring", link, false));
  TRY_EQ(ovio_open(&file, link, OVIO_READ, 0), OVIO_ELOOP);
  link = test_path("dangling");
  TRY(test_exists(link) || test_make_link("no such file", link, false));
  TRY_EQ(ovio_open(&file, link, OVIO_READ, 0), OVIO_ENOENT);
  TRY_EQ(ovio_open(&file, link, OVIO_READ | OVIO_NOFOLLOW, 0), OVIO_ELOOP);
}

static void test_permission_is_eacces(struct test *test) {
  struct ovio_file file;
  const char *path = test_path("forbidden");
  TRY(test_put(path, "abc", 3));
  TRY_EQ(chmod(path, 0400), 0);
  if (geteuid() == 0)
    SKIP("root may open everything");
  TRY_EQ(ovio_open(&file, path, OVIO_WRITE, 0), OVIO_EACCES);
  TRY_EQ(ovio_open(&file, path, OVIO_READ, 0), 0);
  TRY_EQ(ovio_close(&file), 0);
}

int main(void) {
  static const char *const signals_are_per_thread =
      "a task's read waits in another thread's call";
  const struct test_case cases[] = {
      TEST(test_sigpipe_is_never_raised),
      TEST_PLAIN(test_pending_sigpipe_is_left_alone,
                 "the mask is the thread's; ucontext brings its own"),
      TEST_PLAIN(test_interrupted_calls_are_retried, signals_are_per_thread),
      TEST(test_nonblocking_descriptor_is_waited_for),
      TEST_PLAIN(test_nonblock_flag_answers_at_once, "tasks wait"),
      TEST_PLAIN(test_nonblock_write_tells_what_fitted, "tasks wait"),
      TEST_LOOP(test_nonblock_flag_does_not_concern_tasks, "of tasks"),
      TEST(test_descriptor_mode_is_never_changed),
      TEST(test_shared_position_is_kept_by_the_system),
      TEST(test_append_needs_a_descriptor_that_appends),
      TEST(test_full_device_is_enospc),
      TEST(test_null_and_zero_devices),
      TEST(test_names_are_bytes),
      TEST(test_links_that_lead_nowhere),
      TEST(test_permission_is_eacces),
  };
  return test_main(cases, sizeof cases / sizeof *cases);
}
