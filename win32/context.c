/* SPDX-License-Identifier: MIT */
/* Stacks: fibers.
 *
 * The calling code may use SEH, stack probes and frames of any size: fibers
 * have all that the thread information block must know (MS: Fibers). */
#include "win32/side.h"

#include "common/check.h"

/* words[0]: the fiber; words[1]: whether the thread was made a fiber here;
 * words[2], [3]: entry and argument, until the first switch. */
struct context {
  void *fiber;
  bool converted;
  void (*entry)(void *argument);
  void *argument;
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
  struct context start = *(struct context *)parameter;
  start.entry(start.argument);
  CHECK(!"a context's entry returned");
}

int os_context_create(struct os_context *os_context, size_t length,
                      void (*entry)(void *argument), void *argument) {
  struct context *context = context__of(os_context);
  *context = (struct context){.entry = entry, .argument = argument};
  /* Commits little and reserves the rest: the stack grows page by page. */
  context->fiber = native.CreateFiberEx(16384, length, FIBER_FLAG_FLOAT_SWITCH,
                                        context__main, context);
  return context->fiber ? 0 : os_error_map(GetLastError());
}

int os_context_create_on(struct os_context *context, void *stack, size_t length,
                         void (*entry)(void *argument), void *argument) {
  (void)context;
  (void)stack;
  (void)length;
  (void)entry;
  (void)argument;
  return OVIO_ENOTSUP;
}

void os_context_destroy(struct os_context *context) {
  DeleteFiber(context__of(context)->fiber);
}

void os_context_switch(struct os_context *from, struct os_context *to) {
  (void)from; /* the fiber that runs is saved by itself */
  SwitchToFiber(context__of(to)->fiber);
}
