/* SPDX-License-Identifier: MIT */
/* Stacks: their guards, their maps, and what goes back to the system; also on
 * an older kernel and at the system's limits, by way of the table of native
 * calls. */
#include "posix/native.h"

#include "scene.h"

/* For thread sanitizer each stack is as dear as a thread; address sanitizer
 * touches an eighth of each. */
#if defined(__SANITIZE_ADDRESS__)
#define STACK_ASAN 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define STACK_ASAN 1
#endif
#endif
#ifndef STACK_ASAN
#define STACK_ASAN 0
#endif

enum {
  MANY = SCENE_TSAN   ? 2000
         : STACK_ASAN ? 4000
                      : 40000,
  BURST = SCENE_TSAN ? 1500 : 4000,
  /* What a loop keeps when it has nothing to do, see common/task.c. */
  WARM = 128,
  KEPT = 1024,
  SHORT = 65536 /* bytes of a stack, and of its slot with a page of guard */
};

#define GUARD_INSTALL 102

/* ---- the shim ---- */

static struct {
  atomic_llong mapped; /* bytes */
  atomic_int maps;     /* calls of each kind */
  atomic_int guards;
  atomic_int protects;
  atomic_size_t longest;  /* mmap() of more fails */
  atomic_int no_guard;    /* errno of MADV_GUARD_INSTALL */
  atomic_int protects_ok; /* calls that do not fail */
  atomic_int stuck;       /* calls of munmap() that fail */
} shim;

static struct native_calls real;

static void shim_reset(void) {
  shim.mapped = 0;
  shim.maps = 0;
  shim.guards = 0;
  shim.protects = 0;
  shim.longest = SIZE_MAX;
  shim.no_guard = 0;
  shim.protects_ok = INT_MAX;
  shim.stuck = 0;
}

static void *shim_mmap(void *at, size_t length, int access, int flags, int fd,
                       off_t offset) {
  if (length > shim.longest) {
    errno = ENOMEM;
    return MAP_FAILED;
  }
  void *mapping = real.mmap(at, length, access, flags, fd, offset);
  if (mapping != MAP_FAILED) {
    shim.mapped += (long long)length;
    shim.maps++;
  }
  return mapping;
}

static int shim_munmap(void *at, size_t length) {
  if (shim.stuck > 0) {
    shim.stuck--;
    errno = ENOMEM;
    return -1;
  }
  shim.mapped -= (long long)length;
  return real.munmap(at, length);
}

static int shim_mprotect(void *at, size_t length, int access) {
  if (++shim.protects > shim.protects_ok) {
    errno = ENOMEM;
    return -1;
  }
  return real.mprotect(at, length, access);
}

static int shim_madvise(void *at, size_t length, int advice) {
  if (advice == GUARD_INSTALL) {
    shim.guards++;
    if (shim.no_guard) {
      errno = shim.no_guard;
      return -1;
    }
  }
  return real.madvise(at, length, advice);
}

/* ---- what the system says ---- */

/* Areas of this process's address space; -1: not told here. */
static long count_areas(void) {
  FILE *maps = fopen("/proc/self/maps", "r");
  if (!maps)
    return -1;
  long count = 0;
  for (int byte; (byte = getc(maps)) != EOF;)
    count += byte == '\n';
  fclose(maps);
  return count;
}

static bool kernel_has_guards(void) {
  size_t page = (size_t)sysconf(_SC_PAGESIZE);
  void *at = real.mmap(NULL, page, PROT_READ | PROT_WRITE,
                       MAP_PRIVATE | MAP_ANON, -1, 0);
  bool has = real.madvise(at, page, GUARD_INSTALL) == 0;
  real.munmap(at, page);
  return has;
}

