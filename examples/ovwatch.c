/* SPDX-License-Identifier: MIT */
/* ovwatch: runs a command whenever a file, or something below a directory, has
 * changed, once it has been quiet for a tenth of a second.
 *
 *   ovwatch [-1] PATH PROGRAM [ARGUMENT...]
 *
 * -1 ends after the first run, with the command's exit code. What changes while
 * the command runs counts as its own doing and does not start it again. */
#include <ovio.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#define QUIET_NS 100000000

enum { TROUBLE = 125 };

struct job {
  const char *path;
  char **command;
  bool once;
  int exit_code;
};

static int job_fail(struct job *job, const char *what, int error) {
  fprintf(stderr, "ovwatch: %s: %s\n", what, ovio_error_text(error));
  job->exit_code = TROUBLE;
  return error;
}

static int job_command(struct job *job) {
  struct ovio_process process;
  struct ovio_exit end;
  struct ovio_process_options options = {
      .size = sizeof options,
      .program = job->command[0],
      .arguments = (const char *const *)job->command,
  };
  int error = ovio_spawn_process(&process, &options);
  if (error)
    return job_fail(job, job->command[0], error);
  error = ovio_process_wait(&process, &end);
  ovio_process_close(&process);
  job->exit_code = end.signal ? 128 + end.signal : (int)end.code;
  return error;
}

/* Takes events until none has come for a while. */
static int job_settle(struct ovio_watch *watch) {
  struct ovio_event event;
  int error;
  do {
    ovio_deadline(QUIET_NS);
    error = ovio_watch_next(watch, &event);
  } while (!error);
  ovio_deadline(0); /* none */
  return error == OVIO_ETIMEDOUT ? 0 : error;
}

static void job_main(void *argument) {
  struct job *job = argument;
  struct ovio_watch *watch;
  struct ovio_event event;
  int error = ovio_watch_create(&watch);
  if (!error)
    error = ovio_watch_add(watch, job->path, OVIO_WATCH_TREE, NULL);
  if (error < 0)
    job_fail(job, job->path, error);
  else
    fprintf(stderr, "ovwatch: watching %s\n", job->path);
  bool goes_on = error >= 0;
  while (goes_on && ovio_watch_next(watch, &event) == 0) {
    fprintf(stderr, "ovwatch: %s has changed\n",
            *event.path ? event.path : job->path);
    goes_on = job_settle(watch) == 0 && job_command(job) == 0 && !job->once &&
              job_settle(watch) == 0;
  }
  if (watch)
    ovio_watch_close(watch);
}

int main(int argc, char **argv) {
  bool once = argc > 1 && strcmp(argv[1], "-1") == 0;
  char **rest = argv + 1 + once;
  if (argc - once < 3) {
    fprintf(stderr, "usage: ovwatch [-1] PATH PROGRAM [ARGUMENT...]\n");
    return TROUBLE;
  }
  struct job job = {rest[0], rest + 1, once, TROUBLE};
  struct ovio_loop *loop;
  int error = ovio_loop_create(&loop, NULL);
  if (!error)
    error = ovio_spawn(loop, job_main, &job);
  if (!error)
    error = ovio_loop_run(loop);
  if (!error)
    error = ovio_loop_destroy(loop);
  return error ? job_fail(&job, "loop", error), TROUBLE : job.exit_code;
}
