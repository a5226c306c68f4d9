// A connection's datagrams, and what becomes of each.

#include "native/quic/connection.h"
#include "native/quic/library.h"
#include "native/quic/send_request.h"

namespace millrace {

void Connection::SendDatagram(SendRequest* request) noexcept {
  request->Charge(kDatagramOverheadBytes);
  queued_bytes_.fetch_add(request->charged());
  request->CountSent();
  const HQUIC handle = this->handle();
  if (handle != nullptr &&
      QUIC_SUCCEEDED(Api().DatagramSend(handle, request->buffers(), 1, QUIC_SEND_FLAG_NONE, request))) {
    return;
  }
  PostOutcome(*request, DatagramOutcome::kCancelled);
  SendRequest::Complete(request);
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
  {
    EventPort::Batch batch(port());
    const Event event{.kind = EventKind::kDatagram,
                      .slot = slot(),
                      .generation = generation(),
                      .body = {buffer.Buffer, buffer.Length}};
    if (!batch.Crowded() && batch.TryWrite(event)) return;
  }
  port().CountDroppedDatagram(*this);
}

// `request` is msquic's memory of whose datagram it is, which we clear when we are done with it. One without
// a tag is when it was sent: its bytes are in a packet then, and nobody asks what becomes of that.
void Connection::OnDatagramSendState(QUIC_DATAGRAM_SEND_STATE state, void** request) noexcept {
  auto* const send = static_cast<SendRequest*>(*request);
  if (send == nullptr) return;
  switch (state) {
    case QUIC_DATAGRAM_SEND_SENT:
      if (send->tag().has_value()) return PostOutcome(*send, DatagramOutcome::kSent);
      break;
    case QUIC_DATAGRAM_SEND_ACKNOWLEDGED:
    case QUIC_DATAGRAM_SEND_ACKNOWLEDGED_SPURIOUS:  // late, after it was thought lost
      PostOutcome(*send, DatagramOutcome::kAcknowledged);
      break;
    case QUIC_DATAGRAM_SEND_LOST_DISCARDED:
      PostOutcome(*send, DatagramOutcome::kLost);
      break;
    case QUIC_DATAGRAM_SEND_CANCELED:
      PostOutcome(*send, DatagramOutcome::kCancelled);
      break;
    default:
      return;  // not the last word on it
  }
  *request = nullptr;
  SendRequest::Complete(send);
}

void Connection::PostOutcome(const SendRequest& request, DatagramOutcome outcome) noexcept {
  if (!request.tag().has_value()) return;
  const DatagramOutcomeEvent event{*request.tag(), static_cast<uint32_t>(outcome)};
  port().Write({.kind = EventKind::kDatagramOutcome,
                .slot = slot(),
                .generation = generation(),
                .head = BytesOf(event)});
}

}  // namespace millrace
