/* SPDX-License-Identifier: MIT */
/* One setting: which operations, with what content.
 *
 * A word of 8 bytes says where it stands, so a block from a wrong place, torn
 * or old, is seen. In the timed rounds the first and last word of each block
 * are compared: all variants pay the same few instructions. A round before them
 * compares every byte. */
#include "bench.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static uint64_t mix(uint64_t value) {
  value = (value + 1) * UINT64_C(0x9E3779B97F4A7C15);
  value ^= value >> 32;
  return value * UINT64_C(0xD6E8FEB86659FD93);
}

static uint64_t word_at(int64_t offset, uint64_t salt) {
  return mix((uint64_t)offset) ^ salt;
}

static void put(unsigned char *at, uint64_t word) {
  memcpy(at, &word, sizeof word);
}

static uint64_t get(const unsigned char *at) {
  uint64_t word;
  memcpy(&word, at, sizeof word);
  return word;
}

/* ---- content ---- */

void job_fill(unsigned char *buffer, size_t length, int64_t offset,
              uint64_t salt) {
  for (size_t at = 0; at + 8 <= length; at += 8)
    put(buffer + at, word_at(offset + (int64_t)at, salt));
}

bool job_compare(const unsigned char *buffer, size_t length, int64_t offset,
                 uint64_t salt) {
  for (size_t at = 0; at + 8 <= length; at += 8) {
    if (get(buffer + at) != word_at(offset + (int64_t)at, salt))
      return false;
  }
  return true;
}

static bool compare_ends(const unsigned char *buffer, size_t length,
                         int64_t offset, uint64_t salt) {
  int64_t last = (int64_t)length - 8;
  return get(buffer) == word_at(offset, salt) &&
         get(buffer + last) == word_at(offset + last, salt);
}

static void fill_ends(unsigned char *buffer, size_t length, int64_t offset,
                      uint64_t salt) {
  int64_t last = (int64_t)length - 8;
  put(buffer, word_at(offset, salt));
  put(buffer + last, word_at(offset + last, salt));
}

/* ---- order ---- */

unsigned char *job_buffer(const struct job *job, size_t index) {
  uintptr_t first = (uintptr_t)job->buffers;
  size_t shift = (size_t)(-first % BENCH_ALIGNMENT);
  return job->buffers + shift + index * job->block;
}

uint64_t job_block(const struct job *job, uint64_t number) {
  if (!job->random)
    return number % job->blocks;
  return ((mix(number) >> 32) * job->blocks) >> 32;
}

int64_t job_offset(const struct job *job, uint64_t number) {
  return (int64_t)(job_block(job, number) * job->block);
}

bool job_take(struct job *job, unsigned char *buffer, int64_t *offset) {
  if (job->begun == job->count)
    return false;
  *offset = job_offset(job, job->begun++);
  if (job->op != BENCH_WRITE)
    return true;
  if (job->thorough)
    job_fill(buffer, job->block, *offset, job->salt);
  else
    fill_ends(buffer, job->block, *offset, job->salt);
  return true;
}

bool job_take_path(struct job *job, char path[BENCH_PATH], uint64_t *number) {
  if (job->begun == job->count)
    return false;
  *number = job_block(job, job->begun++);
  folder_file(path, job->path, *number);
  return true;
}

/* ---- results ---- */

void job_give(struct job *job, const unsigned char *buffer, int64_t offset,
              int64_t result) {
  job->done++;
  if (result != (int64_t)job->block) {
    job_fail(job, result < 0 ? (int)result : OVIO_EIO);
    return;
  }
  if (job->op == BENCH_WRITE)
    return;
  if (!compare_ends(buffer, job->block, offset, 0) ||
      (job->thorough && !job_compare(buffer, job->block, offset, 0)))
    job->wrong++;
}

void job_count(struct job *job, uint64_t operations) {
  job->done += operations;
}

void job_fail(struct job *job, int error) {
  if (!job->error)
    job->error = error;
}

/* ---- pipes ---- */

void job_ping(struct job *job, unsigned char *buffer) {
  put(buffer, mix(job->done));
}

void job_pong(struct job *job, const unsigned char *buffer, int64_t result) {
  if (result != (int64_t)job->block)
    job_fail(job, result < 0 ? (int)result : OVIO_EIO);
  if (get(buffer) != mix(job->done))
    job->wrong++;
  job->done++;
}

void job_stream(struct job *job, const unsigned char *buffer, int64_t result) {
  const unsigned char *pattern = job_buffer(job, 0);
  if (result <= 0) {
    job_fail(job, result < 0 ? (int)result : OVIO_EPIPE);
    return;
  }
  uint64_t last = (uint64_t)result - 1;
  if (buffer[0] != pattern[job->position % job->block] ||
      buffer[last] != pattern[(job->position + last) % job->block])
    job->wrong++;
  job->position += (uint64_t)result;
  job->done = job->position / job->block;
}

bool job_streams(const struct job *job) {
  return job->done < job->count && !job->error;
}

/* ---- rounds ---- */

void job_begin(struct job *job) {
  job->begun = job->done = job->wrong = job->position = 0;
  job->error = 0;
  job->salt = job->op == BENCH_WRITE ? mix(job->salt) | 1 : 0;
}

bool job_is_right(const struct job *job) {
  return job->done == job->count && !job->wrong && !job->error;
}

int job_buffers_create(struct job *job) {
  /* A pipe has a block on either side, whatever the depth. */
  size_t length = (job->depth + 1) * job->block + BENCH_ALIGNMENT;
  job->buffers = calloc(1, length);
  if (!job->buffers)
    return OVIO_ENOMEM;
  job_fill(job_buffer(job, 0), job->block, 0, 0);
  return 0;
}

void job_buffers_destroy(struct job *job) {
  free(job->buffers);
  job->buffers = NULL;
}
