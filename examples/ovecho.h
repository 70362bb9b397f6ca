/* SPDX-License-Identifier: MIT */
/* ovecho's sockets: the system's own calls, ovecho_posix.c, ovecho_win32.c. */
#ifndef OVECHO_H
#define OVECHO_H

#include <ovio.h>
#include <stdbool.h>

bool net_begin(void);
/* Listens on this machine's loopback, at a port that is free, and never makes
 * an accept wait. OVIO_NO_HANDLE: it failed; as the next two. */
ovio_handle net_listen(unsigned short *port);
/* The client that has come. */
ovio_handle net_accept(ovio_handle listener);
ovio_handle net_connect(unsigned short port);
void net_close(ovio_handle socket);

#endif
