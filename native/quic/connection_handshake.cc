// From the first packet until it is open: who the peer is, what is resumed, and the ticket for the next time.

#include <openssl/ssl.h>

#include <array>
#include <span>
#include <string>
#include <vector>

#include "native/quic/connection.h"
#include "native/quic/library.h"
#include "native/quic/stream.h"
#include "native/quic/ticket.h"

namespace millrace {
namespace {

uint16_t OpenedFlags(bool resumed, uint8_t early_data_status) noexcept {
  uint32_t flags = 0;
  if (resumed) flags |= kOpenedResumed;
  if (early_data_status == SSL_EARLY_DATA_ACCEPTED) flags |= kOpenedEarlyAccepted;
  if (early_data_status == SSL_EARLY_DATA_REJECTED) flags |= kOpenedEarlyRefused;
  return static_cast<uint16_t>(flags);
}

struct Alpn {
  [[nodiscard]] std::span<const uint8_t> span() const noexcept { return {name.data(), bytes}; }

  std::array<uint8_t, UINT8_MAX> name{};
  uint32_t bytes = UINT8_MAX;
};

// The negotiated one, empty where there is none yet. Inside the connection's own callback this is answered at
// once.
Alpn ReadAlpn(HQUIC handle) noexcept {
  Alpn alpn;
  if (QUIC_FAILED(Api().GetParam(handle, QUIC_PARAM_TLS_NEGOTIATED_ALPN, &alpn.bytes, alpn.name.data()))) {
    alpn.bytes = 0;
  }
  return alpn;
}

}  // namespace

// Whether the CAs vouch for it is known at once; the application's own word may follow later.
QUIC_STATUS Connection::OnPeerCertificate(const QUIC_CONNECTION_EVENT& event) noexcept {
  CertificateVerifier::Verdict verdict = handshake_->Verify(event);
  {
    const std::lock_guard lock(mutex_);
    peer_certificate_ = verdict.certificate;
  }
  if (QUIC_FAILED(verdict.status)) {
    // Refused by the return value, msquic would send an alert of its own choice.
    SetEnd(ClosedBy::kTransport, static_cast<int32_t>(verdict.status), 0, {});
    (void)Api().ConnectionCertificateValidationComplete(handle(), FALSE, verdict.alert);
    return QUIC_STATUS_PENDING;
  }
  if (!options_->authenticates) return QUIC_STATUS_SUCCESS;
  if (listener_ != 0 && !announced_ && !environment_->Insert(this)) return QUIC_STATUS_OUT_OF_MEMORY;
  announced_ = true;
  PostPeerCertificate(verdict.certificate.get());
  return QUIC_STATUS_PENDING;
}

void Connection::PostPeerCertificate(const PeerCertificate* certificate) noexcept {
  const Alpn alpn = ReadAlpn(handle());
  const std::string& name = handshake_->server_name();
  const PeerCertificateEvent head{listener_, static_cast<uint16_t>(name.size()),
                                  static_cast<uint16_t>(alpn.bytes)};
  std::vector<uint8_t> body(name.begin(), name.end());
  body.insert(body.end(), alpn.span().begin(), alpn.span().end());
  if (certificate != nullptr) {
    body.insert(body.end(), certificate->encoded().begin(), certificate->encoded().end());
  }
  port().Write({.kind = EventKind::kPeerCertificate,
                .slot = slot(),
                .generation = generation(),
                .head = BytesOf(head),
                .body = body});
}

void Connection::Authenticate(bool accepted, QUIC_TLS_ALERT_CODES alert) noexcept {
  if (!accepted) SetEnd(ClosedBy::kTransport, static_cast<int32_t>(QUIC_STATUS_TLS_ALERT(alert)), 0, {});
  (void)Api().ConnectionCertificateValidationComplete(handle(), accepted ? TRUE : FALSE, alert);
}

Ref<PeerCertificate> Connection::peer_certificate() noexcept {
  const std::lock_guard lock(mutex_);
  return peer_certificate_;
}

bool Connection::AnnounceEarly() noexcept {
  if (!environment_->Insert(this)) return false;
  announced_ = true;
  const Alpn alpn = ReadAlpn(handle());
  const OpenedEvent opened{listener_, max_datagram_bytes_.load(std::memory_order_relaxed)};
  port().Write({.kind = EventKind::kConnectionEarly,
                .slot = slot(),
                .generation = generation(),
                .head = BytesOf(opened),
                .body = alpn.span()});
  return true;
}

void Connection::OnConnected(const QUIC_CONNECTION_EVENT& event) noexcept {
  ProcessCounters::Get().handshakes.fetch_add(1, std::memory_order_relaxed);
  if (listener_ == 0) {
    ReadAddresses();  // answered at once inside the connection's own callback
  } else if (!announced_ && !environment_->Insert(this)) {
    return Fail(environment_->closed() ? kCloseGoingAway : kCloseExhausted);
  }
  if (place_) place_->HandshakeDone();
  announced_ = true;
  opened_ = true;
  EndHandshake();
  ReadRoundTrip();
  const uint8_t async = 1;
  closes_async_ =
      QUIC_SUCCEEDED(Api().SetParam(handle(), QUIC_PARAM_CONN_CLOSE_ASYNC, sizeof(async), &async));
  const OpenedEvent opened{listener_, max_datagram_bytes_.load(std::memory_order_relaxed)};
  port().Write({.kind = EventKind::kConnectionOpened,
                .flags = OpenedFlags(event.CONNECTED.SessionResumed != FALSE, early_data_status_),
                .slot = slot(),
                .generation = generation(),
                .head = BytesOf(opened),
                .body = {event.CONNECTED.NegotiatedAlpn, event.CONNECTED.NegotiatedAlpnLength}});
  Land();
  SendTicket();
}

void Connection::EndHandshake() noexcept {
  if (handshake_ != nullptr && handshake_->End()) handshake_.reset();
}

// The client shows a ticket of ours. Refused, it makes a full handshake; whether its early data is taken is
// asked right afterwards, see early_data_hooks.cc.
QUIC_STATUS Connection::OnResumed(std::span<const uint8_t> ticket) noexcept {
  if (!options_->resumption) return QUIC_STATUS_NOT_SUPPORTED;
  const Resumption::Verdict verdict = options_->resumption->Redeem(ticket, Resumption::Clock::now());
  allows_early_data_ = verdict.early_data;
  return verdict.resume ? QUIC_STATUS_SUCCESS : QUIC_STATUS_NOT_SUPPORTED;
}

// FINAL: msquic then frees what it needs for tickets, which is more than the rest of an idle connection.
void Connection::SendTicket() noexcept {
  if (!options_->resumption) return;
  const Resumption::Ticket ticket = options_->resumption->Issue(Resumption::Clock::now());
  (void)Api().ConnectionSendResumptionTicket(handle(), QUIC_SEND_RESUMPTION_FLAG_FINAL,
                                             static_cast<uint16_t>(ticket.size()), ticket.data());
}

void Connection::OnTicket(std::span<const uint8_t> ticket) noexcept {
  if (!options_->wants_tickets) return;
  const TicketEvent received{TicketLifetimeSeconds(ticket), 0};
  port().Write({.kind = EventKind::kTicket,
                .slot = slot(),
                .generation = generation(),
                .head = BytesOf(received),
                .body = ticket});
}

}  // namespace millrace
