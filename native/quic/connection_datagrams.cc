// A connection's datagrams, and what becomes of each.

#include "native/frame/verifier.h"
#include "native/quic/connection.h"
#include "native/quic/counters.h"
#include "native/quic/datagram_batch.h"
#include "native/quic/library.h"

namespace millrace {

void Connection::SendDatagram(OutboundDatagram* datagram) noexcept {
  const HQUIC handle = this->handle();
  if (handle != nullptr &&
      QUIC_SUCCEEDED(Api().DatagramSend(handle, &datagram->buffer, 1, QUIC_SEND_FLAG_NONE, datagram))) {
    return;
  }
  PostOutcome(*datagram, DatagramOutcome::kCancelled);
  DatagramBatch::Complete(datagram);
}

void Connection::FinishDatagrams(DatagramBatch* batch) noexcept {
  queued_bytes_.fetch_add(batch->charged());
  batch->Close();
}

void Connection::OnDatagramState(uint32_t max_bytes) noexcept {
  max_datagram_bytes_.store(max_bytes, std::memory_order_relaxed);
  if (!opened_) return;
  port().Write({.kind = EventKind::kDatagramState,
                .slot = slot(),
                .generation = generation(),
                .head = BytesOf(max_bytes)});
}

void Connection::OnDatagram(const QUIC_BUFFER& buffer) noexcept {
  if (!opened_) return;
  const std::span<const uint8_t> bytes{buffer.Buffer, buffer.Length};
  if (!(options_->framed ? PostFrame(bytes) : PostDatagram(bytes))) port().CountDroppedDatagram(*this);
}

bool Connection::PostDatagram(std::span<const uint8_t> bytes) noexcept {
  EventPort::Batch batch(port());
  const Event event{.kind = EventKind::kDatagram, .slot = slot(), .generation = generation(), .body = bytes};
  return !batch.Crowded() && batch.TryWrite(event);
}

// What is no frame is the peer's fault, and not the network's: QUIC has authenticated it. Its bytes are of
// the connection's credit like those of the lanes, but take no more than half of it.
bool Connection::PostFrame(std::span<const uint8_t> frame) noexcept {
  if (frame.size() > options_->max_frame_bytes) {
    Fail(kCloseFrameTooLarge);
    return true;
  }
  if (VerifyFrame(frame.data(), frame.size()) != FrameStatus::kValid) {
    Fail(kCloseFrameMalformed);
    return true;
  }
  if (credit_.HalfExhausted()) return false;
  EventPort::Batch batch(port());
  const Event event{.kind = EventKind::kFrame,
                    .slot = slot(),
                    .generation = generation(),
                    .stream = kNoLane,
                    .body = frame};
  if (batch.Crowded() || !batch.TryWrite(event)) return false;
  credit_.Charge(static_cast<uint32_t>(frame.size()));
  ThreadCounters& counters = ThreadCounters::Mine();
  Add(counters.verified_frames, 1);
  Add(counters.verified_bytes, frame.size());
  return true;
}

// `context` is msquic's memory of whose datagram it is, which we clear when we are done with it. One without
// a tag is when it was sent: its bytes are in a packet then, and nobody asks what becomes of that.
void Connection::OnDatagramSendState(QUIC_DATAGRAM_SEND_STATE state, void** context) noexcept {
  auto* const datagram = static_cast<OutboundDatagram*>(*context);
  if (datagram == nullptr) return;
  switch (state) {
    case QUIC_DATAGRAM_SEND_SENT:
      if (datagram->tag.has_value()) return PostOutcome(*datagram, DatagramOutcome::kSent);
      break;
    case QUIC_DATAGRAM_SEND_ACKNOWLEDGED:
    case QUIC_DATAGRAM_SEND_ACKNOWLEDGED_SPURIOUS:  // late, after it was thought lost
      PostOutcome(*datagram, DatagramOutcome::kAcknowledged);
      break;
    case QUIC_DATAGRAM_SEND_LOST_DISCARDED:
      PostOutcome(*datagram, DatagramOutcome::kLost);
      break;
    case QUIC_DATAGRAM_SEND_CANCELED:
      PostOutcome(*datagram, DatagramOutcome::kCancelled);
      break;
    default:
      return;  // not the last word on it
  }
  *context = nullptr;
  DatagramBatch::Complete(datagram);
}

void Connection::PostOutcome(const OutboundDatagram& datagram, DatagramOutcome outcome) noexcept {
  if (!datagram.tag.has_value()) return;
  const DatagramOutcomeEvent event{*datagram.tag, static_cast<uint32_t>(outcome)};
  port().Write({.kind = EventKind::kDatagramOutcome,
                .slot = slot(),
                .generation = generation(),
                .head = BytesOf(event)});
}

}  // namespace millrace
