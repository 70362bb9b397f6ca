/* SPDX-License-Identifier: MIT */
/* What comes back by itself is changed where the library will find it: the
 * status in a packet's OVERLAPPED. Behind the enum of calls. */

/* The io whose packet it is; scenes have no foreign ones. */
static struct os_io *completion_io(const OVERLAPPED_ENTRY *entry) {
  if (!entry->lpOverlapped)
    return NULL;
  uintptr_t at =
      (uintptr_t)entry->lpOverlapped - offsetof(struct os_io, native);
  return (struct os_io *)at;
}

static size_t completion_row(const struct os_io *io) {
  if (!io || io->transfer.kind != OS_IO_TRANSFER)
    return FAULT_COUNT;
  return io->transfer.write ? FAULT_packet_write : FAULT_packet_read;
}

/* Error 0: half of what was moved, where the rest is moved anew. */
static void completion_spoil(const struct os_io *io, OVERLAPPED *overlapped) {
  uint32_t error = fault_native();
  if (error) {
    overlapped->Internal = error;
    overlapped->InternalHigh = 0;
  } else if (io->transfer.offset >= 0 && overlapped->InternalHigh > 1) {
    overlapped->InternalHigh /= 2;
  }
}

static void completions_of(BOOL fine, OVERLAPPED_ENTRY *entries, ULONG count) {
  for (ULONG at = 0; fine && at < count; at++) {
    struct os_io *io = completion_io(&entries[at]);
    size_t row = completion_row(io);
    if (row < FAULT_COUNT && fault_strikes(row))
      completion_spoil(io, entries[at].lpOverlapped);
  }
}

#define COMPLETIONS_GetQueuedCompletionStatusEx(result, port, entries, room,   \
                                                count, ...)                    \
  completions_of(result, entries, *(count))
