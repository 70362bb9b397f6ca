/* SPDX-License-Identifier: MIT */
/* What ovcp asks a POSIX system; ovcp_win32.c has the same functions. */
#define _XOPEN_SOURCE 700
#include "ovcp.h"

#include <signal.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

static volatile sig_atomic_t interruption; /* the signal's number */

int sys_begin(int *argc, char ***argv) {
  (void)argc;
  (void)argv;
  return 0;
}

int sys_end(int status) {
  if (interruption) {
    fflush(NULL);
    signal(interruption, SIG_DFL);
    raise(interruption);
  }
  return status;
}

static void note(int number) {
  interruption = number;
}

void sys_watch(void) {
  static const int numbers[] = {SIGINT, SIGTERM, SIGHUP};
  struct sigaction action;
  memset(&action, 0, sizeof action);
  action.sa_handler = note;
  action.sa_flags = SA_RESTART;
  for (size_t i = 0; i < sizeof numbers / sizeof *numbers; i++) {
    struct sigaction old;
    /* Who is started with a signal ignored (nohup) goes on ignoring it. */
    if (!sigaction(numbers[i], NULL, &old) && old.sa_handler != SIG_IGN)
      sigaction(numbers[i], &action, NULL);
  }
}

bool sys_interrupted(void) {
  return interruption;
}

bool sys_terminal(void) {
  return isatty(STDERR_FILENO);
}

int64_t sys_clock_ns(void) {
  struct timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  return (int64_t)now.tv_sec * 1000000000 + now.tv_nsec;
}

unsigned long sys_process(void) {
  return (unsigned long)getpid();
}

const char *sys_separators(void) {
  return "/";
}

size_t sys_root(const char *path) {
  return path[0] == '/';
}

bool sys_follows_links(void) {
  return false;
}
