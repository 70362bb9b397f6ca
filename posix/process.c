/* SPDX-License-Identifier: MIT */
/* Child processes: fork(2), execve(2), pidfd_open(2).
 *
 * THE CHILD is a copy of one thread of many, so until execve(2) it may call
 * nothing but what is async-signal-safe (signal-safety(7)): all memory that it
 * needs is got before. All signals are blocked across the fork, or a handler of
 * the program's would run in it; it restores what it changes for the new
 * program alone.
 *
 * ITS FAILURE comes back through a pipe that execve(2) closes: the errno, or
 * nothing but the end.
 *
 * ITS NUMBER is its own until its status is taken, and nobody takes it but
 * os_process_collect(). One that is let go while it runs is an orphan: a later
 * spawn or close collects it. No handler for SIGCHLD, which is the program's;
 * no other child is ever asked for. */
#include "posix/side.h"

#include <stdlib.h>
#include <string.h>

#include "common/memory.h"

enum { STREAMS = 3, ID_NONE = -1 };

/* ---- orphans ---- */

struct orphan {
  struct orphan *next;
  pid_t pid;
};

static pthread_mutex_t orphans__lock = PTHREAD_MUTEX_INITIALIZER;
static struct orphan *orphans__first;

/* Takes the status of a child that has ended; 0: it runs. 1, or -1: gone. */
static int process__reap(pid_t pid, siginfo_t *info, int options) {
  int result;
  info->si_pid = 0;
  do
    result = native.waitid(P_PID, (id_t)pid, info, WEXITED | options);
  while (result < 0 && errno == EINTR);
  return result < 0 ? -1 : info->si_pid != 0;
}

static void orphans__sweep(void) {
  siginfo_t info;
  pthread_mutex_lock(&orphans__lock);
  for (struct orphan **at = &orphans__first; *at;) {
    struct orphan *orphan = *at;
    int result = process__reap(orphan->pid, &info, WNOHANG);
    if (result > 0 || (result < 0 && errno == ECHILD)) {
      *at = orphan->next;
      memory_free(orphan);
    } else {
      at = &orphan->next;
    }
  }
  pthread_mutex_unlock(&orphans__lock);
}

static void orphans__add(struct orphan *orphan) {
  pthread_mutex_lock(&orphans__lock);
  orphan->next = orphans__first;
  orphans__first = orphan;
  pthread_mutex_unlock(&orphans__lock);
}

/* ---- what the child needs, made before the fork ---- */

struct image {
  const struct os_spawn *spawn;
  char **candidates; /* paths to be tried, up to a NULL */
  bool searching;
  char *const *environment;
  int error_end; /* of the pipe */
};

static const char *const image__default_path = "/usr/bin:/bin";

/* The part of a path list that begins at `at`, which goes on behind it. */
static size_t image__next_part(const char **at, const char **part) {
  *part = *at;
  size_t length = strcspn(*at, ":");
  *at += length;
  *at += **at == ':';
  return length;
}

static size_t image__count_parts(const char *path) {
  size_t count = 1;
  for (; *path; path++)
    count += *path == ':';
  return count;
}

/* "folder/part/program", less what is empty. Returns its length and the 0. */
static size_t image__join(char *out, const char *folder, const char *part,
                          size_t part_length, const char *program) {
  size_t used = 0;
  if (folder) {
    used = strlen(folder);
    memcpy(out, folder, used);
    out[used++] = '/';
  }
  if (part_length) {
    memcpy(out + used, part, part_length);
    used += part_length;
    out[used++] = '/';
  }
  size_t length = strlen(program) + 1;
  memcpy(out + used, program, length);
  return used + length;
}

/* `folder`: NULL, or where relative paths begin. An empty part of a path list
 * would be the current directory: left out. */
static int image__list(struct image *image, const char *path,
                       const char *folder) {
  const char *program = image->spawn->program;
  size_t count = image__count_parts(path);
  size_t each = (folder ? strlen(folder) : 0) + strlen(program) + 4;
  image->candidates = memory_allocate((count + 1) * sizeof(char *) +
                                      count * each + strlen(path));
  if (!image->candidates)
    return OVIO_ENOMEM;
  char *text = (char *)(image->candidates + count + 1);
  size_t used = 0;
  while (*path) {
    const char *part;
    size_t length = image__next_part(&path, &part);
    if (length == 0)
      continue;
    image->candidates[used++] = text;
    text +=
        image__join(text, *part == '/' ? NULL : folder, part, length, program);
  }
  return 0;
}

static int image__single(struct image *image, const char *folder) {
  const char *program = image->spawn->program;
  const char *from = *program == '/' ? NULL : folder;
  size_t length = (from ? strlen(from) : 0) + strlen(program) + 2;
  image->candidates = memory_allocate(2 * sizeof(char *) + length);
  if (!image->candidates)
    return OVIO_ENOMEM;
  image->candidates[0] = (char *)(image->candidates + 2);
  image__join(image->candidates[0], from, NULL, 0, program);
  return 0;
}

