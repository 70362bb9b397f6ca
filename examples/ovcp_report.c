/* SPDX-License-Identifier: MIT */
/* ovcp's messages: what failed, how far it is, how fast it was. */
#include "ovcp.h"

#include <inttypes.h>
#include <string.h>

enum { TICK_MS = 100, BAR_TICKS = 2, LINE_TICKS = 50 };
enum { BAR_WIDTH = 24, LINE_WIDTH = 79 };

/* With spaces, which every console understands. */
static void wipe(struct job *job) {
  if (job->bar)
    fprintf(stderr, "\r%*s\r", LINE_WIDTH, "");
  fflush(stderr);
  job->bar = false;
}

/* ---- Complaints ---- */

/* A file's name must not steer the terminal. */
static void defuse(char *text) {
  for (; *text; text++)
    if ((unsigned char)*text < ' ' || *text == '\177')
      *text = '?';
}

void complain_list(struct job *job, int error, const char *format,
                   va_list list) {
  /* Not on a task's stack. */
  static char text[16384];
  job->failed = true;
  if (error == OVIO_ECANCELED)
    return;
  int length = snprintf(text, sizeof text, "ovcp: ");
  vsnprintf(text + length, sizeof text - (size_t)length, format, list);
  length = (int)strlen(text);
  if (error)
    snprintf(text + length, sizeof text - (size_t)length, ": %s",
             ovio_error_text(error));
  defuse(text);
  wipe(job);
  fprintf(stderr, "%s\n", text);
  fflush(stderr);
}

void complain(struct job *job, int error, const char *format, ...) {
  va_list list;
  va_start(list, format);
  complain_list(job, error, format, list);
  va_end(list);
}

/* ---- Progress ---- */

struct amount {
  char text[32];
};

static struct amount amount(double bytes) {
  static const char *const units[] = {"B", "KiB", "MiB", "GiB", "TiB"};
  struct amount result;
  unsigned unit = 0;
  for (; bytes >= 1024 && unit < 4; unit++)
    bytes /= 1024;
  snprintf(result.text, sizeof result.text, "%.*f %s", unit > 0, bytes,
           units[unit]);
  return result;
}

static double elapsed(const struct job *job) {
  double seconds = (double)(sys_clock_ns() - job->begin_ns) / 1e9;
  return seconds > 1e-6 ? seconds : 1e-6;
}

/* The part of the whole that is done, 0 to 1; below 0 while nobody knows. */
static double fraction(const struct job *job) {
  double whole = (double)job->found * (job->options.verify ? 2 : 1);
  if (!job->found_all)
    return -1;
  double part = (double)(job->copied + job->verified);
  return part < whole ? part / whole : 1;
}

static void format_bar(const struct job *job, char *text, size_t size) {
  double part = fraction(job);
  if (part < 0) {
    text[0] = '\0';
    return;
  }
  char bar[BAR_WIDTH + 1];
  int filled = (int)(part * BAR_WIDTH);
  memset(bar, '=', BAR_WIDTH);
  memset(bar + filled, ' ', (size_t)(BAR_WIDTH - filled));
  bar[BAR_WIDTH] = '\0';
  double left = part > 0 ? elapsed(job) * (1 - part) / part : 0;
  int64_t seconds = (int64_t)(left + 0.5);
  snprintf(text, size, "%3d%% [%s] %" PRId64 ":%02d left, ", (int)(part * 100),
           bar, seconds / 60, (int)(seconds % 60));
}

static void draw(struct job *job) {
  char bar[96] = "";
  char text[256];
  if (job->terminal)
    format_bar(job, bar, sizeof bar);
  double bytes = (double)job->copied;
  snprintf(text, sizeof text, "%s%" PRIu64 " files, %s, %s/s", bar, job->files,
           amount(bytes).text, amount(bytes / elapsed(job)).text);
  if (job->terminal)
    fprintf(stderr, "\r%-*.*s", LINE_WIDTH, LINE_WIDTH, text);
  else
    fprintf(stderr, "ovcp: %s\n", text);
  fflush(stderr);
  job->bar = job->terminal;
}

void display_work(void *argument) {
  struct job *job = argument;
  unsigned period = job->terminal ? BAR_TICKS : LINE_TICKS;
  unsigned tick = 0;
  /* The sleep ends with an error when the crew has gone home. */
  while (!ovio_sleep(TICK_MS * UINT64_C(1000000))) {
    if (sys_interrupted())
      ovio_group_cancel(&job->crew);
    if (++tick % period == 0 && !job->options.quiet)
      draw(job);
  }
  wipe(job);
}

void display_scout(void *argument) {
  struct job *job = argument;
  struct item item;
  int step = 0;
  while (!job->finished && step >= 0) {
    step = walk_step(&job->scout, &item);
    if (step > 0 && item.stat.type == OVIO_TYPE_FILE)
      job->found += item.stat.size;
    if (step > 0)
      item_end(job, &item);
    ovio_yield();
  }
  job->found_all = step < 0;
}

void display_summary(const struct job *job) {
  if (job->failed && !job->files)
    return;
  double seconds = elapsed(job);
  double bytes = (double)job->copied;
  printf("ovcp: %" PRIu64 " file%s, %s in %.1f s, %s/s%s\n", job->files,
         job->files == 1 ? "" : "s", amount(bytes).text, seconds,
         amount(bytes / seconds).text,
         job->options.verify && !job->failed ? ", verified" : "");
}