/* How many of the pages with these addresses are in memory; -1: not told. */
static long count_resident(uintptr_t *addresses, size_t count) {
#if defined(__linux__)
  long resident = 0;
  uintptr_t page = (uintptr_t)sysconf(_SC_PAGESIZE);
  for (size_t at = 0; at < count; at++) {
    unsigned char in_memory = 0;
    uintptr_t address = addresses[at];
    /* ENOMEM: it is not even mapped. */
    if (mincore((void *)(address - address % page), page, &in_memory) == 0)
      resident += in_memory & 1;
  }
  return resident;
#else
  (void)addresses;
  (void)count;
  return -1;
#endif
}

/* ---- tasks ---- */

#define HOUR_NS UINT64_C(3600000000000)

struct crowd {
  uintptr_t *stacks; /* an address in each one's */
  size_t count;
  size_t arrived;
  size_t depth; /* bytes below, that each touches */
  size_t lasts; /* every so many-th one stays; 0: none */
  size_t leaving;
};

static void touch_below(size_t depth, uintptr_t *address) {
  volatile char frame[1024];
  frame[0] = (char)depth;
  frame[sizeof frame - 1] = (char)depth;
  *address = (uintptr_t)&frame[0];
  if (depth > sizeof frame)
    touch_below(depth - sizeof frame, address);
  frame[1] = frame[0];
}

static void member(void *argument) {
  struct crowd *crowd = argument;
  size_t number = crowd->arrived++;
  touch_below(crowd->depth, &crowd->stacks[number]);
  bool stays = crowd->lasts && number % crowd->lasts == 0;
  while (crowd->arrived < crowd->count)
    ovio_yield();
  if (stays)
    ovio_sleep(HOUR_NS);
  crowd->leaving++;
}

static int crowd_spawn(struct crowd *crowd, struct ovio_loop *loop) {
  crowd->stacks = calloc(crowd->count, sizeof *crowd->stacks);
  int error = crowd->stacks ? 0 : OVIO_ENOMEM;
  for (size_t at = 0; at < crowd->count && !error; at++)
    error = ovio_spawn(loop, member, crowd);
  return error;
}

/* All are there at once, and have ended at the return. */
static int crowd_run(struct crowd *crowd, struct ovio_loop *loop) {
  int error = crowd_spawn(crowd, loop);
  int run = ovio_loop_run(loop);
  return error ? error : run;
}

static int loop_make(struct ovio_loop **loop, size_t stack_length) {
  struct ovio_loop_options options = {.size = sizeof options,
                                      .stack_length = stack_length};
  shim_reset();
  return ovio_loop_create(loop, &options);
}

/* ---- guards ---- */

static uintptr_t overrun_top;

/* At the end of the stack, and not further down in another one. */
static void on_overrun(int signal_number, siginfo_t *info, void *context) {
  uintptr_t page = (uintptr_t)sysconf(_SC_PAGESIZE);
  uintptr_t depth = overrun_top - (uintptr_t)info->si_addr;
  (void)context;
  if (depth > SHORT + page)
    _exit(4);
  signal(signal_number, SIG_DFL); /* so it ends as it would have */
}

static void catch_overruns(void) {
  static char stack[1 << 16];
  stack_t alternate = {.ss_sp = stack, .ss_size = sizeof stack};
  struct sigaction action = {.sa_sigaction = on_overrun,
                             .sa_flags = SA_SIGINFO | SA_ONSTACK};
  sigaltstack(&alternate, NULL);
  sigaction(SIGSEGV, &action, NULL);
  sigaction(SIGBUS, &action, NULL);
}

static void overrun(void *argument) {
  uintptr_t address;
  overrun_top = (uintptr_t)&address;
  touch_below((size_t)1 << 30, &address);
  (void)argument;
}

static void nothing(void *argument) {
  (void)argument;
}

/* The one in the middle has neighbours. */
static void child_overruns(int no_guard) {
  struct ovio_loop *loop;
  catch_overruns();
  if (loop_make(&loop, SHORT) != 0)
    _exit(1);
  shim.no_guard = no_guard;
  for (int at = 0; at < 3; at++) {
    if (ovio_spawn(loop, at == 1 ? overrun : nothing, NULL) != 0)
      _exit(2);
  }
  ovio_loop_run(loop);
  _exit(3);
}

