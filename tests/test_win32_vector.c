/* SPDX-License-Identifier: MIT */
/* Vectors in a loop: their parts go to the port side by side, or whole pages as
 * one call; what is counted is a prefix. By way of the table of native calls.
 */
#include "win32/native.h"

#include "files.h"
#include "scene.h"

enum { PART = 512, PARTS = 20, PAGE = 4096, MANY = 200 };

static struct native_calls real;

static struct {
  atomic_int reads;
  atomic_int writes;
  atomic_int scatters;
  atomic_int gathers;
  atomic_int cancels;
  atomic_int dequeues;
  atomic_int first;     /* calls before the first dequeue */
  atomic_int hold;      /* no packets before so many cancels */
  atomic_int fail_at;   /* this read or write fails, from 1 */
  atomic_ulong error;   /* with that; 0: it is cut short instead */
  atomic_bool no_pages; /* calls of pages fail with `error` */
  atomic_llong at_once; /* reads end inside the call: of a file so long */
} calls;

static void forget(void) {
  memset(&calls, 0, sizeof calls);
}

/* true: the call is to fail; else perhaps shorter. */
static bool spoil(int number, DWORD *length) {
  if (number != calls.fail_at)
    return false;
  if (calls.error)
    SetLastError(calls.error);
  else
    *length /= 2;
  return calls.error != 0;
}

/* As Windows does with what it has in its cache. */
static BOOL read_at_once(LPVOID buffer, DWORD length, LPOVERLAPPED overlapped) {
  long long offset =
      (long long)overlapped->OffsetHigh << 32 | overlapped->Offset;
  long long left = calls.at_once - offset;
  if (left <= 0) {
    SetLastError(ERROR_HANDLE_EOF);
    return FALSE;
  }
  overlapped->Internal = 0;
  overlapped->InternalHigh = left < length ? (ULONG_PTR)left : length;
  files_fill(buffer, overlapped->InternalHigh, offset);
  return TRUE;
}

static BOOL WINAPI shim_ReadFile(HANDLE file, LPVOID buffer, DWORD length,
                                 LPDWORD moved, LPOVERLAPPED overlapped) {
  if (spoil(atomic_fetch_add(&calls.reads, 1) + 1, &length))
    return FALSE;
  if (calls.at_once)
    return read_at_once(buffer, length, overlapped);
  return real.ReadFile(file, buffer, length, moved, overlapped);
}

static BOOL WINAPI shim_WriteFile(HANDLE file, LPCVOID buffer, DWORD length,
                                  LPDWORD moved, LPOVERLAPPED overlapped) {
  if (spoil(atomic_fetch_add(&calls.writes, 1) + 1, &length))
    return FALSE;
  return real.WriteFile(file, buffer, length, moved, overlapped);
}

static BOOL WINAPI shim_ReadFileScatter(HANDLE file,
                                        FILE_SEGMENT_ELEMENT *pages,
                                        DWORD length, LPDWORD moved,
                                        LPOVERLAPPED overlapped) {
  calls.scatters++;
  if (calls.no_pages)
    SetLastError(calls.error);
  return !calls.no_pages &&
         real.ReadFileScatter(file, pages, length, moved, overlapped);
}

static BOOL WINAPI shim_WriteFileGather(HANDLE file,
                                        FILE_SEGMENT_ELEMENT *pages,
                                        DWORD length, LPDWORD moved,
                                        LPOVERLAPPED overlapped) {
  calls.gathers++;
  if (calls.no_pages)
    SetLastError(calls.error);
  return !calls.no_pages &&
         real.WriteFileGather(file, pages, length, moved, overlapped);
}

static BOOL WINAPI shim_CancelIoEx(HANDLE file, LPOVERLAPPED overlapped) {
  calls.cancels++;
  return real.CancelIoEx(file, overlapped);
}

