/* SPDX-License-Identifier: MIT */
/* Stacks, and going from one to another.
 *
 *   slot of a slab                                        what a context has
 *   +-----------+  who overruns the stack
 *   |   guard   |  is stopped here
 *   +-----------+  stack
 *   |           |
 *   |  unused   |
 *   |           |
 *   +- - - - - -+  sp, while it does not run: on top of what is below, the
 *   |   frame   |  registers that a call preserves, see switch_*.S
 *   +- - - - - -+
 *   |  frames   |  of entry() and of what it has called
 *   +-----------+  stack + length
 *   |  context  |  and behind it what else its user keeps there
 *   +-----------+  next slot
 *
 * So one that waits in a shallow place has touched one page, its user's part
 * included. On the caller's memory there is no guard, and no slot. With
 * ucontext the registers are in a ucontext_t, above the first frame.
 *
 * SLABS. A slab is one mapping, cut into up to 64 slots. A mapping and a guard
 * by mprotect(2) for each stack would be two areas of the address space each,
 * and Linux gives a process 65,530 (vm.max_map_count). Slabs lie side by side
 * and are alike, so the kernel joins them into one area; and a guard by
 * MADV_GUARD_INSTALL (Linux 6.13) is a mark in the page table, which does not
 * split it. Where the kernel answers EINVAL, older or because the memory is
 * locked, the guard is a page of PROT_NONE as everywhere else, and about 32,000
 * stacks are the limit there: one more is OVIO_ENOMEM. A slot gets its guard
 * when it is used first, and keeps it.
 *
 * The memory is asked for without reserve and never in huge pages, of which
 * each would fill with one touch the unused part of eight stacks. The first
 * slabs are small, so that a loop of few tasks takes little address space.
 *
 * BACK TO THE SYSTEM. A slot that is free again keeps its pages until
 * os_stacks_trim(): that unmaps a slab without a user, page tables and all, and
 * empties the free slots of others, those side by side by one call; a call for
 * each costs four times as much. A slab that cannot be unmapped, since a hole
 * would split an area at the limit, stays and is used again.
 *
 * A context that a thread has entered stands for that thread's own stack: it
 * has an sp while another one runs, and never a mapping.
 *
 * A context may be destroyed wherever it stopped; nothing on its stack is
 * unwound. It may go on on another thread than the one it stopped on. */
#include "posix/side.h"

#include <string.h>

#include "common/check.h"
#include "common/memory.h"

#ifndef OVIO_SWITCH_ASM
#include <ucontext.h>
#endif

/* gcc tells by a macro, clang by a feature. */
#if defined(__SANITIZE_ADDRESS__)
#define CONTEXT_ASAN 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define CONTEXT_ASAN 1
#endif
#endif
#if defined(__SANITIZE_THREAD__)
#define CONTEXT_TSAN 1
#elif defined(__has_feature)
#if __has_feature(thread_sanitizer)
#define CONTEXT_TSAN 1
#endif
#endif
#if defined(__has_include)
#if __has_include(<valgrind/valgrind.h>)
#define CONTEXT_VALGRIND 1
#endif
#endif

#if CONTEXT_ASAN
#include <sanitizer/asan_interface.h>
#include <sanitizer/common_interface_defs.h>
#endif
#if CONTEXT_TSAN
#include <sanitizer/tsan_interface.h>
#endif
#if CONTEXT_VALGRIND
#include <valgrind/valgrind.h>
#endif

struct context {
  void *sp;          /* the ucontext_t without assembly */
  struct slab *slab; /* NULL: the stack is not ours */
  const void *stack; /* a thread's own: known to AddressSanitizer alone */
  size_t length;
  void (*entry)(struct os_context *context);
  struct context *came_from; /* who has switched to this one last */
  void *fake_stack;          /* AddressSanitizer's, while it does not run */
  void *fiber;               /* ThreadSanitizer's */
  uint64_t valgrind_id;
};

static_assert(sizeof(struct context) <= sizeof(struct os_context),
              "OS_CONTEXT_WORDS");

/* A set of slots, the lowest bit for the first one. */
typedef uint64_t slots;

struct slab {
  struct stacks *stacks;
  struct slab *next, *before; /* stacks->open, while a slot is free */
  struct slab *next_changed;  /* stacks->changed */
  bool is_changed;
  char *base;
  unsigned count; /* of slots */
  slots free;
  slots touched; /* free, and not emptied since */
  slots guarded;
};

struct stacks {
  struct os_lock lock;
  size_t page;
  size_t slot;          /* bytes of guard and stack; 0: more than there are */
  unsigned count;       /* slots of the next slab */
  bool protects;        /* MADV_GUARD_INSTALL does not work here */
  struct slab *open;    /* with a free slot */
  struct slab *changed; /* with a slot that has become free since the trim */
};

