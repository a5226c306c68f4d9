// The floor for QUIC's streams, handshakes and datagrams: a server that is msquic and nothing else, and does
// what answer.h says. It prints one line of JSON when ready, and ends with its standard input.

#include <algorithm>
#include <array>
#include <cstdlib>
#include <cstring>
#include <string>

#include "bench/native/answer.h"
#include "bench/native/options.h"
#include "bench/native/quic_server.h"

namespace millrace::bench {
namespace {

std::array<uint8_t, kMaxAnswerBytes> answer_bytes;

/** What a client asks for on one stream; it lives as long as the stream. */
struct Request {
  void Read(const QUIC_STREAM_EVENT& event) {
    for (uint32_t i = 0; i < event.RECEIVE.BufferCount && head_bytes < kAnswerHeadBytes; i += 1) {
      const QUIC_BUFFER& chunk = event.RECEIVE.Buffers[i];
      for (uint32_t at = 0; at < chunk.Length && head_bytes < kAnswerHeadBytes; at += 1, head_bytes += 1) {
        wanted |= uint64_t{chunk.Buffer[at]} << (8 * head_bytes);
      }
    }
  }

  void Answer(HQUIC stream) {
    // All answers are the same bytes, and nothing is copied.
    answer = {static_cast<uint32_t>(std::min<uint64_t>(wanted, kMaxAnswerBytes)), answer_bytes.data()};
    (void)QuicServer::api().StreamSend(stream, &answer, 1, QUIC_SEND_FLAG_FIN, nullptr);
  }

  uint64_t wanted = 0;
  uint32_t head_bytes = 0;
  QUIC_BUFFER answer{};
};

QUIC_STATUS OnStream(HQUIC stream, void* context, QUIC_STREAM_EVENT* event) {
  auto* request = static_cast<Request*>(context);
  switch (event->Type) {
    case QUIC_STREAM_EVENT_RECEIVE:
      request->Read(*event);
      break;
    case QUIC_STREAM_EVENT_PEER_SEND_SHUTDOWN:
      request->Answer(stream);
      break;
    case QUIC_STREAM_EVENT_SHUTDOWN_COMPLETE:
      delete request;
      [[fallthrough]];
    default:
      QuicServer::OnStreamEnd(stream, *event);
  }
  return QUIC_STATUS_SUCCESS;
}

/** One datagram on its way back, its bytes behind it; msquic owns it until its state is final. */
struct Echo {
  QUIC_BUFFER buffer;
};

void EchoDatagram(HQUIC connection, const QUIC_BUFFER& datagram) {
  auto* echo = static_cast<Echo*>(std::malloc(sizeof(Echo) + datagram.Length));
  if (!echo) std::abort();
  echo->buffer = {datagram.Length, reinterpret_cast<uint8_t*>(echo + 1)};
  std::memcpy(echo->buffer.Buffer, datagram.Buffer, datagram.Length);
  const QUIC_STATUS status =
      QuicServer::api().DatagramSend(connection, &echo->buffer, 1, QUIC_SEND_FLAG_NONE, echo);
  if (QUIC_FAILED(status)) std::free(echo);
}

QUIC_STATUS OnConnection(HQUIC connection, void*, QUIC_CONNECTION_EVENT* event) {
  switch (event->Type) {
    case QUIC_CONNECTION_EVENT_PEER_STREAM_STARTED:
      QuicServer::api().SetCallbackHandler(event->PEER_STREAM_STARTED.Stream,
                                           reinterpret_cast<void*>(OnStream), new Request);
      break;
    case QUIC_CONNECTION_EVENT_DATAGRAM_RECEIVED:
      EchoDatagram(connection, *event->DATAGRAM_RECEIVED.Buffer);
      break;
    case QUIC_CONNECTION_EVENT_DATAGRAM_SEND_STATE_CHANGED:
      if (QUIC_DATAGRAM_SEND_STATE_IS_FINAL(event->DATAGRAM_SEND_STATE_CHANGED.State)) {
        std::free(event->DATAGRAM_SEND_STATE_CHANGED.ClientContext);
      }
      break;
    default:
      QuicServer::OnConnectionEnd(connection, *event);
  }
  return QUIC_STATUS_SUCCESS;
}

int Serve(Options options) {
  const ServerFiles files(options);
  options.RefuseOthers();
  answer_bytes.fill(kAnswerByte);

  QUIC_SETTINGS settings = CommonSettings(kAnswerWindowBytes);
  settings.PeerBidiStreamCount = kAnswerStreams;
  settings.IsSet.PeerBidiStreamCount = 1;
  settings.DatagramReceiveEnabled = 1;
  settings.IsSet.DatagramReceiveEnabled = 1;
  QuicServer(kAnswerAlpn, settings, files, OnConnection).ServeUntilInputEnds();
  return 0;
}

}  // namespace
}  // namespace millrace::bench

int main(int argc, char** argv) {
  return millrace::bench::Serve(millrace::bench::Options(argc, argv));
}
