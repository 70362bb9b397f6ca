/* SPDX-License-Identifier: MIT */
/* The ring: what the kernel may answer, and disk files beside streams. */
#include "posix/native.h"

#include "scene.h"

#define MS UINT64_C(1000000)

#if NATIVE_HAS_URING
#define TEXT16 "0123456789abcdef"

static struct native_calls real;

/* What becomes of completions, before the library sees them. */
static struct {
  struct io_uring *ring;
  int error;   /* instead of a result; 0: none */
  int count;   /* of so many completions; -1: all */
  int most;    /* results are cut to that; 0: not */
  int refused; /* submissions that fail so often... */
  int refusal; /* ...with this */
  int altered;
  int entered;
  int placed; /* submissions that go by a place in the ring's own table */
  int fixed;  /* and those by registered buffers */
  int syncs;
  int data_only;
} plan;

static void look_at_submissions(const struct io_uring *ring) {
  const struct io_uring_sq *queue = &ring->sq;
  for (unsigned at = queue->sqe_head; at != queue->sqe_tail; at++) {
    const struct io_uring_sqe *entry = &queue->sqes[at & *queue->kring_mask];
    bool sync = entry->opcode == IORING_OP_FSYNC;
    plan.placed += (entry->flags & IOSQE_FIXED_FILE) != 0;
    plan.fixed += entry->opcode == IORING_OP_READ_FIXED ||
                  entry->opcode == IORING_OP_WRITE_FIXED;
    plan.syncs += sync;
    plan.data_only += sync && (entry->fsync_flags & IORING_FSYNC_DATASYNC);
  }
}

static void alter(struct io_uring_cqe *completion) {
  if (completion->user_data < 16)
    return; /* no io's */
  if (plan.count != 0 && plan.error && completion->res != -plan.error) {
    plan.count -= plan.count > 0;
    plan.altered++;
    completion->res = -plan.error;
  } else if (plan.most && completion->res > plan.most) {
    plan.altered++;
    completion->res = plan.most;
  }
}

static int after(struct io_uring *ring, int result) {
  unsigned head;
  struct io_uring_cqe *completion;
  plan.ring = ring;
  plan.entered++;
  io_uring_for_each_cqe(ring, head, completion) {
    alter(completion);
  }
  return result;
}

static bool refuses(void) {
  if (plan.refused == 0)
    return false;
  plan.refused--;
  return true;
}

static int submit(struct io_uring *ring) {
  look_at_submissions(ring);
  if (refuses())
    return -plan.refusal;
  return after(ring, real.io_uring_submit_and_get_events(ring));
}

static int submit_and_wait(struct io_uring *ring, struct io_uring_cqe **cqe,
                           unsigned count, struct __kernel_timespec *time,
                           sigset_t *mask) {
  look_at_submissions(ring);
  if (refuses())
    return -plan.refusal;
  return after(ring, real.io_uring_submit_and_wait_timeout(ring, cqe, count,
                                                           time, mask));
}

static int init_error;
static int init_calls;
static unsigned init_features_lost;

static int init(unsigned entries, struct io_uring *ring,
                struct io_uring_params *params) {
  init_calls++;
  if (init_error)
    return -init_error;
  int result = real.io_uring_queue_init_params(entries, ring, params);
  params->features &= ~init_features_lost;
  ring->features &= ~init_features_lost;
  return result;
}

/* What the ring is told besides. */
static struct {
  int calls;
  unsigned refused; /* this operation fails... */
  int refusal;      /* ...with this; 0: not */
  int files;        /* in the table now */
} places;

static int told(int ring, unsigned operation, const void *argument,
                unsigned count) {
  places.calls++;
  if (places.refusal && places.refused == operation) {
    errno = places.refusal;
    return -1;
  }
  if (operation == IORING_REGISTER_FILES_UPDATE) {
    const struct io_uring_files_update *update = argument;
    places.files += *(const int *)(uintptr_t)update->fds >= 0 ? 1 : -1;
  }
  if (operation == IORING_UNREGISTER_FILES)
    places.files = 0;
  return real.io_uring_register(ring, operation, argument, count);
}

static void plan_end(void) {
  memset(&plan, 0, sizeof plan);
}

/* A file of its own for the ring: uncached as far as it can be told, since the
 * runner lets nothing be tried. */
static int open_text(struct ovio_file *file, unsigned flags) {
  const char *path = test_path("uring");
  if (!test_put(path, TEXT16, 16))
    return OVIO_EIO;
  return ovio_open(file, path, OVIO_READ | flags, 0);
}

static bool on_ring(const struct test *test) {
  return test->mode->engine == OVIO_ENGINE_URING;
}

