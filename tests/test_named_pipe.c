/* SPDX-License-Identifier: MIT */
/* Pipes with a name: a listener, its clients, bytes and messages. */
#include "companion.h"

#define MS UINT64_C(1000000)

/* A plain name that nobody else on this machine has. */
static const char *fresh_name(void) {
  static char name[64];
  uint64_t random = 0;
  os_random(&random, sizeof random);
  snprintf(name, sizeof name, "ovio-test-%016llx", (unsigned long long)random);
  return name;
}

/* ---- what companions do ---- */

struct accepting {
  struct ovio_file *listener;
  struct ovio_file file;
  uint64_t deadline_ns;
  int result;
  atomic_int state; /* 1: began, 2: ended */
};

static void accept_one(void *argument) {
  struct accepting *self = argument;
  atomic_store(&self->state, 1);
  if (self->deadline_ns)
    ovio_deadline(self->deadline_ns);
  self->result = ovio_pipe_accept(self->listener, &self->file);
  atomic_store(&self->state, 2);
}

struct talk {
  const char *name;
  unsigned flags;
  char said[16];
  int64_t result;
};

/* Connects, says something, and hears it again. */
static void talk(void *argument) {
  struct talk *self = argument;
  struct ovio_file file;
  char heard[16] = "";
  size_t length = strlen(self->said);
  self->result = ovio_pipe_connect(&file, self->name, self->flags);
  if (self->result < 0)
    return;
  self->result = ovio_write(&file, self->said, length, OVIO_HERE);
  if (self->result >= 0)
    self->result = ovio_read(&file, heard, sizeof heard, OVIO_HERE);
  if (self->result >= 0 && memcmp(heard, self->said, length) != 0)
    self->result = -1;
  int closed = ovio_close(&file);
  if (closed < 0)
    self->result = closed;
}

/* Both ends, the listener's side first. */
static bool meet(struct test *test, struct ovio_file *listener,
                 const char *name, unsigned flags, struct ovio_file ends[2]) {
  struct companion companion;
  struct accepting accepting = {.listener = listener, .result = 1};
  if (!companion_start(test, &companion, accept_one, &accepting))
    return false;
  int connected = ovio_pipe_connect(&ends[1], name, flags);
  companion_join(&companion);
  ends[0] = accepting.file;
  return connected == 0 && accepting.result == 0;
}

static bool close_both(struct ovio_file ends[2]) {
  return ovio_close(&ends[0]) == 0 && ovio_close(&ends[1]) == 0;
}

/* ---- one client ---- */

static void test_one_client(struct test *test) {
  struct ovio_file listener;
  struct ovio_file ends[2];
  char buffer[8];
  const char *name = fresh_name();
  TRY_EQ(ovio_pipe_listen(&listener, name, 0), 0);
  TRY(meet(test, &listener, name, 0, ends));
  for (int at = 0; at < 2; at++) {
    TRY_EQ(ovio_write(&ends[at], "hello", 5, OVIO_HERE), 5);
    TRY_EQ(ovio_read(&ends[!at], buffer, sizeof buffer, OVIO_HERE), 5);
    TRY(memcmp(buffer, "hello", 5) == 0);
  }
  TRY_EQ(ovio_close(&ends[1]), 0);
  TRY_EQ(ovio_read(&ends[0], buffer, sizeof buffer, OVIO_HERE), 0);
  TRY_EQ(ovio_write(&ends[0], "x", 1, OVIO_HERE), OVIO_EPIPE);
  TRY_EQ(ovio_close(&ends[0]), 0);
  TRY_EQ(ovio_close(&listener), 0);
  TRY_EQ(ovio_pipe_connect(&ends[1], name, 0), OVIO_ENOENT);
  TRY_EQ(ovio_close(&ends[1]), OVIO_EBADF);
}

