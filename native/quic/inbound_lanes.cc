#include "native/quic/inbound_lanes.h"

#include <algorithm>
#include <cstring>
#include <mutex>
#include <string>
#include <utility>

#include "native/quic/connection.h"
#include "native/quic/inbound_lane_stream.h"
#include "native/quic/library.h"

namespace millrace {
namespace {

// How far ahead of its turn a stream may arrive. A peer may finish streams that we have acknowledged and not
// yet consumed, one after the other while our reader pauses; its stream limit bounds how many there are.
constexpr uint32_t kMaxOrdinalsAhead = 1u << 16;
// How many lanes may have half of a largest frame at once: those of lane.h, and more than one peer should
// need.
constexpr size_t kAssemblingLanes = 12;
// A growing buffer may be a little ahead of what it holds.
constexpr size_t kAssemblySlackBytes = size_t{64} << 10;

}  // namespace

InboundLanes::InboundLanes(Connection& connection) noexcept
    : connection_(connection),
      frame_deadline_(connection),
      assembly_budget_(
          kAssemblingLanes * (size_t{connection.options().max_frame_bytes} + kAssemblySlackBytes),
          &Library::Get().assembly_budget()) {}
InboundLanes::~InboundLanes() = default;

void InboundLanes::Accept(HQUIC handle) noexcept {
  auto stream = std::make_unique<InboundLaneStream>(connection_, *this, handle);
  Api().SetCallbackHandler(handle, reinterpret_cast<void*>(InboundLaneStream::Callback), stream.get());
  stream->BeginWait();
  const std::lock_guard lock(connection_.mutex());
  streams_.push_back(std::move(stream));
}

FrameWait::Clock::time_point InboundLanes::OldestWait() const noexcept {
  auto oldest = FrameWait::Clock::time_point::max();
  for (const auto& stream : streams_) oldest = std::min(oldest, stream->waiting_since());
  return oldest;
}

bool InboundLanes::HoldsPeerBack() const noexcept {
  return std::any_of(streams_.begin(), streams_.end(), [](const auto& stream) { return stream->paused(); });
}

// msquic carries these out in this order, and the first may take all of the credit that has come back: so
// control goes before bulk, and among equals it is not always the same.
void InboundLanes::ResumeReceive() noexcept {
  for (const auto& stream : streams_) stream->ProlongWait();
  std::vector<InboundLaneStream*> paused;
  for (const auto& stream : streams_) {
    if (stream->paused()) paused.push_back(stream.get());
  }
  if (paused.size() > 1) {
    std::rotate(paused.begin(), paused.begin() + static_cast<std::ptrdiff_t>(resumes_++ % paused.size()),
                paused.end());
    std::stable_sort(paused.begin(), paused.end(), [](const auto* a, const auto* b) {
      return PriorityOf(a->lane()) > PriorityOf(b->lane());
    });
  }
  for (InboundLaneStream* stream : paused) stream->ResumeReceive();
}

InboundLanes::Lane& InboundLanes::Find(uint16_t lane) noexcept {
  const auto found =
      std::find_if(lanes_.begin(), lanes_.end(), [lane](const Lane& l) { return l.id == lane; });
  if (found != lanes_.end()) return *found;
  lanes_.push_back(Lane{lane});
  return lanes_.back();
}

InboundLanes::Turn InboundLanes::TurnOf(const InboundLaneStream& stream) noexcept {
  const uint16_t id = stream.lane();
  const uint32_t ordinal = stream.ordinal();
  const bool is_twice = std::any_of(streams_.begin(), streams_.end(), [&](const auto& other) {
    return other.get() != &stream && other->HasPrefix() && other->lane() == id && other->ordinal() == ordinal;
  });
  if (is_twice) return Turn::kNever;
  const bool is_known =
      std::any_of(lanes_.begin(), lanes_.end(), [id](const Lane& lane) { return lane.id == id; });
  if (!is_known && lanes_.size() >= kMaxLanes) return Turn::kNever;
  const uint32_t ahead = ordinal - Find(id).next_ordinal;
  if (ahead == 0) return Turn::kNow;
  return ahead <= kMaxOrdinalsAhead ? Turn::kLater : Turn::kNever;
}

void InboundLanes::OnEnded(uint16_t id) noexcept {
  Lane& lane = Find(id);
  lane.next_ordinal += 1;
  for (const auto& stream : streams_) {
    if (stream->HasPrefix() && stream->lane() == id && stream->ordinal() == lane.next_ordinal)
      stream->ResumeReceive();
  }
  FinishIfAllDelivered();
}

void InboundLanes::OnCloseRequest(uint32_t code, std::vector<uint8_t> request) noexcept {
  uint32_t count = 0;
  if (request.size() < sizeof(count)) return connection_.Fail(kCloseProtocolViolation);
  std::memcpy(&count, request.data(), sizeof(count));
  const size_t lanes_end = sizeof(count) + size_t{count} * 8;
  if (count > kMaxLanes || request.size() < lanes_end || close_request_ != nullptr) {
    return connection_.Fail(kCloseProtocolViolation);
  }
  auto parsed = std::make_unique<CloseRequest>();
  parsed->code = code;
  for (uint32_t i = 0; i < count; ++i) {
    uint32_t pair[2];
    std::memcpy(pair, request.data() + sizeof(count) + size_t{i} * 8, sizeof(pair));
    parsed->lanes.push_back(Lane{static_cast<uint16_t>(pair[0]), pair[1]});
  }
  parsed->reason.assign(request.begin() + static_cast<std::ptrdiff_t>(lanes_end), request.end());
  close_request_ = std::move(parsed);
  FinishIfAllDelivered();
}

void InboundLanes::FinishIfAllDelivered() noexcept {
  if (close_request_ == nullptr) return;
  for (const Lane& lane : close_request_->lanes) {
    // Ordinals wrap; what was delivered never runs ahead of what was sent.
    if (Find(lane.id).next_ordinal != lane.next_ordinal) return;
  }
  connection_.FinishForPeer(close_request_->code, close_request_->reason);
}

void InboundLanes::OnClosed(InboundLaneStream* closed) noexcept {
  const std::lock_guard lock(connection_.mutex());
  std::erase_if(streams_, [closed](const auto& stream) { return stream.get() == closed; });
  if (streams_.empty()) streams_.shrink_to_fit();
}

}  // namespace millrace
