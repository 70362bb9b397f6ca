/* SPDX-License-Identifier: MIT */
/* Pipes with and without a name, and readiness: what is in the file system, and
 * every call that can fail, made to fail, by way of the table of native calls.
 */
#include "posix/native.h"

#include <sys/wait.h>

#include "common/ready.h"
#include "companion.h"

#define MS UINT64_C(1000000)

/* ---- the shim: each call asks whether it is its turn to fail ---- */

enum shim {
  SHIM_PIPE = 1 << 0,
  SHIM_FCNTL = 1 << 1,
  SHIM_FSTAT = 1 << 2,
  SHIM_SOCKET = 1 << 3,
  SHIM_BIND = 1 << 4,
  SHIM_LISTEN = 1 << 5,
  SHIM_ACCEPT = 1 << 6,
  SHIM_CONNECT = 1 << 7,
  SHIM_SETSOCKOPT = 1 << 8,
  SHIM_MKDIR = 1 << 9,
  SHIM_FLOCK = 1 << 10,
  SHIM_EPOLL_CTL = 1 << 11
};

/* They stand in the table from before the first thread: switched on and off. */
static struct native_calls real;
static struct {
  atomic_uint which;
  atomic_int before; /* so many calls succeed first */
  atomic_int fail;   /* then so many fail */
  atomic_int error;
} plan;

static void plan_on(unsigned which, int before, int fail, int error) {
  plan.before = before;
  plan.fail = fail;
  plan.error = error;
  plan.which = which;
}

static void plan_off(void) {
  plan.which = 0;
}

static bool fails(unsigned shim) {
  if (!(plan.which & shim) || atomic_fetch_sub(&plan.before, 1) > 0)
    return false;
  if (atomic_fetch_sub(&plan.fail, 1) <= 0)
    return false;
  errno = plan.error;
  return true;
}

#if NATIVE_HAS_PIPE2
static int try_pipe2(int fds[2], int flags) {
  return fails(SHIM_PIPE) ? -1 : real.pipe2(fds, flags);
}
#endif
static int try_fcntl(int fd, int command, int argument) {
  return fails(SHIM_FCNTL) ? -1 : real.fcntl(fd, command, argument);
}
static int try_fstat(int fd, struct stat *out) {
  return fails(SHIM_FSTAT) ? -1 : real.fstat(fd, out);
}
static int try_socket(int family, int type, int protocol) {
  return fails(SHIM_SOCKET) ? -1 : real.socket(family, type, protocol);
}
static int try_bind(int fd, const struct sockaddr *address, socklen_t length) {
  return fails(SHIM_BIND) ? -1 : real.bind(fd, address, length);
}
static int try_listen(int fd, int backlog) {
  return fails(SHIM_LISTEN) ? -1 : real.listen(fd, backlog);
}
#if NATIVE_HAS_ACCEPT4
static int try_accept4(int fd, struct sockaddr *address, socklen_t *length,
                       int flags) {
  return fails(SHIM_ACCEPT) ? -1 : real.accept4(fd, address, length, flags);
}
#endif
static int try_connect(int fd, const struct sockaddr *address,
                       socklen_t length) {
  return fails(SHIM_CONNECT) ? -1 : real.connect(fd, address, length);
}
static int try_setsockopt(int fd, int level, int name, const void *value,
                          socklen_t length) {
  return fails(SHIM_SETSOCKOPT)
             ? -1
             : real.setsockopt(fd, level, name, value, length);
}
static int try_mkdir(const char *path, mode_t mode) {
  return fails(SHIM_MKDIR) ? -1 : real.mkdir(path, mode);
}
static int try_flock(int fd, int operation) {
  return fails(SHIM_FLOCK) ? -1 : real.flock(fd, operation);
}
#if NATIVE_HAS_EPOLL
static int try_epoll_ctl(int epoll, int operation, int fd,
                         struct epoll_event *event) {
  return operation == EPOLL_CTL_ADD && fails(SHIM_EPOLL_CTL)
             ? -1
             : real.epoll_ctl(epoll, operation, fd, event);
}
#endif

/* ---- pipes without a name ---- */

/* Whichever call is the one that fails, nothing is left; the harness counts the
 * descriptors. */