/* ---- answers ---- */

static void test_short_counts_go_on(struct test *test) {
  struct ovio_file file;
  char text[32];
  TRY_EQ(open_text(&file, 0), 0);
  plan.most = 3;
  int64_t got = ovio_read(&file, text, sizeof text, 0);
  int altered = plan.altered;
  plan_end();
  TRY_EQ(got, 16);
  TRY(memcmp(text, TEXT16, 16) == 0);
  TRY_EQ(altered, on_ring(test) ? 5 : 0);
  TRY_EQ(ovio_close(&file), 0);
}

static void test_interrupted_ones_begin_anew(struct test *test) {
  /* ECANCELED, though nobody asked: its thread has ended. */
  static const int errors[] = {EINTR, EAGAIN, ECANCELED};
  struct ovio_file file;
  char text[32];
  TRY_EQ(open_text(&file, 0), 0);
  for (int at = 0; at < 3; at++) {
    plan.error = errors[at];
    plan.count = 3;
    int64_t got = ovio_read(&file, text, sizeof text, 0);
    int left = plan.count;
    plan_end();
    TRY_EQ(got, 16);
    TRY_EQ(left, on_ring(test) ? 0 : 3);
  }
  TRY_EQ(ovio_close(&file), 0);
}

static void test_errors_have_names(struct test *test) {
  static const struct {
    int native;
    int error;
  } table[] = {{EIO, OVIO_EIO}, {ENOMEM, OVIO_ENOMEM}, {EISDIR, OVIO_EISDIR}};
  struct ovio_file file;
  char text[32];
  TRY_EQ(open_text(&file, 0), 0);
  for (size_t at = 0; at < sizeof table / sizeof *table; at++) {
    plan.error = table[at].native;
    plan.count = 1;
    int64_t got = ovio_read(&file, text, sizeof text, 0);
    uint32_t native_code = ovio_native_error();
    plan_end();
    TRY_EQ(got, on_ring(test) ? table[at].error : 16);
    if (on_ring(test))
      TRY_EQ(native_code, table[at].native);
  }
  /* What moved before is counted; the next call tells. */
  plan.most = 8;
  plan.error = 0;
  TRY_EQ(ovio_read(&file, text, 8, 0), 8);
  plan_end();
  TRY_EQ(ovio_close(&file), 0);
}

/* The kernel takes nothing for the moment, or a signal came: once more. */
static void test_submissions_that_are_refused(struct test *test) {
  static const int errors[] = {EINTR, EAGAIN, EBUSY, ETIME};
  struct ovio_file file;
  char text[32];
  TRY_EQ(open_text(&file, 0), 0);
  for (int at = 0; at < 4; at++) {
    plan.refused = 3;
    plan.refusal = errors[at];
    int64_t got = ovio_read(&file, text, sizeof text, 0);
    plan_end();
    TRY_EQ(got, 16);
  }
  TRY_EQ(ovio_close(&file), 0);
}

/* The run ends with the error, and another one goes on. */
static void test_ring_that_fails(struct test *test) {
  struct ovio_loop_options options = {.size = sizeof options,
                                      .engine = OVIO_ENGINE_URING};
  struct ovio_loop *loop;
  struct ovio_file file;
  struct outcome read = {.calls = 0};
  char text[32];
  if (ovio_loop_create(&loop, &options) != 0)
    SKIP("no io_uring here");
  TRY_EQ(open_text(&file, 0), 0);
  atomic_store(&test_no_try, true);
  TRY_EQ(ovio_start_read(loop, &read.op, &file, text, sizeof text, 0,
                         outcome_done),
         0);
  plan.refused = 1;
  plan.refusal = ENXIO;
  int error = ovio_loop_run(loop);
  int calls = read.calls;
  plan_end();
  TRY(error < 0);
  TRY_EQ(calls, 0);
  TRY_EQ(ovio_loop_run(loop), 0);
  TRY_EQ(read.calls, 1);
  TRY_EQ(read.result, 16);
  TRY_EQ(ovio_close(&file), 0);
  TRY_EQ(ovio_loop_destroy(loop), 0);
}

/* ---- syncs ---- */

