/* SPDX-License-Identifier: MIT */
/* Child processes.
 *
 * STATUS. Whoever finds the child ended collects it, under the lock, once; what
 * he learned is kept for all others. Until then its number is its own: nobody
 * else gets it, so a kill under the same lock cannot hit a stranger.
 *
 * STREAMS. What the child is to have is made or lent for the length of the
 * spawn. The ends that are its own are closed here right after, or the other
 * ends would never see it go. */
#include "common/process.h"

#include <string.h>

#include "common/file.h"
#include "common/loop.h"
#include "common/memory.h"
#include "common/ready.h"

#define PATIENCE_MIN_NS 1000000
#define PATIENCE_MAX_NS 50000000

enum { STREAMS = 3, INPUT = 0, OUTPUT = 1, ERROR = 2 };

/* Zeroed is none. */
struct process {
  struct os_lock lock;
  struct os_process os; /* from here on under `lock` */
  struct ovio_exit exit;
  struct os_result ended; /* value 1: `exit` stands; OVIO_ENOENT; 0: it runs */
  unsigned waiting;
  atomic_bool present; /* last: set when the rest stands */
};

_Static_assert(sizeof(struct process) <= sizeof(struct ovio_process),
               "ovio_process");
_Static_assert(_Alignof(struct process) <= _Alignof(struct ovio_process),
               "alignment");

static struct process *process__of(struct ovio_process *process) {
  return (struct process *)(void *)process;
}

/* ---- options ---- */

int process_take_options(struct ovio_process_options *out,
                         const struct ovio_process_options *given) {
  *out = (struct ovio_process_options){0};
  if (!given || given->size < sizeof given->size)
    return OVIO_EINVAL;
  memcpy(out, given, given->size < sizeof *out ? given->size : sizeof *out);
  out->size = sizeof *out;
  return 0;
}

static const struct ovio_process_stream *process__stream(
    const struct ovio_process_options *options, int at) {
  const struct ovio_process_stream *const all[STREAMS] = {
      &options->input, &options->output, &options->error};
  return all[at];
}

/* Every entry names something: a first "=" is part of the name on Windows. */
static int process__check_environment(const char *const *entry) {
  for (; entry && *entry; entry++) {
    if (!**entry || !strchr(*entry + 1, '='))
      return OVIO_EINVAL;
  }
  return 0;
}

static int process__check_file(struct ovio_file *public_file) {
  struct file *file = file_of(public_file);
  if (!file)
    return OVIO_EINVAL;
  if (!(atomic_load(&file->state) & FILE_OPEN))
    return OVIO_EBADF;
  /* Another program takes what it gets for a plain handle. */
  if (!(file->flags & OVIO_BLOCKING) || file->os.kind == OS_KIND_DIRECTORY ||
      (file->os.traits & (OS_TRAIT_OVERLAPPED | OS_TRAIT_NONBLOCK)))
    return OVIO_EINVAL;
  return 0;
}

static int process__check_stream(const struct ovio_process_options *options,
                                 int at) {
  const struct ovio_process_stream *stream = process__stream(options, at);
  switch (stream->kind) {
  case OVIO_PROCESS_DEFAULT:
  case OVIO_PROCESS_INHERIT:
  case OVIO_PROCESS_IGNORE:
    return 0;
  case OVIO_PROCESS_JOIN:
    return at == ERROR ? 0 : OVIO_EINVAL;
  case OVIO_PROCESS_FILE:
    return process__check_file(stream->file);
  case OVIO_PROCESS_PIPE:
    break;
  default:
    return OVIO_EINVAL;
  }
  for (int other = 0; other < at; other++) {
    if (stream->file == process__stream(options, other)->file)
      return OVIO_EINVAL;
  }
  return stream->file ? 0 : OVIO_EINVAL;
}

