/* SPDX-License-Identifier: MIT */
/* A peer: libuv, with the four threads that it has by itself. */
#define _GNU_SOURCE
#include "bench.h"

#include <stdlib.h>
#include <string.h>
#include <uv.h>

struct slot {
  uv_fs_t request; /* first: a callback gets its address */
  struct peer *peer;
  unsigned char *buffer;
  int64_t offset;
  uint64_t number;
  int64_t moved;
  uv_file file;
  char path[BENCH_PATH];
};

struct peer {
  struct job *job;
  uv_loop_t loop;
  uv_file file;
  struct slot *slots;
};

/* ---- memory ---- */

static void *counted_malloc(size_t length) {
  return malloc(length); /* which is counted, in this program */
}

static void *counted_realloc(void *old, size_t length) {
  return realloc(old, length);
}

static void *counted_calloc(size_t members, size_t length) {
  return calloc(members, length);
}

/* ---- begin, end ---- */

/* By its own calls: on Windows its files are descriptors of the C library. */
static int peer__open(struct peer *peer) {
  uv_fs_t request;
  int direct = peer->job->direct ? UV_FS_O_DIRECT : 0;
  peer->file = uv_fs_open(NULL, &request, peer->job->path,
                          UV_FS_O_RDWR | direct, 0, NULL);
  uv_fs_req_cleanup(&request);
  return peer->file < 0 ? OVIO_EIO : 0;
}

static void peer__close(struct peer *peer) {
  uv_fs_t request;
  uv_fs_close(NULL, &request, peer->file, NULL);
  uv_fs_req_cleanup(&request);
}

static void peer_end(void *state) {
  struct peer *peer = state;
  uv_loop_close(&peer->loop);
  if (peer->job->op != BENCH_FILES && peer->file >= 0)
    peer__close(peer);
  free(peer->slots);
  free(peer);
}

static int peer_begin(struct job *job, const struct variant *variant,
                      void **state) {
  static bool replaced;
  (void)variant;
  if (!replaced)
    uv_replace_allocator(counted_malloc, counted_realloc, counted_calloc, free);
  replaced = true;
  struct peer *peer = calloc(1, sizeof *peer);
  if (!peer)
    return OVIO_ENOMEM;
  *state = peer;
  peer->job = job;
  peer->slots = calloc(job->depth, sizeof *peer->slots);
  uv_loop_init(&peer->loop);
  int error = job->op == BENCH_FILES ? 0 : peer__open(peer);
  for (size_t at = 0; at < job->depth; at++) {
    peer->slots[at].peer = peer;
    peer->slots[at].buffer = job_buffer(job, at);
  }
  if (error)
    peer_end(peer);
  return error;
}

/* ---- read and write ---- */

static void peer__next(struct slot *slot);

static void peer__done(uv_fs_t *request) {
  struct slot *slot = (struct slot *)(void *)request;
  int64_t moved = request->result < 0 ? OVIO_EIO : (int64_t)request->result;
  uv_fs_req_cleanup(request);
  job_give(slot->peer->job, slot->buffer, slot->offset, moved);
  peer__next(slot);
}

static void peer__next(struct slot *slot) {
  struct peer *peer = slot->peer;
  struct job *job = peer->job;
  if (!job_take(job, slot->buffer, &slot->offset))
    return;
  uv_buf_t buffer = uv_buf_init((char *)slot->buffer, (unsigned)job->block);
  int error = job->op == BENCH_WRITE
                  ? uv_fs_write(&peer->loop, &slot->request, peer->file,
                                &buffer, 1, slot->offset, peer__done)
                  : uv_fs_read(&peer->loop, &slot->request, peer->file, &buffer,
                               1, slot->offset, peer__done);
  if (error)
    job_fail(job, OVIO_EIO);
}

static int peer_run(struct job *job, void *state) {
  struct peer *peer = state;
  for (size_t at = 0; at < job->depth; at++)
    peer__next(&peer->slots[at]);
  uv_run(&peer->loop, UV_RUN_DEFAULT);
  return job->error;
}

/* ---- many small files ---- */

static void visit__next(struct slot *slot);

static void visit__closed(uv_fs_t *request) {
  struct slot *slot = (struct slot *)(void *)request;
  struct job *job = slot->peer->job;
  uv_fs_req_cleanup(request);
  job_give(job, slot->buffer, (int64_t)(slot->number * job->block),
           slot->moved);
  visit__next(slot);
}

static void visit__read(uv_fs_t *request) {
  struct slot *slot = (struct slot *)(void *)request;
  slot->moved = (int64_t)request->result;
  uv_fs_req_cleanup(request);
  uv_fs_close(&slot->peer->loop, request, slot->file, visit__closed);
}

static void visit__opened(uv_fs_t *request) {
  struct slot *slot = (struct slot *)(void *)request;
  struct job *job = slot->peer->job;
  slot->file = (uv_file)request->result;
  uv_fs_req_cleanup(request);
  if (slot->file < 0) {
    job_fail(job, OVIO_EIO);
    return;
  }
  uv_buf_t buffer = uv_buf_init((char *)slot->buffer, (unsigned)job->block);
  uv_fs_read(&slot->peer->loop, request, slot->file, &buffer, 1, 0,
             visit__read);
}

static void visit__next(struct slot *slot) {
  struct peer *peer = slot->peer;
  if (!job_take_path(peer->job, slot->path, &slot->number))
    return;
  if (uv_fs_open(&peer->loop, &slot->request, slot->path, UV_FS_O_RDONLY, 0,
                 visit__opened))
    job_fail(peer->job, OVIO_EIO);
}

static int peer_run_files(struct job *job, void *state) {
  struct peer *peer = state;
  for (size_t at = 0; at < job->depth; at++)
    visit__next(&peer->slots[at]);
  uv_run(&peer->loop, UV_RUN_DEFAULT);
  return job->error;
}

extern const struct variant raw_libuv_variants[];

const struct variant raw_libuv_variants[] = {
    {"libuv", BENCH_READ, 0, 0, peer_begin, peer_run, peer_end},
    {"libuv", BENCH_WRITE, 0, 0, peer_begin, peer_run, peer_end},
    {"libuv", BENCH_FILES, 0, 0, peer_begin, peer_run_files, peer_end},
    {0},
};
