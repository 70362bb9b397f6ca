/* SPDX-License-Identifier: MIT */
/* Command lines: what is put together here, others must take apart again. All
 * strings up to a length over the characters that mean something to anybody. */
#include "win32/side.h"

#include <shellapi.h>
#include <wchar.h>

#include "children.h"

static const char alphabet[] = "a \t\"\\%^&";
enum { LETTERS = sizeof alphabet - 1, LONGEST = 5, LONGEST_IN_CHILD = 4 };

/* The string of that number; false: there are no more of this length. */
static bool spell(char *out, int length, long number) {
  for (int at = 0; at < length; at++) {
    out[at] = alphabet[number % LETTERS];
    number /= LETTERS;
  }
  out[length] = 0;
  return number == 0;
}

static bool same(const wchar_t *wide, const char *narrow) {
  while (*narrow && *wide == (unsigned char)*narrow) {
    wide++;
    narrow++;
  }
  return !*narrow && !*wide;
}

/* Does CommandLineToArgvW find just these? */
static bool survives(const char *const *arguments) {
  wchar_t *line = NULL;
  int count = 0;
  int at = 0;
  if (native_command_line(&line, arguments) != 0)
    return false;
  wchar_t **found = CommandLineToArgvW(line, &count);
  while (found && arguments[at] && at < count && same(found[at], arguments[at]))
    at++;
  bool fine = found && at == count && !arguments[at];
  LocalFree(found);
  memory_free(line);
  return fine;
}

static void test_every_short_argument(struct test *test) {
  long tried = 0;
  for (int length = 0; length <= LONGEST; length++) {
    char text[LONGEST + 1];
    for (long number = 0; spell(text, length, number); number++) {
      const char *const arguments[] = {"program", text, "end", NULL};
      if (!survives(arguments))
        test_fail(test, __FILE__, __LINE__, text);
      tried++;
    }
  }
  TRY_EQ(tried, 1 + 8 + 64 + 512 + 4096 + 32768);
}

static void test_every_pair(struct test *test) {
  for (int lengths = 0; lengths < 9; lengths++) {
    char one[4];
    char two[4];
    for (long first = 0; spell(one, lengths / 3, first); first++) {
      for (long second = 0; spell(two, lengths % 3, second); second++) {
        const char *const arguments[] = {"a program", one, two, NULL};
        if (!survives(arguments))
          test_fail(test, __FILE__, __LINE__, one);
      }
    }
  }
}

/* ---- through a child, whose C runtime takes it apart ---- */

enum { BATCH = 1024, HEAD = 3 };

struct batch {
  char texts[BATCH][LONGEST + 1];
  const char *arguments[HEAD + BATCH + 1];
  char expected[BATCH * (LONGEST + 2)];
  int count;
};

static bool batch_flush(struct batch *batch) {
  struct child child;
  struct ovio_output output;
  if (batch->count == 0)
    return true;
  batch->arguments[0] = "test";
  batch->arguments[1] = "child";
  batch->arguments[2] = "arguments";
  size_t used = 0;
  for (int at = 0; at < batch->count; at++) {
    batch->arguments[HEAD + at] = batch->texts[at];
    used +=
        (size_t)snprintf(batch->expected + used, sizeof batch->expected - used,
                         "%s\n", batch->texts[at]);
  }
  batch->arguments[HEAD + batch->count] = NULL;
  batch->count = 0;
  child_prepare(&child, "arguments", NULL, NULL);
  child.options.arguments = batch->arguments;
  return ovio_run(&child.options, &output) == 0 &&
         child_output_is(&output, batch->expected, "");
}

static void test_every_short_argument_in_a_child(struct test *test) {
  static struct batch batch;
  for (int length = 0; length <= LONGEST_IN_CHILD; length++) {
    for (long number = 0; spell(batch.texts[batch.count], length, number);
         number++) {
      if (++batch.count == BATCH)
        TRY(batch_flush(&batch));
    }
  }
  TRY(batch_flush(&batch));
}

/* ---- the first one, and the limit ---- */

static void test_name(struct test *test) {
  static const char *const spaced[] = {"a program\\", "b", NULL};
  static const char *const empty[] = {"", NULL};
  static const char *const quoted[] = {"a\"b", NULL};
  wchar_t *line = NULL;
  TRY(survives(spaced));
  TRY(survives(empty));
  TRY_EQ(native_command_line(&line, quoted), OVIO_EINVAL);
  TRY(line == NULL);
}