static void test_syncs(struct test *test) {
  static const struct {
    int native;
    int error;
  } table[] = {{EIO, OVIO_EIO}, {ENOSPC, OVIO_ENOSPC}, {EINVAL, OVIO_ENOTSUP}};
  ONE_THREAD("what is reaped without a call is not altered");
  struct ovio_file file;
  plan_end();
  TRY_EQ(open_text(&file, OVIO_WRITE), 0);
  TRY_EQ(ovio_sync(&file, 0), 0);
  TRY_EQ(ovio_sync(&file, OVIO_DATA_ONLY), 0);
  TRY_EQ(plan.syncs, on_ring(test) ? 2 : 0); /* no worker did it */
  TRY_EQ(plan.data_only, on_ring(test) ? 1 : 0);
  for (size_t at = 0; at < sizeof table / sizeof *table; at++) {
    plan.error = table[at].native;
    plan.count = 1;
    int synced = ovio_sync(&file, 0);
    uint32_t native_code = ovio_native_error();
    plan_end();
    TRY_EQ(synced, on_ring(test) ? table[at].error : 0);
    if (on_ring(test))
      TRY_EQ(native_code, table[at].native);
  }
  plan.error = EINTR;
  plan.count = 3;
  TRY_EQ(ovio_sync(&file, 0), 0);
  TRY_EQ(plan.count, on_ring(test) ? 0 : 3);
  plan_end();
  TRY_EQ(ovio_close(&file), 0);
}

/* A stream has nothing to be synced, whoever says so. */
static void test_sync_of_what_cannot(struct test *test) {
  struct ovio_file ends[2];
  TRY_EQ(ovio_pipe(ends, 0), 0);
  TRY_EQ(ovio_sync(&ends[1], 0), OVIO_ENOTSUP);
  TRY_EQ(ovio_native_error(), EINVAL);
  TRY_EQ(ovio_close(&ends[0]), 0);
  TRY_EQ(ovio_close(&ends[1]), 0);
}

/* Bound to another loop's port, it is still synced by this one; and however
 * often that is, it has no place in a ring which its close knows nothing of. */
static void test_sync_of_another_loops_file(struct test *test) {
  struct ovio_loop *loop;
  struct ovio_file file;
  struct outcome read = {.calls = 0};
  char text[16];
  TRY_EQ(open_text(&file, OVIO_WRITE), 0);
  TRY_EQ(test_loop_create(test, &loop, NULL), 0);
  TRY_EQ(ovio_start_read(loop, &read.op, &file, text, 16, 0, outcome_done), 0);
  TRY_EQ(ovio_loop_run(loop), 0);
  TRY_EQ(read.result, 16);
  TRY_EQ(ovio_loop_destroy(loop), 0);
  TRY_EQ(test_loop_create(test, &loop, NULL), 0);
  memset(&places, 0, sizeof places);
  for (int round = 0; round < 200; round++) {
    struct outcome sync = {.calls = 0};
    TRY_EQ(ovio_start_sync(loop, &sync.op, &file, OVIO_DATA_ONLY, outcome_done),
           0);
    TRY_EQ(ovio_loop_run(loop), 0);
    TRY_EQ(sync.result, 0);
  }
  TRY_EQ(places.files, 0);
  TRY_EQ(ovio_close(&file), 0);
  TRY_EQ(ovio_loop_destroy(loop), 0);
}

/* It comes out once, done or not; and a close waits for it. */
static void test_cancelled_syncs(struct test *test) {
  enum { SYNCS = 32 };
  struct ovio_loop *loop;
  struct ovio_file file;
  struct outcome syncs[SYNCS];
  struct outcome closed = {.calls = 0};
  TRY_EQ(open_text(&file, OVIO_WRITE), 0);
  TRY_EQ(test_loop_create(test, &loop, NULL), 0);
  for (int round = 0; round < 20; round++) {
    memset(syncs, 0, sizeof syncs);
    for (int at = 0; at < SYNCS; at++) {
      TRY_EQ(ovio_start_sync(loop, &syncs[at].op, &file, 0, outcome_done), 0);
      if (at % 2)
        TRY_EQ(ovio_cancel(&syncs[at].op), 0);
    }
    if (round == 19)
      TRY_EQ(ovio_start_close(loop, &closed.op, &file, outcome_done), 0);
    TRY_EQ(ovio_loop_run(loop), 0);
    for (int at = 0; at < SYNCS; at++) {
      TRY_EQ(syncs[at].calls, 1);
      TRY(syncs[at].result == 0 || syncs[at].result == OVIO_ECANCELED);
    }
  }
  TRY_EQ(closed.result, 0);
  TRY_EQ(ovio_loop_destroy(loop), 0);
}

/* ---- places ---- */

enum { OFTEN = 200 };

static bool read_often(struct ovio_file *file, int times) {
  char text[16];
  int right = 0;
  for (int at = 0; at < times; at++)
    right +=
        ovio_read(file, text, 16, 0) == 16 && memcmp(text, TEXT16, 16) == 0;
  return right == times;
}

/* Linux 6.13 lets go of a file at once when it leaves the table. */
static bool has_places(struct test *test) {
  return on_ring(test) && !init_features_lost && places.files == 1;
}

