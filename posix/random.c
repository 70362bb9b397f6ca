/* SPDX-License-Identifier: MIT */
/* Random bytes: getentropy(3), which is on Linux, macOS and the BSDs. */
#include "posix/side.h"

enum { PIECE_MAX = 256 }; /* more is EIO */

int os_random(void *bytes, size_t length) {
  for (size_t at = 0; at < length; at += PIECE_MAX) {
    size_t piece = length - at < PIECE_MAX ? length - at : PIECE_MAX;
    if (native.getentropy((char *)bytes + at, piece) < 0)
      return os_error_map((uint32_t)errno);
  }
  return 0;
}