static void test_pipe_fails_at_every_step(struct test *test) {
  int result = OVIO_EMFILE;
  int step = 0;
  for (; result != 0 && step < 50; step++) {
    struct ovio_file ends[2];
    plan_on(SHIM_PIPE | SHIM_FCNTL | SHIM_FSTAT, step, 1, EMFILE);
    result = ovio_pipe(ends, OVIO_INHERIT);
    plan_off();
    if (result == 0) {
      TRY_EQ(ovio_close(&ends[0]), 0);
      TRY_EQ(ovio_close(&ends[1]), 0);
      break;
    }
    TRY_EQ(result, OVIO_EMFILE);
    TRY_EQ(ovio_native_error(), EMFILE);
    TRY_EQ(ovio_close(&ends[0]), OVIO_EBADF);
    TRY_EQ(ovio_close(&ends[1]), OVIO_EBADF);
  }
  TRY(step > 5 && step < 50);
}

/* ---- names ---- */

/* A socket in the file system, as somebody else makes one. -1: it failed. */
static int foreign_socket(const char *path) {
  struct sockaddr_un address = {.sun_family = AF_UNIX};
  int fd = socket(AF_UNIX, SOCK_STREAM | NATIVE_SOCK_FLAGS, 0);
  snprintf(address.sun_path, sizeof address.sun_path, "%s", path);
  if (fd < 0 || bind(fd, (struct sockaddr *)&address, sizeof address) != 0 ||
      listen(fd, 1) != 0)
    return -1;
  return fd;
}

static void test_mode_of_the_socket(struct test *test) {
  struct ovio_file listener;
  struct stat stat;
  char path[512];
  snprintf(path, sizeof path, "%s", test_path("mode"));
  TRY_EQ(ovio_pipe_listen(&listener, path, 0), 0);
  TRY_EQ(lstat(path, &stat), 0);
  TRY_EQ(stat.st_mode & 07777, 0600);
  TRY_EQ(ovio_close(&listener), 0);
  TRY(lstat(path, &stat) != 0);
}

static void test_stale_socket_is_replaced(struct test *test) {
  struct ovio_file listener;
  struct ovio_file client;
  char path[512];
  snprintf(path, sizeof path, "%s", test_path("stale"));
  int fd = foreign_socket(path);
  TRY(fd >= 0);
  TRY_EQ(ovio_pipe_listen(&listener, path, 0), OVIO_EEXIST); /* it is alive */
  TRY_EQ(close(fd), 0);
  TRY_EQ(ovio_pipe_connect(&client, path, 0), OVIO_ENOENT);
  TRY_EQ(ovio_pipe_listen(&listener, path, 0), 0);
  TRY_EQ(ovio_pipe_connect(&client, path, 0), 0);
  TRY_EQ(ovio_close(&client), 0);
  TRY_EQ(ovio_close(&listener), 0);
}

static void test_other_files_are_left_alone(struct test *test) {
  struct ovio_file listener;
  char bytes[8];
  char path[512];
  snprintf(path, sizeof path, "%s", test_path("mine"));
  TRY(test_put(path, "keep", 4));
  TRY_EQ(ovio_pipe_listen(&listener, path, 0), OVIO_EEXIST);
  TRY_EQ(test_get(path, bytes, sizeof bytes), 4);
  test_remove(path);
  snprintf(path, sizeof path, "%s/none/x", test_folder());
  TRY_EQ(ovio_pipe_listen(&listener, path, 0), OVIO_ENOENT);
}

/* Another one's socket, which has come in the place of ours. */
static void test_close_takes_its_own_name_only(struct test *test) {
  struct ovio_file listener;
  char path[512];
  snprintf(path, sizeof path, "%s", test_path("replaced"));
  TRY_EQ(ovio_pipe_listen(&listener, path, 0), 0);
  TRY_EQ(unlink(path), 0);
  int fd = foreign_socket(path);
  TRY(fd >= 0);
  TRY_EQ(ovio_close(&listener), 0);
  TRY(test_exists(path));
  TRY_EQ(close(fd), 0);
  TRY_EQ(unlink(path), 0);
}

