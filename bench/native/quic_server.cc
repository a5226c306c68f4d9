#include "bench/native/quic_server.h"

#include <cstdio>

namespace millrace::bench {

QuicServer::QuicServer(const std::string& alpn, const QUIC_SETTINGS& settings, const ServerFiles& files,
                       QUIC_CONNECTION_CALLBACK_HANDLER on_connection)
    : on_connection_(on_connection) {
  api_ = library_.operator->();
  QUIC_CERTIFICATE_FILE file = {files.private_key.c_str(), files.certificate.c_str()};
  QUIC_CREDENTIAL_CONFIG credential{};
  credential.Type = QUIC_CREDENTIAL_TYPE_CERTIFICATE_FILE;
  credential.CertificateFile = &file;
  configuration_ = library_.OpenConfiguration(alpn, settings, credential);
  Listen(alpn);
}

QuicServer::~QuicServer() {
  library_->ListenerClose(listener_);
  library_->RegistrationShutdown(library_.Registration(), QUIC_CONNECTION_SHUTDOWN_FLAG_SILENT, 0);
  library_.CloseConfiguration(configuration_);
}

void QuicServer::Listen(const std::string& alpn) {
  Require(library_->ListenerOpen(library_.Registration(), OnListener, this, &listener_), "ListenerOpen");
  QUIC_ADDR address{};
  QuicAddrSetFamily(&address, QUIC_ADDRESS_FAMILY_INET);
  std::string name = alpn;
  const QUIC_BUFFER buffer = {static_cast<uint32_t>(name.size()), reinterpret_cast<uint8_t*>(name.data())};
  Require(library_->ListenerStart(listener_, &buffer, 1, &address), "ListenerStart");
}

void QuicServer::ServeUntilInputEnds() const {
  QUIC_ADDR address{};
  uint32_t size = sizeof(address);
  Require(library_->GetParam(listener_, QUIC_PARAM_LISTENER_LOCAL_ADDRESS, &size, &address), "local address");
  std::printf("{\"ready\":true,\"port\":%u}\n", QuicAddrGetPort(&address));
  std::fflush(stdout);
  while (std::getchar() != EOF) {
  }
}

void QuicServer::OnStreamEnd(HQUIC stream, const QUIC_STREAM_EVENT& event) {
  if (event.Type == QUIC_STREAM_EVENT_PEER_SEND_ABORTED) {
    api().StreamShutdown(stream, QUIC_STREAM_SHUTDOWN_FLAG_ABORT, 0);
  } else if (event.Type == QUIC_STREAM_EVENT_SHUTDOWN_COMPLETE &&
             !event.SHUTDOWN_COMPLETE.AppCloseInProgress) {
    api().StreamClose(stream);
  }
}

void QuicServer::OnConnectionEnd(HQUIC connection, const QUIC_CONNECTION_EVENT& event) {
  const bool ended = event.Type == QUIC_CONNECTION_EVENT_SHUTDOWN_COMPLETE;
  if (ended && !event.SHUTDOWN_COMPLETE.AppCloseInProgress) api().ConnectionClose(connection);
}

QUIC_STATUS QuicServer::OnListener(HQUIC, void* context, QUIC_LISTENER_EVENT* event) {
  if (event->Type != QUIC_LISTENER_EVENT_NEW_CONNECTION) return QUIC_STATUS_SUCCESS;
  auto* self = static_cast<QuicServer*>(context);
  HQUIC connection = event->NEW_CONNECTION.Connection;
  self->library_->SetCallbackHandler(connection, reinterpret_cast<void*>(self->on_connection_), nullptr);
  return self->library_->ConnectionSetConfiguration(connection, self->configuration_);
}

}  // namespace millrace::bench
