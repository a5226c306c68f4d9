#pragma once

#include <msquic.h>

#include <array>
#include <atomic>
#include <cstdint>
#include <span>
#include <vector>

#include "native/frame/splitter.h"
#include "native/quic/counters.h"
#include "native/quic/event_port.h"
#include "native/quic/frame_deadline.h"
#include "native/quic/outbound_lanes.h"

namespace millrace {

class Connection;
class InboundLanes;

// One stream of one lane: its prefix, then frames. Lives until its SHUTDOWN_COMPLETE.
class InboundLaneStream {
 public:
  InboundLaneStream(Connection& connection, InboundLanes& lanes, HQUIC handle) noexcept;

  static QUIC_STATUS QUIC_API Callback(HQUIC handle, void* context, QUIC_STREAM_EVENT* event) noexcept;

  // Any thread; the connection's mutex is held, so the handle is not closed meanwhile.
  void ResumeReceive() noexcept;

  // Any thread; the connection's mutex is held.
  [[nodiscard]] FrameWait::Clock::time_point waiting_since() const noexcept { return wait_.since(); }
  [[nodiscard]] bool paused() const noexcept { return paused_.load(); }
  void ProlongWait() noexcept { wait_.Prolong(); }
  // The peer owes a prefix. msquic's thread.
  void BeginWait() noexcept;

  [[nodiscard]] bool HasPrefix() const noexcept { return prefix_bytes_ == kLanePrefixBytes; }
  [[nodiscard]] uint16_t lane() const noexcept;
  [[nodiscard]] uint32_t ordinal() const noexcept;

 private:
  QUIC_STATUS OnReceive(QUIC_STREAM_EVENT* event) noexcept;
  // How much of the bytes it took, and whether it can take more now.
  struct Taken {
    size_t bytes;
    bool more;
  };
  [[nodiscard]] size_t TakePrefix(std::span<const uint8_t> bytes) noexcept;
  [[nodiscard]] Taken Take(std::span<const uint8_t> bytes) noexcept;
  [[nodiscard]] Taken TakeFrames(std::span<const uint8_t> bytes) noexcept;
  [[nodiscard]] Taken TakeCloseRequest(std::span<const uint8_t> bytes) noexcept;
  [[nodiscard]] bool Deliver(EventPort::Batch& batch, std::span<const uint8_t> frame) noexcept;
  // After each receive: whether the peer owes the rest of something.
  void UpdateWait() noexcept;
  void Fail(uint64_t code) noexcept;
  void OnEnd() noexcept;

  const LiveCount live_{ProcessCounters::Get().lane_streams};
  Connection& connection_;
  InboundLanes& lanes_;
  const HQUIC handle_;
  FrameSplitter splitter_;
  std::array<uint8_t, kLanePrefixBytes> prefix_{};
  uint8_t prefix_bytes_ = 0;
  bool current_ = false;  // its predecessors have ended: frames may be consumed
  bool failed_ = false;
  bool progressed_ = false;  // this receive brought a frame to its end
  FrameWait wait_;
  std::atomic<bool> paused_{false};
  std::vector<uint8_t> close_request_;
};

}  // namespace millrace