/* The client has come, spoken and gone before the accept. */
static void test_client_before_the_accept(struct test *test) {
  struct ovio_file listener;
  struct ovio_file ends[2];
  char buffer[8];
  const char *name = fresh_name();
  TRY_EQ(ovio_pipe_listen(&listener, name, 0), 0);
  TRY_EQ(ovio_pipe_connect(&ends[1], name, 0), 0);
  TRY_EQ(ovio_write(&ends[1], "early", 5, OVIO_HERE), 5);
  TRY_EQ(ovio_pipe_accept(&listener, &ends[0]), 0);
  TRY_EQ(ovio_read(&ends[0], buffer, sizeof buffer, OVIO_HERE), 5);
  TRY(close_both(ends));
  TRY_EQ(ovio_pipe_connect(&ends[1], name, 0), 0);
  TRY_EQ(ovio_close(&ends[1]), 0);
  TRY_EQ(ovio_pipe_accept(&listener, &ends[0]), 0);
  TRY_EQ(ovio_read(&ends[0], buffer, sizeof buffer, OVIO_HERE), 0);
  TRY_EQ(ovio_close(&ends[0]), 0);
  TRY_EQ(ovio_close(&listener), 0);
}

static void test_full_path(struct test *test) {
  struct ovio_file listener;
  struct ovio_file ends[2];
  char path[600];
  if (test_is_posix())
    snprintf(path, sizeof path, "%s", test_path("socket"));
  else
    snprintf(path, sizeof path, "\\\\.\\pipe\\%s", fresh_name());
  TRY_EQ(ovio_pipe_listen(&listener, path, 0), 0);
  TRY(meet(test, &listener, path, 0, ends));
  TRY(close_both(ends));
  TRY_EQ(ovio_close(&listener), 0);
  TRY(!test_is_posix() || !test_exists(path));
}

static void test_children_do_not_inherit(struct test *test) {
  struct ovio_file files[3];
  const char *name = fresh_name();
  TRY_EQ(ovio_pipe_listen(&files[2], name, 0), 0);
  TRY(meet(test, &files[2], name, 0, files));
  for (int at = 0; at < 3; at++) {
    ovio_handle handle = ovio_release(&files[at]);
    TRY(handle != OVIO_NO_HANDLE);
    TRY(!test_is_inheritable(handle));
    TRY_EQ(ovio_adopt(&files[at], handle, OVIO_READ | OVIO_WRITE), 0);
    TRY_EQ(ovio_close(&files[at]), 0);
  }
}

/* ---- many clients ---- */

enum { CLIENTS = 12 };

/* Answers each client in turn. */
static void serve(struct test *test, struct ovio_file *listener, int clients) {
  for (int at = 0; at < clients; at++) {
    struct ovio_file file;
    char buffer[16];
    TRY_EQ(ovio_pipe_accept(listener, &file), 0);
    int64_t got = ovio_read(&file, buffer, sizeof buffer, OVIO_HERE);
    TRY(got > 0);
    TRY_EQ(ovio_write(&file, buffer, (size_t)got, OVIO_HERE), got);
    TRY_EQ(ovio_read(&file, buffer, sizeof buffer, OVIO_HERE), 0);
    TRY_EQ(ovio_close(&file), 0);
  }
}

static void clients_at_once(struct test *test, unsigned flags) {
  struct ovio_file listener;
  struct companion companions[CLIENTS];
  static struct talk talks[CLIENTS];
  const char *name = fresh_name();
  TRY_EQ(ovio_pipe_listen(&listener, name, flags), 0);
  for (int at = 0; at < CLIENTS; at++) {
    talks[at] = (struct talk){.name = name, .flags = flags, .result = -1};
    snprintf(talks[at].said, sizeof talks[at].said, "client %d", at);
    TRY(companion_start(test, &companions[at], talk, &talks[at]));
  }
  serve(test, &listener, CLIENTS);
  for (int at = 0; at < CLIENTS; at++) {
    companion_join(&companions[at]);
    TRY_EQ(talks[at].result, (int64_t)strlen(talks[at].said));
  }
  TRY_EQ(ovio_close(&listener), 0);
}

static void test_many_clients_at_once(struct test *test) {
  clients_at_once(test, 0);
}

static void one_after_the_other(void *argument) {
  struct talk *self = argument;
  for (int round = 0; round < 50; round++) {
    talk(self);
    if (self->result < 0)
      return;
  }
}

/* None of them finds the name gone. */
static void test_clients_one_after_the_other(struct test *test) {
  struct ovio_file listener;
  struct companion companion;
  struct talk talking = {.name = fresh_name(), .said = "again"};
  TRY_EQ(ovio_pipe_listen(&listener, talking.name, 0), 0);
  TRY(companion_start(test, &companion, one_after_the_other, &talking));
  serve(test, &listener, 50);
  companion_join(&companion);
  TRY_EQ(talking.result, 5);
  TRY_EQ(ovio_close(&listener), 0);
}

