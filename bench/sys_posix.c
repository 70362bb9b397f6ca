/* SPDX-License-Identifier: MIT */
/* Clock, threads and files of POSIX; sys_win32.c has the same functions. */
#define _GNU_SOURCE
#define _FILE_OFFSET_BITS 64
#include "bench.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/utsname.h>
#include <time.h>
#include <unistd.h>

#ifndef O_DIRECT
#define O_DIRECT 0
#endif

struct sys_thread {
  pthread_t thread;
  void (*body)(void *);
  void *argument;
};

struct sys_lock {
  pthread_mutex_t mutex;
};

struct sys_condition {
  pthread_cond_t condition;
};

static int64_t clock_ns(clockid_t clock) {
  struct timespec now;
  clock_gettime(clock, &now);
  return (int64_t)now.tv_sec * 1000000000 + now.tv_nsec;
}

int64_t sys_wall_ns(void) {
  return clock_ns(CLOCK_MONOTONIC);
}

int64_t sys_cpu_ns(void) {
  return clock_ns(CLOCK_PROCESS_CPUTIME_ID);
}

const char *sys_name(void) {
  static char text[512];
  struct utsname name;
  if (uname(&name))
    return "POSIX";
  snprintf(text, sizeof text, "%.100s %.100s %.100s, %ld processors",
           name.sysname, name.release, name.machine,
           sysconf(_SC_NPROCESSORS_ONLN));
  return text;
}

/* The sum of the lines of /proc/self/io that begin with "syscr" and "syscw". */
uint64_t sys_transfers(void) {
  char name[32];
  unsigned long long value, sum = 0;
  FILE *file = fopen("/proc/self/io", "r");
  if (!file)
    return 0;
  while (fscanf(file, "%31s %llu", name, &value) == 2) {
    if (strncmp(name, "sysc", 4) == 0)
      sum += value;
  }
  fclose(file);
  return sum;
}

static uint64_t resident(void) {
  unsigned long long all, resident = 0;
  FILE *file = fopen("/proc/self/statm", "r");
  if (!file)
    return 0;
  if (fscanf(file, "%llu %llu", &all, &resident) != 2)
    resident = 0;
  fclose(file);
  return resident * (uint64_t)sysconf(_SC_PAGESIZE);
}

static uint64_t page_tables(void) {
  unsigned long long kib = 0;
  char line[256];
  FILE *file = fopen("/proc/self/status", "r");
  while (file && fgets(line, sizeof line, file)) {
    if (sscanf(line, "VmPTE: %llu", &kib) == 1)
      break;
  }
  if (file)
    fclose(file);
  return kib * 1024;
}

static uint64_t areas(void) {
  uint64_t count = 0;
  FILE *file = fopen("/proc/self/maps", "r");
  if (!file)
    return 0;
  for (int byte; (byte = getc(file)) != EOF;)
    count += byte == '\n';
  fclose(file);
  return count;
}

void sys_memory(struct sys_memory *out) {
  out->resident = resident();
  out->page_tables = page_tables();
  out->areas = areas();
}

bool sys_files_allow(size_t count) {
  struct rlimit limit;
  if (getrlimit(RLIMIT_NOFILE, &limit) != 0)
    return false;
  if (limit.rlim_cur >= count)
    return true;
  limit.rlim_cur = count;
  return limit.rlim_max >= count && setrlimit(RLIMIT_NOFILE, &limit) == 0;
}

/* ---- threads ---- */

static void *thread_main(void *argument) {
  struct sys_thread *thread = argument;
  thread->body(thread->argument);
  return NULL;
}

struct sys_thread *sys_thread_start(void (*body)(void *), void *argument) {
  struct sys_thread *thread = malloc(sizeof *thread);
  if (!thread)
    return NULL;
  thread->body = body;
  thread->argument = argument;
  if (pthread_create(&thread->thread, NULL, thread_main, thread) == 0)
    return thread;
  free(thread);
  return NULL;
}

void sys_thread_join(struct sys_thread *thread) {
  pthread_join(thread->thread, NULL);
  free(thread);
}

struct sys_lock *sys_lock_create(void) {
  struct sys_lock *lock = malloc(sizeof *lock);
  if (lock)
    pthread_mutex_init(&lock->mutex, NULL);
  return lock;
}

void sys_lock_destroy(struct sys_lock *lock) {
  pthread_mutex_destroy(&lock->mutex);
  free(lock);
}

void sys_lock_acquire(struct sys_lock *lock) {
  pthread_mutex_lock(&lock->mutex);
}

void sys_lock_release(struct sys_lock *lock) {
  pthread_mutex_unlock(&lock->mutex);
}

struct sys_condition *sys_condition_create(void) {
  struct sys_condition *condition = malloc(sizeof *condition);
  if (condition)
    pthread_cond_init(&condition->condition, NULL);
  return condition;
}

void sys_condition_destroy(struct sys_condition *condition) {
  pthread_cond_destroy(&condition->condition);
  free(condition);
}

void sys_condition_wait(struct sys_condition *condition,
                        struct sys_lock *lock) {
  pthread_cond_wait(&condition->condition, &lock->mutex);
}

void sys_condition_wake(struct sys_condition *condition) {
  pthread_cond_signal(&condition->condition);
}

/* ---- files ---- */

int sys_open(const char *path, bool direct, intptr_t *file) {
  *file = open(path, O_RDWR | O_CLOEXEC | (direct ? O_DIRECT : 0));
  return *file < 0 ? OVIO_EIO : 0;
}

void sys_close(intptr_t file) {
  close((int)file);
}

int64_t sys_transfer(intptr_t file, bool write, void *buffer, size_t length,
                     int64_t offset) {
  ssize_t moved = write ? pwrite((int)file, buffer, length, offset)
                        : pread((int)file, buffer, length, offset);
  return moved < 0 ? OVIO_EIO : moved;
}

int sys_folder_make(const char *path) {
  if (mkdir(path, 0777) == 0)
    return 0;
  return errno == EEXIST ? OVIO_EEXIST : OVIO_EACCES;
}

void sys_folder_remove(const char *path) {
  rmdir(path);
}

void sys_file_remove(const char *path) {
  unlink(path);
}
