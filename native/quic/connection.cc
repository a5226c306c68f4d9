#include "native/quic/connection.h"

#include <openssl/ssl.h>

#include <algorithm>
#include <utility>
#include <vector>

#include "native/quic/library.h"
#include "native/quic/send_request.h"
#include "native/quic/statistics.h"
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

}  // namespace

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

Ref<Connection> Connection::Dial(const Ref<Environment>& environment, Ref<ConnectionOptions> options,
                                 Ref<Configuration> configuration, Target target) noexcept {
  Ref<Connection> connection = MakeRef<Connection>(environment, std::move(options), 0u, nullptr);
  if (!environment->Insert(connection.get())) return {};
  if (target.waits_to_start) {
    connection->takeoff_ = std::make_unique<Takeoff>(Takeoff{std::move(configuration), std::move(target)});
    Library::Get().control().Post([connection] { connection->Prepare(); });
    return connection;
  }
  Library::Get().control().Post([connection, configuration = std::move(configuration),
                                 target = std::move(target)] { connection->Start(*configuration, target); });
  return connection;
}

// Where to, and from which socket; `opens` is a shared one that this connection is the first to use. Control
// thread.
QUIC_STATUS Connection::Aim(HQUIC handle, const Target& target, Ref<SharedSocket>* opens) noexcept {
  QUIC_STATUS status =
      Api().SetParam(handle, QUIC_PARAM_CONN_REMOTE_ADDRESS, sizeof(target.address), &target.address);
  if (QUIC_FAILED(status) || !target.shared_socket) return status;
  const Ref<SharedSocket> socket = ClientSockets::Get().Choose(target.address);
  socket_ = SocketUse(socket);
  const uint8_t share = 1;
  status = Api().SetParam(handle, QUIC_PARAM_CONN_SHARE_UDP_BINDING, sizeof(share), &share);
  if (QUIC_SUCCEEDED(status) && socket->known) {
    return Api().SetParam(handle, QUIC_PARAM_CONN_LOCAL_ADDRESS, sizeof(socket->local), &socket->local);
  }
  *opens = socket;
  return status;
}

// Control thread. Until handle_ is set, a Close of JavaScript's only leaves its mark in end_.
void Connection::Start(const Configuration& configuration, const Target& target) noexcept {
  bool closed_already = false;
  {
    const std::lock_guard lock(mutex_);
    closed_already = end_ != nullptr;
  }
  if (closed_already) return PostClosed();

  HQUIC handle = nullptr;
  Ref<SharedSocket> opens;
  QUIC_STATUS status = OpenHandle(target, &handle, &opens);
  if (QUIC_SUCCEEDED(status)) {
    handle_.store(handle, std::memory_order_release);
    AddRef();  // msquic's lease, until SHUTDOWN_COMPLETE
    handshake_ = Handshake::For(configuration, target.server_name);
    if (handshake_ != nullptr) handshake_->Begin(handle);
    status = Api().ConnectionStart(handle, configuration.handle(), QUIC_ADDRESS_FAMILY_UNSPEC,
                                   target.server_name.c_str(), QuicAddrGetPort(&target.address));
    if (QUIC_SUCCEEDED(status)) {
      if (opens) opens->Learn(handle);
      return;
    }
    handle_.store(nullptr, std::memory_order_release);
    Release();
  }
  if (handle != nullptr) {
    Api().SetCallbackHandler(handle, nullptr, nullptr);
    Api().ConnectionClose(handle);
  }
  SetEnd(ClosedBy::kTransport, static_cast<int32_t>(status), 0, {});
  PostClosed();
}

// Control thread. The handle may be there although it failed.
QUIC_STATUS Connection::OpenHandle(const Target& target, HQUIC* handle, Ref<SharedSocket>* opens) noexcept {
  const QUIC_STATUS status = OpenHandle(target, target.ticket, handle, opens);
  // A ticket that msquic cannot read costs a full handshake, on a handle that has not seen it: msquic keeps
  // what it read before it gave up.
  if (QUIC_SUCCEEDED(status) || *handle == nullptr || target.ticket.empty()) return status;
  Api().SetCallbackHandler(*handle, nullptr, nullptr);
  Api().ConnectionClose(std::exchange(*handle, nullptr));
  return OpenHandle(target, {}, handle, opens);
}

