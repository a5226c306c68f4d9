// The floor for QUIC: an echo server that is msquic and nothing else. Every bidirectional stream gets its
// bytes back, and FIN after the client's FIN. It prints one line of JSON when ready, and ends with its
// standard input.

#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <string>

#include "bench/native/options.h"
#include "bench/native/quic_library.h"

namespace millrace::bench {
namespace {

QuicLibrary* library = nullptr;
HQUIC configuration = nullptr;

/** One answer, its bytes behind it; msquic owns it from StreamSend until SEND_COMPLETE. */
struct Answer {
  QUIC_BUFFER buffer;
};

void Echo(HQUIC stream, const QUIC_STREAM_EVENT& event) {
  const auto& receive = event.RECEIVE;
  const auto total = static_cast<uint32_t>(receive.TotalBufferLength);
  const bool ended = (receive.Flags & QUIC_RECEIVE_FLAG_FIN) != 0;
  const QUIC_SEND_FLAGS flags = ended ? QUIC_SEND_FLAG_FIN : QUIC_SEND_FLAG_NONE;
  if (total == 0 && !ended) return;
  auto* answer = static_cast<Answer*>(std::malloc(sizeof(Answer) + total));
  if (!answer) std::abort();
  auto* const bytes = reinterpret_cast<uint8_t*>(answer + 1);
  uint8_t* to = bytes;
  for (uint32_t i = 0; i < receive.BufferCount; i += 1) {
    std::memcpy(to, receive.Buffers[i].Buffer, receive.Buffers[i].Length);
    to += receive.Buffers[i].Length;
  }
  answer->buffer = {total, bytes};
  const QUIC_STATUS status = (*library)->StreamSend(stream, &answer->buffer, 1, flags, answer);
  if (QUIC_FAILED(status)) std::free(answer);
}

QUIC_STATUS OnStream(HQUIC stream, void*, QUIC_STREAM_EVENT* event) {
  switch (event->Type) {
    case QUIC_STREAM_EVENT_RECEIVE:
      Echo(stream, *event);
      break;
    case QUIC_STREAM_EVENT_SEND_COMPLETE:
      std::free(event->SEND_COMPLETE.ClientContext);
      break;
    case QUIC_STREAM_EVENT_PEER_SEND_ABORTED:
      (*library)->StreamShutdown(stream, QUIC_STREAM_SHUTDOWN_FLAG_ABORT, 0);
      break;
    case QUIC_STREAM_EVENT_SHUTDOWN_COMPLETE:
      if (!event->SHUTDOWN_COMPLETE.AppCloseInProgress) (*library)->StreamClose(stream);
      break;
    default:
      break;
  }
  return QUIC_STATUS_SUCCESS;
}

QUIC_STATUS OnConnection(HQUIC connection, void*, QUIC_CONNECTION_EVENT* event) {
  switch (event->Type) {
    case QUIC_CONNECTION_EVENT_PEER_STREAM_STARTED:
      (*library)->SetCallbackHandler(event->PEER_STREAM_STARTED.Stream, reinterpret_cast<void*>(OnStream),
                                     nullptr);
      break;
    case QUIC_CONNECTION_EVENT_SHUTDOWN_COMPLETE:
      if (!event->SHUTDOWN_COMPLETE.AppCloseInProgress) (*library)->ConnectionClose(connection);
      break;
    default:
      break;
  }
  return QUIC_STATUS_SUCCESS;
}

QUIC_STATUS OnListener(HQUIC, void*, QUIC_LISTENER_EVENT* event) {
  if (event->Type != QUIC_LISTENER_EVENT_NEW_CONNECTION) return QUIC_STATUS_SUCCESS;
  HQUIC connection = event->NEW_CONNECTION.Connection;
  (*library)->SetCallbackHandler(connection, reinterpret_cast<void*>(OnConnection), nullptr);
  return (*library)->ConnectionSetConfiguration(connection, configuration);
}

HQUIC StartListener(const std::string& alpn, uint16_t port) {
  HQUIC listener = nullptr;
  Require((*library)->ListenerOpen(library->Registration(), OnListener, nullptr, &listener), "ListenerOpen");
  QUIC_ADDR address{};
  QuicAddrSetFamily(&address, QUIC_ADDRESS_FAMILY_INET);
  QuicAddrSetPort(&address, port);
  std::string name = alpn;
  const QUIC_BUFFER buffer = {static_cast<uint32_t>(name.size()), reinterpret_cast<uint8_t*>(name.data())};
  Require((*library)->ListenerStart(listener, &buffer, 1, &address), "ListenerStart");
  uint32_t size = sizeof(address);
  Require((*library)->GetParam(listener, QUIC_PARAM_LISTENER_LOCAL_ADDRESS, &size, &address),
          "local address");
  std::printf("{\"ready\":true,\"port\":%u}\n", QuicAddrGetPort(&address));
  std::fflush(stdout);
  return listener;
}

int Serve(Options options) {
  const std::string alpn = options.Text("alpn", "millrace-echo");
  const std::string certificate = options.Text("cert", "");
  const std::string key = options.Text("key", "");
  const auto port = static_cast<uint16_t>(options.Number("port", 0, 0, 65535));
  const uint32_t window = options.Number("window", 256 * 1024, 4096, 1u << 24);
  options.RefuseOthers();

  QuicLibrary opened;
  library = &opened;
  QUIC_SETTINGS settings = CommonSettings(window);
  settings.PeerBidiStreamCount = 100;
  settings.IsSet.PeerBidiStreamCount = 1;
  QUIC_CERTIFICATE_FILE file = {key.c_str(), certificate.c_str()};
  QUIC_CREDENTIAL_CONFIG credential{};
  credential.Type = QUIC_CREDENTIAL_TYPE_CERTIFICATE_FILE;
  credential.CertificateFile = &file;
  configuration = opened.OpenConfiguration(alpn, settings, credential);
  HQUIC listener = StartListener(alpn, port);

  while (std::getchar() != EOF) {
  }
  opened->ListenerClose(listener);
  opened->RegistrationShutdown(opened.Registration(), QUIC_CONNECTION_SHUTDOWN_FLAG_SILENT, 0);
  opened.CloseConfiguration(configuration);
  return 0;
}

}  // namespace
}  // namespace millrace::bench

int main(int argc, char** argv) {
  return millrace::bench::Serve(millrace::bench::Options(argc, argv));
}