static void overrun_with(struct test *test, int no_guard) {
  fflush(NULL);
  pid_t child = fork();
  TRY(child >= 0);
  if (child == 0)
    child_overruns(no_guard);
  int status = 0;
  TRY_EQ(waitpid(child, &status, 0), child);
  TRY(WIFSIGNALED(status));
  TRY(WTERMSIG(status) == SIGSEGV || WTERMSIG(status) == SIGBUS);
}

static void test_overrun_ends_the_process(struct test *test) {
  overrun_with(test, 0);
}

static void test_overrun_on_an_older_kernel(struct test *test) {
  overrun_with(test, EINVAL);
}

static void test_older_kernel(struct test *test) {
  struct ovio_loop *loop;
  struct crowd crowd = {.count = 500};
  TRY_EQ(loop_make(&loop, SHORT), 0);
  shim.no_guard = EINVAL;
  TRY_EQ(crowd_run(&crowd, loop), 0);
  TRY_EQ(crowd.leaving, 500);
  TRY(shim.guards <= 1); /* asked once */
  TRY_EQ(shim.protects, 500);
  TRY_EQ(ovio_loop_destroy(loop), 0);
  TRY_EQ(shim.mapped, 0);
  free(crowd.stacks);
}

/* vm.max_map_count: no further guard can be made. */
static void test_limit_of_areas(struct test *test) {
  enum { LIMIT = 100 };
  struct ovio_loop *loop;
  struct crowd crowd = {.count = LIMIT};
  TRY_EQ(loop_make(&loop, SHORT), 0);
  shim.no_guard = EINVAL;
  shim.protects_ok = LIMIT;
  TRY_EQ(crowd_spawn(&crowd, loop), 0);
  for (int at = 0; at < 3; at++)
    TRY_EQ(ovio_spawn(loop, member, &crowd), OVIO_ENOMEM);
  TRY_EQ(ovio_loop_run(loop), 0);
  TRY_EQ(crowd.leaving, LIMIT);
  /* Those that are there go on to be used. */
  free(crowd.stacks);
  crowd = (struct crowd){.count = LIMIT};
  TRY_EQ(crowd_run(&crowd, loop), 0);
  TRY_EQ(crowd.leaving, LIMIT);
  TRY_EQ(ovio_loop_destroy(loop), 0);
  TRY_EQ(shim.mapped, 0);
  free(crowd.stacks);
}

#if NATIVE_HAS_GUARD_INSTALL
/* That is not what an older kernel says: nothing else is tried. */
static void test_no_memory_for_a_guard(struct test *test) {
  struct ovio_loop *loop;
  struct crowd crowd = {.count = 1};
  TRY_EQ(loop_make(&loop, SHORT), 0);
  shim.no_guard = ENOMEM;
  TRY_EQ(ovio_spawn(loop, member, &crowd), OVIO_ENOMEM);
  TRY_EQ(shim.protects, 0);
  TRY_EQ(shim.mapped, 0);
  shim.no_guard = 0;
  TRY_EQ(crowd_run(&crowd, loop), 0);
  TRY_EQ(crowd.leaving, 1);
  TRY_EQ(ovio_loop_destroy(loop), 0);
  TRY_EQ(shim.mapped, 0);
  free(crowd.stacks);
}

static void test_areas_do_not_grow(struct test *test) {
  struct ovio_loop *loop;
  struct crowd crowd = {.count = MANY, .lasts = 1};
  if (!kernel_has_guards())
    SKIP("no MADV_GUARD_INSTALL before Linux 6.13");
  if (SCENE_TSAN)
    SKIP("thread sanitizer has maps of its own for every stack");
  long before = count_areas();
  TRY_EQ(loop_make(&loop, SHORT), 0);
  TRY_EQ(crowd_spawn(&crowd, loop), 0);
  long many = count_areas();
  ovio_loop_cancel(loop);
  TRY_EQ(ovio_loop_run(loop), 0);
  TRY_EQ(crowd.leaving, MANY);
  TRY_EQ(shim.protects, 0);
  TRY(before > 0);
  TRY(many < before + 100);
  TRY(shim.maps < MANY / 64 + 10);
  TRY_EQ(ovio_loop_destroy(loop), 0);
  TRY_EQ(shim.mapped, 0);
  free(crowd.stacks);
}
#endif

