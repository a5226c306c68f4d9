#pragma once

#include <msquic.h>

#include <chrono>
#include <cstdint>
#include <string_view>
#include <vector>

#include "native/quic/lane.h"
#include "native/quic/send_request.h"

namespace millrace {

class Connection;

// The sending side of a framed connection's lanes. An idle lane holds no stream: a burst opens one, which is
// finished when nothing was sent on it for a while and its predecessor was acknowledged. Where lanes have
// more streams than the peer allows at once, the least recently used ones are finished earlier, so that all
// lanes take turns.
//
// All methods: the connection's mutex is held.
class OutboundLanes {
 public:
  using Clock = std::chrono::steady_clock;

  explicit OutboundLanes(Connection& connection) noexcept : connection_(connection) {}

  // Takes the request over. False when the stream could not be opened or took nothing: the caller completes
  // it. What is `early` may go out in 0-RTT; before the handshake is complete nothing else may be sent.
  [[nodiscard]] bool Send(uint16_t id, SendRequest* request, bool early) noexcept;

  // Finishes every lane, and tells the peer how much there was. False when that cannot be sent.
  [[nodiscard]] bool SendClose(uint32_t code, std::string_view reason) noexcept;

 private:
  struct Lane {
    uint16_t id;
    bool sweep_pending = false;
    bool accepted = false;  // the peer allows `stream`
    uint32_t next_ordinal = 0;
    uint32_t unacknowledged = 0;  // finished streams that the peer has not acknowledged whole
    HQUIC stream = nullptr;       // open for sending
    Clock::time_point last_send{};
  };
  struct StreamContext;

  [[nodiscard]] Lane& Find(uint16_t lane) noexcept;
  [[nodiscard]] HQUIC OpenStream(uint16_t lane) noexcept;
  static void CloseUnstarted(HQUIC stream) noexcept;
  void Finish(Lane& lane) noexcept;
  void MakeRoom() noexcept;
  void ScheduleSweep(Lane& lane, std::chrono::milliseconds delay) noexcept;
  void Sweep(uint16_t id) noexcept;
  static QUIC_STATUS QUIC_API Callback(HQUIC stream, void* opaque, QUIC_STREAM_EVENT* event) noexcept;
  void OnStarted(StreamContext& context, HQUIC stream, bool accepted) noexcept;
  void OnAccepted(StreamContext& context, HQUIC stream) noexcept;
  void OnAcknowledged(uint16_t id) noexcept;
  void OnClosed(const StreamContext& context, HQUIC stream) noexcept;

  Connection& connection_;
  std::vector<Lane> lanes_;
  uint32_t waiting_ = 0;  // streams that the peer does not allow yet
};

}  // namespace millrace