/* Who accepts first gets the first client. */
static void test_many_accept(struct test *test) {
  struct ovio_file listener;
  struct ovio_file clients[3];
  struct companion companions[3];
  struct accepting accepting[3];
  const char *name = fresh_name();
  TRY_EQ(ovio_pipe_listen(&listener, name, 0), 0);
  for (int at = 0; at < 3; at++) {
    accepting[at] = (struct accepting){.listener = &listener, .result = 1};
    TRY(companion_start(test, &companions[at], accept_one, &accepting[at]));
    AWAIT(accepting[at].state == 1);
    TRY_EQ(ovio_sleep(5 * MS), 0);
  }
  for (int at = 0; at < 3; at++) {
    char letter = (char)('a' + at);
    TRY_EQ(ovio_pipe_connect(&clients[at], name, 0), 0);
    TRY_EQ(ovio_write(&clients[at], &letter, 1, OVIO_HERE), 1);
  }
  for (int at = 0; at < 3; at++) {
    char letter = 0;
    companion_join(&companions[at]);
    TRY_EQ(accepting[at].result, 0);
    TRY_EQ(ovio_read(&accepting[at].file, &letter, 1, OVIO_HERE), 1);
    TRY_EQ(letter, 'a' + at);
    TRY_EQ(ovio_close(&accepting[at].file), 0);
    TRY_EQ(ovio_close(&clients[at]), 0);
  }
  TRY_EQ(ovio_close(&listener), 0);
}

/* ---- the end of waiting ---- */

static void test_deadline_of_an_accept(struct test *test) {
  struct ovio_file listener;
  struct ovio_file ends[2];
  const char *name = fresh_name();
  TRY_EQ(ovio_pipe_listen(&listener, name, 0), 0);
  TRY_EQ(ovio_deadline(3 * MS), 0);
  TRY_EQ(ovio_pipe_accept(&listener, &ends[0]), OVIO_ETIMEDOUT);
  TRY_EQ(ovio_deadline(0), 0);
  TRY_EQ(ovio_close(&ends[0]), OVIO_EBADF);
  TRY(meet(test, &listener, name, 0, ends)); /* the listener is as before */
  TRY(close_both(ends));
  TRY_EQ(ovio_close(&listener), 0);
}

static void cancel_accept(struct test *test, unsigned flags) {
  struct ovio_file listener;
  struct ovio_file ends[2];
  struct companion companion;
  const char *name = fresh_name();
  TRY_EQ(ovio_pipe_listen(&listener, name, flags), 0);
  struct accepting accepting = {.listener = &listener, .result = 1};
  TRY(companion_start(test, &companion, accept_one, &accepting));
  AWAIT(accepting.state == 1);
  TRY_EQ(ovio_sleep(2 * MS), 0);
  ovio_group_cancel(&companion.group);
  companion_join(&companion);
  TRY_EQ(accepting.result, OVIO_ECANCELED);
  TRY(meet(test, &listener, name, flags, ends));
  TRY(close_both(ends));
  TRY_EQ(ovio_close(&listener), 0);
}

static void test_cancel_of_an_accept(struct test *test) {
  cancel_accept(test, 0);
}

static void close_under_accept(struct test *test, unsigned flags) {
  struct ovio_file listener;
  struct ovio_file file;
  struct companion companion;
  const char *name = fresh_name();
  TRY_EQ(ovio_pipe_listen(&listener, name, flags), 0);
  struct accepting accepting = {.listener = &listener, .result = 1};
  TRY(companion_start(test, &companion, accept_one, &accepting));
  AWAIT(accepting.state == 1);
  TRY_EQ(ovio_sleep(2 * MS), 0);
  TRY_EQ(ovio_close(&listener), 0);
  companion_join(&companion);
  TRY_EQ(accepting.result, OVIO_ECANCELED);
  TRY_EQ(ovio_pipe_accept(&listener, &file), OVIO_EBADF);
  TRY_EQ(ovio_pipe_connect(&file, name, flags), OVIO_ENOENT);
}

