/* SPDX-License-Identifier: MIT */
/* Pipes, with and without a name, and what it takes to wait for them.
 *
 * A handle has up to two ways, one to be read and one to be written, each of
 * which is a queue of bytes that it shares with the handle at the other end.
 *
 * MOMENTS. Whenever a way ceases to be ready, that is a moment; so who was told
 * that one is ready can ask whether it has been since he began to wait. */
#include "tests/fake/fake.h"

#include <string.h>

#include "common/memory.h"

enum { BACKLOG = 2, LISTENERS = 16, NAME_ROOM = 16, READER = 0, WRITER = 1 };

/* Clients that have not been accepted. */
struct fake_listener {
  char name[NAME_ROOM];
  bool gives_away; /* the client takes over its handle, as on Windows */
  unsigned waiting;
  struct fake_pipe *clients[BACKLOG][2];
};

static struct fake_listener *pipe__listeners[LISTENERS];
/* Has no ends: it fails at once. */
static struct fake_pipe pipe__none = {.ready = {true, true}};
static uint64_t pipe__moment;

/* ---- readiness ---- */

static bool pipe__is_ready(const struct fake_pipe *pipe, bool write) {
  if (!pipe->ends[!write])
    return true; /* EPIPE, or the end */
  return write ? pipe->used < pipe->room : pipe->used > 0;
}

static void pipe__note(struct fake_pipe *pipe) {
  for (unsigned way = 0; way < 2; way++) {
    bool ready = pipe__is_ready(pipe, way == WRITER);
    if (pipe->ready[way] && !ready)
      pipe->ceased[way] = ++pipe__moment;
    pipe->ready[way] = ready;
  }
}

uint64_t fake_moment(void) {
  return pipe__moment;
}

bool fake_was_ready(intptr_t handle, bool write, uint64_t since) {
  const struct fake_pipe *pipe = fake_handle_at(handle)->ways[write];
  return pipe->ready[write] || pipe->ceased[write] > since;
}

size_t fake_room(intptr_t handle, bool write) {
  return fake_handle_at(handle)->ways[write]->room;
}

/* ---- pipes ---- */

static struct fake_pipe *pipe__make(void) {
  struct fake_pipe *pipe = memory_allocate(sizeof *pipe);
  if (!pipe)
    return NULL;
  pipe->room = 1 + (size_t)(fake_random() % sizeof pipe->bytes);
  pipe->ends[READER] = pipe->ends[WRITER] = 1;
  pipe__note(pipe);
  return pipe;
}

static void pipe__leave(struct fake_pipe *pipe, bool write) {
  if (!pipe || pipe == &pipe__none)
    return;
  pipe->ends[write]--;
  pipe__note(pipe);
  if (pipe->ends[READER] + pipe->ends[WRITER] == 0)
    memory_free(pipe);
}

static void pipe__leave_both(struct fake_pipe *ways[2]) {
  pipe__leave(ways[READER], false);
  pipe__leave(ways[WRITER], true);
}

void fake_pipe_share(struct fake_handle *handle, const struct fake_handle *from,
                     bool write) {
  handle->ways[write] = from->ways[write];
  handle->ways[write]->ends[write]++;
}

static size_t pipe__move(struct fake_pipe *pipe,
                         const struct os_transfer *transfer, size_t bytes) {
  for (size_t at = 0; at < bytes; at++) {
    uint8_t *byte = fake_byte(transfer, at);
    if (transfer->write)
      pipe->bytes[(pipe->at + pipe->used++) % pipe->room] = *byte;
    else
      *byte = pipe->bytes[pipe->at++ % pipe->room];
  }
  if (!transfer->write)
    pipe->used -= bytes;
  pipe->at %= pipe->room;
  pipe__note(pipe);
  return bytes;
}

struct os_result fake_attempt_pipe(struct fake_handle *handle,
                                   const struct os_transfer *transfer) {
  struct fake_pipe *pipe = handle->ways[transfer->write];
  CHECK(pipe && transfer->offset == OVIO_HERE);
  size_t available = transfer->write ? pipe->room - pipe->used : pipe->used;
  if (transfer->write && !pipe->ends[READER])
    return (struct os_result){OVIO_EPIPE, 32};
  if (available == 0 && !transfer->write && !pipe->ends[WRITER])
    return (struct os_result){0, 0};
  if (available == 0)
    return (struct os_result){OVIO_EWOULDBLOCK, 11};
  if (fake_chance(1))
    return fake_fault(handle, OVIO_EIO);
  size_t bytes = fake_total(transfer);
  bytes = fake_shorten(bytes < available ? bytes : available, 1);
  return (struct os_result){(int64_t)pipe__move(pipe, transfer, bytes), 0};
}

