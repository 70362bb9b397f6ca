/* SPDX-License-Identifier: MIT */
/* fork(2) beside a loop: what the child may do, and that the parent does not
 * notice. */
#include <sys/wait.h>
#include <unistd.h>

#include "scene.h"

struct fork_scene {
  struct ovio_loop *loop;
  struct loop_thread thread;
  struct pipe_files idle; /* was used on the loop */
  struct pipe_files busy; /* a read is in flight */
  struct outcome idle_read;
  struct outcome busy_read;
  struct ovio_file file;
  char idle_text[4];
  char busy_text[4];
};

static void member(void *argument) {
  *(int64_t *)argument = ovio_sleep(1000);
}

static bool own_loop_works(void) {
  struct ovio_loop *loop;
  int64_t slept = 1;
  return ovio_loop_create(&loop, NULL) == 0 &&
         ovio_spawn(loop, member, &slept) == 0 && ovio_loop_run(loop) == 0 &&
         slept == 0 && ovio_loop_destroy(loop) == 0;
}

/* In the child: 0, or the number of what was wrong. */
static int child_tries(struct fork_scene *scene) {
  char text[4];
  if (ovio_loop_run(scene->loop) != OVIO_EINVAL)
    return 1;
  if (ovio_loop_destroy(scene->loop) != OVIO_EINVAL)
    return 2;
  if (ovio_read(&scene->file, text, 4, 0) != 4 || memcmp(text, "text", 4) != 0)
    return 3;
  if (pipe_files_close(&scene->idle) != 0)
    return 4;
  if (ovio_close(&scene->file) != 0)
    return 5;
  /* ThreadSanitizer starts no threads in the child of a program with some. */
  return SCENE_TSAN || own_loop_works() ? 0 : 6;
}

static int child_result(struct fork_scene *scene) {
  int status = -1;
  pid_t child = fork();
  if (child == 0)
    _exit(child_tries(scene));
  if (child < 0 || waitpid(child, &status, 0) != child)
    return -1;
  return WIFEXITED(status) ? WEXITSTATUS(status) : 1000 + status;
}

static bool scene_open(struct fork_scene *scene) {
  return test_put(test_path("forked"), "text", 4) &&
         ovio_open(&scene->file, test_path("forked"), OVIO_READ, 0) == 0 &&
         pipe_files_open(&scene->idle, TEST_PIPE_OVERLAPPED) &&
         pipe_files_open(&scene->busy, TEST_PIPE_OVERLAPPED);
}

static void read_idle(struct test *test, struct fork_scene *scene, int calls) {
  TRY_EQ(ovio_start_read(scene->loop, &scene->idle_read.op, &scene->idle.in,
                         scene->idle_text, 4, OVIO_HERE, outcome_done),
         0);
  ovio_sleep(10000000); /* it waits at the port by now, if it can */
  TRY_EQ(ovio_write(&scene->idle.out, "once", 4, OVIO_HERE), 4);
  AWAIT(scene->idle_read.calls == calls);
  TRY_EQ(scene->idle_read.result, 4);
}

static void test_child_beside_a_loop(struct test *test) {
  static struct fork_scene scene;
  scene = (struct fork_scene){.loop = NULL};
  TRY(scene_open(&scene));
  TRY_EQ(test_loop_create(test, &scene.loop, NULL), 0);
  TRY(loop_thread_start(&scene.thread, scene.loop));
  read_idle(test, &scene, 1);
  TRY_EQ(ovio_start_read(scene.loop, &scene.busy_read.op, &scene.busy.in,
                         scene.busy_text, 4, OVIO_HERE, outcome_done),
         0);
  ovio_sleep(10000000);
  TRY_EQ(child_result(&scene), 0);
  TRY_EQ(scene.busy_read.calls, 0);
  TRY_EQ(ovio_write(&scene.busy.out, "more", 4, OVIO_HERE), 4);
  AWAIT(scene.busy_read.calls > 0);
  TRY_EQ(scene.busy_read.result, 4);
  TRY(memcmp(scene.busy_text, "more", 4) == 0);
  read_idle(test, &scene, 2); /* it is still at the port */
  TRY_EQ(scene.busy_read.calls, 1);
  TRY_EQ(loop_thread_end(&scene.thread), 0);
  TRY_EQ(ovio_loop_destroy(scene.loop), 0);
  TRY_EQ(pipe_files_close(&scene.idle), 0);
  TRY_EQ(pipe_files_close(&scene.busy), 0);
  TRY_EQ(ovio_close(&scene.file), 0);
}

/* Everything that is open in the child of an exec was open before. */
static void test_nothing_is_inherited(struct test *test) {
  struct ovio_loop *loop;
  int status = -1;
  if (!test_exists("/proc/self/fd"))
    SKIP("no /proc");
  TRY_EQ(test_loop_create(test, &loop, NULL), 0);
  pid_t child = fork();
  if (child == 0) {
    execl("/bin/sh", "sh", "-c",
          "for fd in /proc/self/fd/*; do case $(readlink $fd) in "
          "anon_inode:*) exit 1 ;; esac; done",
          (char *)NULL);
    _exit(2);
  }
  TRY(child > 0 && waitpid(child, &status, 0) == child);
  TRY(WIFEXITED(status));
  TRY_EQ(WEXITSTATUS(status), 0);
  TRY_EQ(ovio_loop_destroy(loop), 0);
}

int main(void) {
  const struct test_case cases[] = {
      TEST_ENGINES(test_child_beside_a_loop),
      TEST_ENGINES(test_nothing_is_inherited),
  };
  return test_main(cases, sizeof cases / sizeof *cases);
}