static struct os_result image__prepare(struct image *image) {
  char here[PATH_MAX];
  const char *folder = NULL;
  const struct os_spawn *spawn = image->spawn;
  image->environment = spawn->environment
                           ? (char *const *)(uintptr_t)spawn->environment
                           : NATIVE_ENVIRONMENT;
  image->searching = !strchr(spawn->program, '/');
  const char *path = image->searching ? getenv("PATH") : NULL;
  if (spawn->directory) { /* the program is not meant to be found there */
    if (!native.getcwd(here, sizeof(here)))
      return native_failure(errno);
    folder = here;
  }
  int error =
      image->searching
          ? image__list(image, path ? path : image__default_path, folder)
          : image__single(image, folder);
  return (struct os_result){error, 0};
}

/* ---- the child ---- */

/* `end` may be one of the numbers that the streams are to get. */
static _Noreturn void child__fail(const struct image *image, int error) {
  ssize_t written;
  do
    written = native.write(image->error_end, &error, sizeof(error));
  while (written < 0 && errno == EINTR);
  _exit(127);
}

static void child__reset_signals(void) {
  struct sigaction action;
  memset(&action, 0, sizeof(action));
  action.sa_handler = SIG_DFL;
  for (int number = 1; number < NSIG; number++)
    (void)sigaction(number, &action, NULL); /* not SIGKILL, of course */
}

/* A copy that is out of the way of 0, 1 and 2, or the same. */
static int child__lift(int fd) {
  return fd >= 0 && fd < STREAMS ? native.fcntl(fd, F_DUPFD_CLOEXEC, STREAMS)
                                 : fd;
}

static int child__source(const struct os_spawn *spawn, int at) {
  if (at == 2 && spawn->join)
    return spawn->streams[1] ? (int)spawn->streams[1]->handle : 1;
  return spawn->streams[at] ? (int)spawn->streams[at]->handle : ID_NONE;
}

/* Puts one in its place, and lets it through execve(2). */
static bool child__place(int from, int to) {
  int result;
  if (from < 0) {
    (void)native.fcntl(to, F_SETFD, 0); /* ours, if there is one */
    return true;
  }
  do
    result = native.dup2(from, to);
  while (result < 0 && errno == EINTR);
  return result >= 0;
}

static bool child__place_streams(const struct os_spawn *spawn) {
  int from[STREAMS];
  for (int at = 0; at < STREAMS; at++) {
    from[at] = child__source(spawn, at);
    if (from[at] >= 0 && (from[at] = child__lift(from[at])) < 0)
      return false;
  }
  for (int at = 0; at < STREAMS; at++) {
    if (!child__place(from[at], at))
      return false;
  }
  return true;
}

/* Everything but those named ends with execve(2). */
static bool child__sort_descriptors(const struct os_spawn *spawn) {
#if NATIVE_HAS_CLOSE_RANGE
  /* An old kernel leaves what other code has not marked. */
  (void)native.close_range(STREAMS, ~0U, (int)CLOSE_RANGE_CLOEXEC);
#endif
  for (size_t at = 0; at < spawn->inherited_count; at++) {
    if (native.fcntl((int)spawn->inherited[at]->handle, F_SETFD, 0) < 0)
      return false;
  }
  return true;
}

/* The error to tell: a file that may not be run counts more than none. */
static int child__run_program(const struct image *image) {
  char *const *arguments = (char *const *)(uintptr_t)image->spawn->arguments;
  int error = ENOENT;
  /* NOLINTNEXTLINE(clang-analyzer-core.NullDereference): image__prepare() */
  for (char **path = image->candidates; *path; path++) {
    (void)native.execve(*path, arguments, image->environment);
    if (!image->searching)
      return errno;
    if (errno == EACCES)
      error = EACCES;
    else if (errno != ENOENT && errno != ENOTDIR)
      return errno;
  }
  return error;
}

static _Noreturn void child__main(struct image *image) {
  const struct os_spawn *spawn = image->spawn;
  sigset_t none;
  child__reset_signals();
  int end = child__lift(image->error_end);
  if (end < 0)
    child__fail(image, errno);
  image->error_end = end;
  if (!child__place_streams(spawn) || !child__sort_descriptors(spawn) ||
      (spawn->directory && native.chdir(spawn->directory) < 0))
    child__fail(image, errno);
  sigemptyset(&none);
  (void)pthread_sigmask(SIG_SETMASK, &none, NULL);
  child__fail(image, child__run_program(image));
}

/* ---- the parent ---- */

static pid_t process__fork(struct image *image) {
  sigset_t all;
  sigset_t before;
  sigfillset(&all);
  pthread_sigmask(SIG_SETMASK, &all, &before);
  pid_t pid = native.fork();
  if (pid == 0)
    child__main(image);
  int error = errno;
  pthread_sigmask(SIG_SETMASK, &before, NULL);
  errno = error;
  return pid;
}

/* The errno that the child has sent, 0 if it has become the program, or -1:
 * nobody knows. */
