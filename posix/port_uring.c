/* SPDX-License-Identifier: MIT */
/* The ring of Linux: io_uring(7), for disk files, beside epoll.
 *
 * Streams keep to readiness, where nothing is ever owned by the kernel between
 * two calls. A loop that has nothing at the ring waits at epoll alone; one that
 * has waits at the ring, where a poll of epoll's own descriptor stands in for
 * all the streams. So a loop of streams pays nothing for the ring, and one of
 * files pays one system call a turn.
 *
 * Submissions are gathered until the loop waits, or the queue is full. From
 * ring_start() until its completion is reaped, io and buffer are the kernel's,
 * also after ring_cancel().
 *
 * Any thread may run the loop next, so the ring is not bound to one
 * (IORING_SETUP_SINGLE_ISSUER and what needs it).
 *
 * SHARED. Of a loop with several threads one waits, at epoll, which the ring's
 * own descriptor is registered with; what another one starts in the meantime is
 * submitted at once. Completions are reaped with the baton. A thread that ends
 * takes along what the kernel had not begun of its submissions: these begin
 * anew, unless somebody asked.
 *
 * PLACES. The kernel looks a descriptor up for each operation, unless its file
 * is in the ring's own table. A file that is used often gets a place there,
 * which its descriptor's number says, until ring_forget(). Nobody depends on
 * it: who gets none goes by the descriptor.
 *
 * BUFFERS. Nor need it look up and pin the memory of an operation, if that lies
 * in memory that it was told of before. */
#include "posix/poller.h"

#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "common/memory.h"

enum { RING_ENTRIES = 256, NS_PER_S = 1000000000 };

/* Operations of a file that are worth the two system calls of a place. */
enum { PLACES = 256, OFTEN = 64 };

/* As user data: an io's address, or one of these. */
enum { RING_NEWS = 1, RING_CANCEL = 2 };

struct ring_place {
  int fd; /* whose operations were counted last; the loop's thread alone */
  unsigned uses;
  atomic_int holds; /* the descriptor whose file the kernel has here, or -1;
                       changed under the ring's lock */
};

struct ring {
  struct io_uring uring;
  size_t in_flight; /* ios, also those not yet submitted */
  int descriptor;   /* epoll's; -1: the ring is shared */
  bool watching;    /* a poll of the descriptor is under way */
  bool has_table;   /* under the lock */
  atomic_bool takes_files;
  struct os_lock lock;
  struct ring_place places[PLACES];
  struct ovio_iovec *buffers; /* by address; changed while nothing is here */
  size_t buffers_count;
};

/* Bits of os_io.native[0]. */
enum { RING_ASKED = 1, RING_PLACED = 2 };

/* ---- places; the functions under the lock ---- */

static struct ring_place *ring__place(struct ring *ring, int fd) {
  return &ring->places[fd % PLACES];
}

/* What is queued for a place goes by the descriptor then. */
static void ring__drop_table(struct ring *ring) {
  atomic_store(&ring->takes_files, false);
  for (int at = 0; at < PLACES; at++)
    atomic_store(&ring->places[at].holds, -1);
  if (ring->has_table)
    (void)native.io_uring_register(ring->uring.ring_fd, IORING_UNREGISTER_FILES,
                                   NULL, 0);
  ring->has_table = false;
}

static bool ring__make_table(struct ring *ring) {
  struct io_uring_rsrc_register table = {.nr = PLACES,
                                         .flags = IORING_RSRC_REGISTER_SPARSE};
  if (!ring->has_table)
    ring->has_table =
        native.io_uring_register(ring->uring.ring_fd, IORING_REGISTER_FILES2,
                                 &table, sizeof(table)) >= 0;
  return ring->has_table;
}

/* -1: nothing. */
static bool ring__put(struct ring *ring, struct ring_place *place, int fd) {
  struct io_uring_files_update update = {
      .offset = (unsigned)(place - ring->places),
      .fds = (uint64_t)(uintptr_t)&fd,
  };
  return native.io_uring_register(ring->uring.ring_fd,
                                  IORING_REGISTER_FILES_UPDATE, &update,
                                  1) == 1;
}

static bool ring__hold(struct ring *ring, struct ring_place *place, int fd) {
  bool held = ring__make_table(ring) && ring__put(ring, place, fd);
  if (held)
    atomic_store(&place->holds, fd);
  else
    atomic_store(&ring->takes_files, false);
  return held;
}