static BOOL WINAPI shim_GetQueuedCompletionStatusEx(HANDLE port,
                                                    LPOVERLAPPED_ENTRY entries,
                                                    ULONG room, PULONG count,
                                                    DWORD timeout_ms,
                                                    BOOL alertable) {
  if (calls.dequeues++ == 0)
    calls.first = calls.reads + calls.writes + calls.scatters + calls.gathers;
  if (calls.cancels < calls.hold) {
    SetLastError(WAIT_TIMEOUT);
    return FALSE;
  }
  return real.GetQueuedCompletionStatusEx(port, entries, room, count,
                                          timeout_ms, alertable);
}

static void install(void) {
  real = native;
  native.ReadFile = shim_ReadFile;
  native.WriteFile = shim_WriteFile;
  native.ReadFileScatter = shim_ReadFileScatter;
  native.WriteFileGather = shim_WriteFileGather;
  native.CancelIoEx = shim_CancelIoEx;
  native.GetQueuedCompletionStatusEx = shim_GetQueuedCompletionStatusEx;
}

/* ---- side by side ---- */

static struct vector {
  struct ovio_iovec parts[MANY];
  char bytes[PARTS * PART];
} vector;

static void vector_make(char *bytes, size_t part, size_t count) {
  for (size_t at = 0; at < count; at++)
    vector.parts[at] = (struct ovio_iovec){bytes + at * part, part};
}

static bool make(struct ovio_file *file, size_t length, unsigned flags) {
  return files_put(test_path("vector"), length) &&
         ovio_open(file, test_path("vector"), OVIO_READ | OVIO_WRITE | flags,
                   0) == 0;
}

/* Bound, and with the fault that is wanted. */
static bool ready(struct ovio_file *file, int fail_at, DWORD error) {
  bool fine = ovio_read(file, vector.bytes, 1, 0) == 1;
  memset(vector.bytes, 0, sizeof vector.bytes);
  vector_make(vector.bytes, PART, PARTS);
  forget();
  calls.error = error;
  calls.fail_at = fail_at;
  return fine;
}

static void test_parts_go_side_by_side(struct test *test) {
  struct ovio_file file;
  TRY(make(&file, sizeof vector.bytes, 0));
  TRY(ready(&file, 0, 0));
  unsigned long before = memory_count;
  TRY_EQ(ovio_readv(&file, vector.parts, PARTS, 0), PARTS * PART);
  TRY_EQ(memory_count, before);
  TRY_EQ(calls.reads, PARTS);
  TRY_EQ(calls.first, 16);
  TRY(files_match(vector.bytes, PARTS * PART, 0));
  /* The lanes are given back. */
  for (int round = 0; round < 8; round++) {
    TRY(ready(&file, 0, 0));
    TRY_EQ(ovio_readv(&file, vector.parts, PARTS, 0), PARTS * PART);
    TRY_EQ(calls.first, 16);
  }
  /* At the file's own position, too. */
  TRY(ready(&file, 0, 0));
  TRY_EQ(ovio_seek(&file, 100, SEEK_SET), 100);
  TRY_EQ(ovio_readv(&file, vector.parts, 4, OVIO_HERE), 4 * PART);
  TRY_EQ(calls.first, 4);
  TRY(files_match(vector.bytes, 4 * PART, 100));
  TRY_EQ(ovio_seek(&file, 0, SEEK_CUR), 100 + 4 * PART);
  TRY_EQ(ovio_close(&file), 0);
}

