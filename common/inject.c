/* SPDX-License-Identifier: MIT */
/* Faults that a program's tests ask for: only in a library with OVIO_TESTING.
 *
 * An op meets the rules when it has its turn and knows its offset, before it
 * begins (op__go_to_file(), op__perform_here()). All that is decided is noted
 * in the op itself, so a rule may go at any time. A delay is the op's own
 * timer: cancel and deadline find it there.
 *
 * Another order is a delay, too: of so many in a row, each gets a place of its
 * own in a row of due times that begins with the first of them. They begin in
 * that order also when the loop comes late. */
#include "common/inject.h"

#include "common/file.h"
#include "common/loop.h"
#include "ovio_test.h"

#define STEP_DEFAULT_NS 1000000

struct rule {
  struct ovio_test_rule asked;
  uint64_t matches;
  uint64_t hits;
  int64_t window_ns; /* reorder: when the first of these came */
  unsigned char places[OVIO_TEST_REORDER_MAX];
};

atomic_uint inject_count;

/* Held for moments only. */
static atomic_flag inject__lock = ATOMIC_FLAG_INIT;
static struct rule inject__rules[OVIO_TEST_RULES_MAX];

static void inject__acquire(void) {
  while (atomic_flag_test_and_set(&inject__lock))
    os_thread_yield();
}

static void inject__release(void) {
  atomic_flag_clear(&inject__lock);
}

/* ---- which ---- */

static unsigned inject__kind(const struct op *op) {
  switch (op->code) {
  case OP_TRANSFER:
    return op->u.transfer.write ? OVIO_TEST_WRITE : OVIO_TEST_READ;
  case OP_OPEN:
  case OP_ACCEPT:
    return OVIO_TEST_OPEN;
  case OP_CLOSE:
    return OVIO_TEST_CLOSE;
  case OP_SYNC:
    return OVIO_TEST_SYNC;
  case OP_SEEK:
  case OP_TRUNCATE:
  case OP_SIZE:
  case OP_STAT:
  case OP_SET_TIMES:
  case OP_CALL:
  case OP_WAIT:
    return OVIO_TEST_OTHER;
  default:
    return 0;
  }
}

/* Do they have a byte in common? */
static bool inject__touches(const struct ovio_test_rule *asked,
                            const struct op *op) {
  if (asked->length == 0)
    return true;
  if (op->code != OP_TRANSFER || op->u.transfer.offset < 0)
    return false;
  const struct transfer *transfer = &op->u.transfer;
  int64_t length = transfer_total(transfer);
  return transfer->offset - asked->offset < asked->length &&
         asked->offset - transfer->offset < length;
}

static bool inject__matches(const struct ovio_test_rule *asked,
                            const struct op *op) {
  unsigned kinds =
      asked->kinds ? asked->kinds : OVIO_TEST_READ | OVIO_TEST_WRITE;
  if (!(inject__kind(op) & kinds))
    return false;
  if (asked->file && (const void *)asked->file != (const void *)op->file)
    return false;
  return inject__touches(asked, op);
}

/* Counts it; true: it is one to be meddled with. */
static bool inject__hits(struct rule *rule, const struct op *op) {
  if (!inject__matches(&rule->asked, op))
    return false;
  if (rule->matches++ < rule->asked.after)
    return false;
  return rule->asked.times == 0 || rule->hits < rule->asked.times;
}

/* ---- what ---- */

