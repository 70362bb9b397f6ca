/* SPDX-License-Identifier: MIT */
/* The main program of each simulation; SIM_WORLD is its own. */
#include "tests/fake/sim.h"

int main(int argc, char **argv) {
  return sim_main(argc, argv, &SIM_WORLD);
}
