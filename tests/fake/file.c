/* SPDX-License-Identifier: MIT */
/* Handles, and what files have in them. A handle is an index and is never used
 * twice in a row. What is moved is reported, no more and no less; when, how
 * much, and with which error, the generator says. */
#include "tests/fake/fake.h"

#include <string.h>

enum { RANGES = 64 };

struct range {
  const struct fake_handle *owner; /* NULL: free */
  int64_t offset, end;
  bool shared;
};

static struct fake_disk file__disks[FAKE_NODES];
static struct fake_handle file__handles[FAKE_HANDLES];
static unsigned file__next;
static unsigned file__open;
static unsigned long file__faults;
static struct range file__ranges[RANGES];

void fake_file_reset(void) {
  memset(file__handles, 0, sizeof file__handles);
  memset(file__ranges, 0, sizeof file__ranges);
  file__next = 0;
  fake_name_reset();
}

bool fake_file_is_empty(void) {
  return file__open == 0;
}

struct fake_handle *fake_handle_of(const struct os_file *file) {
  CHECK(file->handle > 0 && file->handle < FAKE_HANDLES);
  struct fake_handle *handle = &file__handles[file->handle];
  CHECK(handle->open);
  return handle;
}

struct fake_handle *fake_handle_at(intptr_t handle) {
  return &file__handles[handle];
}

struct fake_disk *fake_disk_of(unsigned number) {
  return &file__disks[number];
}

unsigned long fake_faults(intptr_t handle) {
  return handle > 0 ? file__handles[handle].faults : 0;
}

void fake_count_fault(void) {
  file__faults++;
}

unsigned long fake_all_faults(void) {
  return file__faults;
}

struct os_result fake_fault(struct fake_handle *handle, int64_t value) {
  handle->faults++;
  fake_count_fault();
  return (struct os_result){value, 5};
}

void fake_describe(struct os_file *file, intptr_t handle, unsigned kind) {
  *file = (struct os_file){
      .handle = handle, .kind = kind & OS_KINDS, .alignment = 1};
  if (fake_chance(60))
    file->traits |= OS_TRAIT_PORTABLE;
  if (kind == OS_KIND_STREAM && fake_chance(60))
    file->traits |= OS_TRAIT_NONBLOCK;
  if (kind == OS_KIND_DISK && fake_chance(30))
    file->traits |= OS_TRAIT_TRY;
}

struct fake_handle *fake_handle_open(struct os_file *file, unsigned kind) {
  do
    file__next = file__next % (FAKE_HANDLES - 1) + 1;
  while (file__handles[file__next].open);
  struct fake_handle *handle = &file__handles[file__next];
  *handle = (struct fake_handle){.open = true};
  fake_describe(file, (intptr_t)file__next, kind);
  file__open++;
  return handle;
}

/* ---- file.c ---- */

/* Of every other file one. */
size_t os_file_parts(const struct os_file *file, const struct ovio_iovec *iov,
                     size_t count) {
  (void)iov;
  size_t limit = file->handle % 2 ? 1 : 3;
  return count < limit ? count : limit;
}

/* Half of them go on from the handle's own position, as POSIX has it. */
struct os_result os_file_adopt(struct os_file *file, ovio_handle handle,
                               unsigned flags) {
  struct os_file known = {.handle = (intptr_t)handle};
  if (known.handle <= 0 || known.handle >= FAKE_HANDLES ||
      !file__handles[known.handle].open)
    return (struct os_result){OVIO_EBADF, 9};
  const struct fake_handle *it = fake_handle_of(&known);
  fake_describe(file, known.handle, it->disk ? OS_KIND_DISK : OS_KIND_STREAM);
  if (flags & OVIO_DIRECT)
    file->alignment = FAKE_BLOCK;
  if (it->disk && fake_chance(50))
    file->traits |= OS_TRAIT_SYSTEM_POSITION;
  file->position = it->position;
  return (struct os_result){0, 0};
}

