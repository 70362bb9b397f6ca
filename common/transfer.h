/* SPDX-License-Identifier: MIT */
/* Transfers: a read or write of any size and any number of parts, as a row of
 * chunks that a system call can take. Knows no thread and no system. */
#ifndef OVIO_COMMON_TRANSFER_H
#define OVIO_COMMON_TRANSFER_H

#include <stdatomic.h>

#include "common/os.h"

/* Each op has one: every word counts. */
struct transfer {
  union {
    const struct ovio_iovec *iov; /* the caller's vector */
    void *buffer;                 /* `single`: the only part, without one */
  };
  union {
    struct {
      uint32_t count;
      uint32_t index; /* the part that the next byte belongs to */
    };
    size_t length; /* `single` */
  };
  size_t skip;             /* bytes of that part which are done */
  int64_t offset;          /* of the next byte: >= 0, OVIO_HERE, OS_APPEND */
  int64_t moved;           /* bytes so far */
  struct ovio_iovec piece; /* a part that is cut, or the single one */
  int32_t error;           /* why it ended early; 0: it did not */
  uint32_t chunk_max;      /* bytes a system call may be asked for */
  uint32_t asked;          /* bytes of the chunk under way */
  uint32_t alignment;      /* of OVIO_DIRECT, else 1 */
#ifdef OVIO_TESTING
  uint32_t limit; /* transfer_limit(): bytes that it may move; 0: all */
#endif
  bool write : 1;
  bool single : 1;
  bool stream : 1;  /* a read takes what one call gives */
  bool message : 1; /* a write is one call */
  bool here : 1;    /* asked for at the file's own position */
};

/* The bytes that a system call may be asked for, 0: the library's default. */
extern _Atomic size_t transfer_default_max;
static inline size_t transfer_max(size_t max) {
  return max ? max
             : atomic_load_explicit(&transfer_default_max,
                                    memory_order_relaxed);
}

void transfer_init(struct transfer *transfer, const struct os_file *file,
                   size_t chunk_max);
/* Fills in the next chunk of chunk->file. Something is left to be moved. */
void transfer_next(struct transfer *transfer, struct os_transfer *chunk);
/* On a copy, to look ahead: as if all of the chunk had been moved. */
bool transfer_step(struct transfer *transfer);
/* Takes what came of the chunk; true: go on with the next. */
bool transfer_advance(struct transfer *transfer, int64_t value);
#ifdef OVIO_TESTING
/* Has it end after so many bytes: before it begins. */
void transfer_limit(struct transfer *transfer, size_t bytes);
#endif
/* Moves everything on this thread, unless `cancelled` gets set. */
struct os_result transfer_run(struct transfer *transfer,
                              struct os_transfer *chunk,
                              struct os_waiter *waiter, atomic_bool *cancelled);
/* All its parts; `whole` is the place for a single one. */
const struct ovio_iovec *transfer_parts(const struct transfer *transfer,
                                        struct ovio_iovec *whole,
                                        size_t *count);
/* Their bytes. */
int64_t transfer_total(const struct transfer *transfer);
/* The bytes moved, or the error if there were none. */
int64_t transfer_result(const struct transfer *transfer);

/* Bytes of a vector, or OVIO_EINVAL: a part without memory, or more bytes than
 * an offset can tell. */
int64_t transfer_length(const struct ovio_iovec *iov, size_t count);

#endif