static void test_a_file_that_is_used_often(struct test *test) {
  struct ovio_file file;
  struct ovio_file other;
  memset(&places, 0, sizeof places);
  TRY_EQ(open_text(&file, OVIO_WRITE), 0);
  TRY(read_often(&file, 3)); /* not often */
  TRY_EQ(places.calls, 0);
  plan_end();
  TRY(read_often(&file, OFTEN));
  int placed = plan.placed;
  bool held = has_places(test);
  TRY(!held || placed > OFTEN / 2);
  TRY(held || placed == 0);
  TRY_EQ(ovio_lock(&file, 0, 0, 0), 0);
  TRY_EQ(ovio_close(&file), 0);
  TRY_EQ(places.files, 0);
  /* Nobody keeps it open, and so locked. */
  TRY_EQ(ovio_open(&other, test_path("uring"), OVIO_READ | OVIO_WRITE, 0), 0);
  TRY_EQ(ovio_lock(&other, 0, 0, OVIO_LOCK_TRY), 0);
  TRY(read_often(&other, OFTEN));
  TRY_EQ(places.files, held ? 1 : 0);
  ovio_handle handle = ovio_release(&other);
  TRY(handle != OVIO_NO_HANDLE);
  TRY_EQ(places.files, 0);
  TRY_EQ(ovio_adopt(&other, handle, OVIO_READ), 0);
  TRY(read_often(&other, OFTEN));
  TRY_EQ(ovio_close(&other), 0);
  TRY_EQ(places.files, 0);
}

/* The descriptor of the one is given back while the other is in its place. */
static void test_two_files_of_a_descriptor(struct test *test) {
  struct ovio_file file;
  struct ovio_file twin;
  TRY_EQ(open_text(&file, 0), 0);
  TRY_EQ(ovio_adopt(&twin, ovio_file_handle(&file), OVIO_READ), 0);
  for (int round = 0; round < 10; round++) {
    TRY(read_often(&file, OFTEN));
    TRY(read_often(&twin, OFTEN));
    ovio_handle handle = ovio_release(&twin);
    TRY(handle != OVIO_NO_HANDLE);
    TRY(read_often(&file, 10));
    TRY_EQ(ovio_adopt(&twin, handle, OVIO_READ), 0);
  }
  /* And out of it while something of it is under way. */
  if (has_places(test)) {
    plan_end();
    plan.error = EBADF;
    plan.count = 1;
    TRY(read_often(&file, 10));
    TRY_EQ(plan.count, 0);
    plan_end();
  }
  (void)ovio_release(&twin);
  TRY_EQ(ovio_close(&file), 0);
}

/* Two descriptors that would have the same place: the first keeps it. */
static void test_two_files_of_a_place(struct test *test) {
  enum { PLACES = 256 };
  struct ovio_file file;
  struct ovio_file far;
  memset(&places, 0, sizeof places);
  TRY_EQ(open_text(&file, 0), 0);
  int fd = fcntl(ovio_file_handle(&file), F_DUPFD_CLOEXEC,
                 ovio_file_handle(&file) + PLACES);
  TRY(fd >= 0);
  TRY_EQ(ovio_adopt(&far, fd, OVIO_READ), 0);
  TRY(read_often(&file, OFTEN));
  TRY(read_often(&far, OFTEN));
  bool held = has_places(test);
  TRY_EQ(ovio_close(&file), 0);
  TRY_EQ(places.files, 0);
  TRY(read_often(&far, OFTEN));
  TRY_EQ(places.files, held ? 1 : 0);
  TRY_EQ(ovio_close(&far), 0);
}

static void test_places_that_are_refused(struct test *test) {
  static const unsigned operations[] = {IORING_REGISTER_FILES2,
                                        IORING_REGISTER_FILES_UPDATE};
  struct ovio_loop_options options = {.size = sizeof options,
                                      .engine = OVIO_ENGINE_URING};
  for (int at = 0; at < 2; at++) {
    struct ovio_loop *loop;
    struct ovio_file file;
    struct outcome read;
    char text[16];
    if (ovio_loop_create(&loop, &options) != 0)
      SKIP("no io_uring here");
    TRY_EQ(open_text(&file, 0), 0);
    atomic_store(&test_no_try, true);
    memset(&places, 0, sizeof places);
    for (int round = 0; round < OFTEN; round++) {
      /* The last rounds: what is in the table does not get out. */
      places.refused = operations[at];
      places.refusal = at == 0 || round > OFTEN / 2 ? ENOMEM : 0;
      memset(&read, 0, sizeof read);
      TRY_EQ(ovio_start_read(loop, &read.op, &file, text, 16, 0, outcome_done),
             0);
      TRY_EQ(ovio_loop_run(loop), 0);
      TRY_EQ(read.result, 16);
    }
    TRY_EQ(ovio_close(&file), 0);
    TRY_EQ(places.files, 0); /* nothing was left in it */
    places.refusal = 0;
    int calls = places.calls;
    TRY(calls <= 4); /* asked once */
    TRY_EQ(ovio_loop_destroy(loop), 0);
  }
}

