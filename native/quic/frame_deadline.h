#pragma once

#include <atomic>
#include <chrono>
#include <cstdint>

#include "native/memory/ref_counted.h"
#include "native/quic/control_thread.h"

namespace millrace {

class Connection;
class InboundLanes;

// Since when a stream has waited for the rest of a frame. Set by msquic's thread, read by the control thread.
class FrameWait {
 public:
  using Clock = ControlThread::Clock;

  // Something that the peer has to finish has begun; what began earlier keeps its time.
  void Begin() noexcept {
    if (since_.load(std::memory_order_relaxed) == kNone) Restart();
  }
  void Restart() noexcept { since_.store(Clock::now().time_since_epoch().count()); }
  // What was waited for could not come, by our own doing. Any thread.
  void Prolong() noexcept {
    Clock::rep since = since_.load();
    if (since != kNone) (void)since_.compare_exchange_strong(since, Clock::now().time_since_epoch().count());
  }
  void End() noexcept { since_.store(kNone); }
  // Clock::time_point::max() where nothing is waited for.
  [[nodiscard]] Clock::time_point since() const noexcept {
    return Clock::time_point(Clock::duration(since_.load()));
  }

 private:
  static constexpr Clock::rep kNone = Clock::duration::max().count();
  std::atomic<Clock::rep> since_{kNone};
};

// Ends a connection whose peer leaves a frame half sent for longer than the connection's `frame_timeout`:
// such frames hold memory that others may need. One timer a connection, and only while a frame is half there.
class FrameDeadline {
 public:
  explicit FrameDeadline(Connection& connection) noexcept : connection_(connection) {}

  // A stream of `lanes` waits. msquic's thread.
  void Watch(const InboundLanes& lanes) noexcept;
  // No check comes any more, but one that has begun. msquic's thread.
  void Stop() noexcept;

 private:
  void CheckAfter(const InboundLanes& lanes, std::chrono::milliseconds delay) noexcept;
  // Control thread.
  void Check(const InboundLanes& lanes) noexcept;

  Connection& connection_;
  std::atomic<bool> watching_{false};
  ControlThread::Timer timer_;  // the connection's mutex
  bool stopped_ = false;        // the same
};

}  // namespace millrace