static void test_released_listener_keeps_its_name(struct test *test) {
  struct ovio_file listener;
  char path[512];
  snprintf(path, sizeof path, "%s", test_path("released"));
  TRY_EQ(ovio_pipe_listen(&listener, path, 0), 0);
  int fd = ovio_release(&listener);
  TRY(fd >= 0);
  TRY(test_exists(path));
  TRY_EQ(close(fd), 0);
  TRY_EQ(unlink(path), 0);
}

/* A runtime folder of this user's is used; one that others can enter is not. */
static void test_folder_of_plain_names(struct test *test) {
  struct ovio_file listener;
  char folder[400];
  char path[512];
  snprintf(folder, sizeof folder, "%s", test_path("runtime"));
  snprintf(path, sizeof path, "%s/ovio-plain", folder);
  TRY_EQ(mkdir(folder, 0700), 0);
  TRY_EQ(setenv("XDG_RUNTIME_DIR", folder, 1), 0);
  TRY_EQ(ovio_pipe_listen(&listener, "ovio-plain", 0), 0);
  TRY(test_exists(path));
  TRY_EQ(ovio_close(&listener), 0);
  TRY(!test_exists(path));
  TRY_EQ(chmod(folder, 0755), 0);
  TRY_EQ(ovio_pipe_listen(&listener, "ovio-plain", 0), 0);
  TRY(!test_exists(path));
  TRY_EQ(ovio_close(&listener), 0);
  TRY_EQ(chmod(folder, 0700), 0);
  if (chown(folder, 65534, (gid_t)-1) == 0) { /* who is not root cannot */
    TRY_EQ(ovio_pipe_listen(&listener, "ovio-plain", 0), 0);
    TRY(!test_exists(path));
    TRY_EQ(ovio_close(&listener), 0);
  }
  TRY_EQ(unsetenv("XDG_RUNTIME_DIR"), 0);
  plan_on(SHIM_MKDIR, 0, 1, EROFS);
  int refused = ovio_pipe_listen(&listener, "ovio-plain", 0);
  plan_off();
  TRY_EQ(refused, OVIO_EROFS);
  TRY_EQ(rmdir(folder), 0);
}

/* ---- listening, accepting, connecting that fails ---- */

static void test_listen_fails_at_every_step(struct test *test) {
  char path[512];
  snprintf(path, sizeof path, "%s", test_path("failing"));
  static const unsigned steps[] = {SHIM_SOCKET, SHIM_BIND, SHIM_LISTEN};
  for (size_t at = 0; at < sizeof steps / sizeof *steps; at++) {
    struct ovio_file listener;
    plan_on(steps[at], 0, 1, ENOBUFS);
    int result = ovio_pipe_listen(&listener, path, OVIO_MESSAGE);
    plan_off();
    TRY_EQ(result, OVIO_ENOBUFS);
    TRY(!test_exists(path));
    TRY_EQ(ovio_close(&listener), OVIO_EBADF);
  }
}

/* The lock of the folder, held by another one: for a moment, and for ever. */
static void test_locked_folder(struct test *test) {
  struct ovio_file listener;
  char path[512];
  snprintf(path, sizeof path, "%s", test_path("locked"));
  TRY_EQ(close(foreign_socket(path)), 0);
  plan_on(SHIM_FLOCK, 0, 3, EWOULDBLOCK);
  int result = ovio_pipe_listen(&listener, path, 0);
  plan_off();
  TRY_EQ(result, 0);
  TRY_EQ(ovio_close(&listener), 0);
  TRY_EQ(close(foreign_socket(path)), 0);
  plan_on(SHIM_FLOCK, 0, 1000, EWOULDBLOCK);
  result = ovio_pipe_listen(&listener, path, 0);
  plan_off();
  TRY_EQ(result, OVIO_EBUSY);
  TRY_EQ(unlink(path), 0);
}