ovio_handle os_file_release(struct os_file *file, int64_t position) {
  struct fake_handle *handle = fake_handle_of(file);
  CHECK(handle->pending == 0);
  if (!(file->traits & OS_TRAIT_SYSTEM_POSITION))
    handle->position = position;
  return (ovio_handle)file->handle;
}

static void file__unlock_all(const struct fake_handle *handle) {
  for (unsigned at = 0; at < RANGES; at++) {
    if (file__ranges[at].owner == handle)
      file__ranges[at].owner = NULL;
  }
}

void fake_handle_close(struct fake_handle *handle) {
  CHECK(handle->pending + handle->awaited == 0);
  handle->open = false;
  file__open--;
  file__unlock_all(handle);
  fake_handle_leave(handle);
  fake_node_leave(handle);
}

struct os_result os_file_close(struct os_file *file, int64_t position) {
  struct fake_handle *handle = fake_handle_of(file);
  (void)position;
  if (fake_on_thread())
    fake_pause(false);
  fake_handle_close(handle);
  if (!fake_chance(2))
    return (struct os_result){0, 0};
  fake_count_fault();
  return (struct os_result){OVIO_EIO, 5};
}

/* ---- moving bytes ---- */

size_t fake_total(const struct os_transfer *transfer) {
  size_t total = 0;
  for (size_t at = 0; at < transfer->count; at++)
    total += transfer->iov[at].iov_len;
  return total;
}

/* By whole blocks, where the file has any. */
size_t fake_shorten(size_t bytes, size_t block) {
  CHECK(bytes % block == 0);
  if (bytes > block && fake_chance(35))
    bytes = block * (1 + (size_t)(fake_random() % (bytes / block)));
  return bytes;
}

/* The buffer's byte number `at`. */
uint8_t *fake_byte(const struct os_transfer *transfer, size_t at) {
  size_t part = 0;
  while (at >= transfer->iov[part].iov_len)
    at -= transfer->iov[part++].iov_len;
  return (uint8_t *)transfer->iov[part].iov_base + at;
}

static int64_t file__offset(const struct fake_handle *handle,
                            const struct os_transfer *transfer) {
  if (transfer->offset == OS_APPEND)
    return handle->disk->size;
  if (transfer->offset != OVIO_HERE)
    return transfer->offset;
  CHECK(transfer->file->traits & OS_TRAIT_SYSTEM_POSITION);
  return handle->position;
}

static void file__copy(struct fake_disk *disk,
                       const struct os_transfer *transfer, int64_t offset,
                       size_t bytes) {
  for (size_t at = 0; at < bytes; at++) {
    if (transfer->write)
      disk->bytes[offset + (int64_t)at] = *fake_byte(transfer, at);
    else
      *fake_byte(transfer, at) = disk->bytes[offset + (int64_t)at];
  }
}

static struct os_result file__attempt_disk(struct fake_handle *handle,
                                           const struct os_transfer *transfer) {
  struct fake_disk *disk = handle->disk;
  int64_t offset = file__offset(handle, transfer);
  int64_t end = transfer->write ? FAKE_DISK_MAX : disk->size;
  CHECK(offset >= 0 && offset % (int64_t)transfer->file->alignment == 0);
  if (fake_chance(6))
    return fake_fault(handle, fake_chance(50) ? OVIO_EIO : OVIO_ENOBUFS);
  if (offset >= end)
    return transfer->write ? fake_fault(handle, OVIO_ENOSPC)
                           : (struct os_result){0, 0};
  size_t bytes = fake_shorten(fake_total(transfer), transfer->file->alignment);
  if ((int64_t)bytes > end - offset)
    bytes = (size_t)(end - offset);
  if (transfer->write && offset > disk->size)
    memset(disk->bytes + disk->size, 0, (size_t)(offset - disk->size));
  file__copy(disk, transfer, offset, bytes);
  if (transfer->write)
    fake_node_write(handle);
  if (transfer->write && offset + (int64_t)bytes > disk->size)
    disk->size = offset + (int64_t)bytes;
  if (transfer->offset < 0)
    handle->position = offset + (int64_t)bytes;
  return (struct os_result){(int64_t)bytes, 0};
}

