/* SPDX-License-Identifier: MIT */
#if defined(__linux__) && !defined(_GNU_SOURCE)
#define _GNU_SOURCE 1
#endif

#include "ovecho.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

static struct sockaddr_in loopback(unsigned short port) {
  struct sockaddr_in address;
  memset(&address, 0, sizeof address);
  address.sin_family = AF_INET;
  address.sin_port = htons(port);
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  return address;
}

/* Non-blocking, so that a loop needs no worker thread for it. */
static ovio_handle finish(int fd, bool fine) {
  if (fd < 0)
    return OVIO_NO_HANDLE;
  if (fine && fcntl(fd, F_SETFD, FD_CLOEXEC) == 0 &&
      fcntl(fd, F_SETFL, O_NONBLOCK) == 0)
    return fd;
  close(fd);
  return OVIO_NO_HANDLE;
}

bool net_begin(void) {
  return true;
}

ovio_handle net_listen(unsigned short *port) {
  struct sockaddr_in address = loopback(0);
  struct sockaddr *generic = (struct sockaddr *)(void *)&address;
  socklen_t length = sizeof address;
  int fd = socket(AF_INET, SOCK_STREAM, 0);
  bool fine = fd >= 0 && bind(fd, generic, length) == 0 &&
              listen(fd, SOMAXCONN) == 0 &&
              getsockname(fd, generic, &length) == 0;
  *port = ntohs(address.sin_port);
  return finish(fd, fine);
}

ovio_handle net_accept(ovio_handle listener) {
  return finish(accept(listener, NULL, NULL), true);
}

ovio_handle net_connect(unsigned short port) {
  struct sockaddr_in address = loopback(port);
  int fd = socket(AF_INET, SOCK_STREAM, 0);
  bool fine = fd >= 0 && connect(fd, (struct sockaddr *)(void *)&address,
                                 sizeof address) == 0;
  return finish(fd, fine);
}

void net_close(ovio_handle socket) {
  close(socket);
}
