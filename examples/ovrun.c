/* SPDX-License-Identifier: MIT */
/* ovrun: runs a command for so many seconds at most and prints what it says.
 *
 *   ovrun SECONDS PROGRAM [ARGUMENT...]
 *
 * Exit code: the command's; 124 when the time is up, 125 when it could not be
 * started or said too much, 128 and more when a signal ended it. */
#include <ovio.h>
#include <stdio.h>
#include <stdlib.h>

enum { TIME_IS_UP = 124, TROUBLE = 125, SIGNALLED = 128 };

struct job {
  uint64_t duration_ns;
  char **command;
  int exit_code;
};

static int job_exit_code(const struct job *job, int error,
                         const struct ovio_exit *end) {
  if (error == OVIO_ETIMEDOUT)
    return TIME_IS_UP;
  if (error) {
    fprintf(stderr, "ovrun: %s: %s\n", job->command[0], ovio_error_text(error));
    return TROUBLE;
  }
  return end->signal ? SIGNALLED + end->signal : (int)end->code;
}

/* In a task, since only tasks have deadlines. */
static void job_main(void *argument) {
  struct job *job = argument;
  struct ovio_output output;
  struct ovio_process_options options = {
      .size = sizeof options,
      .program = job->command[0],
      .arguments = (const char *const *)job->command,
      .input.kind = OVIO_PROCESS_INHERIT,
  };
  ovio_deadline(job->duration_ns);
  int error = ovio_run(&options, &output);
  /* What it had said when the time was up, too. */
  if (output.output)
    fwrite(output.output, 1, output.output_length, stdout);
  if (output.error)
    fwrite(output.error, 1, output.error_length, stderr);
  job->exit_code = job_exit_code(job, error, &output.exit);
  ovio_free(output.output);
  ovio_free(output.error);
}

int main(int argc, char **argv) {
  struct ovio_loop *loop;
  char *end = NULL;
  double seconds = argc > 2 ? strtod(argv[1], &end) : 0;
  if (!end || *end || !(seconds > 0 && seconds < 1e9)) {
    fprintf(stderr, "usage: ovrun SECONDS PROGRAM [ARGUMENT...]\n");
    return TROUBLE;
  }
  struct job job = {(uint64_t)(seconds * 1e9), argv + 2, TROUBLE};
  int error = ovio_loop_create(&loop, NULL);
  if (!error)
    error = ovio_spawn(loop, job_main, &job);
  if (!error)
    error = ovio_loop_run(loop);
  if (!error)
    error = ovio_loop_destroy(loop);
  if (error)
    fprintf(stderr, "ovrun: %s\n", ovio_error_text(error));
  return job.exit_code;
}
