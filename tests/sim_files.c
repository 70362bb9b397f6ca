/* SPDX-License-Identifier: MIT */
/* Disk files under callbacks, against a model of their bytes and positions.
 *
 * What uses a file's position takes effect in the order in which it was
 * submitted, however the results come: so the model does what has come in that
 * order, its head first ("lane"). Reads and writes with offsets have no order:
 * such files hold, at each offset, the one byte that belongs there. */
#include <string.h>

#include "tests/fake/sim.h"

enum {
  FILES = 4,
  ACTS = 24,
  LENGTH_MAX = 12000,
  POISON = 0xA5,
  PARTS = 24,
  BLOCK = 16
};

enum mode { MODE_OFFSETS, MODE_POSITION, MODE_APPEND, MODES };
enum state { CLOSED, OPENING, OPEN, CLOSING };
enum kind { ACT_READ, ACT_WRITE, ACT_SYNC, ACT_STAT, ACT_OPEN, ACT_CLOSE };

struct act {
  struct ovio_op op; /* first */
  bool busy;
  bool done; /* its result is known, and waits for its place */
  bool cancelled;
  enum kind kind;
  struct world_file *file;
  struct act *next; /* in the lane */
  struct ovio_iovec iov[PARTS];
  struct ovio_stat stat;
  unsigned long faults;
  size_t length;
  int64_t offset;
  int64_t result;
  _Alignas(BLOCK) uint8_t buffer[LENGTH_MAX];
};

struct world_file {
  struct ovio_file file;
  enum state state;
  enum mode mode;
  unsigned flags;
  unsigned block; /* 1; BLOCK: it is a direct one */
  char path[2];
  intptr_t handle;
  unsigned busy;
  struct act *head; /* of the lane */
  struct act **tail;
  int64_t position;
  int64_t size;
  uint8_t bytes[FAKE_DISK_MAX];
};

static struct world_file files__all[FILES];
static struct act files__acts[ACTS];

static uint8_t files__byte_at(int64_t offset) {
  uint64_t state = (uint64_t)offset / 8;
  return (uint8_t)(fake_next(&state) >> (offset % 8 * 8)) | 1;
}

/* ---- the model ---- */

static void files__check_untouched(const struct act *act) {
  for (size_t at = 0; at < LENGTH_MAX; at++)
    CHECK(act->buffer[at] == POISON);
}

/* Fewer bytes than asked for need a reason. */
static bool files__may_be_short(const struct act *act) {
  return act->cancelled || act->file->state == CLOSING ||
         act->file->state == CLOSED ||
         fake_faults(act->file->handle) != act->faults;
}

static void files__check_result(const struct act *act) {
  int64_t result = act->result;
  CHECK(result <= (int64_t)act->length);
  if (result == OVIO_ECANCELED)
    CHECK(act->cancelled || act->file->state != OPEN);
  else if (result == OVIO_EBUSY || result == OVIO_ENOMEM ||
           result == OVIO_EMFILE)
    return; /* no worker */
  else if (result < (int64_t)act->length && act->kind == ACT_WRITE)
    CHECK(files__may_be_short(act));
}

static void files__take_write(struct act *act) {
  struct world_file *file = act->file;
  int64_t at = file->mode == MODE_APPEND ? file->size : file->position;
  if (act->result <= 0)
    return;
  CHECK(at + act->result <= FAKE_DISK_MAX);
  if (at > file->size)
    memset(file->bytes + file->size, 0, (size_t)(at - file->size));
  memcpy(file->bytes + at, act->buffer, (size_t)act->result);
  file->position = at + act->result;
  if (file->position > file->size)
    file->size = file->position;
}

static void files__take_read(struct act *act) {
  struct world_file *file = act->file;
  int64_t left = file->size > file->position ? file->size - file->position : 0;
  if (act->result < 0)
    return;
  CHECK(act->result <= left);
  CHECK(act->result == left || act->result == (int64_t)act->length ||
        files__may_be_short(act));
  CHECK(memcmp(act->buffer, file->bytes + file->position,
               (size_t)act->result) == 0);
  file->position += act->result;
}

static void files__release(struct act *act) {
  memset(act->buffer, POISON, LENGTH_MAX);
  memset(&act->op, POISON, sizeof act->op); /* it might be freed */
  act->file->busy--;
  act->busy = act->done = false;
}

