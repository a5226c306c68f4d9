// The floor for QUIC: an echo server that is msquic and nothing else. Every bidirectional stream gets its
// bytes back, and FIN after the client's FIN. It prints one line of JSON when ready, and ends with its
// standard input.

#include <cstdlib>
#include <cstring>
#include <string>

#include "bench/native/options.h"
#include "bench/native/quic_server.h"

namespace millrace::bench {
namespace {

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
  const QUIC_STATUS status = QuicServer::api().StreamSend(stream, &answer->buffer, 1, flags, answer);
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
    default:
      QuicServer::OnStreamEnd(stream, *event);
  }
  return QUIC_STATUS_SUCCESS;
}

QUIC_STATUS OnConnection(HQUIC connection, void*, QUIC_CONNECTION_EVENT* event) {
  switch (event->Type) {
    case QUIC_CONNECTION_EVENT_PEER_STREAM_STARTED:
      QuicServer::api().SetCallbackHandler(event->PEER_STREAM_STARTED.Stream,
                                           reinterpret_cast<void*>(OnStream), nullptr);
      break;
    default:
      QuicServer::OnConnectionEnd(connection, *event);
  }
  return QUIC_STATUS_SUCCESS;
}

int Serve(Options options) {
  const std::string alpn = options.Text("alpn", "millrace-echo");
  const ServerFiles files(options);
  const uint32_t window = options.Number("window", 256 * 1024, 4096, 1u << 24);
  options.RefuseOthers();

  QUIC_SETTINGS settings = CommonSettings(window);
  settings.PeerBidiStreamCount = 100;
  settings.IsSet.PeerBidiStreamCount = 1;
  QuicServer(alpn, settings, files, OnConnection).ServeUntilInputEnds();
  return 0;
}

}  // namespace
}  // namespace millrace::bench

int main(int argc, char** argv) {
  return millrace::bench::Serve(millrace::bench::Options(argc, argv));
}