static void test_close_under_an_accept(struct test *test) {
  close_under_accept(test, 0);
}

static void test_close_while_a_thread_accepts(struct test *test) {
  struct ovio_file listener;
  struct ovio_file client;
  struct companion companion;
  const char *name = fresh_name();
  TRY_EQ(ovio_pipe_listen(&listener, name, 0), 0);
  struct accepting accepting = {.listener = &listener, .result = 1};
  TRY(companion_start(test, &companion, accept_one, &accepting));
  AWAIT(accepting.state == 1);
  TRY_EQ(ovio_sleep(20 * MS), 0);
  TRY_EQ(ovio_close(&listener), OVIO_EBUSY);
  TRY_EQ(ovio_pipe_connect(&client, name, 0), 0);
  companion_join(&companion);
  TRY_EQ(accepting.result, 0);
  TRY_EQ(ovio_close(&accepting.file), 0);
  TRY_EQ(ovio_close(&client), 0);
  TRY_EQ(ovio_close(&listener), 0);
}

static void test_callbacks(struct test *test) {
  struct ovio_loop *loop;
  struct ovio_file listener;
  struct ovio_file ends[2];
  struct ovio_file none;
  struct outcome accepts[2] = {{.calls = 0}, {.calls = 0}};
  struct outcome hello = {.calls = 0};
  char buffer[8];
  const char *name = fresh_name();
  TRY_EQ(ovio_pipe_listen(&listener, name, 0), 0);
  TRY_EQ(test_loop_create(test, &loop, NULL), 0);
  TRY_EQ(ovio_start_accept(loop, &accepts[0].op, &listener, &ends[0],
                           outcome_done),
         0);
  TRY_EQ(
      ovio_start_accept(loop, &accepts[1].op, &listener, &none, outcome_done),
      0);
  TRY_EQ(
      ovio_start_accept(loop, &accepts[1].op, &listener, &none, outcome_done),
      OVIO_EBUSY);
  TRY_EQ(ovio_cancel(&accepts[1].op), 0);
  TRY_EQ(ovio_pipe_connect(&ends[1], name, 0), 0);
  TRY_EQ(ovio_loop_run(loop), 0);
  TRY_EQ(accepts[0].calls, 1);
  TRY_EQ(accepts[0].result, 0);
  TRY_EQ(accepts[1].calls, 1);
  TRY_EQ(accepts[1].result, OVIO_ECANCELED);
  /* The accepted one works on the same loop, and on a plain thread. */
  TRY_EQ(ovio_start_read(loop, &hello.op, &ends[0], buffer, sizeof buffer,
                         OVIO_HERE, outcome_done),
         0);
  TRY_EQ(ovio_write(&ends[1], "hello", 5, OVIO_HERE), 5);
  TRY_EQ(ovio_loop_run(loop), 0);
  TRY_EQ(hello.result, 5);
  TRY(strcmp(ovio_file_route(&ends[0], loop),
             test_is_posix() ? "readiness" : "completion") == 0);
  TRY_EQ(ovio_write(&ends[0], "yes", 3, OVIO_HERE), 3);
  TRY_EQ(ovio_read(&ends[1], buffer, sizeof buffer, OVIO_HERE), 3);
  TRY(close_both(ends));
  TRY_EQ(ovio_close(&listener), 0);
  TRY_EQ(ovio_loop_destroy(loop), 0);
}

/* On one loop, then on another, then on a plain thread. */
static void test_accept_on_several_loops(struct test *test) {
  struct ovio_loop *loops[2];
  struct ovio_file listener;
  struct ovio_file ends[2];
  const char *name = fresh_name();
  TRY_EQ(ovio_pipe_listen(&listener, name, 0), 0);
  for (int at = 0; at < 2; at++)
    TRY_EQ(test_loop_create(test, &loops[at], NULL), 0);
  for (int at = 0; at < 4; at++) {
    struct outcome accept = {.calls = 0};
    TRY_EQ(ovio_pipe_connect(&ends[1], name, 0), 0);
    TRY_EQ(ovio_start_accept(loops[at % 2], &accept.op, &listener, &ends[0],
                             outcome_done),
           0);
    TRY_EQ(ovio_loop_run(loops[at % 2]), 0);
    TRY_EQ(accept.result, 0);
    TRY_EQ(ovio_write(&ends[0], "x", 1, OVIO_HERE), 1);
    TRY(close_both(ends));
  }
  TRY(meet(test, &listener, name, 0, ends));
  TRY(close_both(ends));
  for (int at = 0; at < 2; at++)
    TRY_EQ(ovio_loop_destroy(loops[at]), 0);
  TRY_EQ(ovio_close(&listener), 0);
}

