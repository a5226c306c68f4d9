#include "native/quic/connection.h"

#include <memory>
#include <utility>

#include "native/quic/library.h"
#include "native/quic/send_request.h"
#include "native/quic/stream.h"

namespace millrace {

Connection::Connection(Ref<Environment> environment, Ref<ConnectionOptions> options, uint32_t listener,
                       HQUIC handle) noexcept
    : Resource(Kind::kConnection, environment->NextPort()),
      environment_(std::move(environment)),
      options_(std::move(options)),
      handle_(handle),
      listener_(listener),
      credit_(options_->receive_credit_bytes) {
  environment_->CountConnection(1);
}

// The last lease is gone, so msquic has said SHUTDOWN_COMPLETE (or never started): closing waits for no
// callback. Still it waits for the worker, unless that was told not to.
Connection::~Connection() {
  environment_->CountConnection(-1);
  const HQUIC handle = this->handle();
  if (handle == nullptr) return;
  if (closes_async_) {
    Api().ConnectionClose(handle);
  } else {
    Library::Get().control().Post([handle] { Api().ConnectionClose(handle); });
  }
}

QUIC_STATUS Connection::Callback(HQUIC, void* context, QUIC_CONNECTION_EVENT* event) noexcept {
  return static_cast<Connection*>(context)->OnEvent(event);
}

QUIC_STATUS Connection::OnEvent(QUIC_CONNECTION_EVENT* event) noexcept {
  switch (event->Type) {
    case QUIC_CONNECTION_EVENT_CONNECTED:
      OnConnected(*event);
      break;
    case QUIC_CONNECTION_EVENT_PEER_CERTIFICATE_RECEIVED:
      return OnPeerCertificate(*event);
    case QUIC_CONNECTION_EVENT_SHUTDOWN_INITIATED_BY_TRANSPORT:
      SetEnd(ClosedBy::kTransport, static_cast<int32_t>(event->SHUTDOWN_INITIATED_BY_TRANSPORT.Status),
             event->SHUTDOWN_INITIATED_BY_TRANSPORT.ErrorCode, {});
      break;
    case QUIC_CONNECTION_EVENT_SHUTDOWN_INITIATED_BY_PEER:
      SetEnd(ClosedBy::kPeer, 0, event->SHUTDOWN_INITIATED_BY_PEER.ErrorCode, {});
      break;
    case QUIC_CONNECTION_EVENT_SHUTDOWN_COMPLETE:
      OnShutdownComplete();
      break;
    case QUIC_CONNECTION_EVENT_PEER_STREAM_STARTED:
      return OnPeerStream(event->PEER_STREAM_STARTED.Stream, &event->PEER_STREAM_STARTED.Flags);
    case QUIC_CONNECTION_EVENT_RESUMED:
      return OnResumed({event->RESUMED.ResumptionState, event->RESUMED.ResumptionStateLength});
    case QUIC_CONNECTION_EVENT_RESUMPTION_TICKET_RECEIVED:
      OnTicket({event->RESUMPTION_TICKET_RECEIVED.ResumptionTicket,
                event->RESUMPTION_TICKET_RECEIVED.ResumptionTicketLength});
      break;
    case QUIC_CONNECTION_EVENT_PEER_ADDRESS_CHANGED:
      OnPeerMoved(*event->PEER_ADDRESS_CHANGED.Address);
      break;
    case QUIC_CONNECTION_EVENT_DATAGRAM_STATE_CHANGED:
      OnDatagramState(event->DATAGRAM_STATE_CHANGED.SendEnabled ? event->DATAGRAM_STATE_CHANGED.MaxSendLength
                                                                : 0u);
      break;
    case QUIC_CONNECTION_EVENT_DATAGRAM_RECEIVED:
      OnDatagram(*event->DATAGRAM_RECEIVED.Buffer);
      break;
    case QUIC_CONNECTION_EVENT_DATAGRAM_SEND_STATE_CHANGED:
      OnDatagramSendState(event->DATAGRAM_SEND_STATE_CHANGED.State,
                          &event->DATAGRAM_SEND_STATE_CHANGED.ClientContext);
      break;
    default:
      break;
  }
  return QUIC_STATUS_SUCCESS;
}

QUIC_STATUS Connection::OnPeerStream(HQUIC handle, QUIC_STREAM_OPEN_FLAGS* flags) noexcept {
  const bool unidirectional = (*flags & QUIC_STREAM_OPEN_FLAG_UNIDIRECTIONAL) != 0;
  const bool early = listener_ != 0 && !opened_;
  if (early && !announced_ && !AnnounceEarly()) return QUIC_STATUS_OUT_OF_MEMORY;
  if (options_->framed) {
    if (!unidirectional) return QUIC_STATUS_NOT_SUPPORTED;
    if (inbound_ == nullptr) {
      const std::lock_guard lock(mutex_);
      inbound_ = std::make_unique<InboundLanes>(*this);
    }
    inbound_->Accept(handle);
    return QUIC_STATUS_SUCCESS;
  }
  // Credit for another stream goes to the peer when JavaScript has let go of this one, so that streams opened
  // and reset in a loop cost no more than the limit.
  *flags |= QUIC_STREAM_OPEN_FLAG_DELAY_ID_FC_UPDATES;
  return Stream::Accept(*this, handle, unidirectional, early) ? QUIC_STATUS_SUCCESS
                                                              : QUIC_STATUS_OUT_OF_MEMORY;
}

void Connection::OnPeerAbortedStream() noexcept {
  if (!churn_.Take(options_->peer_aborts_per_second, ChurnBudget::Clock::now())) Fail(kClosePolicy);
}

void Connection::SendFrames(uint16_t lane, SendRequest* request) noexcept {
  queued_bytes_.fetch_add(request->bytes());
  bool taken = false;
  {
    const std::lock_guard lock(mutex_);
    if (!closing_ && handle() != nullptr) {
      if (outbound_ == nullptr) outbound_ = std::make_unique<OutboundLanes>(*this);
      const bool early = (lane & kLaneEarly) != 0;
      const bool waits = takeoff_ != nullptr && !early;
      if (waits) takeoff_->frames.emplace_back(lane, request);
      taken = waits || outbound_->Send(lane & ~kLaneEarly, request, early);
    }
  }
  if (!taken) SendRequest::Complete(request);
}

void Connection::OnSendComplete(uint32_t bytes) noexcept {
  const uint32_t left = queued_bytes_.fetch_sub(bytes) - bytes;
  port().Complete(*this, bytes, left < options_->high_water_bytes / 2);
}

void Connection::ResumeReceive() noexcept {
  const std::lock_guard lock(mutex_);
  if (inbound_ != nullptr) inbound_->ResumeReceive();
}

void Connection::ReturnCredit(uint32_t bytes) noexcept {
  if (credit_.Return(bytes)) ResumeReceive();
}

}  // namespace millrace