QUIC_STATUS Connection::OpenHandle(const Target& target, std::span<const uint8_t> ticket, HQUIC* handle,
                                   Ref<SharedSocket>* opens) noexcept {
  QUIC_STATUS status = Api().ConnectionOpen(Library::Get().registration(), Callback, this, handle);
  if (QUIC_SUCCEEDED(status)) status = Aim(*handle, target, opens);
  if (QUIC_FAILED(status) || ticket.empty()) return status;
  return Api().SetParam(*handle, QUIC_PARAM_CONN_RESUMPTION_TICKET, static_cast<uint32_t>(ticket.size()),
                        ticket.data());
}

// Control thread. Everything but the start, so that streams can be opened that go with the first packets.
// From here on it ends as every connection does, by a shutdown and its SHUTDOWN_COMPLETE.
void Connection::Prepare() noexcept {
  HQUIC handle = nullptr;
  const QUIC_STATUS status = OpenHandle(takeoff_->target, &handle, &takeoff_->opens);
  if (QUIC_FAILED(status)) {
    if (handle != nullptr) {
      Api().SetCallbackHandler(handle, nullptr, nullptr);
      Api().ConnectionClose(handle);
    }
    SetEnd(ClosedBy::kTransport, static_cast<int32_t>(status), 0, {});
    return PostClosed();
  }
  AddRef();  // msquic's lease, until SHUTDOWN_COMPLETE
  handshake_ = Handshake::For(*takeoff_->configuration, takeoff_->target.server_name);
  if (handshake_ != nullptr) handshake_->Begin(handle);
  bool closed_already = false;
  {
    const std::lock_guard lock(mutex_);
    handle_.store(handle, std::memory_order_release);
    closed_already = end_ != nullptr;
  }
  if (closed_already) return ShutDown();
  port().Write({.kind = EventKind::kConnectionReady, .slot = slot(), .generation = generation()});
}

void Connection::Launch() noexcept {
  Library::Get().control().Post([self = Ref<Connection>(this)] { self->Fly(); });
}

// Control thread.
void Connection::Fly() noexcept {
  Ref<Configuration> configuration;
  Ref<SharedSocket> opens;
  Target target{};
  {
    const std::lock_guard lock(mutex_);
    if (takeoff_ == nullptr || !takeoff_->configuration) return;  // it has ended, or was started
    configuration = std::move(takeoff_->configuration);
    opens = std::move(takeoff_->opens);
    target = std::move(takeoff_->target);
  }
  const QUIC_STATUS status =
      Api().ConnectionStart(handle(), configuration->handle(), QUIC_ADDRESS_FAMILY_UNSPEC,
                            target.server_name.c_str(), QuicAddrGetPort(&target.address));
  if (QUIC_SUCCEEDED(status)) {
    if (opens) opens->Learn(handle());
    return;
  }
  SetEnd(ClosedBy::kTransport, static_cast<int32_t>(status), 0, {});
  Api().ConnectionShutdown(handle(), QUIC_CONNECTION_SHUTDOWN_FLAG_NONE, 0);
}

bool Connection::DefersStart(Stream& stream) noexcept {
  const std::lock_guard lock(mutex_);
  if (takeoff_ == nullptr) return false;
  takeoff_->streams.emplace_back(&stream);
  return true;
}

std::unique_ptr<Connection::Takeoff> Connection::TakeTakeoff() noexcept {
  const std::lock_guard lock(mutex_);
  return std::move(takeoff_);
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
  if (const auto takeoff = TakeTakeoff()) {
    for (const Ref<Stream>& stream : takeoff->streams) stream->StartDeferred();
  }
  SendTicket();
}