static bool ring__is_used_often(struct ring_place *place, int fd) {
  if (place->fd != fd)
    place->uses = 0;
  place->fd = fd;
  if (++place->uses < OFTEN)
    return false;
  place->uses = 0;
  return true;
}

/* What is queued may mean the file that had the place before. */
static bool ring__queues_nothing(struct ring *ring) {
  return io_uring_sq_ready(&ring->uring) == 0 ||
         (ring_submit(ring) && io_uring_sq_ready(&ring->uring) == 0);
}

/* Is the file in its place? Now, if it is used often. */
static bool ring__is_held(struct ring *ring, int fd) {
  struct ring_place *place = ring__place(ring, fd);
  int holds = atomic_load_explicit(&place->holds, memory_order_relaxed);
  if (holds >= 0)
    return holds == fd;
  if (!atomic_load_explicit(&ring->takes_files, memory_order_relaxed) ||
      !ring__is_used_often(place, fd) || !ring__queues_nothing(ring))
    return false;
  os_lock_acquire(&ring->lock);
  bool held = ring__hold(ring, place, fd);
  os_lock_release(&ring->lock);
  return held;
}

void ring_forget(struct ring *ring, int fd) {
  struct ring_place *place = ring__place(ring, fd);
  if (atomic_load(&place->holds) != fd)
    return;
  os_lock_acquire(&ring->lock);
  if (atomic_load(&place->holds) == fd) {
    atomic_store(&place->holds, -1);
    if (!ring__put(ring, place, -1))
      ring__drop_table(ring);
  }
  os_lock_release(&ring->lock);
}

/* ---- buffers ---- */

static void ring__drop_buffers(struct ring *ring) {
  if (ring->buffers_count > 0)
    (void)native.io_uring_register(ring->uring.ring_fd,
                                   IORING_UNREGISTER_BUFFERS, NULL, 0);
  memory_free(ring->buffers);
  ring->buffers = NULL;
  ring->buffers_count = 0;
}

static int ring__compare(const void *a, const void *b) {
  uintptr_t one = (uintptr_t)((const struct ovio_iovec *)a)->iov_base;
  uintptr_t other = (uintptr_t)((const struct ovio_iovec *)b)->iov_base;
  return (one > other) - (one < other);
}

int ring_register_buffers(struct ring *ring, const struct ovio_iovec *buffers,
                          size_t count) {
  ring__drop_buffers(ring);
  if (count == 0)
    return 0;
  struct ovio_iovec *sorted = memory_allocate(count * sizeof(*sorted));
  if (!sorted)
    return OVIO_ENOMEM;
  memcpy(sorted, buffers, count * sizeof(*sorted));
  qsort(sorted, count, sizeof(*sorted), ring__compare);
  if (native.io_uring_register(ring->uring.ring_fd, IORING_REGISTER_BUFFERS,
                               sorted, (unsigned)count) < 0) {
    int error = os_error_map((uint32_t)errno);
    memory_free(sorted);
    return error;
  }
  ring->buffers = sorted;
  ring->buffers_count = count;
  return 0;
}

/* The number of the one that it lies in, from 1; 0: in none. */
static size_t ring__buffer_of(const struct ring *ring,
                              const struct iovec *part) {
  uintptr_t begin = (uintptr_t)part->iov_base;
  size_t low = 0;
  size_t high = ring->buffers_count;
  while (low < high) {
    size_t middle = (low + high) / 2;
    if ((uintptr_t)ring->buffers[middle].iov_base <= begin)
      low = middle + 1;
    else
      high = middle;
  }
  if (low == 0)
    return 0;
  const struct ovio_iovec *buffer = &ring->buffers[low - 1];
  size_t skip = begin - (uintptr_t)buffer->iov_base;
  bool within =
      skip < buffer->iov_len && part->iov_len <= buffer->iov_len - skip;
  return within ? low : 0;
}

/* ---- create, destroy ---- */

/* Waits with a time limit, completions that are never dropped, and vectors that
 * are read at the submission: Linux 5.11. */
static const unsigned ring__features =
    IORING_FEAT_EXT_ARG | IORING_FEAT_NODROP | IORING_FEAT_SUBMIT_STABLE |
    IORING_FEAT_RW_CUR_POS;

/* A kernel without it and one that forbids it say ENOSYS and EPERM, an older
 * one EINVAL to a flag (io_uring_setup(2)). */
