/* SPDX-License-Identifier: MIT */
#include <winsock2.h>

#include "ovecho.h"

static struct sockaddr_in loopback(unsigned short port) {
  struct sockaddr_in address = {.sin_family = AF_INET};
  address.sin_port = htons(port);
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  return address;
}

/* Sockets that socket() and accept() make are overlapped ones. */
static ovio_handle finish(SOCKET made, bool fine) {
  if (made == INVALID_SOCKET)
    return OVIO_NO_HANDLE;
  if (fine)
    return (ovio_handle)made;
  closesocket(made);
  return OVIO_NO_HANDLE;
}

bool net_begin(void) {
  WSADATA data;
  return WSAStartup(MAKEWORD(2, 2), &data) == 0;
}

ovio_handle net_listen(unsigned short *port) {
  struct sockaddr_in address = loopback(0);
  struct sockaddr *generic = (struct sockaddr *)&address;
  int length = sizeof address;
  u_long on = 1;
  SOCKET made = socket(AF_INET, SOCK_STREAM, 0);
  bool fine = made != INVALID_SOCKET && bind(made, generic, length) == 0 &&
              listen(made, SOMAXCONN) == 0 &&
              ioctlsocket(made, (long)FIONBIO, &on) == 0 &&
              getsockname(made, generic, &length) == 0;
  *port = ntohs(address.sin_port);
  return finish(made, fine);
}

ovio_handle net_accept(ovio_handle listener) {
  return finish(accept((SOCKET)listener, NULL, NULL), true);
}

ovio_handle net_connect(unsigned short port) {
  struct sockaddr_in address = loopback(port);
  SOCKET made = socket(AF_INET, SOCK_STREAM, 0);
  bool fine = made != INVALID_SOCKET &&
              connect(made, (struct sockaddr *)&address, sizeof address) == 0;
  return finish(made, fine);
}

void net_close(ovio_handle socket) {
  closesocket((SOCKET)socket);
}