struct os_result fake_attempt(const struct os_transfer *transfer) {
  struct fake_handle *handle = fake_handle_of(transfer->file);
  CHECK(fake_total(transfer) > 0);
  return handle->disk ? file__attempt_disk(handle, transfer)
                      : fake_attempt_pipe(handle, transfer);
}

struct os_result os_file_transfer_now(const struct os_transfer *transfer,
                                      struct os_waiter *waiter) {
  if (fake_on_thread())
    fake_pause(false);
  for (struct fake_wait wait = {0};;) {
    if (waiter && fake_waiter_is_raised(waiter) && fake_chance(50))
      return (struct os_result){OVIO_ECANCELED, 0};
    struct os_result result = fake_attempt(transfer);
    if (result.value != OVIO_EWOULDBLOCK)
      return result;
    if (waiter && fake_waiter_is_raised(waiter))
      return (struct os_result){OVIO_ECANCELED, 0};
    CHECK(fake_on_worker()); /* a loop's thread must not wait */
    fake_wait(&wait, "os_file_transfer_now");
  }
}

struct os_result os_file_transfer_try(const struct os_transfer *transfer) {
  if (fake_chance(40))
    return (struct os_result){OVIO_EWOULDBLOCK, 0};
  if (fake_chance(2))
    return (struct os_result){OVIO_ENOTSUP, 0};
  return fake_attempt(transfer);
}

static struct os_result file__at(const struct os_file *file, void *buffer,
                                 size_t length, int64_t offset, bool write) {
  const struct ovio_iovec part = {.iov_base = buffer, .iov_len = length};
  const struct os_transfer transfer = {
      .file = file, .iov = &part, .count = 1, .offset = offset, .write = write};
  CHECK(fake_handle_of(file)->disk && offset >= 0);
  if (fake_on_thread())
    fake_pause(false);
  if (fake_chance(5))
    return (struct os_result){OS_AGAIN, 0};
  return fake_attempt(&transfer);
}

struct os_result os_file_read_at(const struct os_file *file, void *buffer,
                                 size_t length, int64_t offset) {
  return file__at(file, buffer, length, offset, false);
}

struct os_result os_file_write_at(const struct os_file *file, void *buffer,
                                  size_t length, int64_t offset) {
  return file__at(file, buffer, length, offset, true);
}

struct os_result os_file_read_cached(const struct os_file *file, void *buffer,
                                     size_t length, int64_t offset) {
  if (fake_chance(40))
    return (struct os_result){OVIO_EWOULDBLOCK, 0};
  if (fake_chance(2))
    return (struct os_result){OVIO_ENOTSUP, 0};
  return file__at(file, buffer, length, offset, false);
}

/* ---- the small calls ---- */

static struct os_result file__small(const struct os_file *file) {
  struct fake_handle *handle = fake_handle_of(file);
  if (fake_on_thread())
    fake_pause(false);
  CHECK(handle->open);
  if (fake_on_worker() && fake_chance(3))
    return fake_fault(handle, OVIO_EIO);
  return (struct os_result){0, 0};
}

struct os_result fake_sync(const struct os_file *file) {
  struct fake_handle *handle = fake_handle_of(file);
  if (fake_chance(3))
    return fake_fault(handle, OVIO_EIO);
  fake_node_sync(handle);
  return (struct os_result){0, 0};
}

struct os_result os_file_sync(const struct os_file *file, bool data_only) {
  (void)data_only;
  if (fake_on_thread())
    fake_pause(false);
  return fake_sync(file);
}

struct os_result os_file_truncate(const struct os_file *file, int64_t size) {
  struct os_result result = file__small(file);
  struct fake_disk *disk = fake_handle_of(file)->disk;
  if (result.value)
    return result;
  if (size > FAKE_DISK_MAX)
    return (struct os_result){OVIO_EFBIG, 27};
  if (size > disk->size)
    memset(disk->bytes + disk->size, 0, (size_t)(size - disk->size));
  disk->size = size;
  fake_node_write(fake_handle_of(file));
  return result;
}