static void test_count_is_a_prefix(struct test *test) {
  struct ovio_file file;
  TRY(make(&file, sizeof vector.bytes, 0));
  TRY(ready(&file, 4, ERROR_CRC));
  TRY_EQ(ovio_readv(&file, vector.parts, PARTS, 0), 3 * PART);
  TRY(files_match(vector.bytes, 3 * PART, 0));
  TRY(ready(&file, 1, ERROR_CRC));
  TRY_EQ(ovio_readv(&file, vector.parts, PARTS, 0), OVIO_EIO);
  TRY_EQ(ovio_native_error(), ERROR_CRC);
  /* In the second row of sixteen. */
  TRY(ready(&file, 18, ERROR_CRC));
  TRY_EQ(ovio_readv(&file, vector.parts, PARTS, 0), 17 * PART);
  /* A short one is gone on from where it stopped. */
  TRY(ready(&file, 3, 0));
  TRY_EQ(ovio_readv(&file, vector.parts, PARTS, 0), PARTS * PART);
  TRY(files_match(vector.bytes, PARTS * PART, 0));
  TRY(calls.reads > PARTS);
  /* The end of the file within a part. */
  TRY(ready(&file, 0, 0));
  TRY_EQ(ovio_truncate(&file, 5 * PART + 7), 0);
  TRY_EQ(ovio_readv(&file, vector.parts, PARTS, 0), 5 * PART + 7);
  TRY(files_match(vector.bytes, 5 * PART + 7, 0));
  TRY_EQ(ovio_readv(&file, vector.parts, PARTS, 6 * PART), 0);
  TRY_EQ(ovio_close(&file), 0);
}

/* Who has met the end of the file asks once more, and not with all parts. */
static void test_end_is_asked_for_once_more(struct test *test) {
  struct ovio_file file;
  TRY(make(&file, 5 * PART + 7, 0));
  TRY(ready(&file, 0, 0));
  TRY_EQ(ovio_readv(&file, vector.parts, PARTS, 0), 5 * PART + 7);
  TRY_EQ(calls.reads, 16 + 1);
  /* Known inside the call, it keeps the parts behind from being asked for. */
  TRY(ready(&file, 0, 0));
  calls.at_once = 5 * PART + 7;
  TRY_EQ(ovio_readv(&file, vector.parts, PARTS, 0), 5 * PART + 7);
  TRY(files_match(vector.bytes, 5 * PART + 7, 0));
  TRY_EQ(calls.reads, 6 + 1);
  TRY(ready(&file, 3, ERROR_CRC));
  calls.at_once = PARTS * PART;
  TRY_EQ(ovio_readv(&file, vector.parts, PARTS, 0), 2 * PART);
  TRY_EQ(calls.reads, 3);
  TRY_EQ(ovio_close(&file), 0);
}

static void note_reads(struct ovio_op *op, int64_t result) {
  struct outcome *outcome = (struct outcome *)(void *)op;
  (void)result;
  outcome->native = (uint32_t)calls.reads;
}

/* Parts that end inside the call are counted one by one: others come between
 * them. */
static void test_others_have_their_turn(struct test *test) {
  static struct outcome outcomes[2];
  struct ovio_loop_options options = {.budget = 4};
  struct ovio_file file;
  struct ovio_loop *loop;
  TRY(make(&file, sizeof vector.bytes, 0));
  TRY_EQ(test_loop_create(test, &loop, &options), 0);
  memset(vector.bytes, 0, sizeof vector.bytes);
  vector_make(vector.bytes, PART, PARTS);
  forget();
  calls.at_once = sizeof vector.bytes;
  memset(outcomes, 0, sizeof outcomes);
  TRY_EQ(ovio_start_readv(loop, &outcomes[0].op, &file, vector.parts, PARTS, 0,
                          outcome_done),
         0);
  TRY_EQ(ovio_post(loop, &outcomes[1].op, note_reads), 0);
  TRY_EQ(ovio_loop_run(loop), 0);
  TRY_EQ(outcomes[0].result, PARTS * PART);
  TRY(files_match(vector.bytes, PARTS * PART, 0));
  /* It arrives in one turn and is delivered in the next. */
  TRY(outcomes[1].native > 0 && outcomes[1].native <= 2 * (4 + 1));
  TRY_EQ(ovio_loop_destroy(loop), 0);
  TRY_EQ(ovio_close(&file), 0);
}

