#pragma once

#include "native/msquic/wake_shim.h"

namespace millrace {

// While it lives, what this thread queues for msquic's workers wakes none that sleeps; they are woken once,
// at its end. A worker that shares the core of the thread would otherwise take it with the first send, do
// that one, sleep, and be woken for the next: two switches a send. Nothing within may wait for a worker.
class WakeHold {
 public:
  WakeHold() noexcept { MillraceHoldWakes(); }
  ~WakeHold() { MillraceReleaseWakes(); }
  WakeHold(const WakeHold&) = delete;
  WakeHold& operator=(const WakeHold&) = delete;
};

}  // namespace millrace