static_assert(sizeof(struct stacks) <= sizeof(struct os_stacks),
              "OS_STACKS_WORDS");

/* Slots of the first slab and of the largest ones; bytes of a slab of several
 * slots; what a context that waits for work keeps of its stack. */
enum { SLAB_FIRST = 8, SLAB_MAX = 64 };
#define SLAB_BYTES   ((size_t)32 << 20)
#define CONTEXT_KEEP ((size_t)16 << 10)

static struct context *context__of(struct os_context *context) {
  return (struct context *)(void *)context->words;
}

static struct stacks *stacks__of(struct os_stacks *stacks) {
  return (struct stacks *)(void *)stacks->words;
}

/* ---- tools that must know of stacks ---- */

static void context__leaving(struct context *from, const struct context *to) {
#if CONTEXT_ASAN
  __sanitizer_start_switch_fiber(&from->fake_stack, to->stack, to->length);
#else
  (void)from;
  (void)to;
#endif
}

/* On the new stack, before anything else. */
static void context__arrived(struct context *context) {
#if CONTEXT_ASAN
  struct context *before = context->came_from;
  __sanitizer_finish_switch_fiber(context->fake_stack, &before->stack,
                                  &before->length);
#else
  (void)context;
#endif
}

static void context__introduce(struct context *context) {
#if CONTEXT_ASAN
  __asan_unpoison_memory_region(context->stack, context->length);
#endif
#if CONTEXT_TSAN
  context->fiber = __tsan_create_fiber(0);
#endif
#if CONTEXT_VALGRIND
  const char *low = context->stack;
  context->valgrind_id = VALGRIND_STACK_REGISTER(low, low + context->length);
#endif
  (void)context;
}

static void context__dismiss(struct context *context) {
#if CONTEXT_VALGRIND
  VALGRIND_STACK_DEREGISTER(context->valgrind_id);
#endif
#if CONTEXT_TSAN
  __tsan_destroy_fiber(context->fiber);
#endif
#if CONTEXT_ASAN
  /* What its frames had poisoned would be so for the memory's next owner. */
  __asan_unpoison_memory_region(context->stack, context->length);
#endif
  (void)context;
}

/* ---- the switch ---- */

static _Noreturn void context__main(void *argument) {
  struct context *context = argument;
  context__arrived(context);
  context->entry(argument);
  check_failed(__FILE__, __LINE__, "an entry does not return");
}

#ifdef OVIO_SWITCH_ASM

/* switch_*.S. Puts a frame below `top`, a multiple of 16, so that a switch to
 * the result calls main(argument). */
void *native_switch_prepare(void *top, void (*main)(void *), void *argument);
/* Stores where this stack stops in *from, and goes on where `to` did. */
void native_switch(void **from, void *to);

static void *context__thread_state(void) {
  return NULL;
}

static void context__prepare(struct context *context) {
  uintptr_t top = (uintptr_t)context->stack + context->length;
  top &= ~(uintptr_t)15;
  context->sp = native_switch_prepare((void *)top, context__main, context);
}

/* A macro, since ThreadSanitizer wants no function to begin or end between the
 * news of the switch and the switch. */
#define CONTEXT_SWITCH(from, to) native_switch(&(from)->sp, (to)->sp)

#else

/* Where the thread's own stack stops: one loop at a time runs on it. */
static void *context__thread_state(void) {
  static _Thread_local ucontext_t state;
  return &state;
}

/* makecontext(3) passes nothing but ints. */
static void context__main_of_halves(unsigned high, unsigned low) {
  context__main((void *)(uintptr_t)((uint64_t)high << 32 | low));
}

static void context__prepare(struct context *context) {
  uintptr_t top = (uintptr_t)context->stack + context->length;
  uintptr_t state = (top - sizeof(ucontext_t)) & ~(uintptr_t)63;
  ucontext_t *ucontext = (ucontext_t *)state;
  getcontext(ucontext);
  ucontext->uc_stack.ss_sp = (void *)(uintptr_t)context->stack;
  ucontext->uc_stack.ss_size = state - (uintptr_t)context->stack;
  ucontext->uc_link = NULL;
  uint64_t self = (uintptr_t)context;
  makecontext(ucontext, (void (*)(void))context__main_of_halves, 2,
              (unsigned)(self >> 32), (unsigned)self);
  context->sp = ucontext;
}

/* It also saves and sets the thread's signal mask: two system calls. */
#define CONTEXT_SWITCH(from, to) swapcontext((from)->sp, (to)->sp)

#endif

/* ---- slabs; under the lock ---- */

static slots slab__all(const struct slab *slab) {
  return UINT64_MAX >> (64 - slab->count);
}