static int ring__open(struct io_uring *uring, unsigned flags) {
  struct io_uring_params params;
  memset(&params, 0, sizeof(params));
  params.flags = flags;
  int error = -native.io_uring_queue_init_params(RING_ENTRIES, uring, &params);
  if (error == ENOMEM || error == EMFILE || error == ENFILE)
    return os_error_map((uint32_t)error);
  if (error > 0)
    return OVIO_ENOTSUP;
  if ((params.features & ring__features) == ring__features)
    return 0;
  io_uring_queue_exit(uring);
  return OVIO_ENOTSUP;
}

/* Before Linux 6.13 a file that left the table could be kept open, and locked,
 * by older requests of others. */
static void ring__init_places(struct ring *ring, unsigned features) {
  os_lock_init(&ring->lock);
  for (int at = 0; at < PLACES; at++)
    atomic_init(&ring->places[at].holds, -1);
  atomic_init(&ring->takes_files, (features & NATIVE_URING_FEAT_RW_ATTR) != 0);
}

int ring_create(struct ring **out, const struct os_port *port) {
  struct ring *ring = memory_allocate(sizeof(*ring));
  if (!ring)
    return OVIO_ENOMEM;
  ring->descriptor = port->alone ? port_epoll_descriptor(port) : -1;
  /* One thread is not interrupted while it is busy: it asks every turn. Of
   * several, the one that waits would wait for the other. Linux 5.19. */
  int error = OVIO_ENOTSUP;
  if (port->alone)
    error = ring__open(&ring->uring, IORING_SETUP_COOP_TASKRUN);
  if (error == OVIO_ENOTSUP)
    error = ring__open(&ring->uring, 0);
  if (error) {
    memory_free(ring);
    return error;
  }
  ring__init_places(ring, ring->uring.features);
  *out = ring;
  return 0;
}

int ring_descriptor(const struct ring *ring) {
  return ring->uring.ring_fd;
}

/* The kernel would let go of the files some time after the ring's end. */
void ring_destroy(struct ring *ring) {
  ring__drop_table(ring);
  ring__drop_buffers(ring);
  io_uring_queue_exit(&ring->uring);
  os_lock_destroy(&ring->lock);
  memory_free(ring);
}

bool ring_is_busy(const struct ring *ring) {
  return ring->in_flight > 0;
}

/* ---- submissions ---- */

/* NULL: the kernel does not take any at the moment. */
static struct io_uring_sqe *ring__entry(struct ring *ring) {
  struct io_uring_sqe *entry = io_uring_get_sqe(&ring->uring);
  if (entry)
    return entry;
  native.io_uring_submit_and_get_events(&ring->uring);
  return io_uring_get_sqe(&ring->uring);
}

/* One buffer. */
static void ring__prepare_single(const struct ring *ring,
                                 struct io_uring_sqe *entry, int fd,
                                 const struct iovec *part, bool write,
                                 uint64_t at) {
  unsigned length = (unsigned)part->iov_len;
  int number = (int)ring__buffer_of(ring, part) - 1;
  if (number >= 0 && write)
    io_uring_prep_write_fixed(entry, fd, part->iov_base, length, at, number);
  else if (number >= 0)
    io_uring_prep_read_fixed(entry, fd, part->iov_base, length, at, number);
  else if (write)
    io_uring_prep_write(entry, fd, part->iov_base, length, at);
  else
    io_uring_prep_read(entry, fd, part->iov_base, length, at);
}

/* The description's own position, and the end of an O_APPEND one, are -1. */
static void ring__prepare(const struct ring *ring, struct io_uring_sqe *entry,
                          const struct os_transfer *transfer) {
  int fd = (int)transfer->file->handle;
  const struct iovec *iov = (const struct iovec *)(const void *)transfer->iov;
  unsigned count = (unsigned)transfer->count;
  uint64_t at = transfer->offset >= 0 ? (uint64_t)transfer->offset : UINT64_MAX;
  if (count > 1 && transfer->write)
    io_uring_prep_writev(entry, fd, iov, count, at);
  else if (count > 1)
    io_uring_prep_readv(entry, fd, iov, count, at);
  else
    ring__prepare_single(ring, entry, fd, iov, transfer->write, at);
}

static void ring__prepare_sync(struct io_uring_sqe *entry,
                               const struct os_io *io) {
  io_uring_prep_fsync(entry, (int)io->transfer.file->handle,
                      io->transfer.data_only ? IORING_FSYNC_DATASYNC : 0);
}

static void ring__go_by_place(struct io_uring_sqe *entry, struct os_io *io) {
  entry->fd %= PLACES;
  io_uring_sqe_set_flags(entry, IOSQE_FIXED_FILE);
  io->native[0] = RING_PLACED;
}