static void test_places_of_an_old_kernel(struct test *test) {
  struct ovio_loop *loop;
  struct ovio_file file;
  struct outcome read;
  char text[16];
  init_features_lost = NATIVE_URING_FEAT_RW_ATTR;
  int error = test_loop_create(test, &loop, NULL);
  init_features_lost = 0;
  TRY_EQ(error, 0);
  TRY_EQ(open_text(&file, 0), 0);
  memset(&places, 0, sizeof places);
  for (int round = 0; round < OFTEN; round++) {
    memset(&read, 0, sizeof read);
    TRY_EQ(ovio_start_read(loop, &read.op, &file, text, 16, 0, outcome_done),
           0);
    TRY_EQ(ovio_loop_run(loop), 0);
    TRY_EQ(read.result, 16);
  }
  TRY_EQ(places.calls, 0);
  TRY_EQ(ovio_close(&file), 0);
  TRY_EQ(ovio_loop_destroy(loop), 0);
}

/* ---- the choice ---- */

static const char *engine_of(unsigned engine) {
  struct ovio_loop_options options = {.size = sizeof options, .engine = engine};
  struct ovio_loop *loop;
  int error = ovio_loop_create(&loop, &options);
  if (error)
    return ovio_error_name(error);
  const char *name = ovio_loop_engine(loop);
  return ovio_loop_destroy(loop) == 0 ? name : "busy";
}

static void test_without_a_ring(struct test *test) {
  static const int errors[] = {ENOSYS, EPERM, ENOMEM, EMFILE};
  static const int names[] = {OVIO_ENOTSUP, OVIO_ENOTSUP, OVIO_ENOMEM,
                              OVIO_EMFILE};
  for (int at = 0; at < 4; at++) {
    init_error = errors[at];
    const char *asked = engine_of(OVIO_ENGINE_URING);
    const char *any = engine_of(OVIO_ENGINE_DEFAULT);
    init_error = 0;
    TRY(strcmp(asked, ovio_error_name(names[at])) == 0);
    TRY(strcmp(any, "epoll") == 0);
  }
  init_calls = 0;
  TRY(strcmp(engine_of(OVIO_ENGINE_EPOLL), "epoll") == 0);
  TRY_EQ(init_calls, 0);
}

static void test_old_ring(struct test *test) {
  static const unsigned features[] = {IORING_FEAT_EXT_ARG, IORING_FEAT_NODROP,
                                      IORING_FEAT_SUBMIT_STABLE,
                                      IORING_FEAT_RW_CUR_POS};
  for (int at = 0; at < 4; at++) {
    init_features_lost = features[at];
    const char *any = engine_of(OVIO_ENGINE_DEFAULT);
    init_features_lost = 0;
    TRY(strcmp(any, "epoll") == 0);
  }
}

/* ---- work ---- */

enum { MANY = 4096, BLOCK = 512 };

static struct {
  struct outcome reads[MANY];
  char blocks[MANY][BLOCK];
} many;

/* More at once than the ring has entries. */
static void test_deeper_than_the_ring(struct test *test) {
  struct ovio_loop *loop;
  struct ovio_file file;
  const char *path = test_path("deep");
  for (int at = 0; at < MANY; at++)
    memset(many.blocks[at], at % 251, BLOCK);
  TRY(test_put(path, many.blocks, sizeof many.blocks));
  memset(&many, 0, sizeof many);
  TRY_EQ(ovio_open(&file, path, OVIO_READ, 0), 0);
  TRY_EQ(test_loop_create(test, &loop, NULL), 0);
  for (int at = 0; at < MANY; at++)
    TRY_EQ(ovio_start_read(loop, &many.reads[at].op, &file, many.blocks[at],
                           BLOCK, (int64_t)at * BLOCK, outcome_done),
           0);
  TRY_EQ(ovio_loop_run(loop), 0);
  for (int at = 0; at < MANY; at++) {
    TRY_EQ(many.reads[at].calls, 1);
    TRY_EQ(many.reads[at].result, BLOCK);
    TRY_EQ(many.blocks[at][0], (char)(at % 251));
    TRY_EQ(many.blocks[at][BLOCK - 1], (char)(at % 251));
  }
  TRY_EQ(ovio_close(&file), 0);
  TRY_EQ(ovio_loop_destroy(loop), 0);
}

