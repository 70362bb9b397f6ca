/* SPDX-License-Identifier: MIT */
/* Transfers: a read or write of any size and any number of parts, as a row of
 * chunks that a system call can take.
 *
 * A chunk is either a run of whole parts of the caller's vector, which the
 * system gets as it stands, or a piece of a single part: one that is larger
 * than a chunk, or of which a short count has left a rest. Nothing is copied.
 *
 * Kernel buffers can run out (ERROR_NO_SYSTEM_RESOURCES: one ReadFile locks all
 * its pages). Then the chunk is halved, down to a page, before it is an error.
 */
#include "common/transfer.h"

enum { CHUNK_MIN = 4096 };

_Atomic size_t transfer_default_max = OS_TRANSFER_MAX;

void ovio_set_max_transfer(size_t bytes) {
  if (bytes == 0 || bytes > OS_TRANSFER_MAX)
    bytes = OS_TRANSFER_MAX;
  atomic_store_explicit(&transfer_default_max, bytes, memory_order_relaxed);
}

void transfer_init(struct transfer *transfer, const struct os_file *file,
                   size_t chunk_max) {
  transfer->message = (file->traits & OS_TRAIT_MESSAGE) != 0;
  if (transfer->message)
    chunk_max = OS_TRANSFER_MAX;
  else
    chunk_max = transfer_max(chunk_max);
  transfer->alignment = file->alignment ? file->alignment : 1;
  chunk_max -= chunk_max % transfer->alignment;
  transfer->chunk_max = chunk_max ? (uint32_t)chunk_max : transfer->alignment;
  transfer->stream = file->kind != OS_KIND_DISK;
}

#ifdef OVIO_TESTING
void transfer_limit(struct transfer *transfer, size_t bytes) {
  if (transfer->message && transfer->write)
    return;
  if (bytes > OS_TRANSFER_MAX)
    bytes = OS_TRANSFER_MAX;
  bytes -= bytes % transfer->alignment;
  if (bytes == 0)
    bytes = transfer->alignment;
  if (transfer->limit && transfer->limit <= bytes)
    return;
  transfer->limit = (uint32_t)bytes;
  if (transfer->chunk_max > bytes)
    transfer->chunk_max = (uint32_t)bytes;
}

/* true: that was all that it may move. */
static bool transfer__is_spent(struct transfer *transfer) {
  if (!transfer->limit)
    return false;
  size_t left = transfer->limit - (size_t)transfer->moved;
  if (left > 0 && transfer->chunk_max > left)
    transfer->chunk_max = (uint32_t)left;
  return left == 0;
}
#else
static bool transfer__is_spent(const struct transfer *transfer) {
  (void)transfer;
  return false;
}
#endif

/* What is left of the part under way, up to a chunk. */
static size_t transfer__cut(struct transfer *transfer) {
  struct ovio_iovec part = {transfer->buffer, transfer->length};
  if (!transfer->single)
    part = transfer->iov[transfer->index];
  size_t left = part.iov_len - transfer->skip;
  transfer->piece.iov_base = (char *)part.iov_base + transfer->skip;
  transfer->piece.iov_len =
      left < transfer->chunk_max ? left : transfer->chunk_max;
  return transfer->piece.iov_len;
}

/* As many whole parts as fit into a chunk. */
static size_t transfer__gather(const struct transfer *transfer,
                               const struct os_file *file, uint32_t *parts) {
  const struct ovio_iovec *iov = transfer->iov + transfer->index;
  size_t limit = transfer->count - transfer->index;
  size_t bytes = 0;
  uint32_t at = 0;
  if (limit > 1)
    limit = os_file_parts(file, iov, limit);
  while (at < limit && iov[at].iov_len <= transfer->chunk_max - bytes)
    bytes += iov[at++].iov_len;
  *parts = at;
  return bytes;
}

/* Whole parts that make a chunk, from the next one on that is not empty; 0: it
 * has to be cut. */
static size_t transfer__next_whole(struct transfer *transfer,
                                   struct os_transfer *chunk) {
  while (transfer->iov[transfer->index].iov_len == transfer->skip) {
    transfer->index++;
    transfer->skip = 0;
  }
  chunk->iov = transfer->iov + transfer->index;
  if (transfer->skip > 0)
    return 0;
  return transfer__gather(transfer, chunk->file, &chunk->count);
}

