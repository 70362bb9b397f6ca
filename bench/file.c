/* SPDX-License-Identifier: MIT */
/* The files to work on. What is there already and is not ours is never written
 * to: its content tells. */
#include "bench.h"

#include <stdio.h>
#include <stdlib.h>

enum { CHUNK = 1 << 20 };

/* Runs over the file in chunks: writes, compares, or only reads. */
enum pass { PASS_WRITE, PASS_COMPARE, PASS_READ };

static int file__chunk(struct ovio_file *file, unsigned char *buffer,
                       size_t length, int64_t offset, enum pass pass) {
  int64_t moved;
  if (pass == PASS_WRITE) {
    job_fill(buffer, length, offset, 0);
    moved = ovio_write(file, buffer, length, offset);
  } else {
    moved = ovio_read(file, buffer, length, offset);
  }
  if (moved != (int64_t)length)
    return moved < 0 ? (int)moved : OVIO_EIO;
  return pass == PASS_COMPARE && !job_compare(buffer, length, offset, 0)
             ? OVIO_EEXIST
             : 0;
}

static int file__pass(struct ovio_file *file, uint64_t length, enum pass pass) {
  unsigned char *buffer = malloc(CHUNK);
  int error = buffer ? 0 : OVIO_ENOMEM;
  for (uint64_t at = 0; at < length && !error; at += CHUNK) {
    uint64_t left = length - at;
    error = file__chunk(file, buffer, left < CHUNK ? (size_t)left : CHUNK,
                        (int64_t)at, pass);
  }
  free(buffer);
  return error;
}

static int file__open_and(const char *path, unsigned flags, uint64_t length,
                          enum pass pass) {
  struct ovio_file file;
  int error = ovio_open(&file, path, flags | OVIO_BLOCKING, 0666);
  if (error)
    return error;
  error = file__pass(&file, length, pass);
  if (!error && pass == PASS_WRITE)
    error = ovio_sync(&file, 0);
  ovio_close(&file);
  return error;
}

int file_prepare(const char *path, uint64_t length) {
  int error = file__open_and(path, OVIO_WRITE | OVIO_CREATE | OVIO_EXCLUSIVE,
                             length, PASS_WRITE);
  if (error != OVIO_EEXIST)
    return error;
  return file__open_and(path, OVIO_READ, length, PASS_COMPARE);
}

int file_warm(const char *path, uint64_t length) {
  return file__open_and(path, OVIO_READ, length, PASS_READ);
}

static bool file__verify(struct job *job, struct ovio_file *file) {
  unsigned char *buffer = job_buffer(job, 0);
  for (uint64_t number = 0; number < job->count; number++) {
    int64_t offset = job_offset(job, number);
    if (ovio_read(file, buffer, job->block, offset) != (int64_t)job->block)
      return false;
    size_t length = job->thorough ? job->block : 8;
    if (!job_compare(buffer, length, offset, job->salt) ||
        !job_compare(buffer + job->block - 8, 8,
                     offset + (int64_t)job->block - 8, job->salt))
      return false;
  }
  return true;
}

bool file_verify_writes(struct job *job) {
  struct ovio_file file;
  if (ovio_open(&file, job->path, OVIO_READ | OVIO_BLOCKING, 0))
    return false;
  bool right = file__verify(job, &file);
  ovio_close(&file);
  return right;
}

/* ---- many small files ---- */

void folder_file(char out[BENCH_PATH], const char *path, uint64_t number) {
  snprintf(out, BENCH_PATH, "%s/f%llu", path, (unsigned long long)number);
}

/* The content of file n begins where n blocks would. */
static int folder__make_file(const char *path, uint64_t number, size_t length,
                             unsigned char *buffer) {
  struct ovio_file file;
  char name[BENCH_PATH];
  folder_file(name, path, number);
  int error = ovio_open(
      &file, name, OVIO_WRITE | OVIO_CREATE | OVIO_EXCLUSIVE | OVIO_BLOCKING,
      0666);
  if (error)
    return error;
  job_fill(buffer, length, (int64_t)(number * length), 0);
  int64_t moved = ovio_write(&file, buffer, length, 0);
  ovio_close(&file);
  return moved < 0 ? (int)moved : 0;
}

int folder_prepare(const char *path, uint64_t files, size_t length) {
  int error = sys_folder_make(path);
  unsigned char *buffer = malloc(length);
  if (!buffer)
    error = OVIO_ENOMEM;
  for (uint64_t number = 0; number < files && !error; number++)
    error = folder__make_file(path, number, length, buffer);
  free(buffer);
  return error;
}

void folder_remove(const char *path, uint64_t files) {
  char name[BENCH_PATH];
  for (uint64_t number = 0; number < files; number++) {
    folder_file(name, path, number);
    sys_file_remove(name);
  }
  sys_folder_remove(path);
}