static int process__check_streams(const struct ovio_process_options *options) {
  int error = 0;
  for (int at = 0; at < STREAMS && !error; at++)
    error = process__check_stream(options, at);
  if (options->inherited_count && !options->inherited)
    return OVIO_EINVAL;
  for (size_t at = 0; at < options->inherited_count && !error; at++) {
    struct ovio_file *file = options->inherited[at];
    error = file ? 0 : OVIO_EINVAL;
    if (file && ovio_file_handle(file) == OVIO_NO_HANDLE)
      error = OVIO_EBADF;
  }
  return error;
}

static int process__check(const struct ovio_process_options *options) {
  if (!options->program || (options->arguments && !options->arguments[0]))
    return OVIO_EINVAL;
  int error = os_path_check(options->program);
  if (!error && options->directory)
    error = os_path_check(options->directory);
  if (!error)
    error = process__check_environment(options->environment);
  return error ? error : process__check_streams(options);
}

/* ---- starting ---- */

struct spawn {
  const struct ovio_process_options *options;
  struct process *process;
  const char *alone[2]; /* the default of `arguments` */
  struct os_spawn os;
  struct os_file theirs[STREAMS]; /* ends that are made for the child */
  struct os_file ours[STREAMS];   /* the other ends of the pipes */
  bool made[STREAMS];
  bool piped[STREAMS];
};

static struct os_result spawn__pipe(struct spawn *spawn, int at) {
  struct os_file ends[2] = {{0}, {0}};
  int theirs = at == INPUT ? 0 : 1;
  const unsigned flags[2] = {theirs == 0 ? OVIO_BLOCKING : 0u,
                             theirs == 1 ? OVIO_BLOCKING : 0u};
  struct os_result result = os_pipe_create(ends, flags);
  if (result.value < 0)
    return result;
  spawn->theirs[at] = ends[theirs];
  spawn->ours[at] = ends[1 - theirs];
  spawn->made[at] = spawn->piped[at] = true;
  return result;
}

static struct os_result spawn__null(struct spawn *spawn, int at) {
  struct os_result result = os_process_open_null(&spawn->theirs[at]);
  spawn->made[at] = result.value == 0;
  return result;
}

static struct os_result spawn__stream(struct spawn *spawn, int at) {
  const struct ovio_process_stream *stream =
      process__stream(spawn->options, at);
  struct os_result result = {0, 0};
  if (stream->kind == OVIO_PROCESS_PIPE)
    result = spawn__pipe(spawn, at);
  else if (stream->kind == OVIO_PROCESS_IGNORE)
    result = spawn__null(spawn, at);
  else if (stream->kind == OVIO_PROCESS_FILE)
    spawn->os.streams[at] = &file_of(stream->file)->os;
  else if (stream->kind == OVIO_PROCESS_JOIN)
    spawn->os.join = true;
  if (spawn->made[at])
    spawn->os.streams[at] = &spawn->theirs[at];
  return result;
}

static void spawn__close(struct os_file files[STREAMS],
                         const bool open[STREAMS]) {
  for (int at = 0; at < STREAMS; at++) {
    if (open[at])
      (void)os_file_close(&files[at], 0);
  }
}

static void spawn__install(struct spawn *spawn, const struct os_process *os) {
  for (int at = 0; at < STREAMS; at++) {
    if (spawn->piped[at])
      file_install(file_of(process__stream(spawn->options, at)->file),
                   &spawn->ours[at], at == INPUT ? OVIO_WRITE : OVIO_READ);
  }
  spawn->process->os = *os;
  os_lock_init(&spawn->process->lock);
  atomic_store(&spawn->process->present, true);
}

static struct os_result spawn__now(void *argument, struct os_waiter *waiter) {
  struct spawn *spawn = argument;
  struct os_process os = {0};
  struct os_result result = {0, 0};
  (void)waiter; /* none of this takes long */
  for (int at = 0; at < STREAMS && result.value == 0; at++)
    result = spawn__stream(spawn, at);
  if (result.value == 0)
    result = os_process_spawn(&os, &spawn->os);
  spawn__close(spawn->theirs, spawn->made);
  if (result.value == 0)
    spawn__install(spawn, &os);
  else
    spawn__close(spawn->ours, spawn->piped);
  return result;
}

