/* SPDX-License-Identifier: MIT */
/* Command lines: what the documented rules take apart must be what was put
 * together; and for cmd.exe no line may exist in which an argument ends before
 * its closing mark does. The input is the arguments, each ended by a 0. */
#include "wide.h"

#include <shellapi.h>

enum { ARGUMENTS_MAX = 8, LINE_UNITS = 32767, BATCH_UNITS = 8191 };

struct vector {
  char *text; /* of all of them */
  const char *arguments[ARGUMENTS_MAX + 1];
  wchar_t *wide[ARGUMENTS_MAX]; /* NULL: no WTF-8 */
  size_t count;
  bool valid;
};

static void vector_make(struct vector *vector, const uint8_t *data,
                        size_t length) {
  const struct input input = {data, length};
  *vector = (struct vector){.text = input_text(&input), .valid = true};
  const char *at = vector->text;
  while (vector->count < ARGUMENTS_MAX && at <= vector->text + length) {
    size_t units;
    size_t bytes = strlen(at);
    wchar_t *wide = fuzz_allocate((bytes + 1) * sizeof *wide);
    vector->valid &= wide_decode(at, wide, &units);
    vector->wide[vector->count] = wide;
    vector->arguments[vector->count++] = at;
    at += bytes + 1;
  }
}

static void vector_free(struct vector *vector) {
  for (size_t at = 0; at < vector->count; at++)
    free(vector->wide[at]);
  free(vector->text);
}

/* By the rules, from number `first` on. */
static void check_rules(const struct vector *vector, const wchar_t *line,
                        size_t first, bool doubled) {
  wchar_t *argument = fuzz_allocate((wcslen(line) + 1) * sizeof *argument);
  const wchar_t *at = line;
  if (!doubled) {
    line_name(&at, argument);
    FUZZ_CHECK(wcscmp(argument, vector->wide[0]) == 0);
  }
  for (size_t number = first; number < vector->count; number++) {
    FUZZ_CHECK(line_next(&at, argument));
    FUZZ_CHECK(wcscmp(argument, vector->wide[number]) == 0);
  }
  FUZZ_CHECK(!line_next(&at, argument));
  free(argument);
}

/* By the system itself. */
static void check_system(const struct vector *vector, const wchar_t *line) {
  int count = 0;
  wchar_t **found = CommandLineToArgvW(line, &count);
  FUZZ_CHECK(found && count == (int)vector->count);
  for (int at = 0; at < count; at++)
    FUZZ_CHECK(wcscmp(found[at], vector->wide[at]) == 0);
  LocalFree(found);
}

static void quote(const struct vector *vector) {
  wchar_t *line = NULL;
  int error = native_command_line(&line, vector->arguments);
  if (error == OVIO_E2BIG)
    return;
  bool fine = vector->valid && !wcschr(vector->wide[0], L'"');
  FUZZ_CHECK(error == (fine ? 0 : OVIO_EINVAL));
  if (error)
    return;
  FUZZ_CHECK(wcslen(line) < LINE_UNITS);
  check_rules(vector, line, 1, false);
  check_system(vector, line);
  memory_free(line);
}

/* ---- cmd.exe ---- */

static bool is_refused(const wchar_t *argument) {
  return wcspbrk(argument, L"\"%\r\n") != NULL;
}

/* Between marks nothing of cmd.exe's is left, and outside of them only blanks.
 */
static void check_marks(const wchar_t *body, size_t length) {
  bool quoted = false;
  for (size_t at = 0; at < length; at++) {
    if (body[at] == L'"')
      quoted = !quoted;
    else
      FUZZ_CHECK(quoted || body[at] == L' ');
    FUZZ_CHECK(!wcschr(L"%\r\n", body[at]));
  }
  FUZZ_CHECK(!quoted);
}

static void batch(const struct vector *vector) {
  static const wchar_t head[] = L"cmd.exe /d /e:on /v:off /s /c \"";
  const size_t begin = sizeof head / sizeof *head - 1;
  wchar_t *line = NULL;
  bool fine = vector->valid;
  for (size_t at = 0; at < vector->count; at++)
    fine &= !is_refused(vector->wide[at]);
  int error = native_batch_line(&line, vector->wide[0], vector->arguments);
  if (error == OVIO_E2BIG)
    return;
  FUZZ_CHECK(error == (fine ? 0 : OVIO_EINVAL));
  if (error)
    return;
  size_t length = wcslen(line);
  FUZZ_CHECK(length < BATCH_UNITS && length > begin);
  FUZZ_CHECK(wcsncmp(line, head, begin) == 0 && line[length - 1] == L'"');
  check_marks(line + begin, length - begin - 1);
  line[length - 1] = 0;
  check_rules(vector, line + begin, 0, true);
  memory_free(line);
}

/* ---- the whole ---- */

/* As Windows takes it: without the dots and blanks at its end. */
static void is_batch(const wchar_t *program) {
  size_t length = wcslen(program);
  while (length && wcschr(L". ", program[length - 1]))
    length--;
  bool is = length >= 4 && program[length - 4] == L'.';
  for (size_t at = 0; is && at < 3; at++) {
    wchar_t unit = program[length - 3 + at] | 0x20;
    wchar_t first = program[length - 3] | 0x20;
    is = unit == (first == L'b' ? L"bat" : L"cmd")[at];
  }
  FUZZ_CHECK(native_is_batch(program) == is);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t length) {
  struct vector vector;
  long alive = memory_alive;
  vector_make(&vector, data, length);
  quote(&vector);
  if (vector.valid) {
    batch(&vector);
    is_batch(vector.wide[0]);
  }
  FUZZ_CHECK(memory_alive == alive);
  vector_free(&vector);
  return 0;
}
