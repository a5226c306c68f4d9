#include "bench/native/quic_client.h"

#include <chrono>

namespace millrace::bench {
namespace {

constexpr std::chrono::seconds kDeadline{30};

}  // namespace

ClientConnection::~ClientConnection() {
  if (handle_) library_->ConnectionClose(handle_);
}

void ClientConnection::Open() {
  Require(library_->ConnectionOpen(library_.Registration(), Callback, this, &handle_), "ConnectionOpen");
}

void ClientConnection::Start(HQUIC configuration, const Server& server) {
  if (!handle_) Open();
  Require(library_->ConnectionStart(handle_, configuration, QUIC_ADDRESS_FAMILY_INET, server.host.c_str(),
                                    server.port),
          "ConnectionStart");
}

void ClientConnection::StartShared(HQUIC configuration, const Server& server, const QUIC_ADDR* socket) {
  const uint8_t share = 1;
  Open();
  Require(library_->SetParam(handle_, QUIC_PARAM_CONN_SHARE_UDP_BINDING, sizeof(share), &share), "sharing");
  if (socket) {
    Require(library_->SetParam(handle_, QUIC_PARAM_CONN_LOCAL_ADDRESS, sizeof(*socket), socket),
            "local address");
  }
  Start(configuration, server);
}

QUIC_ADDR ClientConnection::LocalAddress() const {
  QUIC_ADDR address{};
  uint32_t size = sizeof(address);
  Require(library_->GetParam(handle_, QUIC_PARAM_CONN_LOCAL_ADDRESS, &size, &address), "local address");
  return address;
}

void AwaitedConnection::AwaitOpen() {
  if (!opened_or_closed_.try_acquire_for(kDeadline) || closed_) Require(QUIC_STATUS_ABORTED, "the handshake");
}

void AwaitedConnection::ShutdownAndWait() {
  Shutdown();
  while (!closed_) opened_or_closed_.acquire();
}

void AwaitedConnection::OnEvent(QUIC_CONNECTION_EVENT& event) {
  if (event.Type == QUIC_CONNECTION_EVENT_SHUTDOWN_COMPLETE) closed_ = true;
  if (closed_ || event.Type == QUIC_CONNECTION_EVENT_CONNECTED) opened_or_closed_.release();
}

}  // namespace millrace::bench