/* ---- pipe.c ---- */

struct os_result os_pipe_create(struct os_file ends[2],
                                const unsigned flags[2]) {
  if (fake_chance(2))
    return (struct os_result){OVIO_EMFILE, 24};
  struct fake_pipe *pipe = pipe__make();
  if (!pipe)
    return (struct os_result){OVIO_ENOMEM, 12};
  for (unsigned end = 0; end < 2; end++) {
    fake_handle_open(&ends[end], OS_KIND_STREAM)->ways[end] = pipe;
    if (flags[end] & OVIO_BLOCKING)
      ends[end].traits &=
          OS_TRAITS & ~(unsigned)(OS_TRAIT_NONBLOCK | OS_TRAIT_PORTABLE);
  }
  return (struct os_result){0, 0};
}

/* ---- listeners ---- */

/* Where the one of that name is, or, of "", a free place. */
static unsigned pipe__find(const char *name) {
  unsigned at = 0;
  while (at < LISTENERS &&
         strcmp(pipe__listeners[at] ? pipe__listeners[at]->name : "", name))
    at++;
  return at;
}

struct os_result os_pipe_listen(struct os_file *listener, const char *name,
                                unsigned flags) {
  if (fake_chance(10))
    return (struct os_result){OVIO_EBUSY, 11};
  if (flags & OVIO_MESSAGE)
    return (struct os_result){OVIO_ENOTSUP, 0};
  unsigned at = pipe__find("");
  CHECK(at < LISTENERS && strlen(name) < NAME_ROOM);
  if (pipe__find(name) < LISTENERS)
    return (struct os_result){OVIO_EEXIST, 98};
  struct fake_listener *it = memory_allocate(sizeof *it);
  if (!it)
    return (struct os_result){OVIO_ENOMEM, 12};
  memcpy(it->name, name, strlen(name) + 1);
  it->gives_away = fake_chance(50);
  pipe__listeners[at] = it;
  fake_handle_open(listener, OS_KIND_STREAM)->listener = it;
  listener->traits |= OS_TRAIT_LISTENER;
  return (struct os_result){0, 0};
}

/* The first client's ways, which are the caller's now. */
static void pipe__take_client(struct fake_listener *it,
                              struct fake_pipe *ways[2]) {
  memcpy(ways, it->clients[0], sizeof it->clients[0]);
  memmove(it->clients[0], it->clients[1],
          (BACKLOG - 1) * sizeof it->clients[0]);
  it->waiting--;
}

static void pipe__end_listener(struct fake_listener *it) {
  while (it->waiting > 0)
    pipe__leave_both(it->clients[--it->waiting]);
  pipe__listeners[pipe__find(it->name)] = NULL;
  memory_free(it);
}

void fake_handle_leave(struct fake_handle *handle) {
  pipe__leave_both(handle->ways);
  if (handle->listener)
    pipe__end_listener(handle->listener);
}

struct os_result fake_attempt_accept(const struct os_file *listener) {
  struct fake_listener *it = fake_handle_of(listener)->listener;
  struct os_file file = {0};
  if (it->waiting == 0)
    return (struct os_result){OVIO_EWOULDBLOCK, 11};
  if (it->gives_away)
    return (struct os_result){0, 0};
  if (fake_chance(5))
    return (struct os_result){OVIO_EMFILE, 24};
  pipe__take_client(it, fake_handle_open(&file, OS_KIND_STREAM)->ways);
  return (struct os_result){file.handle, 0};
}

struct os_result os_pipe_accept_now(const struct os_file *listener,
                                    struct os_waiter *waiter) {
  if (fake_on_thread())
    fake_pause(false);
  for (struct fake_wait wait = {0};;) {
    if (waiter && fake_waiter_is_raised(waiter))
      return (struct os_result){OVIO_ECANCELED, 0};
    struct os_result result = fake_attempt_accept(listener);
    if (result.value != OVIO_EWOULDBLOCK)
      return result;
    CHECK(fake_on_worker());
    fake_wait(&wait, "os_pipe_accept_now");
  }
}

