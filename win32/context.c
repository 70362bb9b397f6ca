/* SPDX-License-Identifier: MIT */
/* Stacks: fibers.
 *
 * The calling code may use SEH, stack probes and frames of any size: fibers
 * have all that the thread information block must know (MS: Fibers). */
#include "win32/side.h"

#include "common/check.h"
#include "common/memory.h"

/* Committed at once; the rest is reserved, and the stack grows page by page. */
enum { STACK_COMMIT = 8192 };

struct context {
  void *fiber;
  bool converted; /* the thread was made a fiber here */
  void (*entry)(struct os_context *context); /* of the first switch */
};

_Static_assert(sizeof(struct context) <= sizeof(struct os_context), "context");

static struct context *context__of(struct os_context *context) {
  return (struct context *)(void *)context->words;
}

/* The header reads the thread information block at address 0 of its segment,
 * which gcc 12 takes for an array of no elements. */
static void *context__current(void) {
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Warray-bounds"
  return GetCurrentFiber();
#pragma GCC diagnostic pop
}

/* words[0]: the length. The system keeps no stack for another fiber. */
void os_stacks_init(struct os_stacks *stacks, size_t length) {
  stacks->words[0] = length;
}

void os_stacks_destroy(struct os_stacks *stacks) {
  (void)stacks;
}

void os_stacks_trim(struct os_stacks *stacks) {
  (void)stacks;
}

int os_context_enter(struct os_context *os_context) {
  struct context *context = context__of(os_context);
  *context = (struct context){0};
  int error = native_locals_prepare();
  if (error)
    return error;
  if (IsThreadAFiber()) {
    context->fiber = context__current();
    return 0;
  }
  context->fiber = native.ConvertThreadToFiberEx(NULL, FIBER_FLAG_FLOAT_SWITCH);
  context->converted = context->fiber != NULL;
  return context->fiber ? 0 : os_error_map(GetLastError());
}

void os_context_leave(struct os_context *os_context) {
  struct context *context = context__of(os_context);
  if (context->converted)
    ConvertFiberToThread();
  *context = (struct context){0};
}

static void WINAPI context__main(void *parameter) {
  context__of(parameter)->entry(parameter);
  CHECK(!"a context's entry returned");
}

int os_context_create(struct os_context **out, struct os_stacks *stacks,
                      size_t size, void (*entry)(struct os_context *context)) {
  struct os_context *os_context = memory_allocate(size);
  if (!os_context)
    return OVIO_ENOMEM;
  struct context *context = context__of(os_context);
  context->entry = entry;
  context->fiber =
      native.CreateFiberEx(STACK_COMMIT, (size_t)stacks->words[0],
                           FIBER_FLAG_FLOAT_SWITCH, context__main, os_context);
  if (!context->fiber) {
    int error = os_error_map(GetLastError());
    memory_free(os_context);
    return error;
  }
  *out = os_context;
  return 0;
}

int os_context_create_on(struct os_context *context, void *stack, size_t length,
                         void (*entry)(struct os_context *context)) {
  (void)context;
  (void)stack;
  (void)length;
  (void)entry;
  return OVIO_ENOTSUP;
}

void os_context_destroy(struct os_context *os_context) {
  DeleteFiber(context__of(os_context)->fiber);
  memory_free(os_context);
}

/* A page that is not committed any more would need its guard page again, and
 * the thread information block is the fiber's secret. */
bool os_context_trim(struct os_context *context) {
  (void)context;
  return false;
}

void os_context_switch(struct os_context *from, struct os_context *to) {
  (void)from; /* the fiber that runs is saved by itself */
  SwitchToFiber(context__of(to)->fiber);
}