struct reader {
  struct test *test;
  struct ovio_file *file;
  atomic_int rounds;
  atomic_bool ended;
};

static void read_on_and_on(void *argument) {
  struct reader *self = argument;
  struct test *test = self->test;
  char text[16];
  for (; self->rounds > 0; self->rounds--)
    TRY_EQ(ovio_read(self->file, text, 16, 0), 16);
  self->ended = true;
}

struct waiting {
  struct ovio_file *file;
  atomic_int state;
  _Atomic int64_t result;
  char byte;
};

static void wait_for_a_byte(void *argument) {
  struct waiting *self = argument;
  self->state = 1;
  self->result = ovio_read(self->file, &self->byte, 1, OVIO_HERE);
  self->state = 2;
}

/* While the loop waits at the ring, streams, timers and messages get through.
 */
static void test_streams_beside_files(struct test *test) {
  struct ovio_file ends[2];
  struct ovio_file file;
  struct ovio_group group;
  char byte;
  struct reader reader = {test, &file, 1000000, false};
  TRY_EQ(open_text(&file, 0), 0);
  TRY_EQ(ovio_pipe(ends, 0), 0);
  ovio_group_init(&group);
  TRY_EQ(ovio_group_spawn(&group, test->loop, read_on_and_on, &reader), 0);
  for (int round = 0; round < 200; round++) {
    TRY_EQ(ovio_write(&ends[1], "x", 1, OVIO_HERE), 1);
    TRY_EQ(ovio_read(&ends[0], &byte, 1, OVIO_HERE), 1);
    ovio_yield();
  }
  /* Nothing there yet: the engine has to tell. */
  struct waiting waiting = {.file = &ends[0]};
  for (int round = 0; round < 20; round++) {
    waiting.state = 0;
    TRY_EQ(ovio_group_spawn(&group, test->loop, wait_for_a_byte, &waiting), 0);
    AWAIT(waiting.state >= 1);
    TRY_EQ(ovio_sleep(MS), 0);
    TRY_EQ(waiting.state, 1);
    TRY_EQ(ovio_write(&ends[1], "y", 1, OVIO_HERE), 1);
    while (waiting.state == 1)
      ovio_yield();
    TRY_EQ(waiting.result, 1);
  }
  TRY(!reader.ended); /* or nothing was shown */
  reader.rounds = 1;
  TRY_EQ(ovio_group_wait(&group), 0);
  TRY_EQ(ovio_close(&ends[0]), 0);
  TRY_EQ(ovio_close(&ends[1]), 0);
  TRY_EQ(ovio_close(&file), 0);
}

/* Stopped with files in flight, gone on with by another thread. */
static void stop_here(struct ovio_op *op, int64_t result) {
  (void)op;
  (void)result;
  ovio_loop_stop(ovio_loop_current());
}

static void test_another_thread_goes_on(struct test *test) {
  struct ovio_loop *loop;
  struct ovio_file file;
  struct loop_thread thread;
  struct ovio_op stop = {{0}};
  struct outcome reads[8];
  char text[8][16];
  TRY_EQ(open_text(&file, 0), 0);
  TRY_EQ(test_loop_create(test, &loop, NULL), 0);
  for (int round = 0; round < 20; round++) {
    memset(reads, 0, sizeof reads);
    for (int at = 0; at < 8; at++) {
      TRY_EQ(ovio_start_read(loop, &reads[at].op, &file, text[at], 16, 0,
                             outcome_done),
             0);
      if (at == 3)
        TRY_EQ(ovio_post(loop, &stop, stop_here), 0);
    }
    TRY_EQ(ovio_loop_run(loop), 0);
    TRY(loop_thread_start(&thread, loop));
    TRY_EQ(loop_thread_end(&thread), 0);
    for (int at = 0; at < 8; at++) {
      TRY_EQ(reads[at].calls, 1);
      TRY_EQ(reads[at].result, 16);
    }
  }
  TRY_EQ(ovio_close(&file), 0);
  TRY_EQ(ovio_loop_destroy(loop), 0);
}

static void test_cancel_gives_the_buffer_back_once(struct test *test) {
  struct ovio_loop *loop;
  struct ovio_file file;
  struct outcome read;
  char text[16];
  TRY_EQ(open_text(&file, 0), 0);
  TRY_EQ(test_loop_create(test, &loop, NULL), 0);
  for (int round = 0; round < 1000; round++) {
    memset(&read, 0, sizeof read);
    TRY_EQ(ovio_start_read(loop, &read.op, &file, text, 16, 0, outcome_done),
           0);
    TRY_EQ(ovio_cancel(&read.op), 0);
    TRY_EQ(ovio_loop_run(loop), 0);
    TRY_EQ(read.calls, 1);
    TRY(read.result == 16 || read.result == OVIO_ECANCELED);
  }
  TRY_EQ(ovio_close(&file), 0);
  TRY_EQ(ovio_loop_destroy(loop), 0);
}