static void test_limit(struct test *test) {
  static char text[40000];
  wchar_t *line = NULL;
  const char *const arguments[] = {"p", text, NULL};
  memset(text, 'a', 32762); /* with "p", a space and the 0: 32767 */
  text[32762] = 0;
  TRY_EQ(native_command_line(&line, arguments), 0);
  TRY_EQ(wcslen(line), 32766);
  memory_free(line);
  text[32762] = 'a';
  TRY_EQ(native_command_line(&line, arguments), OVIO_E2BIG);
  memset(text, 'a', sizeof text - 1);
  TRY_EQ(native_command_line(&line, arguments), OVIO_E2BIG);
  text[0] = '\xff'; /* no UTF-8 */
  TRY_EQ(native_command_line(&line, arguments), OVIO_EINVAL);
}

/* ---- batch files ---- */

static void test_batch_names(struct test *test) {
  TRY(native_is_batch(L"a.bat"));
  TRY(native_is_batch(L"C:\\x y\\A.CMD"));
  TRY(native_is_batch(L"a.bat. .")); /* the same file to Windows */
  TRY(native_is_batch(L"a.Cmd "));
  TRY(!native_is_batch(L"a.bat.exe"));
  TRY(!native_is_batch(L"bat"));
  TRY(!native_is_batch(L""));
  TRY(!native_is_batch(L". . ."));
}

static void test_batch_line(struct test *test) {
  static const char *const arguments[] = {"x",        "a b", "",
                                          "c&d^e|f!", "g\\", NULL};
  wchar_t *line = NULL;
  TRY_EQ(native_batch_line(&line, L"C:\\a b.bat", arguments), 0);
  bool same_line = wcscmp(line, L"cmd.exe /d /e:on /v:off /s /c "
                                L"\"\"C:\\a b.bat\" \"a b\" \"\" "
                                L"\"c&d^e|f!\" \"g\\\\\"\"") == 0;
  memory_free(line);
  TRY(same_line);
}

static void test_batch_refuses(struct test *test) {
  static const char *const bad[] = {"\"", "a\"&calc", "%PATH%",
                                    "a%", "a\nb",     "a\rb"};
  wchar_t *line = NULL;
  for (size_t at = 0; at < sizeof bad / sizeof *bad; at++) {
    const char *const arguments[] = {"x", "fine", bad[at], NULL};
    TRY_EQ(native_batch_line(&line, L"a.bat", arguments), OVIO_EINVAL);
  }
  const char *const alone[] = {"x", NULL};
  TRY_EQ(native_batch_line(&line, L"a%b.bat", alone), OVIO_EINVAL);
  static char text[9000];
  const char *const arguments[] = {"x", text, NULL};
  memset(text, 'a', sizeof text - 1);
  TRY_EQ(native_batch_line(&line, L"a.bat", arguments), OVIO_E2BIG);
  TRY(line == NULL);
}

/* ---- the environment ---- */

/* The parts of a block with bars between them. */
static void flatten(const wchar_t *block, char *out) {
  for (; *block; block++) {
    for (; *block; block++)
      *out++ = (char)*block;
    *out++ = '|';
  }
  *out = 0;
}

static void test_environment(struct test *test) {
  static const char *const given[] = {
      "zebra=1", "systemROOT=X", "=C:=C:\\here", "Apple=b/c", "APPLE2=", NULL};
  wchar_t *block = NULL;
  char text[200];
  TRY_EQ(native_environment(&block, given), 0);
  flatten(block, text);
  memory_free(block);
  TRY(strcmp(text, "=C:=C:\\here|Apple=b/c|APPLE2=|systemROOT=X|zebra=1|") ==
      0);
}

static void test_environment_without_root(struct test *test) {
  static const char *const none[] = {NULL};
  static const char *const bad[] = {"a=\xff", NULL};
  wchar_t *block = NULL;
  char text[400];
  TRY_EQ(native_environment(&block, none), 0);
  flatten(block, text);
  memory_free(block);
  TRY(_strnicmp(text, "SystemRoot=", 11) == 0);
  TRY(strlen(text) > 12);
  block = NULL;
  TRY_EQ(native_environment(&block, bad), OVIO_EINVAL);
  TRY(block == NULL);
}

int main(int argc, char **argv) {
  static const char *const text = "only text";
  CHILDREN(argc, argv);
  static const struct test_case cases[] = {
      TEST_PLAIN(test_every_short_argument, text),
      TEST_PLAIN(test_every_pair, text),
      TEST(test_every_short_argument_in_a_child),
      TEST_PLAIN(test_name, text),
      TEST_PLAIN(test_limit, text),
      TEST_PLAIN(test_batch_names, text),
      TEST_PLAIN(test_batch_line, text),
      TEST_PLAIN(test_batch_refuses, text),
      TEST_PLAIN(test_environment, text),
      TEST_PLAIN(test_environment_without_root, text),
  };
  return test_main(cases, sizeof cases / sizeof *cases);
}
