/* SPDX-License-Identifier: MIT */
/* FILE_NOTIFY_INFORMATION of any bytes. Behind them is a page that cannot be
 * read, so that a look past their end is noticed without a sanitizer. */
#include "win32/side.h"

#include "fuzz.h"

enum { ROOM = 4096 };

static uint8_t *page;

static void page_make(void) {
  DWORD before;
  if (page)
    return;
  page = VirtualAlloc(NULL, 2 * ROOM, MEM_COMMIT | MEM_RESERVE, PAGE_READWRITE);
  FUZZ_CHECK(page);
  FUZZ_CHECK(VirtualProtect(page + ROOM, ROOM, PAGE_NOACCESS, &before));
}

/* All of a record that was called whole can be read. */
static void check(const struct native_change *change, const uint8_t *records,
                  size_t used, size_t at) {
  const uint8_t *name = (const uint8_t *)change->name;
  unsigned sum = 0;
  FUZZ_CHECK(name >= records + at && name <= records + used);
  FUZZ_CHECK(change->units * sizeof(wchar_t) <=
             (size_t)(records + used - name));
  FUZZ_CHECK(change->next == 0 || change->next > at);
  for (size_t unit = 0; unit < change->units * sizeof(wchar_t); unit++)
    sum += name[unit];
  *(volatile unsigned *)&sum = sum;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t length) {
  struct native_change change;
  size_t at = 0;
  page_make();
  length = (length < ROOM ? length : ROOM) / 2 * 2; /* names are aligned */
  uint8_t *records = page + ROOM - length;
  if (length)
    memcpy(records, data, length);
  while (native_change_next(records, length, at, &change)) {
    check(&change, records, length, at);
    if (change.next == 0)
      break;
    at = change.next;
  }
  if (length > 1)
    (void)native_change_next(records, length, data[0], &change);
  (void)native_change_next(records, length, SIZE_MAX - 1, &change);
  return 0;
}
