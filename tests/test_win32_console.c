/* SPDX-License-Identifier: MIT */
/* A console, which Wine in a test run has not: the calls are replaced, and the
 * three standard handles are NUL. */
#include "win32/native.h"

#include "scene.h"

static struct native_calls real;

static struct {
  wchar_t shown[4096]; /* what was written */
  size_t used;
  DWORD most;  /* units that one WriteConsoleW takes; 0: all */
  int fail_at; /* which call fails, from 1; 0: none */
  int calls;
  const wchar_t *typed; /* what is to be read; L'\a' is Ctrl-C */
  DWORD mode;
  HANDLE held; /* ReadConsoleW waits for it */
} console;

static BOOL WINAPI shim_GetConsoleMode(HANDLE handle, LPDWORD mode) {
  if (real.GetFileType(handle) != FILE_TYPE_CHAR)
    return real.GetConsoleMode(handle, mode);
  *mode = console.mode;
  return TRUE;
}

static BOOL WINAPI shim_WriteConsoleW(HANDLE handle, CONST VOID *units,
                                      DWORD length, LPDWORD moved,
                                      LPVOID reserved) {
  (void)handle;
  (void)reserved;
  if (++console.calls == console.fail_at) {
    SetLastError(ERROR_GEN_FAILURE);
    return FALSE;
  }
  if (console.most && length > console.most)
    length = console.most;
  memcpy(console.shown + console.used, units, length * sizeof(wchar_t));
  console.used += length;
  *moved = length;
  return TRUE;
}

static BOOL WINAPI shim_ReadConsoleW(HANDLE handle, LPVOID units, DWORD length,
                                     LPDWORD got, PVOID control) {
  (void)handle;
  (void)control;
  *got = 0;
  if (console.held) {
    SetEvent(console.held); /* until the waiter's thread takes it back */
    SetLastError(ERROR_OPERATION_ABORTED);
    return FALSE;
  }
  if (*console.typed == L'\a') {
    console.typed++;
    SetLastError(ERROR_OPERATION_ABORTED);
    return TRUE;
  }
  wchar_t *out = units;
  while (*got < length && *console.typed && *console.typed != L'\a') {
    out[(*got)++] = *console.typed;
    if (*console.typed++ == L'\n')
      break;
  }
  return TRUE;
}

static void console_reset(const wchar_t *typed) {
  memset(&console, 0, sizeof console);
  console.typed = typed;
  console.mode = ENABLE_LINE_INPUT;
}

static bool console_shows(const wchar_t *text) {
  size_t length = wcslen(text);
  bool same = console.used == length &&
              memcmp(console.shown, text, length * sizeof *text) == 0;
  console.used = 0;
  return same;
}

/* ---- writing ---- */

static const char sample[] = "a\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80z";
static const wchar_t sample_wide[] = L"a\u00e9\u20ac\xd83d\xde00z";

static void test_split_everywhere(struct test *test) {
  const size_t length = sizeof sample - 1;
  console_reset(L"");
  for (size_t first = 0; first <= length; first++) {
    for (size_t second = first; second <= length; second++) {
      TRY_EQ(ovio_write(ovio_stdout(), sample, first, OVIO_HERE), first);
      TRY_EQ(ovio_write(ovio_stdout(), sample + first, second - first, -1),
             second - first);
      TRY_EQ(ovio_write(ovio_stdout(), sample + second, length - second, -1),
             length - second);
      TRY(console_shows(sample_wide));
    }
  }
}

static void test_no_utf8(struct test *test) {
  static const struct {
    const char *bytes;
    const wchar_t *shown;
  } rows[] = {
      {"\x80x", L"\xfffdx"},           {"\xc3x", L"\xfffdx"},
      {"\xe2\x82x", L"\xfffdx"},       {"\xe2\x82\xc3\xa9", L"\xfffd\u00e9"},
      {"\xc0\xafx", L"\xfffd\xfffdx"}, {"\xf5x", L"\xfffdx"},
      {"\xed\xa0\xbdx", L"\xd83dx"}, /* WTF-8 */
  };
  console_reset(L"");
  for (size_t row = 0; row < sizeof rows / sizeof *rows; row++) {
    const char *bytes = rows[row].bytes;
    TRY_EQ(ovio_write(ovio_stderr(), bytes, strlen(bytes), -1), strlen(bytes));
    TRY(console_shows(rows[row].shown));
    for (; *bytes; bytes++)
      TRY_EQ(ovio_write(ovio_stderr(), bytes, 1, -1), 1);
    TRY(console_shows(rows[row].shown));
  }
}

/* Both have a state of their own. */
static void test_two_handles(struct test *test) {
  console_reset(L"");
  TRY_EQ(ovio_write(ovio_stdout(), "\xc3", 1, -1), 1);
  TRY_EQ(ovio_write(ovio_stderr(), "e", 1, -1), 1);
  TRY_EQ(ovio_write(ovio_stdout(), "\xa9", 1, -1), 1);
  TRY(console_shows(L"e\u00e9"));
}

static void test_long_and_in_pieces(struct test *test) {
  char text[3000];
  console_reset(L"");
  console.most = 7;
  for (size_t at = 0; at < sizeof text; at += 3)
    memcpy(text + at, "\xe2\x82\xac", 3);
  TRY_EQ(ovio_write(ovio_stdout(), text, sizeof text, -1), sizeof text);
  TRY_EQ(console.used, sizeof text / 3);
  for (size_t at = 0; at < console.used; at++)
    TRY_EQ(console.shown[at], 0x20ac);
}