/* ---- registered buffers ---- */

/* Reads and writes `length` bytes from `at` on; the number of those that went
 * by a registered buffer, or -1. */
static int move_in(struct ovio_loop *loop, struct ovio_file *file, char *at,
                   size_t length) {
  struct outcome moves[2];
  memset(moves, 0, sizeof moves);
  plan_end();
  memset(at, 'x', length);
  int error =
      ovio_start_write(loop, &moves[0].op, file, at, length, 0, outcome_done);
  if (!error)
    error = ovio_loop_run(loop);
  memset(at, 'y', length);
  if (!error)
    error =
        ovio_start_read(loop, &moves[1].op, file, at, length, 0, outcome_done);
  if (!error)
    error = ovio_loop_run(loop);
  if (error || moves[0].result != (int64_t)length ||
      moves[1].result != (int64_t)length || at[0] != 'x' ||
      at[length - 1] != 'x')
    return -1;
  return plan.fixed;
}

/* Buffered writes go to workers, so of each pair the read counts. */
static void test_registered_buffers(struct test *test) {
  static char memory[4][8192];
  struct ovio_loop *loop;
  struct ovio_file file;
  const struct ovio_iovec pair[2] = {{memory[2], 8192}, {memory[0], 8192}};
  int one = on_ring(test) ? 1 : 0;
  TRY_EQ(open_text(&file, OVIO_WRITE), 0);
  TRY_EQ(test_loop_create(test, &loop, NULL), 0);
  TRY_EQ(move_in(loop, &file, memory[0], 8192), 0);
  TRY_EQ(ovio_loop_register_buffers(loop, pair, 2), 0);
  TRY_EQ(move_in(loop, &file, memory[0], 8192), one);
  TRY_EQ(move_in(loop, &file, memory[2], 8192), one);
  TRY_EQ(move_in(loop, &file, memory[2] + 8000, 192), one);
  TRY_EQ(move_in(loop, &file, memory[2] + 8000, 193), 0);
  TRY_EQ(move_in(loop, &file, memory[1], 8192), 0);
  TRY_EQ(move_in(loop, &file, memory[3], 1), 0);
  TRY_EQ(ovio_loop_register_buffers(loop, pair, 1), 0);
  TRY_EQ(move_in(loop, &file, memory[0], 8192), 0);
  TRY_EQ(move_in(loop, &file, memory[2], 8192), one);
  TRY_EQ(ovio_loop_register_buffers(loop, NULL, 0), 0);
  TRY_EQ(move_in(loop, &file, memory[2], 8192), 0);
  TRY_EQ(ovio_loop_register_buffers(loop, pair, 2), 0); /* left to the end */
  TRY_EQ(ovio_close(&file), 0);
  TRY_EQ(ovio_loop_destroy(loop), 0);
}

static void test_buffers_that_are_refused(struct test *test) {
  static char memory[8192];
  struct ovio_loop *loop;
  struct ovio_file file;
  const struct ovio_iovec all = {memory, sizeof memory};
  TRY_EQ(open_text(&file, OVIO_WRITE), 0);
  TRY_EQ(test_loop_create(test, &loop, NULL), 0);
  TRY_EQ(ovio_loop_register_buffers(loop, &all, 1), 0);
  places.refused = IORING_REGISTER_BUFFERS;
  places.refusal = ENOMEM;
  TRY_EQ(ovio_loop_register_buffers(loop, &all, 1),
         on_ring(test) ? OVIO_ENOMEM : 0);
  memset(&places, 0, sizeof places);
  TRY_EQ(move_in(loop, &file, memory, sizeof memory), 0); /* nothing is */
  TRY_EQ(ovio_close(&file), 0);
  TRY_EQ(ovio_loop_destroy(loop), 0);
}

static void stop_the_loop(struct ovio_op *op, int64_t result) {
  (void)op;
  (void)result;
  ovio_loop_stop(ovio_loop_current());
}