static void test_accept_that_fails_loses_nobody(struct test *test) {
  struct ovio_file listener;
  struct ovio_file ends[2];
  char path[512];
  char byte = 0;
  snprintf(path, sizeof path, "%s", test_path("emfile"));
  TRY_EQ(ovio_pipe_listen(&listener, path, 0), 0);
  TRY_EQ(ovio_pipe_connect(&ends[1], path, 0), 0);
  TRY_EQ(ovio_write(&ends[1], "x", 1, OVIO_HERE), 1);
  plan_on(SHIM_ACCEPT, 0, 1, EMFILE);
  int result = ovio_pipe_accept(&listener, &ends[0]);
  plan_off();
  TRY_EQ(result, OVIO_EMFILE);
  TRY_EQ(ovio_close(&ends[0]), OVIO_EBADF);
  /* A signal, and a client that has gone: both are passed over. */
  plan_on(SHIM_ACCEPT, 0, 1, EINTR);
  result = ovio_pipe_accept(&listener, &ends[0]);
  plan_off();
  TRY_EQ(result, 0);
  TRY_EQ(ovio_read(&ends[0], &byte, 1, OVIO_HERE), 1);
  TRY_EQ(ovio_close(&ends[0]), 0);
  TRY_EQ(ovio_close(&ends[1]), 0);
  TRY_EQ(ovio_pipe_connect(&ends[1], path, 0), 0);
  plan_on(SHIM_ACCEPT, 0, 2, ECONNABORTED);
  result = ovio_pipe_accept(&listener, &ends[0]);
  plan_off();
  TRY_EQ(result, 0);
  TRY_EQ(ovio_close(&ends[0]), 0);
  TRY_EQ(ovio_close(&ends[1]), 0);
  TRY_EQ(ovio_close(&listener), 0);
}

/* The descriptor of a client that cannot become a file is closed. */
static void test_take_that_fails(struct test *test) {
  struct ovio_file listener;
  struct ovio_file ends[2];
  char path[512];
  snprintf(path, sizeof path, "%s", test_path("take"));
  TRY_EQ(ovio_pipe_listen(&listener, path, OVIO_MESSAGE), 0);
  static const unsigned steps[] = {SHIM_FSTAT, SHIM_SETSOCKOPT};
  for (size_t at = 0; at < 2; at++) {
    TRY_EQ(ovio_pipe_connect(&ends[1], path, OVIO_MESSAGE), 0);
    plan_on(steps[at], 0, 1, ENOMEM);
    int result = ovio_pipe_accept(&listener, &ends[0]);
    plan_off();
    TRY_EQ(result, OVIO_ENOMEM);
    TRY_EQ(ovio_close(&ends[0]), OVIO_EBADF);
    TRY_EQ(ovio_close(&ends[1]), 0);
    plan_on(steps[at], 0, 1, ENOMEM);
    result = ovio_pipe_connect(&ends[1], path, OVIO_MESSAGE);
    plan_off();
    TRY_EQ(result, OVIO_ENOMEM);
    TRY_EQ(ovio_pipe_accept(&listener, &ends[0]), 0);
    TRY_EQ(ovio_close(&ends[0]), 0);
  }
  TRY_EQ(ovio_close(&listener), 0);
}

/* A full backlog: EAGAIN, see connect(2). */
static void test_connect_is_interrupted(struct test *test) {
  struct ovio_file listener, client;
  char path[512];
  snprintf(path, sizeof path, "%s", test_path("interrupted"));
  TRY_EQ(ovio_pipe_listen(&listener, path, 0), 0);
  plan_on(SHIM_CONNECT, 0, 2, EINTR);
  int connected = ovio_pipe_connect(&client, path, 0);
  plan_off();
  TRY_EQ(connected, 0);
  TRY_EQ(ovio_close(&client), 0);
  TRY_EQ(ovio_close(&listener), 0);
}

static void test_connect_waits_for_room(struct test *test) {
  struct ovio_file listener;
  struct ovio_file client;
  char path[512];
  snprintf(path, sizeof path, "%s", test_path("busy"));
  TRY_EQ(ovio_pipe_listen(&listener, path, 0), 0);
  plan_on(SHIM_CONNECT, 0, 4, EAGAIN);
  int result = ovio_pipe_connect(&client, path, 0);
  plan_off();
  TRY_EQ(result, 0);
  TRY_EQ(ovio_close(&client), 0);
  plan_on(SHIM_SOCKET, 0, 1, EMFILE);
  result = ovio_pipe_connect(&client, path, 0);
  plan_off();
  TRY_EQ(result, OVIO_EMFILE);
  TRY_EQ(ovio_close(&listener), 0);
}