/* ---- maps ---- */

static void test_no_room_for_a_large_map(struct test *test) {
  struct ovio_loop *loop;
  struct crowd crowd = {.count = 100};
  TRY_EQ(loop_make(&loop, SHORT), 0);
  shim.longest = 2 * (SHORT + (size_t)sysconf(_SC_PAGESIZE));
  TRY_EQ(crowd_run(&crowd, loop), 0);
  TRY_EQ(crowd.leaving, 100);
  TRY_EQ(shim.maps, 50);
  TRY_EQ(ovio_loop_destroy(loop), 0);
  TRY_EQ(shim.mapped, 0);
  free(crowd.stacks);
}

static void test_stack_longer_than_memory(struct test *test) {
  static const size_t lengths[] = {SIZE_MAX, SIZE_MAX / 2 - 4096, SIZE_MAX / 8};
  for (size_t at = 0; at < sizeof lengths / sizeof *lengths; at++) {
    struct ovio_loop *loop;
    TRY_EQ(loop_make(&loop, lengths[at]), 0);
    TRY_EQ(ovio_spawn(loop, member, NULL), OVIO_ENOMEM);
    TRY_EQ(ovio_loop_run(loop), 0);
    TRY_EQ(ovio_loop_destroy(loop), 0);
    TRY_EQ(shim.mapped, 0);
  }
}

/* Each of them is a map of its own. */
static void test_long_stacks(struct test *test) {
  struct ovio_loop *loop;
  struct crowd crowd = {.count = 5, .depth = 100000};
  TRY_EQ(loop_make(&loop, (size_t)64 << 20), 0);
  TRY_EQ(crowd_run(&crowd, loop), 0);
  TRY_EQ(crowd.leaving, 5);
  TRY_EQ(shim.maps, 5);
  TRY_EQ(ovio_loop_destroy(loop), 0);
  TRY_EQ(shim.mapped, 0);
  free(crowd.stacks);
}

/* ---- back to the system ---- */

static void test_burst_goes_back(struct test *test) {
  struct ovio_loop *loop;
  TRY_EQ(loop_make(&loop, SHORT), 0);
  for (int round = 0; round < 2; round++) {
    struct crowd crowd = {.count = BURST};
    TRY_EQ(crowd_run(&crowd, loop), 0);
    TRY_EQ(crowd.leaving, BURST);
    TRY(shim.mapped <= (long long)(KEPT + 128) * 2 * SHORT);
    TRY(count_resident(crowd.stacks, BURST) <= KEPT);
    free(crowd.stacks);
  }
  TRY_EQ(ovio_loop_destroy(loop), 0);
  TRY_EQ(shim.mapped, 0);
}

struct watch {
  struct ovio_op op; /* first */
  struct crowd *crowd;
  struct ovio_loop *loop;
  long staying;
  long resident;
  int looks;
};

/* Until the loop, which has time, has given back what the others have left. */
static void look(struct ovio_op *op, int64_t result) {
  struct watch *watch = (struct watch *)(void *)op;
  struct crowd *crowd = watch->crowd;
  watch->resident = count_resident(crowd->stacks, crowd->count);
  bool all = (long)(crowd->count - crowd->leaving) == watch->staying;
  bool enough = all && watch->resident <= KEPT + watch->staying;
  if (result != 0 || enough || watch->looks++ == 10000)
    ovio_loop_cancel(watch->loop);
  else
    ovio_start_sleep(watch->loop, op, 1000000, look);
}