/* ---- names ---- */

static void test_taken_name(struct test *test) {
  struct ovio_file listener;
  struct ovio_file other;
  struct ovio_file ends[2];
  const char *name = fresh_name();
  if (!test_is_posix() && test_is_wine())
    SKIP("Wine 8 lets a second first instance in: forced in test_win32_pipe");
  TRY_EQ(ovio_pipe_listen(&listener, name, 0), 0);
  TRY_EQ(ovio_pipe_listen(&other, name, 0), OVIO_EEXIST);
  TRY_EQ(ovio_close(&other), OVIO_EBADF);
  TRY(meet(test, &listener, name, 0, ends)); /* it was not disturbed */
  TRY(close_both(ends));
  TRY_EQ(ovio_close(&listener), 0);
  TRY_EQ(ovio_pipe_listen(&listener, name, 0), 0);
  TRY_EQ(ovio_close(&listener), 0);
}

static void test_bad_arguments(struct test *test) {
  struct ovio_file file;
  struct ovio_file other;
  struct ovio_file pipe[2];
  char longest[2000];
  memset(longest, 'n', sizeof longest);
  longest[sizeof longest - 1] = 0;
  TRY_EQ(ovio_pipe_listen(NULL, "x", 0), OVIO_EINVAL);
  TRY_EQ(ovio_pipe_listen(&file, NULL, 0), OVIO_EINVAL);
  TRY_EQ(ovio_pipe_listen(&file, "", 0), OVIO_EINVAL);
  TRY_EQ(ovio_pipe_listen(&file, "x", OVIO_CREATE), OVIO_EINVAL);
  TRY_EQ(ovio_pipe_listen(&file, "a/b", 0), OVIO_EINVAL);
  TRY_EQ(ovio_pipe_listen(&file, "a\\b", 0), OVIO_EINVAL);
  TRY_EQ(ovio_pipe_listen(&file, ".", 0), OVIO_EINVAL);
  TRY_EQ(ovio_pipe_connect(&file, "..", 0), OVIO_EINVAL);
  TRY_EQ(ovio_pipe_listen(&file, longest, 0), OVIO_ENAMETOOLONG);
  TRY_EQ(ovio_pipe_connect(NULL, "x", 0), OVIO_EINVAL);
  TRY_EQ(ovio_pipe_connect(&file, NULL, 0), OVIO_EINVAL);
  TRY_EQ(ovio_pipe_connect(&file, "x", OVIO_APPEND), OVIO_EINVAL);
  TRY_EQ(ovio_pipe_connect(&file, longest, 0), OVIO_ENAMETOOLONG);
  longest[300] = 0;
  TRY_EQ(ovio_pipe_listen(&file, longest, 0), OVIO_ENAMETOOLONG);
  TRY_EQ(ovio_pipe_connect(&file, longest, 0), OVIO_ENAMETOOLONG);
  TRY_EQ(ovio_close(&file), OVIO_EBADF);
  TRY_EQ(ovio_pipe_accept(&file, &other), OVIO_EBADF);
  TRY_EQ(ovio_pipe(pipe, 0), 0);
  TRY_EQ(ovio_pipe_accept(&pipe[0], &other), OVIO_EINVAL);
  TRY_EQ(ovio_pipe_accept(&pipe[0], NULL), OVIO_EINVAL);
  TRY_EQ(ovio_pipe_accept(NULL, &other), OVIO_EINVAL);
  TRY(close_both(pipe));
  TRY_EQ(ovio_pipe_shutdown(NULL), OVIO_EINVAL);
  TRY_EQ(ovio_pipe_shutdown(&pipe[1]), OVIO_EBADF);
}