/* Whose file is not bound here, as a sync's, has no place: nobody would say
 * when it ends. */
bool ring_start(struct ring *ring, struct os_io *io) {
  bool moves = io->transfer.kind == OS_IO_TRANSFER;
  bool held = moves && ring__is_held(ring, (int)io->transfer.file->handle);
  struct io_uring_sqe *entry = ring__entry(ring);
  if (!entry) {
    io->result = (struct os_result){OVIO_ENOBUFS, EBUSY};
    return false;
  }
  if (moves)
    ring__prepare(ring, entry, &io->transfer);
  else
    ring__prepare_sync(entry, io);
  io->native[0] = 0;
  if (held)
    ring__go_by_place(entry, io);
  io_uring_sqe_set_data(entry, io);
  ring->in_flight++;
  return true;
}

void ring_cancel(struct ring *ring, struct os_io *io) {
  struct io_uring_sqe *entry = ring__entry(ring);
  io->native[0] |= RING_ASKED;
  if (!entry)
    return;
  io_uring_prep_cancel(entry, io, 0);
  io_uring_sqe_set_data64(entry, RING_CANCEL);
}

bool ring_submit(struct ring *ring) {
  return native.io_uring_submit_and_get_events(&ring->uring) >= 0;
}

static void ring__watch(struct ring *ring) {
  if (ring->watching || ring->descriptor < 0)
    return;
  struct io_uring_sqe *entry = ring__entry(ring);
  if (!entry)
    return;
  io_uring_prep_poll_add(entry, ring->descriptor, POLLIN);
  io_uring_sqe_set_data64(entry, RING_NEWS);
  ring->watching = true;
}

/* ---- completions ---- */

/* EBADF: another file object of the same descriptor has given the place up. */
static bool ring__is_to_begin_anew(const struct os_io *io, int result) {
  return result == -EINTR || result == -EAGAIN ||
         (result == -EBADF && (io->native[0] & RING_PLACED)) ||
         (result == -ECANCELED && !(io->native[0] & RING_ASKED));
}

static struct os_result ring__answer(const struct os_io *io, int result) {
  if (result >= 0)
    return (struct os_result){result, 0};
  return io->transfer.kind == OS_IO_SYNC
             ? native_sync_failure(io->transfer.file, -result)
             : native_failure(-result);
}

/* true: `io` is finished. */
static bool ring__finish(struct ring *ring, struct os_io *io, int result) {
  ring->in_flight--;
  if (ring__is_to_begin_anew(io, result) && ring_start(ring, io))
    return false;
  io->result = ring__answer(io, result);
  return true;
}

static void ring__reap(struct ring *ring, struct os_io **done, size_t max,
                       size_t *count, bool *news) {
  struct io_uring_cqe *completion;
  while (*count < max && io_uring_peek_cqe(&ring->uring, &completion) == 0) {
    uint64_t data = io_uring_cqe_get_data64(completion);
    int result = completion->res;
    io_uring_cqe_seen(&ring->uring, completion);
    if (data == RING_NEWS) {
      ring->watching = false;
      *news = true;
    } else if (data != RING_CANCEL) {
      struct os_io *io = (struct os_io *)(uintptr_t)data;
      if (ring__finish(ring, io, result))
        done[(*count)++] = io;
    }
  }
}

static int ring__enter(struct ring *ring, int64_t timeout_ns) {
  struct io_uring_cqe *first;
  struct __kernel_timespec time = {.tv_sec = timeout_ns / NS_PER_S,
                                   .tv_nsec = timeout_ns % NS_PER_S};
  if (timeout_ns == 0)
    return native.io_uring_submit_and_get_events(&ring->uring);
  return native.io_uring_submit_and_wait_timeout(
      &ring->uring, &first, 1, timeout_ns < 0 ? NULL : &time, NULL);
}

void ring_reap(struct ring *ring, struct os_io **done, size_t max,
               size_t *count) {
  bool news;
  ring__reap(ring, done, max, count, &news);
}

int ring_wait(struct ring *ring, int64_t timeout_ns, struct os_io **done,
              size_t max, size_t *count, bool *news) {
  ring__watch(ring);
  int result = ring__enter(ring, timeout_ns);
  ring__reap(ring, done, max, count, news);
  /* EAGAIN, EBUSY: out of memory or room for now; what was not submitted is
   * still queued. */
  bool passing = result >= 0 || result == -ETIME || result == -EINTR ||
                 result == -EAGAIN || result == -EBUSY;
  return passing ? 0 : os_error_map((uint32_t)-result);
}
