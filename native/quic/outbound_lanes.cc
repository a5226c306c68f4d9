#include "native/quic/outbound_lanes.h"

#include <algorithm>
#include <mutex>
#include <utility>

#include "native/quic/connection.h"
#include "native/quic/counters.h"
#include "native/quic/library.h"

namespace millrace {

// msquic's context of one lane stream; freed at its SHUTDOWN_COMPLETE.
struct OutboundLanes::StreamContext {
  Ref<Connection> connection;
  OutboundLanes* lanes;  // the connection's
  uint16_t lane;
  bool waits = false;  // counted as waiting
  const LiveCount live{ProcessCounters::Get().lane_streams};
};

OutboundLanes::Lane& OutboundLanes::Find(uint16_t lane) noexcept {
  const auto found =
      std::find_if(lanes_.begin(), lanes_.end(), [lane](const Lane& l) { return l.id == lane; });
  if (found != lanes_.end()) return *found;
  lanes_.push_back(Lane{lane});
  return lanes_.back();
}

HQUIC OutboundLanes::OpenStream(uint16_t lane) noexcept {
  auto* context = new StreamContext{Ref<Connection>(&connection_), this, lane};
  HQUIC stream = nullptr;
  if (QUIC_FAILED(Api().StreamOpen(connection_.handle(), QUIC_STREAM_OPEN_FLAG_UNIDIRECTIONAL, Callback,
                                   context, &stream))) {
    delete context;
    return nullptr;
  }
  return stream;
}

bool OutboundLanes::Send(uint16_t id, SendRequest* request, bool early) noexcept {
  Lane& lane = Find(id);
  QUIC_SEND_FLAGS flags = early ? QUIC_SEND_FLAG_ALLOW_0_RTT : QUIC_SEND_FLAG_NONE;
  const bool opens = lane.stream == nullptr;
  if (opens) {
    lane.stream = OpenStream(id);
    if (lane.stream == nullptr) return false;
    request->SetPrefix(LanePrefix(id, lane.next_ordinal++));
    flags |= QUIC_SEND_FLAG_START;
    ScheduleSweep(lane, connection_.options().lane_idle);
  }
  lane.last_send = Clock::now();
  if (QUIC_SUCCEEDED(
          Api().StreamSend(lane.stream, request->buffers(), request->buffer_count(), flags, request))) {
    return true;
  }
  if (opens) CloseUnstarted(std::exchange(lane.stream, nullptr));
  return false;
}

// Closing is ours, and so is the context: without a handler msquic's answer to the close, a
// SHUTDOWN_COMPLETE, does not free it a second time.
void OutboundLanes::CloseUnstarted(HQUIC stream) noexcept {
  auto* context = static_cast<StreamContext*>(Api().GetContext(stream));
  Api().SetCallbackHandler(stream, nullptr, nullptr);
  Library::Get().control().Post([stream, context] {
    Api().StreamClose(stream);
    delete context;
  });
}

bool OutboundLanes::SendClose(uint32_t code, std::string_view reason) noexcept {
  std::vector<uint32_t> counts{static_cast<uint32_t>(lanes_.size())};
  for (Lane& lane : lanes_) {
    counts.push_back(lane.id);
    counts.push_back(lane.next_ordinal);
    if (lane.stream != nullptr) Finish(lane);
  }
  SendRequest* request =
      SendRequest::New(&connection_, static_cast<uint32_t>(counts.size() * 4 + reason.size()));
  if (request == nullptr) return false;
  const bool fits = request->Append({reinterpret_cast<const uint8_t*>(counts.data()), counts.size() * 4}) &&
                    request->Append({reinterpret_cast<const uint8_t*>(reason.data()), reason.size()});
  request->SetPrefix(LanePrefix(kCloseLane, code));
  HQUIC stream = fits ? OpenStream(kCloseLane) : nullptr;
  // Not counted as queued by JavaScript, so not completed through the connection's count either.
  if (stream != nullptr &&
      QUIC_SUCCEEDED(Api().StreamSend(stream, request->buffers(), request->buffer_count(),
                                      QUIC_SEND_FLAG_START | QUIC_SEND_FLAG_FIN, request))) {
    return true;
  }
  if (stream != nullptr) CloseUnstarted(stream);
  SendRequest::Discard(request);
  return false;
}

void OutboundLanes::Finish(Lane& lane) noexcept {
  (void)Api().StreamShutdown(lane.stream, QUIC_STREAM_SHUTDOWN_FLAG_GRACEFUL, 0);
  lane.stream = nullptr;  // closes at its SHUTDOWN_COMPLETE
  lane.accepted = false;
  lane.unacknowledged += 1;
}

// The peer gives credit for another stream when one has ended: finishes as many as others wait for. A lane
// with a finished stream already is passed over; it is looked at again when that is acknowledged.
void OutboundLanes::MakeRoom() noexcept {
  uint32_t ending = 0;
  for (const Lane& lane : lanes_) ending += lane.unacknowledged;
  for (; ending < waiting_; ++ending) {
    Lane* least_recent = nullptr;
    for (Lane& lane : lanes_) {
      if (lane.stream == nullptr || !lane.accepted || lane.unacknowledged > 0) continue;
      if (least_recent == nullptr || lane.last_send < least_recent->last_send) least_recent = &lane;
    }
    if (least_recent == nullptr) return;
    Finish(*least_recent);
  }
}

void OutboundLanes::ScheduleSweep(Lane& lane, std::chrono::milliseconds delay) noexcept {
  if (lane.sweep_pending) return;
  lane.sweep_pending = true;
  Library::Get().control().PostAfter(delay, [connection = Ref<Connection>(&connection_), this, id = lane.id] {
    const std::lock_guard lock(connection->mutex());
    Sweep(id);
  });
}

void OutboundLanes::Sweep(uint16_t id) noexcept {
  Lane& lane = Find(id);
  lane.sweep_pending = false;
  if (lane.stream == nullptr) return;
  const auto idle_limit = connection_.options().lane_idle;
  const auto idle = std::chrono::duration_cast<std::chrono::milliseconds>(Clock::now() - lane.last_send);
  if (idle >= idle_limit && lane.unacknowledged == 0 && lane.accepted) {
    Finish(lane);
    return;
  }
  ScheduleSweep(lane, idle >= idle_limit ? idle_limit : idle_limit - idle);
}

void OutboundLanes::OnStarted(StreamContext& context, HQUIC stream, bool accepted) noexcept {
  if (accepted) {
    Lane& lane = Find(context.lane);
    if (lane.stream == stream) lane.accepted = true;
    return;
  }
  context.waits = true;
  waiting_ += 1;
  MakeRoom();
}

void OutboundLanes::OnAccepted(StreamContext& context, HQUIC stream) noexcept {
  Lane& lane = Find(context.lane);
  if (lane.stream == stream) lane.accepted = true;
  context.waits = false;
  waiting_ -= 1;
  MakeRoom();  // now it may be finished, too
}

void OutboundLanes::OnAcknowledged(uint16_t id) noexcept {
  Lane& lane = Find(id);
  if (lane.unacknowledged > 0) lane.unacknowledged -= 1;
  MakeRoom();
}

void OutboundLanes::OnClosed(const StreamContext& context, HQUIC stream) noexcept {
  Lane& lane = Find(context.lane);
  if (lane.stream == stream) lane.stream = nullptr;
  if (context.waits) waiting_ -= 1;
}

QUIC_STATUS OutboundLanes::Callback(HQUIC stream, void* opaque, QUIC_STREAM_EVENT* event) noexcept {
  auto* context = static_cast<StreamContext*>(opaque);
  Connection& connection = *context->connection;
  switch (event->Type) {
    case QUIC_STREAM_EVENT_START_COMPLETE: {
      if (context->lane == kCloseLane || QUIC_FAILED(event->START_COMPLETE.Status)) break;
      // Before its first byte goes. Not a wait: the call is on the connection's own thread.
      const uint16_t priority = PriorityOf(context->lane);
      if (priority != kDefaultLanePriority) {
        (void)Api().SetParam(stream, QUIC_PARAM_STREAM_PRIORITY, sizeof(priority), &priority);
      }
      const std::lock_guard lock(connection.mutex());
      context->lanes->OnStarted(*context, stream, event->START_COMPLETE.PeerAccepted);
      break;
    }
    case QUIC_STREAM_EVENT_SEND_COMPLETE: {
      auto* request = static_cast<SendRequest*>(event->SEND_COMPLETE.ClientContext);
      if (context->lane == kCloseLane) {
        SendRequest::Discard(request);
      } else {
        SendRequest::Complete(request);
      }
      // msquic tells it only of streams that were started by a call of their own.
      if (context->waits && !event->SEND_COMPLETE.Canceled) {
        const std::lock_guard lock(connection.mutex());
        context->lanes->OnAccepted(*context, stream);
      }
      break;
    }
    case QUIC_STREAM_EVENT_SEND_SHUTDOWN_COMPLETE: {
      if (context->lane == kCloseLane) break;
      const std::lock_guard lock(connection.mutex());
      context->lanes->OnAcknowledged(context->lane);
      break;
    }
    case QUIC_STREAM_EVENT_PEER_RECEIVE_ABORTED:
      // A lane is reliable: a peer that stops reading one has broken it.
      connection.Fail(kCloseProtocolViolation);
      break;
    case QUIC_STREAM_EVENT_SHUTDOWN_COMPLETE: {
      if (context->lane != kCloseLane) {
        const std::lock_guard lock(connection.mutex());
        context->lanes->OnClosed(*context, stream);
      }
      if (!event->SHUTDOWN_COMPLETE.AppCloseInProgress) Api().StreamClose(stream);
      delete context;
      break;
    }
    default:
      break;
  }
  return QUIC_STATUS_SUCCESS;
}

}  // namespace millrace
