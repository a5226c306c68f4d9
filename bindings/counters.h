#pragma once

#include <napi.h>

namespace millrace {

// What the process counts, whichever environment asks. None of them waits.
// threadCounters() → [{threadId, verifiedFrames, verifiedBytes}], one a thread that has verified frames
[[nodiscard]] Napi::Value ThreadCountersOf(const Napi::CallbackInfo& info);
// processCounters() → {connections, streams, laneStreams, wakes, sends, copiedBytes}
[[nodiscard]] Napi::Value ProcessCountersOf(const Napi::CallbackInfo& info);
// transportCounters() → what src/quic/counters.ts documents
[[nodiscard]] Napi::Value TransportCountersOf(const Napi::CallbackInfo& info);

}  // namespace millrace