struct os_result os_file_size(const struct os_file *file) {
  return (struct os_result){fake_handle_of(file)->disk->size, 0};
}

struct os_result os_file_seek(const struct os_file *file, int64_t offset,
                              int whence) {
  struct fake_handle *handle = fake_handle_of(file);
  CHECK(file->traits & OS_TRAIT_SYSTEM_POSITION);
  int64_t base = whence == SEEK_SET   ? 0
                 : whence == SEEK_CUR ? handle->position
                                      : handle->disk->size;
  if (base + offset < 0)
    return (struct os_result){OVIO_EINVAL, 22};
  handle->position = base + offset;
  return (struct os_result){handle->position, 0};
}

struct os_result os_file_stat(const struct os_file *file,
                              struct ovio_stat *out) {
  struct os_result result = file__small(file);
  *out = (struct ovio_stat){0};
  if (fake_handle_of(file)->disk)
    out->size = fake_handle_of(file)->disk->size;
  return result;
}

struct os_result os_file_set_times(const struct os_file *file,
                                   int64_t access_ns, int64_t modify_ns) {
  (void)access_ns;
  (void)modify_ns;
  fake_node_stamp(fake_handle_of(file));
  return file__small(file);
}

/* Some file systems cannot, now and then in the middle of it. */
struct os_result os_file_copy(const struct os_file *from, int64_t from_offset,
                              const struct os_file *to, int64_t to_offset,
                              size_t length) {
  const struct fake_disk *source = fake_handle_of(from)->disk;
  struct fake_disk *target = fake_handle_of(to)->disk;
  struct os_result result = file__small(to);
  if (result.value)
    return result;
  if (fake_chance(30))
    return (struct os_result){OVIO_ENOTSUP, 0};
  int64_t left = source->size - from_offset;
  size_t bytes =
      left < (int64_t)length ? (size_t)(left > 0 ? left : 0) : length;
  bytes = fake_shorten(bytes, 1);
  CHECK(to_offset == target->size &&
        to_offset + (int64_t)bytes <= FAKE_DISK_MAX);
  memcpy(target->bytes + to_offset, source->bytes + from_offset, bytes);
  target->size += (int64_t)bytes;
  fake_node_write(fake_handle_of(to));
  return (struct os_result){(int64_t)bytes, 0};
}

/* ---- range.c ---- */

static bool file__in_the_way(const struct range *range,
                             const struct fake_handle *handle, int64_t offset,
                             int64_t end, bool shared) {
  return range->owner && range->owner != handle &&
         range->owner->disk == handle->disk && range->offset < end &&
         offset < range->end && !(shared && range->shared);
}

struct os_result os_range_lock(const struct os_file *file, int64_t offset,
                               int64_t length, bool shared) {
  struct os_result result = file__small(file);
  struct fake_handle *handle = fake_handle_of(file);
  struct range *empty = NULL;
  int64_t end = length ? offset + length : INT64_MAX;
  for (unsigned at = 0; at < RANGES; at++) {
    struct range *range = &file__ranges[at];
    if (file__in_the_way(range, handle, offset, end, shared))
      return (struct os_result){OVIO_EWOULDBLOCK, 11};
    if (!range->owner)
      empty = range;
  }
  if (result.value == 0 && !empty)
    return (struct os_result){OVIO_ENOBUFS, 37};
  if (result.value == 0)
    *empty = (struct range){handle, offset, end, shared};
  return result;
}

struct os_result os_range_unlock(const struct os_file *file, int64_t offset,
                                 int64_t length) {
  const struct fake_handle *handle = fake_handle_of(file);
  int64_t end = length ? offset + length : INT64_MAX;
  for (unsigned at = 0; at < RANGES; at++) {
    struct range *range = &file__ranges[at];
    if (range->owner == handle && range->offset == offset && range->end == end)
      range->owner = NULL;
  }
  return (struct os_result){0, 0};
}
