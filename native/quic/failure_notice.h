#pragma once

#include <msquic.h>

#include <atomic>
#include <cstdint>

#include "native/memory/ref_counted.h"
#include "native/quic/event_port.h"
#include "native/quic/events.h"

namespace millrace {

// Tells JavaScript of a listener's handshakes that were refused or failed before it had heard of them. A
// flood of them costs one event each time that JavaScript has looked: further ones are counted. Any thread.
class FailureNotice : public RefCounted<FailureNotice> {
 public:
  void Tell(EventPort& port, const HandshakeFailedEvent& failure, const QUIC_ADDR& remote) noexcept;

  // JavaScript has looked. How many it was not told of since the last call.
  [[nodiscard]] uint32_t Heed() noexcept;

  ~FailureNotice() = default;

 private:
  std::atomic<bool> told_{false};
  std::atomic<uint32_t> missed_{0};
};

}  // namespace millrace
