/* SPDX-License-Identifier: MIT */
/* The reference: io_uring as its documentation recommends it for one thread
 * (IORING_SETUP_SINGLE_ISSUER, _DEFER_TASKRUN), submitted in batches; with and
 * without registered buffers and file. */
#define _GNU_SOURCE
#include "bench.h"

#include <liburing.h>
#include <stdlib.h>
#include <sys/uio.h>

#define REGISTERED 1u

struct request {
  unsigned char *buffer;
  int64_t offset;
};

struct raw {
  struct job *job;
  intptr_t file;
  struct io_uring ring;
  bool has_ring;
  bool registered;
  struct request *requests;
  size_t in_flight;
};

static void raw_end(void *state) {
  struct raw *raw = state;
  if (raw->has_ring)
    io_uring_queue_exit(&raw->ring);
  sys_close(raw->file);
  free(raw->requests);
  free(raw);
}

static int raw__register(struct raw *raw) {
  struct job *job = raw->job;
  int file = (int)raw->file;
  struct iovec all = {job_buffer(job, 0), job->depth * job->block};
  if (io_uring_register_buffers(&raw->ring, &all, 1) < 0 ||
      io_uring_register_files(&raw->ring, &file, 1) < 0)
    return OVIO_ENOBUFS;
  return 0;
}

static int raw__open_ring(struct raw *raw) {
  unsigned entries = 1;
  while (entries < raw->job->depth)
    entries *= 2;
  if (io_uring_queue_init(entries, &raw->ring,
                          IORING_SETUP_SINGLE_ISSUER |
                              IORING_SETUP_DEFER_TASKRUN) < 0)
    return OVIO_ENOTSUP;
  raw->has_ring = true;
  return raw->registered ? raw__register(raw) : 0;
}

static int raw_begin(struct job *job, const struct variant *variant,
                     void **state) {
  struct raw *raw = calloc(1, sizeof *raw);
  if (!raw)
    return OVIO_ENOMEM;
  *state = raw;
  raw->job = job;
  raw->registered = variant->flags & REGISTERED;
  raw->requests = calloc(job->depth, sizeof *raw->requests);
  int error = sys_open(job->path, job->direct, &raw->file);
  if (!error)
    error = raw__open_ring(raw);
  for (size_t at = 0; at < job->depth; at++)
    raw->requests[at].buffer = job_buffer(job, at);
  if (error)
    raw_end(raw);
  return error;
}

static void raw__prepare(struct raw *raw, struct io_uring_sqe *entry,
                         struct request *request) {
  int file = raw->registered ? 0 : (int)raw->file;
  unsigned length = (unsigned)raw->job->block;
  uint64_t offset = (uint64_t)request->offset;
  bool write = raw->job->op == BENCH_WRITE;
  if (raw->registered && write)
    io_uring_prep_write_fixed(entry, file, request->buffer, length, offset, 0);
  else if (raw->registered)
    io_uring_prep_read_fixed(entry, file, request->buffer, length, offset, 0);
  else if (write)
    io_uring_prep_write(entry, file, request->buffer, length, offset);
  else
    io_uring_prep_read(entry, file, request->buffer, length, offset);
  if (raw->registered)
    entry->flags |= IOSQE_FIXED_FILE;
}

static void raw__start(struct raw *raw, struct request *request) {
  if (!job_take(raw->job, request->buffer, &request->offset))
    return;
  struct io_uring_sqe *entry = io_uring_get_sqe(&raw->ring);
  raw__prepare(raw, entry, request);
  io_uring_sqe_set_data(entry, request);
  raw->in_flight++;
}

static void raw__reap(struct raw *raw) {
  struct io_uring_cqe *completion;
  unsigned head, count = 0;
  io_uring_for_each_cqe(&raw->ring, head, completion) {
    struct request *request = io_uring_cqe_get_data(completion);
    job_give(raw->job, request->buffer, request->offset, completion->res);
    raw->in_flight--;
    count++;
    raw__start(raw, request);
  }
  io_uring_cq_advance(&raw->ring, count);
}

static int raw_run(struct job *job, void *state) {
  struct raw *raw = state;
  for (size_t at = 0; at < job->depth; at++)
    raw__start(raw, &raw->requests[at]);
  while (raw->in_flight) {
    if (io_uring_submit_and_wait(&raw->ring, 1) < 0)
      return OVIO_EIO;
    raw__reap(raw);
  }
  return job->error;
}

extern const struct variant raw_uring_variants[];

const struct variant raw_uring_variants[] = {
    {"io_uring", BENCH_READ, 0, 0, raw_begin, raw_run, raw_end},
    {"io_uring", BENCH_WRITE, 0, 0, raw_begin, raw_run, raw_end},
    {"io_uring-registered", BENCH_READ, 0, REGISTERED, raw_begin, raw_run,
     raw_end},
    {"io_uring-registered", BENCH_WRITE, 0, REGISTERED, raw_begin, raw_run,
     raw_end},
    {0},
};