static void test_connect_that_waits_ends(struct test *test) {
  struct ovio_file listener;
  struct ovio_file client;
  char path[512];
  snprintf(path, sizeof path, "%s", test_path("full"));
  TRY_EQ(ovio_pipe_listen(&listener, path, 0), 0);
  TRY_EQ(ovio_deadline(10 * MS), 0);
  plan_on(SHIM_CONNECT, 0, 1000000, EAGAIN);
  int result = ovio_pipe_connect(&client, path, 0);
  plan_off();
  TRY_EQ(result, OVIO_ETIMEDOUT);
  TRY_EQ(ovio_deadline(0), 0);
  TRY_EQ(ovio_close(&listener), 0);
}

/* ---- readiness ---- */

#if defined(SYS_pidfd_open)
struct reaping {
  int pidfd;
  int64_t result;
  atomic_int state;
};

static void reap(void *argument) {
  struct reaping *self = argument;
  atomic_store(&self->state, 1);
  self->result = ready_perform(self->pidfd, false);
  atomic_store(&self->state, 2);
}

static void test_end_of_a_process(struct test *test) {
  struct companion companion;
  int ends[2];
  TRY_EQ(pipe2(ends, O_CLOEXEC), 0);
  pid_t child = fork();
  if (child == 0) {
    char byte;
    close(ends[1]);
    ssize_t got = read(ends[0], &byte, 1); /* until the parent closes */
    _exit(got == 0 ? 7 : 8);
  }
  TRY(child > 0);
  struct reaping reaping = {.pidfd = (int)syscall(SYS_pidfd_open, child, 0),
                            .result = -1};
  if (reaping.pidfd < 0)
    SKIP("no pidfd_open here");
  TRY(companion_start(test, &companion, reap, &reaping));
  AWAIT(reaping.state >= 1);
  TRY_EQ(ovio_sleep(2 * MS), 0);
  TRY_EQ(reaping.state, 1);
  TRY_EQ(close(ends[0]), 0);
  TRY_EQ(close(ends[1]), 0);
  companion_join(&companion);
  TRY_EQ(reaping.result, 0);
  int status = 0;
  TRY_EQ(waitpid(child, &status, WNOHANG), child);
  TRY_EQ(WEXITSTATUS(status), 7);
  TRY_EQ(close(reaping.pidfd), 0);
}
#endif

struct waiting {
  int fd;
  int result;
  atomic_int state;
};

static void wait_readable(void *argument) {
  struct waiting *self = argument;
  atomic_store(&self->state, 1);
  self->result = ovio_wait_readable(self->fd);
  atomic_store(&self->state, 2);
}

/* When the engine cannot take it, a worker waits: cancelled or not. */
static void ready_by_worker(struct test *test, unsigned shim, int before) {
  struct companion companion;
  int ends[2];
  TRY(test_pipe(ends, TEST_PIPE_SYNC));
  for (int cancelled = 0; cancelled < 2; cancelled++) {
    struct waiting waiting = {.fd = ends[0], .result = 1};
    plan_on(shim, before, 1, ENOMEM);
    TRY(companion_start(test, &companion, wait_readable, &waiting));
    AWAIT(waiting.state >= 1);
    TRY_EQ(ovio_sleep(2 * MS), 0);
    plan_off();
    if (cancelled)
      ovio_group_cancel(&companion.group);
    else
      TRY_EQ(write(ends[1], "x", 1), 1);
    companion_join(&companion);
    TRY_EQ(waiting.result, cancelled ? OVIO_ECANCELED : 0);
    char byte;
    TRY(cancelled || read(ends[0], &byte, 1) == 1);
  }
  TRY(test_close_handle(ends[0]));
  TRY(test_close_handle(ends[1]));
}

static void test_engine_without_room(struct test *test) {
  ready_by_worker(test, SHIM_EPOLL_CTL, 0);
}

