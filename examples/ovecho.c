/* SPDX-License-Identifier: MIT */
/* A server of the network and its clients, in one loop, with sockets that ovio
 * knows nothing of: it waits until one is ready, the system's own calls do the
 * rest; a connection, once adopted, is a file like any other. */
#include "ovecho.h"

#include <stdlib.h>
#include <string.h>

enum { CLIENTS = 5 };

struct echo {
  struct ovio_loop *loop;
  ovio_handle listener;
  unsigned short port;
  int heard;
};

static void complain(const char *what, int64_t error) {
  fprintf(stderr, "ovecho: %s: %s\n", what, ovio_error_text((int)error));
}

/* One connection: what comes goes back, until the other side is through. */
static void serve(void *argument) {
  struct ovio_file *file = argument;
  char bytes[256];
  int64_t length;
  while ((length = ovio_read(file, bytes, sizeof bytes, OVIO_HERE)) > 0) {
    if (ovio_write(file, bytes, (size_t)length, OVIO_HERE) != length)
      break;
  }
  ovio_close(file);
  free(file);
}

static void welcome(struct echo *echo, ovio_handle socket) {
  struct ovio_file *file = malloc(sizeof *file);
  if (!file || ovio_adopt(file, socket, OVIO_READ | OVIO_WRITE) != 0) {
    net_close(socket);
    free(file);
  } else if (ovio_spawn(echo->loop, serve, file) != 0) {
    ovio_close(file);
    free(file);
  }
}

/* The listener is not ovio's: it only tells when an accept would not wait. */
static void listen_for(void *argument) {
  struct echo *echo = argument;
  int error = ovio_deadline(UINT64_C(10000000000)); /* not for ever */
  for (int at = 0; at < CLIENTS && !error;) {
    error = ovio_wait_readable(echo->listener);
    ovio_handle socket = error ? OVIO_NO_HANDLE : net_accept(echo->listener);
    if (socket != OVIO_NO_HANDLE) { /* else that client has gone already */
      welcome(echo, socket);
      at++;
    }
  }
  if (error)
    complain("wait", error);
}

static void call(void *argument) {
  struct echo *echo = argument;
  struct ovio_file file;
  char answer[16] = "";
  ovio_handle socket = net_connect(echo->port);
  if (socket == OVIO_NO_HANDLE ||
      ovio_adopt(&file, socket, OVIO_READ | OVIO_WRITE) != 0) {
    complain("connect", OVIO_ENOTCONN);
    return;
  }
  int64_t result = ovio_write(&file, "hello", 5, OVIO_HERE);
  if (result == 5)
    result = ovio_read(&file, answer, sizeof answer - 1, OVIO_HERE);
  if (result < 0)
    complain("call", result);
  echo->heard += strcmp(answer, "hello") == 0;
  ovio_close(&file);
}

int main(void) {
  struct echo echo = {.loop = NULL};
  echo.listener = net_begin() ? net_listen(&echo.port) : OVIO_NO_HANDLE;
  if (echo.listener == OVIO_NO_HANDLE || ovio_loop_create(&echo.loop, NULL))
    return EXIT_FAILURE;
  int error = ovio_spawn(echo.loop, listen_for, &echo);
  for (int at = 0; at < CLIENTS && !error; at++)
    error = ovio_spawn(echo.loop, call, &echo);
  error = error ? error : ovio_loop_run(echo.loop);
  printf("%d of %d heard themselves\n", echo.heard, CLIENTS);
  net_close(echo.listener);
  ovio_loop_destroy(echo.loop);
  return error || echo.heard < CLIENTS ? EXIT_FAILURE : EXIT_SUCCESS;
}
