/* SPDX-License-Identifier: MIT */
/* The tests' own system calls, POSIX. */
#include "posix/native.h"

#include "support.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/wait.h>
#include <unistd.h>

const struct test_mode test_modes[] = {
    {"plain", false, OVIO_ENGINE_DEFAULT},
#ifdef __linux__
    {"epoll", true, OVIO_ENGINE_EPOLL},
#endif
    {"poll", true, OVIO_ENGINE_POLL},
#if NATIVE_HAS_KQUEUE
    {"kqueue", true, OVIO_ENGINE_KQUEUE},
#endif
#if NATIVE_HAS_URING
    {"io_uring", true, OVIO_ENGINE_URING},
#endif
};
const size_t test_mode_count = sizeof test_modes / sizeof *test_modes;

#if NATIVE_HAS_RWF
static ssize_t (*real_preadv2)(int fd, const struct iovec *iov, int count,
                               off_t offset, int flags);

static ssize_t try_preadv2(int fd, const struct iovec *iov, int count,
                           off_t offset, int flags) {
  if (offset < 0 || !atomic_load(&test_no_try))
    return real_preadv2(fd, iov, count, offset, flags);
  errno = EOPNOTSUPP;
  return -1;
}

__attribute__((constructor)) static void install(void) {
  real_preadv2 = native.preadv2;
  native.preadv2 = try_preadv2;
}
#endif

#if NATIVE_HAS_URING
enum { SYNCS_MAX = 64 };

static struct ring_sync {
  uint64_t data; /* 0: none */
  int fd;
  bool data_only;
} ring_syncs[SYNCS_MAX];

static int (*real_submit)(struct io_uring *ring);
static int (*real_submit_and_wait)(struct io_uring *ring,
                                   struct io_uring_cqe **cqe, unsigned count,
                                   struct __kernel_timespec *time,
                                   sigset_t *mask);

static struct ring_sync *find_sync(uint64_t data) {
  for (int at = 0; at < SYNCS_MAX; at++) {
    if (ring_syncs[at].data == data)
      return &ring_syncs[at];
  }
  return NULL;
}

/* Nothing is done instead... */
static void take_syncs(const struct io_uring *ring) {
  for (unsigned at = ring->sq.sqe_head; at != ring->sq.sqe_tail; at++) {
    struct io_uring_sqe *entry = &ring->sq.sqes[at & *ring->sq.kring_mask];
    struct ring_sync *sync = find_sync(0);
    if (entry->opcode != IORING_OP_FSYNC || !sync)
      continue;
    *sync = (struct ring_sync){entry->user_data, entry->fd,
                               (entry->fsync_flags & IORING_FSYNC_DATASYNC)};
    io_uring_prep_nop(entry);
    entry->user_data = sync->data;
  }
}

/* ...and the call is made when that is over. */
static int make_syncs(struct io_uring *ring, int result) {
  unsigned head;
  struct io_uring_cqe *completion;
  io_uring_for_each_cqe(ring, head, completion) {
    struct ring_sync *sync =
        completion->user_data ? find_sync(completion->user_data) : NULL;
    if (!sync)
      continue;
    sync->data = 0;
    int failed =
        sync->data_only ? native.fdatasync(sync->fd) : native.fsync(sync->fd);
    completion->res = failed ? -errno : 0;
  }
  return result;
}

static int submit_syncs(struct io_uring *ring) {
  take_syncs(ring);
  return make_syncs(ring, real_submit(ring));
}

static int submit_and_wait_syncs(struct io_uring *ring,
                                 struct io_uring_cqe **cqe, unsigned count,
                                 struct __kernel_timespec *time,
                                 sigset_t *mask) {
  take_syncs(ring);
  return make_syncs(ring, real_submit_and_wait(ring, cqe, count, time, mask));
}

void test_ring_syncs_by_calls(void) {
  real_submit = native.io_uring_submit_and_get_events;
  real_submit_and_wait = native.io_uring_submit_and_wait_timeout;
  native.io_uring_submit_and_get_events = submit_syncs;
  native.io_uring_submit_and_wait_timeout = submit_and_wait_syncs;
}
#else
void test_ring_syncs_by_calls(void) {
}
#endif

bool test_pipe(ovio_handle ends[2], enum test_pipe_kind kind) {
  if (pipe(ends) != 0)
    return false;
  for (int at = 0; at < 2; at++) {
    fcntl(ends[at], F_SETFD, FD_CLOEXEC);
    if (kind == TEST_PIPE_OVERLAPPED)
      fcntl(ends[at], F_SETFL, fcntl(ends[at], F_GETFL) | O_NONBLOCK);
  }
  return true;
}

size_t test_pipe_room(void) {
  return 65536;
}

bool test_socket_pair(ovio_handle ends[2]) {
  if (socketpair(AF_UNIX, SOCK_STREAM, 0, ends) != 0)
    return false;
  for (int at = 0; at < 2; at++)
    fcntl(ends[at], F_SETFL, fcntl(ends[at], F_GETFL) | O_NONBLOCK);
  return true;
}

bool test_close_handle(ovio_handle handle) {
  return close(handle) == 0;
}

ovio_handle test_open_handle(const char *path, bool write, bool overlapped) {
  (void)overlapped;
  return open(path, (write ? O_RDWR | O_CREAT : O_RDONLY) | O_CLOEXEC, 0600);
}

int64_t test_handle_position(ovio_handle handle) {
  return lseek(handle, 0, SEEK_CUR);
}

ovio_handle test_duplicate(ovio_handle handle) {
  return fcntl(handle, F_DUPFD_CLOEXEC, 0);
}

bool test_is_inheritable(ovio_handle handle) {
  return (fcntl(handle, F_GETFD) & FD_CLOEXEC) == 0;
}

