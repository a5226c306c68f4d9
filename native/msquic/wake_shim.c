#include "native/msquic/wake_shim.h"

#include <stdbool.h>
#include <stddef.h>

#ifdef __APPLE__

void MillraceHoldWakes(void) {}
void MillraceReleaseWakes(void) {}

#else

// msquic's CXPLAT_EXECUTION_CONTEXT: one a worker, for as long as the process.
struct Context;

void __wrap_CxPlatWakeExecutionContext(struct Context* context);
// Missing where the linker was not told to wrap; then nobody calls the function above either.
void __real_CxPlatWakeExecutionContext(struct Context* context) __attribute__((weak));

// As many workers as a thread holds back; a machine with more cores wakes the others at once.
enum { kMaxHeld = 64 };

static _Thread_local struct {
  bool holds;
  size_t count;
  struct Context* contexts[kMaxHeld];
} held;

static bool IsHeld(const struct Context* context) {
  for (size_t i = 0; i < held.count; ++i) {
    if (held.contexts[i] == context) return true;
  }
  return false;
}

// Takes the place of msquic's function. What it is called for is marked as ready already, so a worker that is
// awake sees it without this.
void __wrap_CxPlatWakeExecutionContext(struct Context* context) {
  if (held.holds) {
    if (IsHeld(context)) return;
    if (held.count < kMaxHeld) {
      held.contexts[held.count++] = context;
      return;
    }
  }
  __real_CxPlatWakeExecutionContext(context);
}

void MillraceHoldWakes(void) {
  held.holds = true;
}

void MillraceReleaseWakes(void) {
  held.holds = false;
  for (size_t i = 0; i < held.count; ++i) __real_CxPlatWakeExecutionContext(held.contexts[i]);
  held.count = 0;
}

#endif