static void test_a_listener_is_no_stream(struct test *test) {
  struct ovio_file listener;
  char byte = 0;
  TRY_EQ(ovio_pipe_listen(&listener, fresh_name(), 0), 0);
  TRY_EQ(ovio_read(&listener, &byte, 1, OVIO_HERE), OVIO_EBADF);
  TRY_EQ(ovio_write(&listener, &byte, 1, OVIO_HERE), OVIO_EBADF);
  TRY_EQ(ovio_pipe_shutdown(&listener), OVIO_EBADF);
  TRY_EQ(ovio_close(&listener), 0);
}

/* ---- half a close ---- */

static void test_half_close(struct test *test) {
  struct ovio_file listener;
  struct ovio_file ends[2];
  char buffer[8];
  const char *name = fresh_name();
  TRY_EQ(ovio_pipe_listen(&listener, name, 0), 0);
  TRY(meet(test, &listener, name, 0, ends));
  TRY_EQ(ovio_write(&ends[0], "last", 4, OVIO_HERE), 4);
  int result = ovio_pipe_shutdown(&ends[0]);
  TRY_EQ(result, test_is_posix() ? 0 : OVIO_ENOTSUP);
  TRY_EQ(ovio_read(&ends[1], buffer, sizeof buffer, OVIO_HERE), 4);
  if (result == 0) {
    TRY_EQ(ovio_read(&ends[1], buffer, sizeof buffer, OVIO_HERE), 0);
    TRY_EQ(ovio_write(&ends[0], "x", 1, OVIO_HERE), OVIO_EPIPE);
  }
  TRY_EQ(ovio_write(&ends[1], "back", 4, OVIO_HERE), 4);
  TRY_EQ(ovio_read(&ends[0], buffer, sizeof buffer, OVIO_HERE), 4);
  TRY(close_both(ends));
  TRY_EQ(ovio_close(&listener), 0);
}

static void test_half_close_of_a_pipe(struct test *test) {
  struct ovio_file ends[2];
  TRY_EQ(ovio_pipe(ends, 0), 0);
  TRY_EQ(ovio_pipe_shutdown(&ends[1]), OVIO_ENOTSUP);
  TRY_EQ(ovio_pipe_shutdown(&ends[0]), OVIO_EBADF);
  TRY(close_both(ends));
}

/* ---- messages ---- */

static void test_messages(struct test *test) {
  struct ovio_file listener;
  struct ovio_file ends[2];
  char buffer[16];
  const char *name = fresh_name();
  TRY_EQ(ovio_pipe_listen(&listener, name, OVIO_MESSAGE), 0);
  TRY(meet(test, &listener, name, OVIO_MESSAGE, ends));
  for (int at = 0; at < 2; at++) {
    TRY_EQ(ovio_write(&ends[at], "one", 3, OVIO_HERE), 3);
    TRY_EQ(ovio_write(&ends[at], "second", 6, OVIO_HERE), 6);
    TRY_EQ(ovio_write(&ends[at], "3", 1, OVIO_HERE), 1);
    TRY_EQ(ovio_read(&ends[!at], buffer, sizeof buffer, OVIO_HERE), 3);
    TRY(memcmp(buffer, "one", 3) == 0);
    /* In pieces, and never into the next one. */
    TRY_EQ(ovio_read(&ends[!at], buffer, 4, OVIO_HERE), 4);
    TRY(memcmp(buffer, "seco", 4) == 0);
    TRY_EQ(ovio_read(&ends[!at], buffer, 1, OVIO_HERE), 1);
    TRY_EQ(buffer[0], 'n');
    TRY_EQ(ovio_read(&ends[!at], buffer, sizeof buffer, OVIO_HERE), 1);
    TRY_EQ(buffer[0], 'd');
    TRY_EQ(ovio_read(&ends[!at], buffer, sizeof buffer, OVIO_HERE), 1);
    TRY_EQ(buffer[0], '3');
  }
  TRY_EQ(ovio_write(&ends[1], "bye", 3, OVIO_HERE), 3);
  TRY_EQ(ovio_close(&ends[1]), 0);
  TRY_EQ(ovio_read(&ends[0], buffer, 2, OVIO_HERE), 2);
  TRY_EQ(ovio_read(&ends[0], buffer, 2, OVIO_HERE), 1);
  TRY_EQ(ovio_read(&ends[0], buffer, 2, OVIO_HERE), 0);
  TRY_EQ(ovio_close(&ends[0]), 0);
  TRY_EQ(ovio_close(&listener), 0);
}

