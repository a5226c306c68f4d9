// How a connection of ours begins: where to, from which socket, with which ticket, and what waits for it.

#include <memory>
#include <utility>
#include <vector>

#include "native/quic/connection.h"
#include "native/quic/library.h"
#include "native/quic/send_request.h"
#include "native/quic/stream.h"

namespace millrace {

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

// The handshake is complete. msquic's thread, on which a send would call back before it returns: under the
// mutex that the lanes need, so frames are left to the control thread.
void Connection::Land() noexcept {
  std::unique_ptr<Takeoff> takeoff;
  {
    const std::lock_guard lock(mutex_);
    if (takeoff_ == nullptr) return;
    if (takeoff_->frames.empty()) takeoff = std::move(takeoff_);
  }
  if (takeoff == nullptr) {
    Library::Get().control().Post([self = Ref<Connection>(this)] { self->SendWaiting(); });
    return;
  }
  for (const Ref<Stream>& stream : takeoff->streams) stream->StartDeferred();
}

// Control thread. Under one lock, so that none that follows overtakes them.
void Connection::SendWaiting() noexcept {
  std::vector<SendRequest*> late;
  {
    const std::lock_guard lock(mutex_);
    const std::unique_ptr<Takeoff> takeoff = std::move(takeoff_);
    if (takeoff == nullptr) return;
    for (const auto& [lane, request] : takeoff->frames) {
      if (closing_ || !outbound_->Send(lane, request, false)) late.push_back(request);
    }
  }
  for (SendRequest* request : late) SendRequest::Complete(request);
}

}  // namespace millrace