bool test_handle_move(ovio_handle handle, int64_t position) {
  return lseek(handle, position, SEEK_SET) == position;
}

bool test_make_folder(const char *path) {
  return mkdir(path, 0700) == 0;
}

bool test_exists(const char *path) {
  struct stat info;
  return lstat(path, &info) == 0;
}

bool test_make_link(const char *target, const char *path, bool is_folder) {
  (void)is_folder;
  return symlink(target, path) == 0;
}

bool test_process_start(intptr_t *process, const char *first,
                        const char *second) {
  *process = fork();
  if (*process == 0) {
    execl("/proc/self/exe", "test", first, second, (char *)NULL);
    _exit(127);
  }
  return *process > 0;
}

bool test_process_kill(intptr_t process) {
  return kill((pid_t)process, SIGKILL) == 0 &&
         waitpid((pid_t)process, NULL, 0) == process;
}

void *test_reserve(size_t length) {
  void *memory = mmap(NULL, length, PROT_READ | PROT_WRITE,
                      MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (memory == MAP_FAILED)
    return NULL;
#ifdef MADV_HUGEPAGE
  madvise(memory, length, MADV_HUGEPAGE); /* a thousandth of the page faults */
#endif
  return memory;
}

void test_unreserve(void *memory, size_t length) {
  munmap(memory, length);
}

static unsigned long count_entries(const char *path) {
  DIR *dir = opendir(path);
  unsigned long count = 0;
  if (!dir)
    return 0;
  while (readdir(dir))
    count++;
  closedir(dir);
  return count;
}

static char program[1024];

static void find_program(void) {
  ssize_t length = readlink("/proc/self/exe", program, sizeof program - 1);
  program[length > 0 ? length : 0] = 0;
}

const char *test_program(void) {
  static pthread_once_t once = PTHREAD_ONCE_INIT;
  pthread_once(&once, find_program);
  return program;
}

ovio_handle test_standard(int at) {
  return at;
}

const char *test_here(void) {
  static char path[1024];
  return getcwd(path, sizeof path) ? path : "";
}

bool test_is_childless(void) {
  siginfo_t info;
  return waitid(P_ALL, 0, &info, WEXITED | WNOHANG | WNOWAIT) < 0 &&
         errno == ECHILD;
}

bool test_handles_allow(size_t count) {
  struct rlimit limit;
  if (getrlimit(RLIMIT_NOFILE, &limit) != 0)
    return false;
  if (limit.rlim_cur >= count)
    return true;
  limit.rlim_cur = count;
  return limit.rlim_max >= count && setrlimit(RLIMIT_NOFILE, &limit) == 0;
}

unsigned long test_handles_open(void) {
  return count_entries("/proc/self/fd");
}

unsigned long test_threads_alive(void) {
  return count_entries("/proc/self/task");
}

unsigned long test_resident_kb(void) {
  unsigned long pages = 0;
  FILE *file = fopen("/proc/self/statm", "r");
  if (file && fscanf(file, "%*u %lu", &pages) != 1)
    pages = 0;
  if (file)
    fclose(file);
  return pages * (unsigned long)sysconf(_SC_PAGESIZE) / 1024;
}

static char folder[512];

static void remove_tree(const char *path) {
  DIR *dir = opendir(path);
  if (!dir)
    return;
  struct dirent *entry;
  while ((entry = readdir(dir))) {
    if (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0)
      continue;
    char inner[1024];
    snprintf(inner, sizeof inner, "%s/%s", path, entry->d_name);
    if (remove(inner) != 0)
      remove_tree(inner);
  }
  closedir(dir);
  rmdir(path);
}

const char *test_folder(void) {
  if (folder[0])
    return folder;
  const char *parent = getenv("TMPDIR");
  snprintf(folder, sizeof folder, "%s/ovio-test-%ld", parent ? parent : "/tmp",
           (long)getpid());
  remove_tree(folder); /* a killed process had the same number */
  if (mkdir(folder, 0700) != 0)
    folder[0] = 0;
  return folder;
}

void test_folder_remove(void) {
  if (folder[0])
    remove_tree(folder);
}

bool test_is_wine(void) {
  return false;
}

int64_t test_disk_free(void) {
  struct statvfs info;
  if (statvfs(test_folder(), &info) != 0)
    return 0;
  return (int64_t)info.f_bavail * (int64_t)info.f_frsize;
}

int64_t test_memory_free(void) {
  FILE *file = fopen("/proc/meminfo", "r");
  char line[128];
  long long kib = 0;
  while (file && fgets(line, sizeof line, file)) {
    if (sscanf(line, "MemAvailable: %lld", &kib) == 1)
      break;
  }
  if (file)
    fclose(file);
  return kib * 1024;
}

bool test_redirect(int which, ovio_handle handle, ovio_handle *before) {
  *before = fcntl(which, F_DUPFD, 10); /* not one of the three */
  return handle == OVIO_NO_HANDLE ? close(which) == 0
                                  : dup2(handle, which) == which;
}

bool test_redirect_back(int which, ovio_handle before) {
  if (before == OVIO_NO_HANDLE)
    return close(which) == 0;
  return dup2(before, which) == which && close(before) == 0;
}

/* ---- limits ---- */

bool test_process_pause(uint64_t id, bool pause) {
  return kill((pid_t)id, pause ? SIGSTOP : SIGCONT) == 0;
}

bool test_limit_files(size_t bytes) {
  struct rlimit limit;
  if (getrlimit(RLIMIT_FSIZE, &limit) != 0)
    return false;
  signal(SIGXFSZ, bytes ? SIG_IGN : SIG_DFL);
  limit.rlim_cur = bytes ? bytes : limit.rlim_max;
  return setrlimit(RLIMIT_FSIZE, &limit) == 0;
}
