/* SPDX-License-Identifier: MIT */
/* Small programs that use all of the library. */
#ifndef OVIO_TESTS_FAULTS_SCENES_H
#define OVIO_TESTS_FAULTS_SCENES_H

#include <stdint.h>

/* Fewer bytes than asked were moved, because of the fault: that is a result. */
#define FAULT_SCENE_SHORT INT64_MIN

struct fault_scene {
  const char *name;
  /* 0, the first error that a call answered, or, if data were wrong, the number
   * of the line that saw it. Gives everything back. Plain thread or task. */
  int64_t (*play)(const char *folder);
};
extern const struct fault_scene fault_scenes[];
extern const size_t fault_scene_count;

/* Removes what a scene has left in the folder. */
void fault_scene_tidy(const char *folder);

#endif