/* What is refused beside others is tried alone, before it is halved. */
static void test_refused_for_want_of_memory(struct test *test) {
  static char big[4 * 65536];
  struct ovio_file file;
  TRY(make(&file, sizeof big, 0));
  TRY(ready(&file, 2, ERROR_NO_SYSTEM_RESOURCES));
  memset(big, 0, sizeof big);
  vector_make(big, 65536, 4);
  TRY_EQ(ovio_readv(&file, vector.parts, 4, 0), sizeof big);
  TRY(files_match(big, sizeof big, 0));
  TRY_EQ(calls.reads, 2 + 1 + 2);
  /* A part that is too small to be halved, likewise. */
  TRY(ready(&file, 4, ERROR_NO_SYSTEM_RESOURCES));
  TRY_EQ(ovio_readv(&file, vector.parts, PARTS, 0), PARTS * PART);
  TRY(files_match(vector.bytes, PARTS * PART, 0));
  TRY_EQ(ovio_close(&file), 0);
}

struct reader {
  struct test *test;
  struct ovio_file *file;
};

static void reader_main(void *argument) {
  struct reader *self = argument;
  struct test *test = self->test;
  char bytes[PARTS * PART];
  struct ovio_iovec parts[PARTS];
  for (size_t at = 0; at < PARTS; at++)
    parts[at] = (struct ovio_iovec){bytes + at * PART, PART};
  TRY_EQ(ovio_readv(self->file, parts, PARTS, 0), sizeof bytes);
  TRY(files_match(bytes, sizeof bytes, 0));
}

/* More than there are lanes: the last go one part after the other. */
static void test_more_than_lanes(struct test *test) {
  struct ovio_file file;
  struct ovio_group group;
  struct reader reader = {test, &file};
  TRY(make(&file, sizeof vector.bytes, 0));
  TRY(ready(&file, 0, 0));
  ovio_group_init(&group);
  for (int at = 0; at < 8; at++)
    TRY_EQ(ovio_group_spawn(&group, test->loop, reader_main, &reader), 0);
  TRY_EQ(ovio_group_wait(&group), 0);
  TRY_EQ(calls.first, 64 + 4);
  TRY_EQ(calls.reads, 8 * PARTS);
  TRY_EQ(ovio_close(&file), 0);
}

static void cancel_it(struct ovio_op *op, int64_t result) {
  struct outcome *outcome = (struct outcome *)(void *)op;
  (void)result;
  outcome[1].native = (uint32_t)ovio_cancel(&outcome[1].op);
}

/* All parts are asked to end, and one completion comes. */
static void test_cancel_reaches_all(struct test *test) {
  static struct outcome outcomes[2];
  struct ovio_file file;
  struct ovio_loop *loop;
  TRY(make(&file, sizeof vector.bytes, 0));
  TRY_EQ(test_loop_create(test, &loop, NULL), 0);
  vector_make(vector.bytes, PART, PARTS);
  forget();
  calls.hold = 16;
  memset(outcomes, 0, sizeof outcomes);
  TRY_EQ(ovio_start_readv(loop, &outcomes[1].op, &file, vector.parts, PARTS, 0,
                          outcome_done),
         0);
  TRY_EQ(ovio_post(loop, &outcomes[0].op, cancel_it), 0);
  TRY_EQ(ovio_loop_run(loop), 0);
  TRY_EQ(calls.cancels, 16);
  TRY_EQ(outcomes[1].calls, 1);
  /* Wine's were done already. */
  TRY(outcomes[1].result == OVIO_ECANCELED ||
      (outcomes[1].result > 0 && outcomes[1].result <= 16 * PART));
  TRY_EQ(ovio_loop_destroy(loop), 0);
  TRY_EQ(ovio_close(&file), 0);
}

/* Wine's reads were done already when they were asked to end. */
static bool is_some(int64_t result, int64_t error) {
  return result == error || (result > 0 && result <= 16 * PART);
}