static uint64_t inject__random(uint64_t *state) {
  uint64_t mixed = *state += UINT64_C(0x9e3779b97f4a7c15);
  mixed = (mixed ^ (mixed >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
  mixed = (mixed ^ (mixed >> 27)) * UINT64_C(0x94d049bb133111eb);
  return mixed ^ (mixed >> 31);
}

/* Any order but the one in which they came. */
static void inject__shuffle(struct rule *rule) {
  unsigned count = rule->asked.reorder;
  uint64_t state = rule->asked.seed + rule->hits;
  bool same = true;
  for (unsigned at = 0; at < count; at++)
    rule->places[at] = (unsigned char)at;
  for (unsigned at = count; at > 1; at--) {
    unsigned other = (unsigned)(inject__random(&state) % at);
    unsigned char kept = rule->places[at - 1];
    rule->places[at - 1] = rule->places[other];
    rule->places[other] = kept;
  }
  for (unsigned at = 0; at < count; at++)
    same &= rule->places[at] == at;
  for (unsigned at = 0; same && at < count; at++)
    rule->places[at] = (unsigned char)(count - 1 - at);
}

static int64_t inject__later(int64_t from_ns, uint64_t by_ns) {
  uint64_t room = (uint64_t)(INT64_MAX - from_ns);
  return by_ns < room ? from_ns + (int64_t)by_ns : INT64_MAX;
}

static int64_t inject__due_in_order(struct rule *rule) {
  uint64_t step = rule->asked.delay_ns ? rule->asked.delay_ns : STEP_DEFAULT_NS;
  uint64_t at = rule->hits % rule->asked.reorder;
  if (at == 0) {
    rule->window_ns = os_clock_ns();
    inject__shuffle(rule);
  }
  uint64_t place = rule->places[at];
  if (place && step > INT64_MAX / place)
    step = INT64_MAX / place;
  return inject__later(rule->window_ns, place * step);
}

static int64_t inject__due(struct rule *rule) {
  if (rule->asked.reorder)
    return inject__due_in_order(rule);
  if (rule->asked.delay_ns)
    return inject__later(os_clock_ns(), rule->asked.delay_ns);
  return 0;
}

/* When it is to begin. */
static int64_t inject__apply(struct rule *rule, struct op *op) {
  const struct ovio_test_rule *asked = &rule->asked;
  if (asked->error && op->injected > 0)
    op->injected = (int16_t)asked->error;
  if (asked->short_bytes && op->code == OP_TRANSFER)
    transfer_limit(&op->u.transfer, asked->short_bytes);
  int64_t due_ns = inject__due(rule);
  rule->hits++;
  return due_ns;
}

int64_t inject_decide(struct op *op) {
  int64_t due_ns = 0;
  op->injected = 1;
  inject__acquire();
  unsigned count = atomic_load(&inject_count);
  for (unsigned at = 0; at < count; at++) {
    struct rule *rule = &inject__rules[at];
    if (!inject__hits(rule, op))
      continue;
    int64_t due = inject__apply(rule, op);
    if (due > due_ns)
      due_ns = due;
  }
  inject__release();
  return due_ns;
}

/* ---- rules ---- */

static bool inject__is_error(int error) {
#define INJECT_IS(name, value, text) error == (value) ||
  return OVIO_ERRORS(INJECT_IS) error == 0;
#undef INJECT_IS
}

static bool inject__is_fine(const struct ovio_test_rule *rule) {
  const unsigned kinds = OVIO_TEST_READ | OVIO_TEST_WRITE | OVIO_TEST_OPEN |
                         OVIO_TEST_CLOSE | OVIO_TEST_SYNC | OVIO_TEST_OTHER;
  if (!rule || rule->size != sizeof *rule || rule->kinds & ~kinds)
    return false;
  if (rule->offset < 0 || rule->length < 0 || (rule->offset && !rule->length))
    return false;
  if (rule->reorder == 1 || rule->reorder > OVIO_TEST_REORDER_MAX)
    return false;
  return inject__is_error(rule->error);
}

int ovio_test_add(const struct ovio_test_rule *rule) {
  if (!inject__is_fine(rule))
    return (int)runner_answer(OVIO_EINVAL, 0);
  inject__acquire();
  unsigned count = atomic_load(&inject_count);
  bool fits = count < OVIO_TEST_RULES_MAX;
  if (fits) {
    inject__rules[count] = (struct rule){.asked = *rule};
    atomic_store(&inject_count, count + 1);
  }
  inject__release();
  return fits ? (int)count + 1 : (int)runner_answer(OVIO_ENOBUFS, 0);
}

void ovio_test_clear(void) {
  inject__acquire();
  atomic_store(&inject_count, 0);
  inject__release();
}

static int64_t inject__count_of(int number, bool hits) {
  int64_t count = OVIO_EINVAL;
  inject__acquire();
  if (number > 0 && (unsigned)number <= atomic_load(&inject_count)) {
    const struct rule *rule = &inject__rules[number - 1];
    count = (int64_t)(hits ? rule->hits : rule->matches);
  }
  inject__release();
  return runner_answer(count, 0);
}

int64_t ovio_test_matches(int number) {
  return inject__count_of(number, false);
}

int64_t ovio_test_hits(int number) {
  return inject__count_of(number, true);
}