/* Two wait for one descriptor, and there is none left for the duplicate. */
static void test_no_descriptor_for_the_second(struct test *test) {
  struct companion companions[2];
  int ends[2];
  TRY(test_pipe(ends, TEST_PIPE_SYNC));
  struct waiting waiting[2] = {{.fd = ends[0], .result = 1},
                               {.fd = ends[0], .result = 1}};
  TRY(companion_start(test, &companions[0], wait_readable, &waiting[0]));
  AWAIT(waiting[0].state >= 1);
  plan_on(SHIM_FCNTL, 0, 1, EMFILE);
  TRY(companion_start(test, &companions[1], wait_readable, &waiting[1]));
  AWAIT(waiting[1].state >= 1);
  TRY_EQ(ovio_sleep(2 * MS), 0);
  plan_off();
  TRY_EQ(write(ends[1], "x", 1), 1);
  for (int at = 0; at < 2; at++) {
    companion_join(&companions[at]);
    TRY_EQ(waiting[at].result, 0);
  }
  TRY(test_close_handle(ends[0]));
  TRY(test_close_handle(ends[1]));
}

/* The engine has both of them, by a duplicate: no thread waits. */
static void test_second_one_needs_no_thread(struct test *test) {
  ONE_THREAD("it counts threads");
  struct companion companions[3];
  struct waiting waiting[3];
  int ends[2];
  TRY(test_pipe(ends, TEST_PIPE_SYNC));
  unsigned long threads = test_threads_alive();
  for (int at = 0; at < 3; at++) {
    waiting[at] = (struct waiting){.fd = ends[0], .result = 1};
    TRY(companion_start(test, &companions[at], wait_readable, &waiting[at]));
    AWAIT(waiting[at].state >= 1);
  }
  TRY_EQ(test_threads_alive(), threads);
  TRY_EQ(write(ends[1], "x", 1), 1);
  for (int at = 0; at < 3; at++) {
    companion_join(&companions[at]);
    TRY_EQ(waiting[at].result, 0);
  }
  TRY(test_close_handle(ends[0]));
  TRY(test_close_handle(ends[1]));
}

/* A blocking descriptor's mode is as it was. */
static void test_mode_is_not_changed(struct test *test) {
  int ends[2];
  TRY(test_pipe(ends, TEST_PIPE_SYNC));
  TRY_EQ(ovio_wait_writable(ends[1]), 0);
  TRY_EQ(fcntl(ends[1], F_GETFL) & O_NONBLOCK, 0);
  TRY(test_close_handle(ends[0]));
  TRY_EQ(ovio_wait_writable(ends[1]), 0); /* an error counts as ready */
  TRY(test_close_handle(ends[1]));
}

static void install(void) {
  real = native;
#if NATIVE_HAS_PIPE2
  native.pipe2 = try_pipe2;
#endif
  native.fcntl = try_fcntl;
  native.fstat = try_fstat;
  native.socket = try_socket;
  native.bind = try_bind;
  native.listen = try_listen;
#if NATIVE_HAS_ACCEPT4
  native.accept4 = try_accept4;
#endif
  native.connect = try_connect;
  native.setsockopt = try_setsockopt;
  native.mkdir = try_mkdir;
  native.flock = try_flock;
#if NATIVE_HAS_EPOLL
  native.epoll_ctl = try_epoll_ctl;
#endif
}

int main(void) {
  static const struct test_case cases[] = {
    TEST(test_pipe_fails_at_every_step),
    TEST(test_mode_of_the_socket),
    TEST(test_stale_socket_is_replaced),
    TEST(test_other_files_are_left_alone),
    TEST(test_close_takes_its_own_name_only),
    TEST(test_released_listener_keeps_its_name),
    TEST_PLAIN(test_folder_of_plain_names, "changes the environment"),
    TEST(test_listen_fails_at_every_step),
    TEST(test_locked_folder),
    TEST(test_accept_that_fails_loses_nobody),
    TEST(test_take_that_fails),
    TEST(test_connect_is_interrupted),
    TEST(test_connect_waits_for_room),
    TEST_LOOP(test_connect_that_waits_ends, "plain threads: no deadline"),
#if defined(SYS_pidfd_open)
    TEST(test_end_of_a_process),
#endif
    TEST_LOOP(test_engine_without_room, "plain threads have no engine"),
    TEST_LOOP(test_no_descriptor_for_the_second, "the same"),
    TEST_LOOP(test_second_one_needs_no_thread, "a plain thread is one"),
    TEST(test_mode_is_not_changed),
  };
  install();
  return test_main(cases, sizeof cases / sizeof *cases);
}
