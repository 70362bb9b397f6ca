/* SPDX-License-Identifier: MIT */
/* ovset FILE NAME VALUE: sets a line NAME=VALUE in a file of such lines.
 *
 * Whoever reads FILE meanwhile, or after a crash, finds the old settings or the
 * new ones, never half of them. */
#include <ovio.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { LIMIT = 1 << 20 };

/* The line that sets this name, and where the next one begins; or the end. */
static const char *find(const char *text, const char *name, const char **next) {
  size_t length = strlen(name);
  for (; *text; text = *next) {
    const char *end = strchr(text, '\n');
    *next = end ? end + 1 : text + strlen(text);
    if (strncmp(text, name, length) == 0 && text[length] == '=')
      return text;
  }
  *next = text;
  return text;
}

/* The old text with one line exchanged, or with one more; NULL: no memory. */
static char *edit(const char *old, const char *name, const char *value) {
  const char *rest;
  const char *line = find(old, name, &rest);
  size_t before = (size_t)(line - old);
  size_t room = strlen(old) + strlen(name) + strlen(value) + 4;
  char *text = malloc(room);
  if (!text)
    return NULL;
  memcpy(text, old, before);
  if (before > 0 && text[before - 1] != '\n')
    text[before++] = '\n';
  snprintf(text + before, room - before, "%s=%s\n%s", name, value, rest);
  return text;
}

static int set(const char *path, const char *name, const char *value) {
  void *old = NULL;
  size_t length;
  int error = ovio_read_file(NULL, path, LIMIT, &old, &length);
  if (error && error != OVIO_ENOENT)
    return error;
  char *text = edit(old ? old : "", name, value);
  error = text ? ovio_replace_file(NULL, path, text, strlen(text), 0644)
               : OVIO_ENOMEM;
  free(text);
  ovio_free(old);
  return error;
}

int main(int argc, char **argv) {
  if (argc != 4 || strchr(argv[2], '=') || strpbrk(argv[2], "\r\n") ||
      strpbrk(argv[3], "\r\n")) {
    fputs("usage: ovset FILE NAME VALUE\n", stderr);
    return EXIT_FAILURE;
  }
  int error = set(argv[1], argv[2], argv[3]);
  if (error)
    fprintf(stderr, "ovset: %s: %s\n", argv[1], ovio_error_text(error));
  return error ? EXIT_FAILURE : EXIT_SUCCESS;
}