/* No map is without a user; nobody has ended the run. */
static void test_burst_goes_back_around_others(struct test *test) {
  struct ovio_loop *loop;
  struct crowd crowd = {.count = BURST, .lasts = 50};
  struct watch watch = {.crowd = &crowd, .staying = BURST / 50};
  TRY_EQ(loop_make(&loop, SHORT), 0);
  watch.loop = loop;
  TRY_EQ(ovio_start_sleep(loop, &watch.op, 1000000, look), 0);
  TRY_EQ(crowd_run(&crowd, loop), 0);
  TRY_EQ(crowd.leaving, BURST);
  TRY(watch.resident <= KEPT + watch.staying);
  TRY_EQ(ovio_loop_destroy(loop), 0);
  TRY_EQ(shim.mapped, 0);
  free(crowd.stacks);
}

static void test_deep_stacks_are_trimmed(struct test *test) {
  enum { COUNT = 400 };
  struct ovio_loop *loop;
  struct crowd crowd = {.count = COUNT, .depth = 60000};
  TRY_EQ(loop_make(&loop, (size_t)1 << 20), 0);
  TRY_EQ(crowd_run(&crowd, loop), 0);
  TRY_EQ(crowd.leaving, COUNT);
  long resident = count_resident(crowd.stacks, COUNT);
  TRY(resident == -1 || resident == WARM);
  free(crowd.stacks);
  /* And are as good as before. */
  crowd = (struct crowd){.count = COUNT, .depth = 60000};
  TRY_EQ(crowd_run(&crowd, loop), 0);
  TRY_EQ(crowd.leaving, COUNT);
  TRY_EQ(ovio_loop_destroy(loop), 0);
  TRY_EQ(shim.mapped, 0);
  free(crowd.stacks);
}

/* A hole in an area makes two of it, which may be one too many. */
static void test_map_that_cannot_go(struct test *test) {
  struct ovio_loop *loop;
  TRY_EQ(loop_make(&loop, SHORT), 0);
  int maps = 0;
  for (int round = 0; round < 3; round++) {
    struct crowd crowd = {.count = BURST};
    shim.stuck = INT_MAX;
    TRY_EQ(crowd_run(&crowd, loop), 0);
    TRY_EQ(crowd.leaving, BURST);
    TRY(count_resident(crowd.stacks, BURST) <= KEPT);
    if (round == 0)
      maps = shim.maps;
    TRY_EQ(shim.maps, maps); /* they are used again */
    free(crowd.stacks);
  }
  shim.stuck = 1;
  TRY_EQ(ovio_loop_destroy(loop), 0);
  TRY_EQ(shim.mapped, 0);
}

static void install(void) {
  real = native;
  native.mmap = shim_mmap;
  native.munmap = shim_munmap;
  native.mprotect = shim_mprotect;
  native.madvise = shim_madvise;
  shim_reset();
}

int main(void) {
  static const char *const why = "makes its own loops";
  const struct test_case cases[] = {
    TEST_PLAIN(test_overrun_ends_the_process, why),
    TEST_PLAIN(test_overrun_on_an_older_kernel, why),
    TEST_PLAIN(test_older_kernel, why),
    TEST_PLAIN(test_limit_of_areas, why),
#if NATIVE_HAS_GUARD_INSTALL
    TEST_PLAIN(test_no_memory_for_a_guard, why),
    TEST_PLAIN(test_areas_do_not_grow, why),
#endif
    TEST_PLAIN(test_no_room_for_a_large_map, why),
    TEST_PLAIN(test_stack_longer_than_memory, why),
    TEST_PLAIN(test_long_stacks, why),
    TEST_PLAIN(test_burst_goes_back, why),
    TEST_PLAIN(test_burst_goes_back_around_others, why),
    TEST_PLAIN(test_deep_stacks_are_trimmed, why),
    TEST_PLAIN(test_map_that_cannot_go, why),
  };
  install();
  return test_main(cases, sizeof cases / sizeof *cases);
}