static void test_deadline_reaches_all(struct test *test) {
  struct ovio_file file;
  TRY(make(&file, sizeof vector.bytes, 0));
  TRY(ready(&file, 0, 0));
  calls.hold = 16;
  TRY_EQ(ovio_deadline(20000000), 0);
  int64_t result = ovio_readv(&file, vector.parts, PARTS, 0);
  TRY_EQ(ovio_deadline(0), 0);
  TRY(is_some(result, OVIO_ETIMEDOUT));
  TRY_EQ(calls.cancels, 16);
  TRY_EQ(ovio_close(&file), 0);
}

struct closer {
  struct test *test;
  struct ovio_file *file;
  int64_t result;
  bool over;
};

static void read_until_closed(void *argument) {
  struct closer *self = argument;
  self->result = ovio_readv(self->file, vector.parts, PARTS, 0);
  self->over = true;
}

static void test_close_waits_for_all(struct test *test) {
  struct ovio_file file;
  struct ovio_group group;
  struct closer closer = {.test = test, .file = &file};
  TRY(make(&file, sizeof vector.bytes, 0));
  TRY(ready(&file, 0, 0));
  calls.hold = 16;
  ovio_group_init(&group);
  TRY_EQ(ovio_group_spawn(&group, test->loop, read_until_closed, &closer), 0);
  while (calls.reads < 16)
    ovio_yield();
  TRY_EQ(ovio_close(&file), 0);
  TRY_EQ(calls.cancels, 16);
  TRY_EQ(ovio_group_wait(&group), 0);
  TRY(closer.over && is_some(closer.result, OVIO_ECANCELED));
}

static void write_vector(struct test *test, unsigned flags, int first) {
  struct ovio_file file;
  TRY(make(&file, 1, flags));
  TRY(ready(&file, 0, 0));
  files_fill(vector.bytes, sizeof vector.bytes, 0);
  TRY_EQ(ovio_writev(&file, vector.parts, PARTS, 0), PARTS * PART);
  TRY_EQ(calls.first, first);
  TRY_EQ(calls.writes, PARTS);
  memset(vector.bytes, 0, sizeof vector.bytes);
  TRY_EQ(ovio_read(&file, vector.bytes, sizeof vector.bytes, 0),
         sizeof vector.bytes);
  TRY(files_match(vector.bytes, sizeof vector.bytes, 0));
  TRY_EQ(ovio_close(&file), 0);
}

static void test_writes_keep_their_order(struct test *test) {
  write_vector(test, 0, 1);
}

static void test_writes_whose_order_does_not_matter(struct test *test) {
  write_vector(test, OVIO_UNORDERED, 16);
}

static void test_unordered_count_is_a_prefix(struct test *test) {
  struct ovio_file file;
  TRY(make(&file, 1, OVIO_UNORDERED));
  TRY(ready(&file, 6, ERROR_DISK_FULL));
  TRY_EQ(ovio_writev(&file, vector.parts, PARTS, 0), 5 * PART);
  TRY_EQ(ovio_close(&file), 0);
}

/* ---- whole pages ---- */

/* The next page in memory of at least a page more. */
static char *page_of(char *memory) {
  return memory + (PAGE - (uintptr_t)memory % PAGE) % PAGE;
}

static char page_memory[(MANY + 1) * PAGE];

static bool make_direct(struct ovio_file *file) {
  vector_make(page_of(page_memory), PAGE, MANY);
  return make(file, MANY * PAGE, OVIO_DIRECT) &&
         ovio_read(file, vector.parts[0].iov_base, PAGE, 0) == PAGE;
}

