#pragma once

#include <cstdint>

#include "native/memory/ref_counted.h"

namespace millrace {

class EventPort;

// What JavaScript addresses by slot and generation: a connection, or a stream of a raw connection. It lives
// while anyone holds a lease: the environment's table (until JavaScript releases it), msquic (until
// SHUTDOWN_COMPLETE), a send that msquic has not completed, a list of paused readers.
class Resource : public RefCounted<Resource> {
 public:
  enum class Kind : uint8_t { kConnection, kStream };

  virtual ~Resource();

  [[nodiscard]] Kind kind() const noexcept { return kind_; }
  [[nodiscard]] EventPort& port() const noexcept { return *port_; }
  [[nodiscard]] uint32_t slot() const noexcept { return slot_; }
  [[nodiscard]] uint32_t generation() const noexcept { return generation_; }
  void set_handle(uint32_t slot, uint32_t generation) noexcept {
    slot_ = slot;
    generation_ = generation;
  }

  // Where the outbox collects this tick's bytes for it; JS thread.
  static constexpr uint32_t kNotInOutbox = UINT32_MAX;
  uint32_t outbox_index = kNotInOutbox;

  // Receiving paused because the ring or the credit was used up: try again. Any thread.
  virtual void ResumeReceive() noexcept = 0;
  // JavaScript has consumed this many received bytes. JS thread.
  virtual void ReturnCredit(uint32_t bytes) noexcept = 0;
  // A send of ours has left the queue: acknowledged, or cancelled with its stream. msquic's or the JS thread.
  virtual void OnSendComplete(uint32_t bytes) noexcept = 0;
  // Bytes that were accepted cannot be queued: it ends, for they may not be lost silently. JS thread.
  virtual void OnOutOfMemory() noexcept = 0;
  // Ends it at once; the environment is going away. JS thread.
  virtual void Abandon() noexcept = 0;

 protected:
  Resource(Kind kind, Ref<EventPort> port) noexcept;

 private:
  Ref<EventPort> port_;  // a resource keeps one port for life, so its events keep their order
  uint32_t slot_ = 0;
  uint32_t generation_ = 0;
  Kind kind_;
};

}  // namespace millrace