/* The files of the caller's, one after the other; NULL: no more. */
static struct file *spawn__file(const struct ovio_process_options *options,
                                size_t at) {
  if (at >= STREAMS) {
    at -= STREAMS;
    return at < options->inherited_count ? file_of(options->inherited[at])
                                         : NULL;
  }
  const struct ovio_process_stream *stream = process__stream(options, (int)at);
  return stream->kind == OVIO_PROCESS_FILE ? file_of(stream->file) : NULL;
}

static void spawn__unlend(const struct ovio_process_options *options,
                          size_t count) {
  while (count-- > 0) {
    struct file *file = spawn__file(options, count);
    if (file)
      file_unlend(file);
  }
}

static int spawn__lend(const struct ovio_process_options *options) {
  for (size_t at = 0; at < STREAMS + options->inherited_count; at++) {
    struct file *file = spawn__file(options, at);
    int error = file ? file_lend(file) : 0;
    if (error) {
      spawn__unlend(options, at);
      return error;
    }
  }
  return 0;
}

/* All is checked and open. */
static int64_t spawn__perform(struct spawn *spawn) {
  const struct ovio_process_options *options = spawn->options;
  size_t count = options->inherited_count;
  const struct os_file **inherited =
      memory_allocate((count + 1) * sizeof *inherited);
  if (!inherited)
    return runner_answer(OVIO_ENOMEM, 0);
  for (size_t at = 0; at < count; at++)
    inherited[at] = &file_of(options->inherited[at])->os;
  spawn->alone[0] = options->program;
  spawn->os = (struct os_spawn){
      .program = options->program,
      .arguments = options->arguments ? options->arguments : spawn->alone,
      .environment = options->environment,
      .directory = options->directory,
      .inherited = inherited,
      .inherited_count = count,
  };
  int64_t result = op_perform_call(NULL, spawn__now, spawn);
  memory_free(inherited);
  return result;
}

static void spawn__clear_pipes(const struct ovio_process_options *options) {
  for (int at = 0; at < STREAMS; at++) {
    const struct ovio_process_stream *stream = process__stream(options, at);
    if (stream->kind == OVIO_PROCESS_PIPE)
      *file_of(stream->file) = (struct file){0};
  }
}

int ovio_spawn_process(struct ovio_process *public_process,
                       const struct ovio_process_options *given) {
  struct ovio_process_options options;
  struct process *process = process__of(public_process);
  if (!process)
    return (int)runner_answer(OVIO_EINVAL, 0);
  *process = (struct process){0};
  int error = process_take_options(&options, given);
  if (!error)
    error = process__check(&options);
  if (error)
    return (int)runner_answer(error, 0);
  spawn__clear_pipes(&options);
  error = spawn__lend(&options);
  if (error)
    return (int)runner_answer(error, 0);
  struct spawn spawn = {.options = &options, .process = process};
  int64_t result = spawn__perform(&spawn);
  spawn__unlend(&options, STREAMS + options.inherited_count);
  return (int)result;
}

/* ---- its end ---- */

/* Under the lock: whether it has ended; collects it if so. */
static struct os_result process__look(struct process *process) {
  if (process->ended.value != 0)
    return process->ended;
  struct os_result result = os_process_collect(&process->os, &process->exit);
  if (result.value == 1 || result.value == OVIO_ENOENT)
    process->ended = result;
  return result;
}

struct wait {
  struct process *process;
  struct ovio_exit exit;
};

static struct os_result wait__look(struct wait *wait) {
  struct process *process = wait->process;
  os_lock_acquire(&process->lock);
  struct os_result result = process__look(process);
  wait->exit = process->exit;
  os_lock_release(&process->lock);
  return result;
}

