/* SPDX-License-Identifier: MIT */
/* A server and its clients, in one loop: whatever a client says, the others
 * hear. Each runs in a task of its own and blocks as it likes. */
#include <ovio.h>

#define NAME "ovio-chat"

enum { CLIENTS = 3 };

struct chat {
  struct ovio_loop *loop;
  struct ovio_group guests;
  struct ovio_file listener;
  struct ovio_file seats[CLIENTS]; /* the server's ends */
  int taken;
  int errors;
};

struct guest {
  struct chat *chat;
  int seat;
};

static void check(struct chat *chat, const char *what, int64_t result) {
  if (result >= 0)
    return;
  fprintf(stderr, "ovchat: %s: %s\n", what, ovio_error_text((int)result));
  chat->errors++;
}

/* The server's side of one client: passes on what it says. */
static void serve(void *argument) {
  struct guest *guest = argument;
  struct chat *chat = guest->chat;
  struct ovio_file *seat = &chat->seats[guest->seat];
  char line[64];
  int64_t length;
  while ((length = ovio_read(seat, line, sizeof line, OVIO_HERE)) > 0) {
    for (int at = 0; at < chat->taken; at++) {
      if (at != guest->seat)
        check(chat, "pass on",
              ovio_write(&chat->seats[at], line, (size_t)length, OVIO_HERE));
    }
  }
  check(chat, "hear", length);
}

/* Says hello when everybody is there, and hears the others. */
static void visit(void *argument) {
  struct guest *guest = argument;
  struct ovio_file server;
  char line[64];
  int result = ovio_pipe_connect(&server, NAME, OVIO_MESSAGE);
  check(guest->chat, "connect", result);
  if (result < 0)
    return;
  while (guest->chat->taken < CLIENTS && ovio_sleep(1000000) == 0)
    ;
  int length = snprintf(line, sizeof line, "hello from %d", guest->seat);
  check(guest->chat, "say",
        ovio_write(&server, line, (size_t)length, OVIO_HERE));
  for (int heard = 1; heard < CLIENTS; heard++) {
    int64_t got = ovio_read(&server, line, sizeof line, OVIO_HERE);
    check(guest->chat, "listen", got);
    printf("%d hears: %.*s\n", guest->seat, got > 0 ? (int)got : 0, line);
  }
  check(guest->chat, "leave", ovio_close(&server));
}

static void host(void *argument) {
  struct chat *chat = argument;
  struct guest visitors[CLIENTS];
  struct guest seated[CLIENTS];
  check(chat, "begin", ovio_pipe_listen(&chat->listener, NAME, OVIO_MESSAGE));
  ovio_group_init(&chat->guests);
  for (int at = 0; at < CLIENTS && !chat->errors; at++) {
    visitors[at] = seated[at] = (struct guest){chat, at};
    check(chat, "invite",
          ovio_group_spawn(&chat->guests, chat->loop, visit, &visitors[at]));
    check(chat, "accept", ovio_pipe_accept(&chat->listener, &chat->seats[at]));
    chat->taken++;
    check(chat, "seat",
          ovio_group_spawn(&chat->guests, chat->loop, serve, &seated[at]));
  }
  if (chat->errors)
    ovio_group_cancel(&chat->guests);
  ovio_group_wait(&chat->guests);
  for (int at = 0; at < chat->taken; at++)
    check(chat, "end", ovio_close(&chat->seats[at]));
  check(chat, "end", ovio_close(&chat->listener));
}

int main(void) {
  struct chat chat = {.loop = NULL};
  check(&chat, "make a loop", ovio_loop_create(&chat.loop, NULL));
  check(&chat, "start", ovio_spawn(chat.loop, host, &chat));
  check(&chat, "run", ovio_loop_run(chat.loop));
  ovio_loop_destroy(chat.loop);
  return chat.errors ? 1 : 0;
}