void transfer_next(struct transfer *transfer, struct os_transfer *chunk) {
  chunk->offset = transfer->offset;
  chunk->write = transfer->write;
  size_t bytes = transfer->single ? 0 : transfer__next_whole(transfer, chunk);
  if (bytes == 0) {
    bytes = transfer__cut(transfer);
    chunk->iov = &transfer->piece;
    chunk->count = 1;
  }
  transfer->asked = (uint32_t)bytes;
}

/* Steps over `bytes`; true: something is left. */
static bool transfer__skip(struct transfer *transfer, size_t bytes) {
  if (transfer->single) {
    transfer->skip += bytes;
    return transfer->skip < transfer->length;
  }
  for (; transfer->index < transfer->count; transfer->index++) {
    size_t left = transfer->iov[transfer->index].iov_len - transfer->skip;
    if (bytes < left) {
      transfer->skip += bytes;
      return true;
    }
    bytes -= left;
    transfer->skip = 0;
  }
  return false;
}

static bool transfer__take(struct transfer *transfer, size_t bytes) {
  transfer->moved += (int64_t)bytes;
  if (transfer->offset >= 0)
    transfer->offset += (int64_t)bytes;
  bool left = transfer__skip(transfer, bytes);
  if (!left || transfer__is_spent(transfer))
    return false;
  if (transfer->write)
    return true;
  /* A direct read that ends between two blocks has met the end of the file;
   * going on from there would be misaligned. */
  return !transfer->stream && bytes % transfer->alignment == 0;
}

bool transfer_step(struct transfer *transfer) {
  return transfer__take(transfer, transfer->asked);
}

bool transfer_advance(struct transfer *transfer, int64_t value) {
  if (value > 0)
    return transfer__take(transfer, (size_t)value);
  if (value == OVIO_ENOBUFS && !transfer->message &&
      transfer->asked / 2 >= CHUNK_MIN) {
    uint32_t half = transfer->asked / 2;
    uint32_t unit =
        transfer->alignment > CHUNK_MIN ? transfer->alignment : CHUNK_MIN;
    transfer->chunk_max = half - half % unit;
    if (transfer->chunk_max)
      return true;
  }
  /* A write of something that moved nothing would be tried for ever. */
  transfer->error = value == 0 && transfer->write ? OVIO_EIO : (int32_t)value;
  return false;
}

struct os_result transfer_run(struct transfer *transfer,
                              struct os_transfer *chunk,
                              struct os_waiter *waiter,
                              atomic_bool *cancelled) {
  struct os_result result;
  bool more;
  do {
    transfer_next(transfer, chunk);
    result = os_file_transfer_now(chunk, waiter);
    more = transfer_advance(transfer, result.value);
  } while (more && !*cancelled);
  if (more && transfer->moved == 0) /* a chunk that was to be halved */
    transfer->error = OVIO_ECANCELED;
  return (struct os_result){transfer_result(transfer), result.native};
}

const struct ovio_iovec *transfer_parts(const struct transfer *transfer,
                                        struct ovio_iovec *whole,
                                        size_t *count) {
  *whole = (struct ovio_iovec){transfer->buffer, transfer->length};
  *count = transfer->single ? 1 : transfer->count;
  return transfer->single ? whole : transfer->iov;
}

int64_t transfer_total(const struct transfer *transfer) {
  return transfer->single ? (int64_t)transfer->length
                          : transfer_length(transfer->iov, transfer->count);
}

int64_t transfer_result(const struct transfer *transfer) {
  return transfer->moved > 0 ? transfer->moved : transfer->error;
}

int64_t transfer_length(const struct ovio_iovec *iov, size_t count) {
  uint64_t length = 0;
  if (!iov && count)
    return OVIO_EINVAL;
  for (size_t at = 0; at < count; at++) {
    if (!iov[at].iov_base && iov[at].iov_len)
      return OVIO_EINVAL;
    if (iov[at].iov_len > (uint64_t)INT64_MAX - length)
      return OVIO_EINVAL;
    length += iov[at].iov_len;
  }
  return (int64_t)length;
}