static void slab__open(struct slab *slab) {
  struct stacks *stacks = slab->stacks;
  slab->before = NULL;
  slab->next = stacks->open;
  if (stacks->open)
    stacks->open->before = slab;
  stacks->open = slab;
}

static void slab__close(struct slab *slab) {
  if (slab->before)
    slab->before->next = slab->next;
  else
    slab->stacks->open = slab->next;
  if (slab->next)
    slab->next->before = slab->before;
}

/* AddressSanitizer is to tell of who looks at the stack of nobody. */
static void slab__poison(struct slab *slab, size_t at, size_t length, bool on) {
#if CONTEXT_ASAN
  if (on)
    __asan_poison_memory_region(slab->base + at, length);
  else
    __asan_unpoison_memory_region(slab->base + at, length);
#else
  (void)slab;
  (void)at;
  (void)length;
  (void)on;
#endif
}

/* As many slots as the next slab is to have, or as there is room for. */
static bool slab__map(struct slab *slab) {
  size_t slot = slab->stacks->slot;
  for (slab->count = slab->stacks->count; slab->count; slab->count /= 2) {
    void *base = native.mmap(NULL, slab->count * slot, PROT_READ | PROT_WRITE,
                             MAP_PRIVATE | MAP_ANON | NATIVE_MAP_STACK |
                                 NATIVE_MAP_NORESERVE,
                             -1, 0);
    if (base == MAP_FAILED)
      continue;
    slab->base = base;
#if NATIVE_HAS_NOHUGEPAGE
    /* Fails where there are none. */
    native.madvise(base, slab->count * slot, MADV_NOHUGEPAGE);
#endif
    return true;
  }
  return false;
}

static struct slab *slab__create(struct stacks *stacks) {
  struct slab *slab = stacks->slot ? memory_allocate(sizeof *slab) : NULL;
  if (!slab)
    return NULL;
  slab->stacks = stacks;
  if (!slab__map(slab)) {
    memory_free(slab);
    return NULL;
  }
  slab->free = slab__all(slab);
  slab__open(slab);
  unsigned count = stacks->count * 2;
  if (count <= SLAB_MAX && stacks->slot <= SLAB_BYTES / count)
    stacks->count = count;
  return slab;
}

/* false: the kernel cannot do without it. */
static bool slab__destroy(struct slab *slab) {
  size_t length = slab->count * slab->stacks->slot;
  slab__poison(slab, 0, length, false);
  if (native.munmap(slab->base, length) != 0)
    return false;
  slab__close(slab);
  memory_free(slab);
  return true;
}

static bool slab__guard(struct stacks *stacks, char *page) {
#if NATIVE_HAS_GUARD_INSTALL
  if (!stacks->protects) {
    if (native.madvise(page, stacks->page, NATIVE_MADV_GUARD_INSTALL) == 0)
      return true;
    if (errno == ENOMEM)
      return false;
    stacks->protects = true;
  }
#endif
  return native.mprotect(page, stacks->page, PROT_NONE) == 0;
}

static void slab__give(struct slab *slab, slots slot) {
  struct stacks *stacks = slab->stacks;
  if (!slab->free)
    slab__open(slab);
  slab->free |= slot;
  slab->touched |= slot;
  if (slab->is_changed)
    return;
  slab->is_changed = true;
  slab->next_changed = stacks->changed;
  stacks->changed = slab;
}

/* Its slot's number, or -1: it cannot have a guard. */
static int slab__take(struct slab *slab) {
  int number = __builtin_ctzll(slab->free);
  slots slot = (slots)1 << number;
  size_t at = (size_t)number * slab->stacks->slot;
  if (!(slab->guarded & slot) && !slab__guard(slab->stacks, slab->base + at))
    return -1;
  slab->guarded |= slot;
  slab->touched &= ~slot;
  slab->free &= ~slot;
  if (!slab->free)
    slab__close(slab);
  slab__poison(slab, at, slab->stacks->slot, false);
  return number;
}

/* Empties the free slots. Guards stay where they are. */
static void slab__trim(struct slab *slab) {
  size_t slot = slab->stacks->slot;
  while (slab->touched) {
    unsigned first = (unsigned)__builtin_ctzll(slab->touched);
    slots above = ~(slab->touched >> first);
    unsigned count = above ? (unsigned)__builtin_ctzll(above) : 64;
    native.madvise(slab->base + first * slot, count * slot, NATIVE_MADV_TRIM);
    slab->touched &= ~(UINT64_MAX >> (64 - count) << first);
  }
}

/* ---- the border ---- */