/* A console that fails at any call: what was counted was shown, once. */
static void test_failures(struct test *test) {
  const size_t length = sizeof sample - 1;
  for (int fail_at = 1; fail_at < 6; fail_at++) {
    size_t taken = 0;
    console_reset(L"");
    console.most = 2; /* never a half of the pair alone: a e | e D83D is not */
    console.fail_at = fail_at;
    while (taken < length) {
      int64_t more =
          ovio_write(ovio_stdout(), sample + taken, length - taken, -1);
      TRY(more > 0 || more == OVIO_ENODEV || more == OVIO_EIO);
      taken += more > 0 ? (size_t)more : 0;
    }
    if (fail_at != 3) /* between the halves of the pair: once more whole */
      TRY(console_shows(sample_wide));
  }
}

/* ---- reading ---- */

static void test_read_every_length(struct test *test) {
  for (size_t length = 1; length < 12; length++) {
    char text[40];
    size_t used = 0;
    console_reset(L"a\u00e9\u20ac\xd83d\xde00z\r\n");
    while (used < sizeof sample - 1 + 2) {
      int64_t got = ovio_read(ovio_stdin(), text + used, length, OVIO_HERE);
      TRY(got > 0 && got <= (int64_t)length);
      used += (size_t)got;
    }
    TRY(memcmp(text, sample, sizeof sample - 1) == 0);
    TRY(memcmp(text + used - 2, "\r\n", 2) == 0);
  }
}

static void test_lone_surrogates(struct test *test) {
  static const char wanted[] = "\xed\xa0\xbd\xed\xa0\xbdx\xed\xb8\x80\n";
  for (size_t length = 1; length < 12; length++) {
    char text[40];
    size_t used = 0;
    console_reset(L"\xd83d\xd83dx\xde00\n");
    while (used < sizeof wanted - 1) {
      int64_t got = ovio_read(ovio_stdin(), text + used, length, OVIO_HERE);
      TRY(got > 0);
      used += (size_t)got;
    }
    TRY(memcmp(text, wanted, sizeof wanted - 1) == 0);
  }
}

static void test_ctrl_c_is_no_end(struct test *test) {
  char text[12];
  console_reset(L"\a\aok\n");
  TRY_EQ(ovio_read(ovio_stdin(), text, sizeof text, OVIO_HERE), 3);
  TRY(memcmp(text, "ok\n", 3) == 0);
}

static void test_ctrl_z(struct test *test) {
  for (size_t length = 1; length <= 10; length += 9) {
    char text[10];
    size_t used = 0;
    console_reset(L"a\x1a\n\x1a\r\nb\n");
    while (used < 3) {
      int64_t got = ovio_read(ovio_stdin(), text + used, length, OVIO_HERE);
      TRY(got > 0);
      used += (size_t)got;
    }
    TRY(memcmp(text, "a\x1a\n", 3) == 0);
    TRY_EQ(ovio_read(ovio_stdin(), text, length, OVIO_HERE), 0);
    TRY(ovio_read(ovio_stdin(), text, length, OVIO_HERE) > 0);
    TRY_EQ(text[0], 'b');
    if (length == 1)
      TRY_EQ(ovio_read(ovio_stdin(), text, length, OVIO_HERE), 1);
  }
  char byte;
  console_reset(L"\x1a");
  console.mode = 0; /* keys, not lines */
  TRY_EQ(ovio_read(ovio_stdin(), &byte, 1, OVIO_HERE), 1);
  TRY_EQ(byte, 0x1a);
  console_reset(L"\n");
  TRY_EQ(ovio_read(ovio_stdin(), &byte, 1, OVIO_HERE), 1);
}

static void test_aborted(struct test *test) {
  char byte;
  console_reset(L"");
  console.held = CreateEventW(NULL, TRUE, FALSE, NULL);
  int64_t result = ovio_read(ovio_stdin(), &byte, 1, OVIO_HERE);
  CloseHandle(console.held);
  console.held = NULL;
  TRY_EQ(result, OVIO_ECANCELED);
}

static void test_kinds(struct test *test) {
  struct ovio_stat stat;
  TRY_EQ(ovio_is_console(ovio_stdin()), 1);
  TRY_EQ(ovio_is_console(ovio_stderr()), 1);
  TRY_EQ(ovio_stat(ovio_stdout(), &stat), 0);
  TRY_EQ(stat.type, OVIO_TYPE_CHARACTER);
}

int main(void) {
  static const struct test_case cases[] = {
      TEST(test_split_everywhere),
      TEST(test_no_utf8),
      TEST(test_two_handles),
      TEST(test_long_and_in_pieces),
      TEST(test_failures),
      TEST(test_read_every_length),
      TEST(test_lone_surrogates),
      TEST(test_ctrl_c_is_no_end),
      TEST(test_ctrl_z),
      TEST(test_aborted),
      TEST(test_kinds),
  };
  real = native;
  native.GetConsoleMode = shim_GetConsoleMode;
  native.WriteConsoleW = shim_WriteConsoleW;
  native.ReadConsoleW = shim_ReadConsoleW;
  console_reset(L"");
  for (int which = 0; which < 3; which++) {
    ovio_handle before;
    HANDLE nul = CreateFileW(L"NUL", GENERIC_READ | GENERIC_WRITE,
                             FILE_SHARE_READ | FILE_SHARE_WRITE, NULL,
                             OPEN_EXISTING, 0, NULL);
    if (!test_redirect(which, nul, &before))
      return 1;
  }
  return test_main(cases, sizeof cases / sizeof *cases);
}