/* As many as one call takes, whatever the limit of a transfer is. */
static void test_message_is_never_cut(struct test *test) {
  struct ovio_file listener;
  struct ovio_file ends[2];
  static char out[65536];
  static char in[65536];
  const char *name = fresh_name();
  TRY_EQ(ovio_pipe_listen(&listener, name, OVIO_MESSAGE), 0);
  TRY(meet(test, &listener, name, OVIO_MESSAGE, ends));
  for (size_t at = 0; at < sizeof out; at++)
    out[at] = (char)(at * 7);
  ovio_set_max_transfer(4096);
  int64_t written = ovio_write(&ends[0], out, sizeof out, OVIO_HERE);
  int64_t got = ovio_read(&ends[1], in, sizeof in, OVIO_HERE);
  ovio_set_max_transfer(0);
  TRY_EQ(written, sizeof out);
  TRY_EQ(got, sizeof in);
  TRY(memcmp(out, in, sizeof in) == 0);
  struct ovio_iovec parts[2] = {{out, 2}, {out, 3}};
  TRY_EQ(ovio_writev(&ends[0], parts, 2, OVIO_HERE), OVIO_ENOTSUP);
  TRY_EQ(ovio_writev(&ends[0], parts, 1, OVIO_HERE), 2);
  parts[0] = (struct ovio_iovec){in, 1};
  parts[1] = (struct ovio_iovec){in + 1, 1};
  TRY_EQ(ovio_readv(&ends[1], parts, 1, OVIO_HERE), 1);
  TRY_EQ(ovio_read(&ends[1], in + 1, 8, OVIO_HERE), 1);
  TRY(memcmp(out, in, 2) == 0);
  TRY(close_both(ends));
  TRY_EQ(ovio_close(&listener), 0);
}

static void test_message_clients(struct test *test) {
  clients_at_once(test, OVIO_MESSAGE);
}

static void test_cancel_of_a_message_accept(struct test *test) {
  cancel_accept(test, OVIO_MESSAGE);
}

static void test_close_under_a_message_accept(struct test *test) {
  close_under_accept(test, OVIO_MESSAGE);
}

static void test_bytes_are_no_messages(struct test *test) {
  struct ovio_file listener;
  struct ovio_file file;
  const char *name = fresh_name();
  for (unsigned at = 0; at < 2; at++) {
    unsigned flags = at ? OVIO_MESSAGE : 0;
    TRY_EQ(ovio_pipe_listen(&listener, name, flags), 0);
    TRY_EQ(ovio_pipe_connect(&file, name, OVIO_MESSAGE - flags), OVIO_EINVAL);
    TRY_EQ(ovio_close(&file), OVIO_EBADF);
    TRY_EQ(ovio_close(&listener), 0);
  }
}

int main(void) {
  static const struct test_case cases[] = {
      TEST(test_one_client),
      TEST(test_client_before_the_accept),
      TEST(test_full_path),
      TEST(test_children_do_not_inherit),
      TEST(test_many_clients_at_once),
      TEST(test_clients_one_after_the_other),
      TEST(test_many_accept),
      TEST_LOOP(test_deadline_of_an_accept, "plain threads have no deadline"),
      TEST_LOOP(test_cancel_of_an_accept, "plain threads are not cancelled"),
      TEST_LOOP(test_close_under_an_accept, "a plain thread: OVIO_EBUSY"),
      TEST_PLAIN(test_close_while_a_thread_accepts, "tasks are taken out"),
      TEST_ENGINES(test_callbacks),
      TEST_ENGINES(test_accept_on_several_loops),
      TEST(test_taken_name),
      TEST(test_bad_arguments),
      TEST(test_a_listener_is_no_stream),
      TEST(test_half_close),
      TEST(test_half_close_of_a_pipe),
      TEST(test_messages),
      TEST(test_message_is_never_cut),
      TEST(test_message_clients),
      TEST_LOOP(test_cancel_of_a_message_accept, "plain: not cancelled"),
      TEST_LOOP(test_close_under_a_message_accept, "plain: OVIO_EBUSY"),
      TEST(test_bytes_are_no_messages),
  };
  return test_main(cases, sizeof cases / sizeof *cases);
}