/* What a stopped loop has left at its port. */
static void test_buffers_of_operations_in_flight(struct test *test) {
  static char memory[8192];
  struct ovio_loop *loop;
  struct ovio_file pipe[2];
  struct outcome read;
  struct ovio_op stop;
  const struct ovio_iovec all = {memory, sizeof memory};
  memset(&read, 0, sizeof read);
  memset(&stop, 0, sizeof stop);
  TRY_EQ(ovio_pipe(pipe, 0), 0);
  TRY_EQ(test_loop_create(test, &loop, NULL), 0);
  TRY_EQ(ovio_start_read(loop, &read.op, &pipe[0], memory, 1, OVIO_HERE,
                         outcome_done),
         0);
  TRY_EQ(ovio_post(loop, &stop, stop_the_loop), 0);
  TRY_EQ(ovio_loop_run(loop), 0);
  TRY_EQ(ovio_loop_register_buffers(loop, &all, 1), OVIO_EBUSY);
  TRY_EQ(ovio_write(&pipe[1], "x", 1, OVIO_HERE), 1);
  TRY_EQ(ovio_loop_run(loop), 0);
  TRY_EQ(read.result, 1);
  TRY_EQ(ovio_loop_register_buffers(loop, &all, 1), 0);
  TRY_EQ(ovio_close(&pipe[0]), 0);
  TRY_EQ(ovio_close(&pipe[1]), 0);
  TRY_EQ(ovio_loop_destroy(loop), 0);
}

static void test_direct_files(struct test *test) {
  enum { LENGTH = 65536 };
  struct ovio_file file;
  char *block = aligned_alloc(4096, LENGTH);
  char *copy = aligned_alloc(4096, LENGTH);
  TRY(block && copy);
  for (int at = 0; at < LENGTH; at++)
    block[at] = (char)(at * 7);
  int error =
      ovio_open(&file, test_path("direct"),
                OVIO_READ | OVIO_WRITE | OVIO_CREATE | OVIO_DIRECT, 0600);
  if (error == OVIO_ENOTSUP) {
    free(block);
    free(copy);
    SKIP("this file system has no O_DIRECT");
  }
  TRY_EQ(error, 0);
  plan_end();
  TRY_EQ(ovio_write(&file, block, LENGTH, 0), LENGTH);
  TRY_EQ(ovio_read(&file, copy, LENGTH, 0), LENGTH);
  TRY(memcmp(block, copy, LENGTH) == 0);
  TRY_EQ(plan.entered > 0, on_ring(test)); /* it went that way */
  TRY_EQ(ovio_read(&file, copy, LENGTH, LENGTH), 0);
  TRY_EQ(ovio_close(&file), 0);
  free(block);
  free(copy);
}

int main(void) {
  static const char *const plain = "a plain thread has no ring";
  const struct test_case cases[] = {
      TEST_LOOP(test_short_counts_go_on, plain),
      TEST_LOOP(test_interrupted_ones_begin_anew, plain),
      TEST_LOOP(test_errors_have_names, plain),
      TEST_LOOP(test_submissions_that_are_refused, plain),
      TEST_PLAIN(test_ring_that_fails, "makes its own loops"),
      TEST_LOOP(test_syncs, plain),
      TEST_LOOP(test_sync_of_what_cannot, plain),
      TEST_ENGINES(test_sync_of_another_loops_file),
      TEST_ENGINES(test_cancelled_syncs),
      TEST_LOOP(test_a_file_that_is_used_often, plain),
      TEST_LOOP(test_two_files_of_a_descriptor, plain),
      TEST_LOOP(test_two_files_of_a_place, plain),
      TEST_PLAIN(test_places_that_are_refused, "makes its own loops"),
      TEST_ENGINES(test_places_of_an_old_kernel),
      TEST_PLAIN(test_without_a_ring, "makes its own loops"),
      TEST_PLAIN(test_old_ring, "makes its own loops"),
      TEST_ENGINES(test_deeper_than_the_ring),
      TEST_LOOP(test_streams_beside_files, "several tasks"),
      TEST_ENGINES(test_another_thread_goes_on),
      TEST_ENGINES(test_cancel_gives_the_buffer_back_once),
      TEST_LOOP(test_direct_files, plain),
      TEST_ENGINES(test_registered_buffers),
      TEST_ENGINES(test_buffers_that_are_refused),
      TEST_ENGINES(test_buffers_of_operations_in_flight),
  };
  test_no_try_anywhere = true; /* the ring's turn */
  real = native;
  native.io_uring_queue_init_params = init;
  native.io_uring_submit_and_get_events = submit;
  native.io_uring_submit_and_wait_timeout = submit_and_wait;
  native.io_uring_register = told;
  return test_main(cases, sizeof cases / sizeof *cases);
}
#else
static void test_no_ring(struct test *test) {
  SKIP("built without liburing");
}

int main(void) {
  const struct test_case cases[] = {TEST_PLAIN(test_no_ring, "no loop")};
  return test_main(cases, 1);
}
#endif