static struct os_result wait__now(void *argument, struct os_waiter *waiter) {
  struct wait *wait = argument;
  int64_t patience_ns = PATIENCE_MIN_NS;
  struct os_result result = wait__look(wait);
  while (result.value == 0) {
    result = os_process_await(&wait->process->os, patience_ns, waiter);
    if (result.value < 0)
      return result;
    result = wait__look(wait);
    if (patience_ns < PATIENCE_MAX_NS)
      patience_ns *= 2;
  }
  return result.value == 1 ? (struct os_result){0, 0} : result;
}

/* No thread waits where the loop can. Ready first: a task that was cancelled
 * hears of that, as from any other call. */
static int64_t wait__perform(struct wait *wait) {
  const struct os_process *os = &wait->process->os;
  if (!os->pollable)
    return op_perform_wait(wait__now, wait);
  for (;;) {
    int64_t error = ready_perform(os->handle, false);
    if (error)
      return error;
    struct os_result result = wait__look(wait);
    if (result.value == 1)
      return 0;
    if (result.value < 0)
      return runner_answer(result.value, result.native);
  }
}

static void process__count_waiting(struct process *process, bool more) {
  os_lock_acquire(&process->lock);
  process->waiting = more ? process->waiting + 1 : process->waiting - 1;
  os_lock_release(&process->lock);
}

static bool process__is_present(const struct process *process) {
  return process && atomic_load(&process->present);
}

int ovio_process_wait(struct ovio_process *public_process,
                      struct ovio_exit *out) {
  struct wait wait = {.process = process__of(public_process)};
  if (!process__is_present(wait.process))
    return (int)runner_answer(OVIO_EBADF, 0);
  process__count_waiting(wait.process, true);
  int64_t result = wait__perform(&wait);
  process__count_waiting(wait.process, false);
  if (result == 0 && out)
    *out = wait.exit;
  return (int)result;
}

/* Under the lock. */
static struct os_result process__kill(struct process *process, unsigned how) {
  struct os_result result = process__look(process);
  if (result.value == 0) {
    result = os_process_kill(&process->os, how);
    if (result.value == 0 || process__look(process).value != 1)
      return result;
  }
  return (struct os_result){OVIO_ENOENT, 0}; /* it has ended */
}

int ovio_process_kill(struct ovio_process *public_process, unsigned how) {
  struct process *process = process__of(public_process);
  if (!process__is_present(process))
    return (int)runner_answer(OVIO_EBADF, 0);
  if (how > OVIO_KILL_ASK)
    return (int)runner_answer(OVIO_EINVAL, 0);
  os_lock_acquire(&process->lock);
  struct os_result result = process__kill(process, how);
  os_lock_release(&process->lock);
  return (int)runner_answer(result.value, result.native);
}

uint64_t ovio_process_id(const struct ovio_process *public_process) {
  const struct process *process =
      (const struct process *)(const void *)public_process;
  return process__is_present(process) ? process->os.id : 0;
}

int ovio_process_close(struct ovio_process *public_process) {
  struct process *process = process__of(public_process);
  if (!process__is_present(process))
    return (int)runner_answer(OVIO_EBADF, 0);
  os_lock_acquire(&process->lock);
  bool busy = process->waiting > 0;
  if (!busy)
    (void)process__look(process);
  os_lock_release(&process->lock);
  if (busy)
    return (int)runner_answer(OVIO_EBUSY, 0);
  os_process_close(&process->os);
  os_lock_destroy(&process->lock);
  *process = (struct process){0};
  return 0;
}

void process_end(struct ovio_process *public_process) {
  struct wait wait = {.process = process__of(public_process)};
  (void)ovio_process_kill(public_process, OVIO_KILL_FORCE);
  (void)op_perform_cleanup(wait__now, &wait);
  (void)ovio_process_close(public_process);
}