/* The listener's handle becomes the client's, with what it is bound to. */
static void pipe__give_away(struct os_file *listener, struct os_file *file) {
  struct fake_handle *client = fake_handle_of(listener);
  struct fake_listener *it = client->listener;
  struct os_file next = {0};
  CHECK(client->pending == 0);
  fake_handle_open(&next, OS_KIND_STREAM)->listener = it;
  client->listener = NULL;
  pipe__take_client(it, client->ways);
  *file = *listener;
  file->traits &= OS_TRAITS & ~(unsigned)OS_TRAIT_LISTENER;
  *listener = next;
  listener->traits |= OS_TRAIT_LISTENER;
}

struct os_result os_pipe_take(struct os_file *listener, struct os_file *file,
                              int64_t value) {
  struct fake_listener *it = fake_handle_of(listener)->listener;
  struct os_file client = {.handle = (intptr_t)value};
  bool fails = fake_chance(4);
  if (!fails && it->gives_away)
    pipe__give_away(listener, file);
  else if (!fails)
    fake_describe(file, client.handle, OS_KIND_STREAM);
  else if (!it->gives_away)
    fake_handle_close(fake_handle_of(&client));
  return fails ? (struct os_result){OVIO_EMFILE, 24} : (struct os_result){0, 0};
}

/* Two ways, or none. */
static bool pipe__make_two(struct fake_pipe *ways[2]) {
  ways[READER] = pipe__make();
  ways[WRITER] = ways[READER] ? pipe__make() : NULL;
  if (ways[READER] && !ways[WRITER])
    memory_free(ways[READER]);
  return ways[WRITER] != NULL;
}

struct os_result os_pipe_connect(struct os_file *file, const char *name,
                                 unsigned flags) {
  struct fake_pipe *ways[2];
  (void)flags;
  if (fake_on_thread())
    fake_pause(false);
  unsigned at = pipe__find(name);
  if (at == LISTENERS)
    return (struct os_result){OVIO_ENOENT, 2};
  struct fake_listener *it = pipe__listeners[at];
  if (it->waiting == BACKLOG || fake_chance(20))
    return (struct os_result){OVIO_EBUSY, 11};
  if (!pipe__make_two(ways))
    return (struct os_result){OVIO_ENOMEM, 12};
  struct fake_handle *client = fake_handle_open(file, OS_KIND_STREAM);
  for (unsigned way = 0; way < 2; way++) {
    client->ways[way] = ways[way];
    it->clients[it->waiting][way] = ways[!way];
  }
  it->waiting++;
  return (struct os_result){0, 0};
}

struct os_result os_pipe_shutdown(const struct os_file *file) {
  struct fake_handle *handle = fake_handle_of(file);
  if (!handle->ways[READER] || !handle->ways[WRITER])
    return (struct os_result){OVIO_ENOTSUP, 0};
  pipe__leave(handle->ways[WRITER], true);
  handle->ways[WRITER] = &pipe__none;
  return (struct os_result){0, 0};
}

/* ---- ready.c ---- */

int os_ready_check(struct os_file *file, intptr_t handle) {
  if (handle <= 0 || handle >= FAKE_HANDLES)
    return OVIO_EBADF;
  fake_describe(file, handle, OS_KIND_STREAM);
  return 0;
}

struct os_result os_ready_glance(const struct os_file *file, bool write) {
  struct fake_handle *handle = fake_handle_at(file->handle);
  if (!handle->open)
    return (struct os_result){OVIO_EBADF, 9};
  const struct fake_pipe *pipe = handle->ways[write];
  bool ready = handle->disk != NULL;
  if (handle->child_ended)
    ready = *handle->child_ended || fake_chance(5);
  else if (pipe)
    ready = pipe__is_ready(pipe, write);
  return ready ? (struct os_result){0, 0}
               : (struct os_result){OVIO_EWOULDBLOCK, 11};
}

struct os_result os_ready_now(const struct os_file *file, bool write,
                              struct os_waiter *waiter) {
  if (fake_on_thread())
    fake_pause(false);
  for (struct fake_wait wait = {0};;) {
    if (waiter && fake_waiter_is_raised(waiter) && fake_chance(50))
      return (struct os_result){OVIO_ECANCELED, 0};
    struct os_result result = os_ready_glance(file, write);
    if (result.value != OVIO_EWOULDBLOCK)
      return result;
    if (waiter && fake_waiter_is_raised(waiter))
      return (struct os_result){OVIO_ECANCELED, 0};
    CHECK(fake_on_worker());
    fake_wait(&wait, "os_ready_now");
  }
}
