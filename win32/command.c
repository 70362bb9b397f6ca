/* SPDX-License-Identifier: MIT */
/* Command lines and environments: Windows passes one string, not a vector, and
 * every program takes it apart by itself. Nearly all do it as the C runtime and
 * CommandLineToArgvW (MS: Parsing C command-line arguments): backslashes count
 * only in front of a quotation mark.
 *
 * cmd.exe does it another way, and finds commands in what it takes apart (CVE-
 * 2024-24576). Between two quotation marks only these three mean something to
 * it: a quotation mark, a percent sign and the end of the line. None of them
 * has a form that is safe in every script, so they are refused. */
#include "win32/side.h"

#include <stdlib.h>
#include <wchar.h>

#include "common/memory.h"

/* MS: CreateProcessW; Command prompt line string limitation. */
enum { LINE_MAX_UNITS = 32767, BATCH_MAX_UNITS = 8191, ROOM_FIRST = 256 };

/* ---- text that grows ---- */

struct text {
  wchar_t *units;
  size_t used;
  size_t room;
  int error; /* the first one; what comes later is left out */
};

static void text__put(struct text *text, wchar_t unit) {
  if (text->used == text->room && !text->error) {
    size_t room = text->room ? text->room * 2 : ROOM_FIRST;
    wchar_t *units = memory_grow(text->units, room * sizeof *units);
    text->error = units ? 0 : OVIO_ENOMEM;
    text->units = units ? units : text->units;
    text->room = units ? room : text->room;
  }
  if (!text->error)
    text->units[text->used++] = unit;
}

static void text__put_all(struct text *text, const wchar_t *units) {
  while (*units)
    text__put(text, *units++);
}

/* Ends it and hands it over; or frees it. */
static int text__finish(struct text *text, wchar_t **out, size_t most) {
  text__put(text, 0);
  if (!text->error && text->used > most)
    text->error = OVIO_E2BIG;
  if (text->error)
    memory_free(text->units);
  else
    *out = text->units;
  return text->error;
}

/* ---- arguments ---- */

static void command__quote(struct text *text, const wchar_t *argument) {
  bool bare = *argument && !wcspbrk(argument, L" \t\n\v\"");
  size_t slashes = 0;
  if (!bare)
    text__put(text, L'"');
  for (; *argument; argument++) {
    /* Those in front of a quotation mark twice, and one for itself. */
    for (size_t more = *argument == L'"' ? slashes + 1 : 0; more > 0; more--)
      text__put(text, L'\\');
    slashes = *argument == L'\\' ? slashes + 1 : 0;
    text__put(text, *argument);
  }
  for (; !bare && slashes > 0; slashes--)
    text__put(text, L'\\');
  if (!bare)
    text__put(text, L'"');
}

/* The program's name has no escapes: it ends with the second mark. */
static void command__quote_name(struct text *text, const wchar_t *name) {
  if (wcschr(name, L'"'))
    text->error = OVIO_EINVAL;
  text__put(text, L'"');
  text__put_all(text, name);
  text__put(text, L'"');
}

static void command__quote_for_batch(struct text *text,
                                     const wchar_t *argument) {
  size_t length = wcslen(argument);
  if (wcspbrk(argument, L"\"%\r\n"))
    text->error = OVIO_EINVAL;
  text__put(text, L'"');
  text__put_all(text, argument);
  /* For the program that the script hands them on to. */
  while (length > 0 && argument[--length] == L'\\')
    text__put(text, L'\\');
  text__put(text, L'"');
}

typedef void command__form(struct text *text, const wchar_t *argument);

static void command__add(struct text *text, const char *argument,
                         command__form *form) {
  wchar_t *wide = NULL;
  int error = text->error ? text->error : native_wide(&wide, argument);
  if (error) {
    text->error = error == OVIO_ENAMETOOLONG ? OVIO_E2BIG : error;
    return;
  }
  form(text, wide);
  memory_free(wide);
}

int native_command_line(wchar_t **out, const char *const *arguments) {
  struct text text = {0};
  command__add(&text, *arguments, command__quote_name);
  while (*++arguments && text.used <= LINE_MAX_UNITS) {
    text__put(&text, L' ');
    command__add(&text, *arguments, command__quote);
  }
  return text__finish(&text, out, LINE_MAX_UNITS);
}