static void files__run_lane(struct world_file *file) {
  while (file->head && file->head->done) {
    struct act *act = file->head;
    file->head = act->next;
    if (!file->head)
      file->tail = &file->head;
    if (act->kind == ACT_WRITE)
      files__take_write(act);
    else
      files__take_read(act);
    files__release(act);
  }
}

static void files__take_offset(struct act *act) {
  if (act->result > 0 && act->kind == ACT_READ) {
    for (int64_t at = 0; at < act->result; at++) {
      uint8_t byte = act->buffer[at];
      CHECK(byte == files__byte_at(act->offset + at) || byte == 0);
    }
  }
  files__release(act);
}

/* ---- completions ---- */

static void files__on_moved(struct ovio_op *op, int64_t result) {
  struct act *act = (struct act *)(void *)op;
  sim_enter();
  CHECK(act->busy && !act->done);
  act->done = true;
  act->result = result;
  files__check_result(act);
  if (act->file->mode == MODE_OFFSETS)
    files__take_offset(act);
  else
    files__run_lane(act->file);
  sim_leave();
  sim_compute();
}

static void files__on_small(struct ovio_op *op, int64_t result) {
  struct act *act = (struct act *)(void *)op;
  sim_enter();
  CHECK(act->busy && result <= 0);
  CHECK(result != OVIO_ECANCELED || act->cancelled || act->file->state != OPEN);
  if (act->kind == ACT_STAT && result == 0)
    CHECK(act->stat.size <= FAKE_DISK_MAX);
  files__release(act);
  sim_leave();
}

static void files__on_open(struct ovio_op *op, int64_t result) {
  struct act *act = (struct act *)(void *)op;
  struct world_file *file = act->file;
  sim_enter();
  CHECK(act->busy && file->state == OPENING);
  CHECK(result != OVIO_ECANCELED || act->cancelled);
  file->state = result == 0 ? OPEN : CLOSED;
  if (result == 0)
    file->handle = (intptr_t)ovio_file_handle(&file->file);
  else
    file->mode = MODE_OFFSETS; /* nothing was cut: nothing to compare */
  files__release(act);
  sim_leave();
}

static void files__on_close(struct ovio_op *op, int64_t result) {
  struct act *act = (struct act *)(void *)op;
  struct world_file *file = act->file;
  sim_enter();
  CHECK(act->busy && file->state == CLOSING);
  CHECK(result == 0 || result == OVIO_EIO);
  CHECK(ovio_file_handle(&file->file) == OVIO_NO_HANDLE);
  file->state = CLOSED;
  files__release(act);
  sim_leave();
}

/* ---- steps ---- */

static struct act *files__idle_act(struct world_file *file, enum kind kind) {
  /* There is always one left for each close. */
  unsigned last = kind == ACT_CLOSE ? ACTS : ACTS - FILES;
  for (unsigned at = 0; at < last; at++) {
    struct act *act = &files__acts[at];
    if (act->busy)
      continue;
    files__check_untouched(act);
    memset(&act->op, 0, sizeof act->op);
    act->busy = true;
    act->cancelled = false;
    act->kind = kind;
    act->file = file;
    act->next = NULL;
    act->length = 0;
    act->faults = fake_faults(file->handle);
    file->busy++;
    return act;
  }
  return NULL;
}

static size_t files__length(const struct world_file *file) {
  size_t limit = sim_chance(70) ? 64 : sim_chance(70) ? 2000 : LENGTH_MAX;
  return (1 + (size_t)sim_below(limit / file->block)) * file->block;
}

static void files__cut(struct act *act) {
  size_t at = 0;
  for (unsigned part = 0; part < PARTS; part++) {
    size_t left = act->length - at;
    size_t some = sim_below(4) ? left / 4 : left;
    size_t take = part == PARTS - 1 ? left : (size_t)sim_below(some + 1);
    take -= take % act->file->block;
    act->iov[part] = (struct ovio_iovec){act->buffer + at, take};
    at += take;
  }
}

static void files__fill(struct act *act) {
  bool offsets = act->file->mode == MODE_OFFSETS;
  for (size_t at = 0; at < act->length; at++)
    act->buffer[at] = offsets ? files__byte_at(act->offset + (int64_t)at)
                              : (uint8_t)sim_below(256);
}