static int process__hear(int end) {
  int error = 0;
  size_t got = 0;
  while (got < sizeof(error)) {
    ssize_t count = native.read(end, (char *)&error + got, sizeof(error) - got);
    if (count == 0)
      return got == 0 ? 0 : -1;
    if (count > 0)
      got += (size_t)count;
    else if (errno != EINTR)
      return -1;
  }
  return error;
}

/* It has failed, or is made to. */
static struct os_result process__bury(pid_t pid, int error) {
  siginfo_t info;
  struct os_result result = native_failure(error);
  if (error < 0) {
    result = (struct os_result){OVIO_EIO, 0};
    (void)native.kill(pid, SIGKILL);
  }
  while (process__reap(pid, &info, 0) < 0 && errno != ECHILD)
    os_thread_yield();
  return result;
}

static struct os_result process__start(pid_t *pid, struct image *image) {
  struct os_file ends[2] = {{0}, {0}};
  const unsigned flags[2] = {OVIO_BLOCKING, OVIO_BLOCKING};
  struct os_result result = os_pipe_create(ends, flags);
  if (result.value < 0)
    return result;
  image->error_end = (int)ends[1].handle;
  *pid = process__fork(image);
  if (*pid < 0) {
    result = native_failure(errno);
    if (result.native == EAGAIN) /* no process more; nothing becomes ready */
      result.value = OVIO_ENOBUFS;
  }
  native.close((int)ends[1].handle);
  int error = *pid < 0 ? 0 : process__hear((int)ends[0].handle);
  native.close((int)ends[0].handle);
  return error ? process__bury(*pid, error) : result;
}

static intptr_t process__watch(pid_t pid) {
#if NATIVE_HAS_PIDFD
  return native.pidfd_open(pid, 0); /* without one, by and by */
#else
  (void)pid;
  return -1;
#endif
}

struct os_result os_process_open_null(struct os_file *file) {
  return os_file_open(file, NULL, "/dev/null",
                      OVIO_READ | OVIO_WRITE | OVIO_BLOCKING, 0);
}

/* 0, 1 and 2 are the child's streams, whatever they are here. */
static int process__check_inherited(const struct os_spawn *spawn) {
  for (size_t at = 0; at < spawn->inherited_count; at++) {
    if (spawn->inherited[at]->handle < STREAMS)
      return OVIO_EINVAL;
  }
  return 0;
}

struct os_result os_process_spawn(struct os_process *process,
                                  const struct os_spawn *spawn) {
  struct image image = {.spawn = spawn};
  pid_t pid = 0;
  orphans__sweep();
  int error = process__check_inherited(spawn);
  if (error)
    return (struct os_result){error, 0};
  struct orphan *orphan = memory_allocate(sizeof(*orphan));
  if (!orphan)
    return (struct os_result){OVIO_ENOMEM, 0};
  struct os_result result = image__prepare(&image);
  if (result.value == 0)
    result = process__start(&pid, &image);
  memory_free(image.candidates);
  if (result.value < 0) {
    memory_free(orphan);
    return result;
  }
  orphan->pid = pid;
  *process = (struct os_process){
      .handle = process__watch(pid), .id = (uint64_t)pid, .spare = orphan};
  process->pollable = process->handle >= 0;
  return result;
}

/* ---- its end ---- */

/* Without a pidfd nothing tells of its end: time passes. */
struct os_result os_process_await(const struct os_process *process,
                                  int64_t patience_ns,
                                  struct os_waiter *waiter) {
  (void)process;
  struct native_wakeup *wakeup =
      waiter ? (struct native_wakeup *)(void *)waiter->words : NULL;
  int error =
      native_await(-1, false, wakeup, (int)((patience_ns + 999999) / 1000000));
  return error == EAGAIN ? (struct os_result){0, 0} : native_failure(error);
}

struct os_result os_process_collect(struct os_process *process,
                                    struct ovio_exit *out) {
  siginfo_t info;
  int result = process__reap((pid_t)process->id, &info, WNOHANG);
  if (result < 0 && errno != ECHILD)
    return native_failure(errno);
  if (result == 0)
    return (struct os_result){0, 0};
  memory_free(process->spare);
  process->spare = NULL;
  if (result < 0)
    return native_failure(ECHILD);
  bool exited = info.si_code == CLD_EXITED;
  out->code = exited ? (uint32_t)info.si_status : 0;
  out->signal = exited ? 0 : info.si_status;
  return (struct os_result){1, 0};
}

struct os_result os_process_kill(struct os_process *process, unsigned how) {
  int signal = how == OVIO_KILL_ASK ? SIGTERM : SIGKILL;
  int result;
#if NATIVE_HAS_PIDFD
  if (process->handle >= 0)
    result = native.pidfd_send_signal((int)process->handle, signal, NULL, 0);
  else
#endif
    result = native.kill((pid_t)process->id, signal);
  return result < 0 ? native_failure(errno) : (struct os_result){0, 0};
}

void os_process_close(struct os_process *process) {
  if (process->handle >= 0)
    native.close((int)process->handle);
  if (process->spare)
    orphans__add(process->spare);
  orphans__sweep();
}