/* /d: no AutoRun; /e:on /v:off: the extensions that scripts count on, and no
 * meaning for "!"; /s: exactly the outer marks are taken off. */
int native_batch_line(wchar_t **out, const wchar_t *script,
                      const char *const *arguments) {
  struct text text = {0};
  text__put_all(&text, L"cmd.exe /d /e:on /v:off /s /c \"");
  command__quote_for_batch(&text, script);
  while (*++arguments && text.used <= BATCH_MAX_UNITS) {
    text__put(&text, L' ');
    command__add(&text, *arguments, command__quote_for_batch);
  }
  text__put(&text, L'"');
  return text__finish(&text, out, BATCH_MAX_UNITS);
}

/* Windows takes no notice of dots and spaces at the end of a name. */
bool native_is_batch(const wchar_t *program) {
  size_t length = wcslen(program);
  while (length > 0 &&
         (program[length - 1] == L'.' || program[length - 1] == L' '))
    length--;
  if (length < 4)
    return false;
  const wchar_t *end = program + length - 4;
  return _wcsnicmp(end, L".bat", 4) == 0 || _wcsnicmp(end, L".cmd", 4) == 0;
}

/* ---- the environment ---- */

/* Without the value; a first "=" belongs to the name: "=C:=C:\folder". */
static int environment__name_length(const wchar_t *entry) {
  return (int)(1 + wcscspn(entry + 1, L"="));
}

static int environment__compare(const void *one, const void *two) {
  const wchar_t *first = *(wchar_t *const *)one;
  const wchar_t *second = *(wchar_t *const *)two;
  return CompareStringOrdinal(first, environment__name_length(first), second,
                              environment__name_length(second), TRUE) -
         CSTR_EQUAL;
}

static bool environment__has_root(wchar_t *const *entries, size_t count) {
  for (size_t at = 0; at < count; at++) {
    if (_wcsnicmp(entries[at], L"SystemRoot=", 11) == 0)
      return true;
  }
  return false;
}

/* "SystemRoot=..." as it is here; NULL when it is not known here either. */
static int environment__root(wchar_t **out) {
  static const wchar_t name[] = L"SystemRoot=";
  wchar_t value[MAX_PATH];
  struct text text = {0};
  DWORD length = native.GetEnvironmentVariableW(L"SystemRoot", value, MAX_PATH);
  if (length == 0 || length >= MAX_PATH)
    return 0;
  text__put_all(&text, name);
  text__put_all(&text, value);
  return text__finish(&text, out, SIZE_MAX);
}

static int environment__join(wchar_t **out, wchar_t *const *entries,
                             size_t count) {
  struct text text = {0};
  for (size_t at = 0; at < count; at++) {
    text__put_all(&text, entries[at]);
    text__put(&text, 0);
  }
  if (count == 0)
    text__put(&text, 0);
  return text__finish(&text, out, SIZE_MAX);
}

static int environment__read(wchar_t **entries, size_t *used,
                             const char *const *environment) {
  int error = 0;
  for (; *environment && !error; environment++) {
    error = native_wide(&entries[*used], *environment);
    *used += !error;
  }
  if (!error && !environment__has_root(entries, *used)) {
    error = environment__root(&entries[*used]);
    *used += entries[*used] != NULL;
  }
  return error == OVIO_ENAMETOOLONG ? OVIO_E2BIG : error;
}

int native_environment(wchar_t **out, const char *const *environment) {
  size_t count = 0;
  size_t used = 0;
  while (environment[count])
    count++;
  wchar_t **entries = memory_allocate((count + 1) * sizeof *entries);
  if (!entries)
    return OVIO_ENOMEM;
  int error = environment__read(entries, &used, environment);
  if (!error) {
    qsort(entries, used, sizeof *entries, environment__compare);
    error = environment__join(out, entries, used);
  }
  for (size_t at = 0; at < used; at++)
    memory_free(entries[at]);
  memory_free(entries);
  return error;
}