static void files__submit(struct act *act) {
  bool write = act->kind == ACT_WRITE;
  int error;
  if (sim_chance(40)) {
    files__cut(act);
    error = (write ? ovio_start_writev : ovio_start_readv)(
        sim_any_loop(), &act->op, &act->file->file, act->iov, PARTS,
        act->offset, files__on_moved);
  } else if (write) {
    error = ovio_start_write(sim_any_loop(), &act->op, &act->file->file,
                             act->buffer, act->length, act->offset,
                             files__on_moved);
  } else {
    error =
        ovio_start_read(sim_any_loop(), &act->op, &act->file->file, act->buffer,
                        act->length, act->offset, files__on_moved);
  }
  CHECK(error == (act->file->state == OPEN ? 0 : OVIO_EBADF));
  if (error) {
    files__release(act);
  } else if (act->file->mode != MODE_OFFSETS) {
    *act->file->tail = act;
    act->file->tail = &act->next;
  }
}

static void files__step_move(struct world_file *file) {
  struct act *act =
      files__idle_act(file, sim_chance(50) ? ACT_READ : ACT_WRITE);
  if (!act)
    return;
  act->length = files__length(file);
  act->offset = OVIO_HERE;
  if (file->mode == MODE_OFFSETS)
    act->offset =
        (int64_t)(sim_below(FAKE_DISK_MAX / 8) / file->block * file->block);
  if (act->kind == ACT_WRITE)
    files__fill(act);
  sim_note("%s file %s, %zu bytes at %lld",
           act->kind == ACT_READ ? "read" : "write", file->path, act->length,
           (long long)act->offset);
  files__submit(act);
}

static void files__step_small(struct world_file *file) {
  bool sync = sim_chance(50);
  struct act *act = files__idle_act(file, sync ? ACT_SYNC : ACT_STAT);
  if (!act)
    return;
  sim_note("%s file %s", sync ? "sync" : "stat", file->path);
  int error = sync ? ovio_start_sync(sim_any_loop(), &act->op, &file->file, 0,
                                     files__on_small)
                   : ovio_start_stat(sim_any_loop(), &act->op, &file->file,
                                     &act->stat, files__on_small);
  CHECK(error == (file->state == OPEN ? 0 : OVIO_EBADF));
  if (error)
    files__release(act);
}

static void files__step_open(struct world_file *file) {
  if (file->busy)
    return;
  struct act *act = files__idle_act(file, ACT_OPEN);
  if (!act)
    return;
  file->mode = (enum mode)sim_below(MODES);
  file->position = file->size = 0;
  file->head = NULL;
  file->tail = &file->head;
  file->state = OPENING;
  unsigned append = file->mode == MODE_APPEND ? OVIO_APPEND : 0;
  /* Elsewhere it leaves bytes behind a failure, which the model has not. */
  bool free = file->mode == MODE_OFFSETS && sim_chance(50);
  unsigned order = free ? OVIO_UNORDERED : 0;
  unsigned direct = sim_chance(30) ? OVIO_DIRECT : 0;
  file->block = direct ? BLOCK : 1;
  file->flags = OVIO_READ | OVIO_WRITE | append | direct;
  sim_note("open file %s, mode %d%s", file->path, (int)file->mode,
           direct ? ", direct" : "");
  CHECK(ovio_start_open(sim_any_loop(), &act->op, &file->file, NULL, file->path,
                        file->flags | OVIO_TRUNCATE | order, 0,
                        files__on_open) == 0);
}

static void files__step_close(struct world_file *file) {
  struct act *act = files__idle_act(file, ACT_CLOSE);
  if (!act)
    return;
  sim_note("close file %s with %u in flight", file->path, file->busy - 1);
  file->state = CLOSING;
  CHECK(ovio_start_close(sim_any_loop(), &act->op, &file->file,
                         files__on_close) == 0);
}

