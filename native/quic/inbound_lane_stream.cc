#include "native/quic/inbound_lane_stream.h"

#include <algorithm>
#include <cstring>
#include <utility>

#include "native/quic/connection.h"
#include "native/quic/counters.h"
#include "native/quic/library.h"

namespace millrace {
namespace {

// More than any close request of ours needs.
constexpr size_t kMaxCloseRequestBytes = 4096;

}  // namespace

InboundLaneStream::InboundLaneStream(Connection& connection, InboundLanes& lanes, HQUIC handle) noexcept
    : connection_(connection),
      lanes_(lanes),
      handle_(handle),
      splitter_(std::min(connection.options().max_frame_bytes, connection.port().MaxPayload()),
                &lanes.assembly_budget_) {}

uint16_t InboundLaneStream::lane() const noexcept {
  return static_cast<uint16_t>(prefix_[0] | prefix_[1] << 8);
}

uint32_t InboundLaneStream::ordinal() const noexcept {
  uint32_t ordinal = 0;
  std::memcpy(&ordinal, prefix_.data() + 4, sizeof(ordinal));
  return ordinal;
}

void InboundLaneStream::ResumeReceive() noexcept {
  // What fails here is a stream that is ending; it needs no resume.
  if (paused_.exchange(false)) (void)Api().StreamReceiveSetEnabled(handle_, TRUE);
}

void InboundLaneStream::Fail(uint64_t code) noexcept {
  failed_ = true;
  connection_.Fail(code);
}

QUIC_STATUS InboundLaneStream::OnReceive(QUIC_STREAM_EVENT* event) noexcept {
  size_t consumed = 0;
  for (uint32_t i = 0; i < event->RECEIVE.BufferCount; ++i) {
    const QUIC_BUFFER& buffer = event->RECEIVE.Buffers[i];
    const Taken taken = Take({buffer.Buffer, buffer.Length});
    consumed += taken.bytes;
    if (!taken.more) break;
  }
  UpdateWait();
  // Fewer than we were given pauses the stream; flow control then holds the peer.
  event->RECEIVE.TotalBufferLength = consumed;
  return QUIC_STATUS_SUCCESS;
}

InboundLaneStream::Taken InboundLaneStream::Take(std::span<const uint8_t> bytes) noexcept {
  if (failed_) return {bytes.size(), true};
  size_t taken = 0;
  if (!HasPrefix()) taken = TakePrefix(bytes);
  if (!HasPrefix() || failed_) return {bytes.size(), true};
  const std::span<const uint8_t> rest = bytes.subspan(taken);
  if (rest.empty()) return {taken, true};
  if (lane() == kCloseLane) {
    const Taken request = TakeCloseRequest(rest);
    return {taken + request.bytes, request.more};
  }
  if (!current_) {
    const InboundLanes::Turn turn = lanes_.TurnOf(*this);
    if (turn == InboundLanes::Turn::kNever) {
      Fail(kCloseProtocolViolation);
      return {bytes.size(), true};
    }
    if (turn == InboundLanes::Turn::kLater) {
      paused_.store(true);
      return {taken, false};
    }
    current_ = true;
  }
  const Taken frames = TakeFrames(rest);
  return {taken + frames.bytes, frames.more};
}

size_t InboundLaneStream::TakePrefix(std::span<const uint8_t> bytes) noexcept {
  const size_t n = std::min<size_t>(kLanePrefixBytes - prefix_bytes_, bytes.size());
  std::memcpy(prefix_.data() + prefix_bytes_, bytes.data(), n);
  prefix_bytes_ = static_cast<uint8_t>(prefix_bytes_ + n);
  if (HasPrefix() && (prefix_[2] | prefix_[3]) != 0) Fail(kCloseProtocolViolation);
  return n;
}

InboundLaneStream::Taken InboundLaneStream::TakeFrames(std::span<const uint8_t> bytes) noexcept {
  EventPort::Batch batch(connection_.port());
  const SplitResult result =
      splitter_.Feed(bytes.data(), bytes.size(), [this, &batch](const uint8_t* frame, size_t n) noexcept {
        return Deliver(batch, {frame, n});
      });
  switch (result.status) {
    case SplitStatus::kNeedMore:
      return {result.consumed, true};
    case SplitStatus::kBlocked:
      return {result.consumed, false};
    case SplitStatus::kTooLarge:
      Fail(kCloseFrameTooLarge);
      break;
    case SplitStatus::kMalformed:
      Fail(kCloseFrameMalformed);
      break;
    case SplitStatus::kOutOfMemory:
      Fail(kCloseExhausted);
      break;
  }
  return {bytes.size(), true};
}

// Marks the stream paused before it looks again: a resume that comes in between finds the mark, and what
// msquic queues for it is done after this callback.
bool InboundLaneStream::Deliver(EventPort::Batch& batch, std::span<const uint8_t> frame) noexcept {
  ReceiveCredit& credit = connection_.credit();
  if (credit.Exhausted()) {
    paused_.store(true);
    if (credit.Exhausted()) return false;
    paused_.store(false);
  }
  const Event event{.kind = EventKind::kFrame,
                    .slot = connection_.slot(),
                    .generation = connection_.generation(),
                    .stream = lane(),
                    .body = frame};
  while (!batch.TryWrite(event)) {
    paused_.store(true);
    if (batch.Starve(&connection_, static_cast<uint32_t>(frame.size()))) return false;
    paused_.store(false);
  }
  credit.Charge(static_cast<uint32_t>(frame.size()));
  progressed_ = true;
  ThreadCounters& counters = ThreadCounters::Mine();
  Add(counters.verified_frames, 1);
  Add(counters.verified_bytes, frame.size());
  return true;
}

InboundLaneStream::Taken InboundLaneStream::TakeCloseRequest(std::span<const uint8_t> bytes) noexcept {
  if (close_request_.size() + bytes.size() > kMaxCloseRequestBytes) {
    Fail(kCloseProtocolViolation);
  } else {
    close_request_.insert(close_request_.end(), bytes.begin(), bytes.end());
  }
  return {bytes.size(), true};
}

void InboundLaneStream::BeginWait() noexcept {
  wait_.Begin();
  lanes_.frame_deadline_.Watch(lanes_);
}

void InboundLaneStream::UpdateWait() noexcept {
  const bool progressed = std::exchange(progressed_, false);
  const bool owes = !HasPrefix() || lane() == kCloseLane || (current_ && !splitter_.AtFrameBoundary());
  // What we do not take the peer cannot finish.
  if (failed_ || !owes || paused_.load()) return wait_.End();
  if (progressed) wait_.Restart();
  BeginWait();
}

void InboundLaneStream::OnEnd() noexcept {
  wait_.End();
  if (failed_) return;
  const bool is_close = HasPrefix() && lane() == kCloseLane;
  if (is_close) {
    lanes_.OnCloseRequest(ordinal(), close_request_);
  } else if (!current_) {
    Fail(kCloseProtocolViolation);  // a lane's stream carries its prefix and at least one frame
  } else if (!splitter_.AtFrameBoundary()) {
    Fail(kCloseFrameMalformed);
  } else {
    lanes_.OnEnded(lane());
  }
}

QUIC_STATUS InboundLaneStream::Callback(HQUIC handle, void* context, QUIC_STREAM_EVENT* event) noexcept {
  auto* stream = static_cast<InboundLaneStream*>(context);
  switch (event->Type) {
    case QUIC_STREAM_EVENT_RECEIVE:
      return stream->OnReceive(event);
    case QUIC_STREAM_EVENT_PEER_SEND_SHUTDOWN:
      stream->OnEnd();
      break;
    case QUIC_STREAM_EVENT_PEER_SEND_ABORTED:
      stream->Fail(kCloseProtocolViolation);  // a lane that is reset has lost messages
      break;
    case QUIC_STREAM_EVENT_SHUTDOWN_COMPLETE:
      stream->lanes_.OnClosed(stream);
      if (!event->SHUTDOWN_COMPLETE.AppCloseInProgress) Api().StreamClose(handle);
      break;
    default:
      break;
  }
  return QUIC_STATUS_SUCCESS;
}

}  // namespace millrace
