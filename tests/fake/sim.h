/* SPDX-License-Identifier: MIT */
/* Simulations: a world on the fake system, driven step by step at random.
 *
 * A run is many episodes, each from a seed of its own, of some hundred steps.
 * A step draws from a generator that is set by the seed and the step's number:
 * so steps can be left out, and the others stay what they are. Episodes run in
 * children: one that fails, by a check, a signal or a hang, is run again with
 * steps left out, as long as it fails, and what is left is printed. */
#ifndef OVIO_TESTS_SIM_H
#define OVIO_TESTS_SIM_H

#include "tests/fake/fake.h"

struct sim {
  const char *name;
  unsigned steps;      /* of an episode */
  unsigned workers;    /* at least so many, of each loop; 0: one */
  void (*begin)(void); /* before the loop runs */
  void (*step)(void);
  void (*block)(void);   /* a step of a plain thread, which may wait; or NULL */
  void (*finish)(void);  /* after the last step, as a callback */
  bool (*is_over)(void); /* nothing is to be waited for; else `finish` again */
  void (*check)(void);   /* the loop has ended */
};

/* `sim_x`: a run of OVIO_SIM_STEPS steps, 200,000 if that is not set.
 * `sim_x SEED [STEPS]`: the episode of that seed. */
int sim_main(int argc, char **argv, const struct sim *sim);

/* An episode whose decisions the input makes; those behind its end, a seed. */
void sim_play(const struct sim *sim, unsigned steps, const uint8_t *input,
              size_t length);

/* The worlds, sim_*.c. */
extern const struct sim sim_children;
extern const struct sim sim_files;
extern const struct sim sim_names;
extern const struct sim sim_posts;
extern const struct sim sim_streams;
extern const struct sim sim_tasks;
extern const struct sim sim_watch;

/* The loop of the driver; and one of up to three, each with threads of its own.
 */
extern struct ovio_loop *sim_loop;
struct ovio_loop *sim_any_loop(void);
extern unsigned sim_threads; /* of all of them */

/* A callback that uses what others use, also on other threads of the loop. The
 * steps are in there, too. */
/* A program's own work, for a while. */
void sim_compute(void);
/* Called by the plain thread beside the loop, which takes steps, too. */
bool sim_is_plain(void);
void sim_enter(void);
void sim_leave(void);

/* The step's numbers: below `limit`. */
uint64_t sim_below(uint64_t limit);
bool sim_chance(unsigned percent);
/* What the step does, for the list. */
void sim_note(const char *format, ...) __attribute__((format(printf, 1, 2)));
/* Counts a step that somebody else than the driver takes; false: there are none
 * left, or it is left out. */
bool sim_take_step(void);
bool sim_is_ending(void);

#endif