void os_stacks_init(struct os_stacks *stacks_, size_t length) {
  struct stacks *stacks = stacks__of(stacks_);
  *stacks = (struct stacks){.count = 1};
  os_lock_init(&stacks->lock);
  stacks->page = (size_t)sysconf(_SC_PAGESIZE);
  if (length > SIZE_MAX / 2 - 2 * stacks->page)
    return;
  length = (length + stacks->page - 1) / stacks->page * stacks->page;
  stacks->slot = length + stacks->page;
  if (stacks->slot <= SLAB_BYTES / SLAB_FIRST)
    stacks->count = SLAB_FIRST;
}

void os_stacks_destroy(struct os_stacks *stacks_) {
  struct stacks *stacks = stacks__of(stacks_);
  os_stacks_trim(stacks_);
  while (stacks->open) { /* which could not be unmapped before */
    struct slab *slab = stacks->open;
    CHECK(slab->free == slab__all(slab));
    if (slab__destroy(slab))
      continue;
    slab__close(slab);
    memory_free(slab);
  }
  os_lock_destroy(&stacks->lock);
}

void os_stacks_trim(struct os_stacks *stacks_) {
  struct stacks *stacks = stacks__of(stacks_);
  os_lock_acquire(&stacks->lock);
  struct slab *slab;
  while ((slab = stacks->changed)) {
    stacks->changed = slab->next_changed;
    slab->is_changed = false;
    if (slab->free != slab__all(slab) || !slab__destroy(slab))
      slab__trim(slab);
  }
  os_lock_release(&stacks->lock);
}

int os_context_enter(struct os_context *context_) {
  struct context *context = context__of(context_);
  *context = (struct context){0};
#if CONTEXT_TSAN
  context->fiber = __tsan_get_current_fiber();
#endif
  context->sp = context__thread_state();
  return 0;
}

void os_context_leave(struct os_context *context) {
  (void)context; /* nothing was taken */
}

static void context__create(struct context *context, void *stack, size_t length,
                            void (*entry)(struct os_context *context)) {
  context->stack = stack;
  context->length = length;
  context->entry = entry;
  context__introduce(context);
  context__prepare(context);
}

/* The low end of a stack with a guard; NULL: there is none. */
static char *stacks__take(struct stacks *stacks, struct slab **out) {
  os_lock_acquire(&stacks->lock);
  struct slab *slab = stacks->open ? stacks->open : slab__create(stacks);
  int number = slab ? slab__take(slab) : -1;
  if (slab && number < 0 && slab->free == slab__all(slab) && !slab->is_changed)
    slab__destroy(slab);
  os_lock_release(&stacks->lock);
  if (number < 0)
    return NULL;
  *out = slab;
  return slab->base + (size_t)number * stacks->slot + stacks->page;
}

int os_context_create(struct os_context **out, struct os_stacks *stacks_,
                      size_t size, void (*entry)(struct os_context *context)) {
  struct stacks *stacks = stacks__of(stacks_);
  struct slab *slab;
  char *stack = stacks__take(stacks, &slab);
  if (!stack)
    return OVIO_ENOMEM;
  size_t length = (stacks->slot - stacks->page - size) / 64 * 64;
  *out = memset(stack + length, 0, size);
  context__of(*out)->slab = slab;
  context__create(context__of(*out), stack, length, entry);
  return 0;
}

int os_context_create_on(struct os_context *context_, void *stack,
                         size_t length,
                         void (*entry)(struct os_context *context)) {
  struct context *context = context__of(context_);
  *context = (struct context){0};
  context__create(context, stack, length, entry);
  return 0;
}

void os_context_destroy(struct os_context *context_) {
  struct context *context = context__of(context_);
  struct slab *slab = context->slab;
  context__dismiss(context);
  if (!slab)
    return;
  struct stacks *stacks = slab->stacks;
  size_t number =
      (size_t)((const char *)context->stack - slab->base) / stacks->slot;
  os_lock_acquire(&stacks->lock);
  slab__poison(slab, number * stacks->slot, stacks->slot, true);
  slab__give(slab, (slots)1 << number);
  os_lock_release(&stacks->lock);
}

bool os_context_trim(struct os_context *context_) {
  struct context *context = context__of(context_);
  uintptr_t low = (uintptr_t)context->stack;
  uintptr_t high = low + context->length - CONTEXT_KEEP;
  high -= high % context->slab->stacks->page;
  native.madvise((void *)low, high - low, NATIVE_MADV_TRIM);
  return true;
}

void os_context_switch(struct os_context *from_, struct os_context *to_) {
  struct context *from = context__of(from_);
  struct context *to = context__of(to_);
  to->came_from = from;
  context__leaving(from, to);
#if CONTEXT_TSAN
  __tsan_switch_to_fiber(to->fiber, 0);
#endif
  CONTEXT_SWITCH(from, to);
  context__arrived(from);
}