bool Connection::AnnounceEarly() noexcept {
  if (!environment_->Insert(this)) return false;
  announced_ = true;
  uint8_t alpn[UINT8_MAX] = {};
  uint32_t alpn_bytes = sizeof(alpn);
  if (QUIC_FAILED(Api().GetParam(handle(), QUIC_PARAM_TLS_NEGOTIATED_ALPN, &alpn_bytes, alpn)))
    alpn_bytes = 0;
  const OpenedEvent opened{listener_, max_datagram_bytes_.load(std::memory_order_relaxed)};
  port().Write({.kind = EventKind::kConnectionEarly,
                .slot = slot(),
                .generation = generation(),
                .head = BytesOf(opened),
                .body = {alpn, alpn_bytes}});
  return true;
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

// Whether the CAs vouch for it is known at once; the application's own word may follow later.
QUIC_STATUS Connection::OnPeerCertificate(const QUIC_CONNECTION_EVENT& event) noexcept {
  CertificateVerifier::Verdict verdict = handshake_->Verify(event);
  if (QUIC_FAILED(verdict.status)) {
    // Refused by the return value, msquic would send an alert of its own choice.
    SetEnd(ClosedBy::kTransport, static_cast<int32_t>(verdict.status), 0, {});
    (void)Api().ConnectionCertificateValidationComplete(handle(), FALSE, verdict.alert);
    return QUIC_STATUS_PENDING;
  }
  {
    const std::lock_guard lock(mutex_);
    peer_certificate_ = verdict.certificate;
  }
  if (!options_->authenticates) return QUIC_STATUS_SUCCESS;
  if (listener_ != 0 && !announced_ && !environment_->Insert(this)) return QUIC_STATUS_OUT_OF_MEMORY;
  announced_ = true;
  PostPeerCertificate(verdict.certificate.get());
  return QUIC_STATUS_PENDING;
}

void Connection::PostPeerCertificate(const PeerCertificate* certificate) noexcept {
  // Inside the connection's own callback this is answered at once.
  uint8_t alpn[UINT8_MAX] = {};
  uint32_t alpn_bytes = sizeof(alpn);
  if (QUIC_FAILED(Api().GetParam(handle(), QUIC_PARAM_TLS_NEGOTIATED_ALPN, &alpn_bytes, alpn)))
    alpn_bytes = 0;
  const std::string& name = handshake_->server_name();
  const PeerCertificateEvent head{listener_, static_cast<uint16_t>(name.size()),
                                  static_cast<uint16_t>(alpn_bytes)};
  std::vector<uint8_t> body(name.begin(), name.end());
  body.insert(body.end(), alpn, alpn + alpn_bytes);
  if (certificate != nullptr) {
    body.insert(body.end(), certificate->encoded().begin(), certificate->encoded().end());
  }
  port().Write({.kind = EventKind::kPeerCertificate,
                .slot = slot(),
                .generation = generation(),
                .head = BytesOf(head),
                .body = body});
}

void Connection::EndHandshake() noexcept {
  if (handshake_ != nullptr && handshake_->End()) handshake_.reset();
}

void Connection::Authenticate(bool accepted, QUIC_TLS_ALERT_CODES alert) noexcept {
  if (!accepted) SetEnd(ClosedBy::kTransport, static_cast<int32_t>(QUIC_STATUS_TLS_ALERT(alert)), 0, {});
  (void)Api().ConnectionCertificateValidationComplete(handle(), accepted ? TRUE : FALSE, alert);
}

Ref<PeerCertificate> Connection::peer_certificate() noexcept {
  const std::lock_guard lock(mutex_);
  return peer_certificate_;
}

QUIC_STATUS Connection::OnPeerStream(HQUIC handle, QUIC_STREAM_OPEN_FLAGS* flags) noexcept {
  const bool unidirectional = (*flags & QUIC_STREAM_OPEN_FLAG_UNIDIRECTIONAL) != 0;
  if (options_->framed) {
    if (!unidirectional) return QUIC_STATUS_NOT_SUPPORTED;
    if (inbound_ == nullptr) {
      const std::lock_guard lock(mutex_);
      inbound_ = std::make_unique<InboundLanes>(*this);
    }
    inbound_->Accept(handle);
    return QUIC_STATUS_SUCCESS;
  }
  const bool early = listener_ != 0 && !opened_;
  if (early && !announced_ && !AnnounceEarly()) return QUIC_STATUS_OUT_OF_MEMORY;
  // Credit for another stream goes to the peer when JavaScript has let go of this one, so that streams opened
  // and reset in a loop cost no more than the limit.
  *flags |= QUIC_STREAM_OPEN_FLAG_DELAY_ID_FC_UPDATES;
  return Stream::Accept(*this, handle, unidirectional, early) ? QUIC_STATUS_SUCCESS
                                                              : QUIC_STATUS_OUT_OF_MEMORY;
}

// msquic has the reason only after SHUTDOWN_INITIATED_BY_PEER.
void Connection::OnPeerAbortedStream() noexcept {
  if (!churn_.Take(options_->peer_aborts_per_second, ChurnBudget::Clock::now())) Fail(kClosePolicy);
}

void Connection::ReadPeerReason() noexcept {
  char reason[512] = {};
  uint32_t bytes = sizeof(reason) - 1;
  const std::lock_guard lock(mutex_);
  if (end_ == nullptr || end_->by != ClosedBy::kPeer || !end_->reason.empty()) return;
  // Inside the connection's own callback this is answered at once.
  if (QUIC_SUCCEEDED(Api().GetParam(handle(), QUIC_PARAM_CONN_CLOSE_REASON_PHRASE, &bytes, reason))) {
    end_->reason = reason;
  }
}

void Connection::OnShutdownComplete() noexcept {
  ControlThread::Timer deadline;
  {
    const std::lock_guard lock(mutex_);
    closing_ = true;
    deadline = std::exchange(close_deadline_, {});
  }
  if (deadline.id != 0) Library::Get().control().Cancel(deadline);
  if (inbound_ != nullptr) inbound_->Stop();
  ReadPeerReason();
  EndHandshake();
  const auto takeoff = TakeTakeoff();
  if (takeoff == nullptr || takeoff->streams.empty()) return OnEnded();
  streams_to_end_ = static_cast<uint32_t>(takeoff->streams.size());
  for (const Ref<Stream>& stream : takeoff->streams) stream->GiveUp();
}

void Connection::OnStreamGivenUp() noexcept {
  if (streams_to_end_ != 0 && --streams_to_end_ == 0) OnEnded();
}

void Connection::OnEnded() noexcept {
  if (announced_ || listener_ == 0) {
    if (!options_->framed) PostStatistics();  // the last that can be read
    PostClosed();
  }
  socket_ = SocketUse();  // msquic closes it with its last connection
  Release();              // msquic's lease
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

// `request` is msquic's memory of whose datagram it is, which we clear after the last state.
void Connection::OnDatagramSendState(QUIC_DATAGRAM_SEND_STATE state, void** request) noexcept {
  auto* const send = static_cast<SendRequest*>(*request);
  if (send == nullptr) return;
  switch (state) {
    case QUIC_DATAGRAM_SEND_SENT:
      return PostOutcome(*send, DatagramOutcome::kSent);
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

bool Connection::SetEnd(ClosedBy by, int32_t status, uint64_t code, std::string reason) noexcept {
  const std::lock_guard lock(mutex_);
  if (end_ != nullptr) return false;
  end_ = std::make_unique<End>(End{by, status, code, std::move(reason)});
  return true;
}

void Connection::PostClosed() noexcept {
  End end;
  {
    const std::lock_guard lock(mutex_);
    if (end_ != nullptr) end = *end_;
  }
  const ClosedEvent closed{static_cast<uint32_t>(end.by), end.status, end.code};
  port().Write({.kind = EventKind::kConnectionClosed,
                .slot = slot(),
                .generation = generation(),
                .head = BytesOf(closed),
                .body = {reinterpret_cast<const uint8_t*>(end.reason.data()), end.reason.size()}});
}

void Connection::SendFrames(uint16_t lane, SendRequest* request) noexcept {
  queued_bytes_.fetch_add(request->bytes());
  bool taken = false;
  {
    const std::lock_guard lock(mutex_);
    if (!closing_ && handle() != nullptr) {
      if (outbound_ == nullptr) outbound_ = std::make_unique<OutboundLanes>(*this);
      taken = outbound_->Send(lane, request);
    }
  }
  if (!taken) SendRequest::Complete(request);
}

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

void Connection::OnSendComplete(uint32_t bytes) noexcept {
  const uint32_t left = queued_bytes_.fetch_sub(bytes) - bytes;
  port().Complete(*this, bytes, left < options_->high_water_bytes / 2);
}

void Connection::SendEnds() noexcept {
  // seq_cst on both: Close sets the flag, then reads the count; here the other way round.
  if (sends_in_flight_.fetch_sub(1) != 1 || !ends_when_sent_.load()) return;
  Library::Get().control().Post([self = Ref<Connection>(this)] { self->ShutDown(); });
}

void Connection::Close(const Closing& closing) noexcept {
  SetEnd(ClosedBy::kLocal, 0, closing.code, closing.reason);
  bool waits = false;
  if (closing.graceful && handle() != nullptr) {
    const std::lock_guard lock(mutex_);
    if (options_->framed) {
      if (!closing_ && outbound_ == nullptr) outbound_ = std::make_unique<OutboundLanes>(*this);
      waits = !closing_ && outbound_->SendClose(static_cast<uint32_t>(closing.code), closing.reason);
    } else {
      ends_when_sent_.store(true);
      waits = sends_in_flight_.load() != 0;
    }
    closing_ = true;
    if (waits) {
      close_deadline_ = Library::Get().control().PostAfter(
          closing.deadline, [self = Ref<Connection>(this)] { self->ShutDown(); });
    }
  }
  if (!waits) Library::Get().control().Post([self = Ref<Connection>(this)] { self->ShutDown(); });
}

void Connection::ShutDown() noexcept {
  const HQUIC handle = this->handle();
  if (handle == nullptr) return;  // never started: Start reports the end
  End end;
  {
    const std::lock_guard lock(mutex_);
    closing_ = true;
    if (end_ != nullptr) end = *end_;
  }
  // A graceful close of a framed connection carries its reason on a stream as well.
  if (!end.reason.empty()) {
    (void)Api().SetParam(handle, QUIC_PARAM_CONN_CLOSE_REASON_PHRASE,
                         static_cast<uint32_t>(end.reason.size() + 1), end.reason.c_str());
  }
  Api().ConnectionShutdown(handle, QUIC_CONNECTION_SHUTDOWN_FLAG_NONE, end.code);
}

void Connection::Fail(uint64_t code) noexcept {
  if (SetEnd(ClosedBy::kLocal, 0, code, {})) {
    ProcessCounters::Get().peers_failed.fetch_add(1, std::memory_order_relaxed);
  }
  Api().ConnectionShutdown(handle(), QUIC_CONNECTION_SHUTDOWN_FLAG_NONE, code);
}

void Connection::FinishForPeer(uint64_t code, std::string reason) noexcept {
  SetEnd(ClosedBy::kPeer, 0, code, std::move(reason));
  Api().ConnectionShutdown(handle(), QUIC_CONNECTION_SHUTDOWN_FLAG_NONE, code);
}

void Connection::Abandon() noexcept {
  Closing closing;
  closing.code = kCloseGoingAway;
  Close(closing);
}

void Connection::ResumeReceive() noexcept {
  const std::lock_guard lock(mutex_);
  if (inbound_ != nullptr) inbound_->ResumeReceive();
}

void Connection::ReturnCredit(uint32_t bytes) noexcept {
  if (credit_.Return(bytes)) ResumeReceive();
}

// Inside this connection's callback, or on the control thread: elsewhere it would block.
void Connection::ReadRoundTrip() noexcept {
  QUIC_STATISTICS_V2 statistics{};
  uint32_t bytes = sizeof(statistics);
  if (QUIC_FAILED(Api().GetParam(handle(), QUIC_PARAM_CONN_STATISTICS_V2, &bytes, &statistics))) return;
  port().StoreRoundTrip(*this, std::max<uint32_t>(1, statistics.Rtt));
}

// Inside this connection's callback, or on the control thread.
void Connection::PostStatistics() noexcept {
  Statistics statistics;
  if (!ReadStatistics(handle(), &statistics)) return;
  port().Write({.kind = EventKind::kStatistics,
                .slot = slot(),
                .generation = generation(),
                .head = BytesOf(statistics)});
}

void Connection::RequestStatistics() noexcept {
  Library::Get().control().Post([self = Ref<Connection>(this)] {
    // Where it was never started, kConnectionClosed is the answer.
    if (self->handle() != nullptr) self->PostStatistics();
  });
}

void Connection::RefreshStatistics() noexcept {
  Library::Get().control().Post([self = Ref<Connection>(this)] {
    if (self->handle() != nullptr) self->ReadRoundTrip();
  });
}

}  // namespace millrace