static void files__step_seek(struct world_file *file) {
  int64_t to = (int64_t)(sim_below(5000) / file->block * file->block);
  /* Before what has ended but not come, the model cannot put a seek. */
  bool tell = sim_chance(50) || file->head;
  if (sim_is_plain())
    return; /* it would wait with the lock of the callbacks */
  sim_note("seek file %s to %lld", file->path, (long long)(tell ? -1 : to));
  int64_t at = tell ? ovio_seek(&file->file, 0, SEEK_CUR)
                    : ovio_seek(&file->file, to, SEEK_SET);
  if (at == OVIO_EDEADLK && file->mode != MODE_OFFSETS) {
    CHECK(file->head);
    return;
  }
  if (file->head)
    return; /* not in the way: its result has not come yet */
  CHECK(at == (tell ? file->position : to));
  file->position = at;
}

/* The handle leaves, with its position, and comes back. */
static void files__step_adopt(struct world_file *file) {
  if (sim_is_plain())
    return; /* it would wait with the lock of the callbacks */
  sim_note("release and adopt file %s with %u in flight", file->path,
           file->busy);
  ovio_handle handle = ovio_release(&file->file);
  if (handle == OVIO_NO_HANDLE) {
    CHECK(file->busy);
    return;
  }
  CHECK(file->handle == (intptr_t)handle);
  CHECK(ovio_file_handle(&file->file) == OVIO_NO_HANDLE);
  CHECK(ovio_adopt(&file->file, OVIO_NO_HANDLE, file->flags) == OVIO_EBADF);
  CHECK(ovio_adopt(&file->file, handle, file->flags) == 0);
}

static void files__step_cancel(void) {
  struct act *act = &files__acts[sim_below(ACTS)];
  if (!act->busy || act->done)
    return;
  sim_note("cancel number %d on file %s", (int)(act - files__acts),
           act->file->path);
  int error = ovio_cancel(&act->op);
  CHECK(error == (act->kind == ACT_CLOSE ? OVIO_ENOTSUP : 0) ||
        error == OVIO_ENOENT); /* its callback is called */
  act->cancelled = true;
}

static void files__step(void) {
  struct world_file *file = &files__all[sim_below(FILES)];
  uint64_t dice = sim_below(100);
  if (dice < 20) {
    files__step_cancel();
  } else if (file->state == CLOSED) {
    files__step_open(file);
  } else if (dice < 85 && file->state != OPENING) {
    files__step_move(file);
  } else if (file->state != OPEN) {
    return;
  } else if (dice < 90) {
    files__step_small(file);
  } else if (dice < 95) {
    files__step_seek(file);
  } else if (dice < 97) {
    files__step_adopt(file);
  } else {
    files__step_close(file);
  }
}

/* ---- the episode ---- */

static void files__begin(void) {
  memset(files__all, 0, sizeof files__all);
  memset(files__acts, 0, sizeof files__acts);
  for (unsigned at = 0; at < FILES; at++) {
    files__all[at].path[0] = (char)('0' + at);
    files__all[at].tail = &files__all[at].head;
  }
  for (unsigned at = 0; at < ACTS; at++)
    memset(files__acts[at].buffer, POISON, LENGTH_MAX);
}

/* What goes to a disk ends by itself: nothing has to be cancelled. */
static void files__finish(void) {
  for (unsigned at = 0; at < FILES; at++) {
    if (files__all[at].busy)
      return;
  }
  for (unsigned at = 0; at < FILES; at++) {
    if (files__all[at].state == OPEN)
      files__step_close(&files__all[at]);
  }
}

static bool files__is_over(void) {
  bool over = true;
  for (unsigned at = 0; at < FILES; at++)
    over = over && files__all[at].state == CLOSED;
  return over;
}

static void files__check(void) {
  for (unsigned at = 0; at < ACTS; at++) {
    CHECK(!files__acts[at].busy);
    files__check_untouched(&files__acts[at]);
  }
  for (unsigned at = 0; at < FILES; at++) {
    const struct world_file *file = &files__all[at];
    const struct fake_disk *disk = fake_disk_of(at);
    CHECK(!file->head && file->busy == 0);
    if (file->mode == MODE_OFFSETS)
      continue;
    CHECK(disk->size == file->size);
    CHECK(memcmp(disk->bytes, file->bytes, (size_t)file->size) == 0);
  }
}

const struct sim sim_files = {
    .name = "sim_files",
    .steps = 500,
    .begin = files__begin,
    .step = files__step,
    .finish = files__finish,
    .is_over = files__is_over,
    .check = files__check,
};