static void test_pages_are_one_call(struct test *test) {
  struct ovio_file file;
  char *pages = page_of(page_memory);
  TRY(make_direct(&file));
  memset(page_memory, 0, sizeof page_memory);
  forget();
  TRY_EQ(ovio_readv(&file, vector.parts, 10, PAGE), 10 * PAGE);
  TRY_EQ(calls.scatters, 1);
  TRY_EQ(calls.reads, 0);
  TRY(files_match(pages, 10 * PAGE, PAGE));
  /* The lists are given back. */
  for (int round = 0; round < 20; round++)
    TRY_EQ(ovio_readv(&file, vector.parts, 10, PAGE), 10 * PAGE);
  TRY_EQ(calls.scatters, 21);
  TRY_EQ(calls.reads, 0);
  /* Backwards, several pages in a part, an empty part. */
  struct ovio_iovec odd[4] = {{pages + 8 * PAGE, 2 * PAGE},
                              {pages + 3, 0},
                              {pages + 4 * PAGE, PAGE},
                              {pages, 3 * PAGE}};
  memset(page_memory, 0, sizeof page_memory);
  forget();
  TRY_EQ(ovio_readv(&file, odd, 4, 0), 6 * PAGE);
  TRY_EQ(calls.scatters + calls.reads, 1);
  TRY(files_match(pages + 8 * PAGE, 2 * PAGE, 0));
  TRY(files_match(pages + 4 * PAGE, PAGE, 2 * PAGE));
  TRY(files_match(pages, 3 * PAGE, 3 * PAGE));
  /* More than a call takes: side by side. */
  memset(page_memory, 0, sizeof page_memory);
  forget();
  TRY_EQ(ovio_readv(&file, vector.parts, MANY, 0), MANY * PAGE);
  TRY_EQ(calls.scatters, 4);
  TRY_EQ(calls.first, 4);
  TRY(files_match(pages, MANY * PAGE, 0));
  TRY_EQ(ovio_close(&file), 0);
}

static void test_pages_are_written_by_one_call(struct test *test) {
  struct ovio_file file;
  char *pages = page_of(page_memory);
  TRY(make_direct(&file));
  files_fill(pages, 10 * PAGE, 100);
  forget();
  TRY_EQ(ovio_writev(&file, vector.parts, 10, 5 * PAGE), 10 * PAGE);
  TRY_EQ(calls.gathers, 1);
  TRY_EQ(calls.writes, 0);
  memset(pages, 0, 10 * PAGE);
  TRY_EQ(ovio_read(&file, pages, 10 * PAGE, 5 * PAGE), 10 * PAGE);
  TRY(files_match(pages, 10 * PAGE, 100));
  TRY_EQ(ovio_close(&file), 0);
}

static void test_pages_across_the_end(struct test *test) {
  struct ovio_file file;
  char *pages = page_of(page_memory);
  TRY(make_direct(&file));
  forget();
  TRY_EQ(ovio_readv(&file, vector.parts, 10, (MANY - 3) * PAGE), 3 * PAGE);
  TRY(files_match(pages, 3 * PAGE, (MANY - 3) * PAGE));
  TRY_EQ(ovio_readv(&file, vector.parts, 10, MANY * PAGE), 0);
  forget();
  calls.no_pages = true;
  calls.error = ERROR_CRC;
  TRY_EQ(ovio_readv(&file, vector.parts, 10, 0), OVIO_EIO);
  TRY_EQ(ovio_close(&file), 0);
}

/* A handle that is not unbuffered after all, a system that has no such call:
 * then part by part. */
static void test_pages_that_are_refused(struct test *test) {
  static const DWORD errors[] = {ERROR_INVALID_PARAMETER, ERROR_NOT_SUPPORTED,
                                 ERROR_INVALID_FUNCTION};
  struct ovio_file file;
  TRY(make_direct(&file));
  for (size_t at = 0; at < 3; at++) {
    memset(page_memory, 0, sizeof page_memory);
    forget();
    calls.no_pages = true;
    calls.error = errors[at];
    TRY_EQ(ovio_readv(&file, vector.parts, 10, 0), 10 * PAGE);
    TRY(files_match(page_of(page_memory), 10 * PAGE, 0));
    TRY(calls.scatters > 0);
    TRY_EQ(calls.reads, 10);
    files_fill(page_of(page_memory), 10 * PAGE, 0);
    TRY_EQ(ovio_writev(&file, vector.parts, 10, 0), 10 * PAGE);
    TRY(calls.gathers > 0);
    TRY_EQ(calls.writes, 10);
  }
  TRY_EQ(ovio_close(&file), 0);
}

