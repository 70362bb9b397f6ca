/* SPDX-License-Identifier: MIT */
/* Calls of the library against the models of the simulations, on the system in
 * memory: the input's first byte chooses the world, each of the others makes
 * one decision, of the program or of the system. */
#include "fuzz.h"

#include "tests/fake/sim.h"

enum { STEPS = 60 };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t length) {
  static const struct sim *const worlds[] = {
      &sim_files, &sim_streams,  &sim_tasks, &sim_posts,
      &sim_names, &sim_children, &sim_watch};
  struct input input = {data, length};
  unsigned world = input_byte(&input) % 7;
  sim_play(worlds[world], STEPS, input.at, input.left);
  return 0;
}

/* main.c is a program of the library's, which this one has another system for:
 * here inputs are only played again. */
#ifdef FUZZ_REPLAY
int main(int argc, char **argv) {
  static uint8_t bytes[1 << 16];
  for (int at = 1; at < argc; at++) {
    FILE *file = fopen(argv[at], "rb");
    FUZZ_CHECK(file);
    size_t length = fread(bytes, 1, sizeof bytes, file);
    fclose(file);
    LLVMFuzzerTestOneInput(bytes, length);
  }
  printf("%d inputs\n", argc - 1);
  return 0;
}
#endif
