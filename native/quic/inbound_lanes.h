#pragma once

#include <msquic.h>

#include <cstdint>
#include <memory>
#include <vector>

#include "native/memory/memory_budget.h"
#include "native/quic/event_port.h"
#include "native/quic/frame_deadline.h"

namespace millrace {

class Connection;
class InboundLaneStream;

// The receiving side of a framed connection's lanes: brings the streams of a lane back into order, and takes
// the peer's wish for a graceful close once everything before it was delivered.
//
// Called by msquic's worker for this connection, one call at a time, except ResumeReceive. The list of
// streams changes under the connection's mutex.
class InboundLanes {
 public:
  explicit InboundLanes(Connection& connection) noexcept;
  ~InboundLanes();

  // A unidirectional stream of the peer. Takes the handle over.
  void Accept(HQUIC handle) noexcept;
  // Any thread; the connection's mutex is held.
  void ResumeReceive() noexcept;
  // Since when the longest-waiting stream has waited for the rest of a frame; the same.
  [[nodiscard]] FrameWait::Clock::time_point OldestWait() const noexcept;
  // Whether we take no bytes of some stream for now; the same.
  [[nodiscard]] bool HoldsPeerBack() const noexcept;
  // The connection has ended. msquic's thread.
  void Stop() noexcept { frame_deadline_.Stop(); }

 private:
  friend class InboundLaneStream;
  struct Lane {
    uint16_t id;
    uint32_t next_ordinal = 0;  // of the stream that may be consumed
  };
  enum class Turn { kNow, kLater, kNever };

  [[nodiscard]] Lane& Find(uint16_t lane) noexcept;
  [[nodiscard]] Turn TurnOf(const InboundLaneStream& stream) noexcept;
  void OnEnded(uint16_t id) noexcept;
  void OnCloseRequest(uint32_t code, std::vector<uint8_t> request) noexcept;
  void FinishIfAllDelivered() noexcept;
  void OnClosed(InboundLaneStream* closed) noexcept;

  Connection& connection_;
  FrameDeadline frame_deadline_;
  // One peer's share of the process's half frames: the largest of several lanes.
  MemoryBudget assembly_budget_;
  std::vector<Lane> lanes_;
  std::vector<std::unique_ptr<InboundLaneStream>> streams_;
  uint32_t resumes_ = 0;  // the connection's mutex is held

  struct CloseRequest {
    uint32_t code;
    std::vector<Lane> lanes;  // next_ordinal = how many streams the lane had
    std::string reason;
  };
  std::unique_ptr<CloseRequest> close_request_;
};

}  // namespace millrace