/* What is no whole page goes part by part; so does all on a plain thread. */
static void test_what_is_no_page(struct test *test) {
  struct ovio_file file;
  char *pages = page_of(page_memory);
  TRY(make_direct(&file));
  struct ovio_iovec halves[3] = {
      {pages, PAGE}, {pages + PAGE, PAGE}, {pages + 3 * PAGE - 512, PAGE}};
  if (ovio_read(&file, pages + 512, PAGE, 0) == OVIO_EINVAL)
    halves[2].iov_base = pages + 3 * PAGE; /* blocks are pages here */
  forget();
  TRY_EQ(ovio_readv(&file, halves, 3, 0), 3 * PAGE);
  TRY(files_match(pages, 2 * PAGE, 0));
  TRY(files_match(halves[2].iov_base, PAGE, 2 * PAGE));
  TRY_EQ(ovio_close(&file), 0);
}

struct pager {
  struct test *test;
  struct ovio_file *file;
  size_t at;
};

static void pager_main(void *argument) {
  struct pager *self = argument;
  struct test *test = self->test;
  TRY_EQ(ovio_readv(self->file, vector.parts + self->at, 4,
                    (int64_t)(self->at * PAGE)),
         4 * PAGE);
}

/* More at once than there are lists of pages. */
static void test_more_than_lists(struct test *test) {
  struct ovio_file file;
  struct ovio_group group;
  static struct pager pagers[MANY / 4];
  TRY(make_direct(&file));
  memset(page_memory, 0, sizeof page_memory);
  ovio_group_init(&group);
  for (size_t at = 0; at < MANY / 4; at++) {
    pagers[at] = (struct pager){test, &file, at * 4};
    TRY_EQ(ovio_group_spawn(&group, test->loop, pager_main, &pagers[at]), 0);
  }
  TRY_EQ(ovio_group_wait(&group), 0);
  TRY(files_match(page_of(page_memory), MANY * PAGE, 0));
  TRY_EQ(ovio_close(&file), 0);
}

#define WHY "a plain thread reads part by part"

int main(void) {
  static const struct test_case cases[] = {
      TEST_LOOP(test_parts_go_side_by_side, WHY),
      TEST_LOOP(test_count_is_a_prefix, WHY),
      TEST_LOOP(test_end_is_asked_for_once_more, WHY),
      TEST_PLAIN(test_others_have_their_turn, "makes its own loop"),
      TEST_LOOP(test_refused_for_want_of_memory, WHY),
      TEST_LOOP(test_more_than_lanes, WHY),
      TEST_PLAIN(test_cancel_reaches_all, "makes its own loop"),
      TEST_LOOP(test_deadline_reaches_all, WHY),
      TEST_LOOP(test_close_waits_for_all, WHY),
      TEST_LOOP(test_writes_keep_their_order, WHY),
      TEST_LOOP(test_writes_whose_order_does_not_matter, WHY),
      TEST_LOOP(test_unordered_count_is_a_prefix, WHY),
      TEST_LOOP(test_pages_are_one_call, WHY),
      TEST_LOOP(test_pages_are_written_by_one_call, WHY),
      TEST_LOOP(test_pages_across_the_end, WHY),
      TEST_LOOP(test_pages_that_are_refused, WHY),
      TEST(test_what_is_no_page),
      TEST_LOOP(test_more_than_lists, WHY),
  };
  install();
  return test_main(cases, sizeof cases / sizeof *cases);
}
