/* SPDX-License-Identifier: MIT */
/* Stacks, and going from one to another.
 *
 *   mapping                                               what a context has
 *   +-----------+  PROT_NONE: who overruns the stack
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
 *
 * On the caller's memory there is no guard, and no mapping. With ucontext the
 * registers are in a ucontext_t, which is at the high end of the stack.
 *
 * A context that a thread has entered stands for that thread's own stack: it
 * has an sp while another one runs, and never a mapping.
 *
 * A context may be destroyed wherever it stopped; nothing on its stack is
 * unwound. It may go on on another thread than the one it stopped on. */
#include "posix/side.h"

#include "common/check.h"

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
  void *sp;      /* the ucontext_t without assembly */
  void *mapping; /* NULL: not ours */
  size_t mapping_length;
  const void *stack; /* a thread's own: known to AddressSanitizer alone */
  size_t length;
  void (*entry)(void *argument);
  void *argument;
  struct context *came_from; /* who has switched to this one last */
  void *fake_stack;          /* AddressSanitizer's, while it does not run */
  void *fiber;               /* ThreadSanitizer's */
  uint64_t valgrind_id;
};

static_assert(sizeof(struct context) <= sizeof(struct os_context),
              "OS_CONTEXT_WORDS");

static struct context *context__of(struct os_context *context) {
  return (struct context *)(void *)context->words;
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
  context->entry(context->argument);
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

/* ---- the border ---- */

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
                            void (*entry)(void *argument), void *argument) {
  context->stack = stack;
  context->length = length;
  context->entry = entry;
  context->argument = argument;
  context__introduce(context);
  context__prepare(context);
}

static void *context__map(size_t length, size_t guard) {
  void *mapping = native.mmap(
      NULL, length, PROT_READ | PROT_WRITE,
      MAP_PRIVATE | MAP_ANON | NATIVE_MAP_STACK | NATIVE_MAP_NORESERVE, -1, 0);
  if (mapping == MAP_FAILED)
    return NULL;
  if (native.mprotect(mapping, guard, PROT_NONE) == 0)
    return mapping;
  native.munmap(mapping, length);
  return NULL;
}

int os_context_create(struct os_context *context_, size_t length,
                      void (*entry)(void *argument), void *argument) {
  struct context *context = context__of(context_);
  *context = (struct context){0};
  size_t page = (size_t)sysconf(_SC_PAGESIZE);
  if (length > SIZE_MAX - 2 * page)
    return OVIO_ENOMEM;
  length = (length + page - 1) / page * page;
  char *mapping = context__map(length + page, page);
  if (!mapping)
    return OVIO_ENOMEM;
  context->mapping = mapping;
  context->mapping_length = length + page;
  context__create(context, mapping + page, length, entry, argument);
  return 0;
}

int os_context_create_on(struct os_context *context_, void *stack,
                         size_t length, void (*entry)(void *argument),
                         void *argument) {
  struct context *context = context__of(context_);
  *context = (struct context){0};
  context__create(context, stack, length, entry, argument);
  return 0;
}

void os_context_destroy(struct os_context *context_) {
  struct context *context = context__of(context_);
  context__dismiss(context);
  if (context->mapping)
    native.munmap(context->mapping, context->mapping_length);
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
