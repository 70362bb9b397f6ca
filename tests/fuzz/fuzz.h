/* SPDX-License-Identifier: MIT */
/* What the fuzz targets share. Each fuzz_*.c here is one target: a program that
 * takes an input apart and checks what the library makes of it. With clang's
 * libFuzzer (preset fuzz) or AFL++'s driver inputs are found by coverage; in
 * every other build main.c replays the corpus and changes it at random. */
#ifndef OVIO_TESTS_FUZZ_H
#define OVIO_TESTS_FUZZ_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Always 0. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t length);

/* A property that does not hold ends the program. */
#define FUZZ_CHECK(condition)                                                  \
  do {                                                                         \
    if (!(condition)) {                                                        \
      fprintf(stderr, "%s:%d: %s\n", __FILE__, __LINE__, #condition);          \
      abort();                                                                 \
    }                                                                          \
  } while (0)

/* An input, taken from the front; zeros behind its end. */
struct input {
  const uint8_t *at;
  size_t left;
};

static inline unsigned input_byte(struct input *input) {
  if (input->left == 0)
    return 0;
  input->left--;
  return *input->at++;
}

static inline unsigned input_u16(struct input *input) {
  unsigned low = input_byte(input);
  return low | input_byte(input) << 8;
}

static inline uint64_t input_u64(struct input *input) {
  uint64_t value = 0;
  for (int at = 0; at < 8; at++)
    value = value << 8 | input_byte(input);
  return value;
}

/* Up to `most` bytes of it, as an input of their own. */
static inline struct input input_part(struct input *input, size_t most) {
  struct input part = {input->at, input->left < most ? input->left : most};
  input->at += part.left;
  input->left -= part.left;
  return part;
}

/* Memory of just that length, so that the address sanitizer sees its end. */
static inline void *fuzz_allocate(size_t length) {
  void *memory = malloc(length ? length : 1);
  if (!memory)
    abort();
  return memory;
}

/* A copy of the rest as text, for free(). */
static inline char *input_text(const struct input *input) {
  char *text = fuzz_allocate(input->left + 1);
  if (input->left)
    memcpy(text, input->at, input->left);
  text[input->left] = 0;
  return text;
}

#endif
