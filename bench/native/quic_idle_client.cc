// Opens so many QUIC connections and holds them idle. With a burst it speaks millrace/1 first: so many frames
// on a unidirectional stream of its own on each connection, and every frame's answer on streams that the
// server opens and finishes. It prints one line of JSON when all are idle and hold no stream, and ends with
// its standard input.

#include <cstdlib>
#include <memory>
#include <string>
#include <vector>

#include "bench/native/crowd.h"
#include "bench/native/hold.h"
#include "bench/native/options.h"

namespace millrace::bench {
namespace {

/** What each connection does before it rests. */
struct Burst {
  std::vector<uint8_t> bytes;  // a whole stream: the prefix and the messages; empty for none
  size_t prefix_bytes = 0;
  QUIC_BUFFER buffer{};
};

class IdleConnection final : public CrowdConnection {
 public:
  IdleConnection(Crowd& crowd, const Burst& burst) : CrowdConnection(crowd), burst_(burst) {}

 private:
  void OnConnected() override {
    if (burst_.bytes.empty()) {
      Settle();
    } else {
      SendBurst();
    }
  }

  void OnOther(QUIC_CONNECTION_EVENT& event) override {
    if (event.Type != QUIC_CONNECTION_EVENT_PEER_STREAM_STARTED) return;
    open_streams_ += 1;
    answer_bytes_wanted_ += burst_.prefix_bytes;
    library()->SetCallbackHandler(event.PEER_STREAM_STARTED.Stream, reinterpret_cast<void*>(OnStream), this);
  }

  static QUIC_STATUS OnStream(HQUIC stream, void* context, QUIC_STREAM_EVENT* event) {
    auto* self = static_cast<IdleConnection*>(context);
    if (event->Type == QUIC_STREAM_EVENT_RECEIVE) {
      self->answer_bytes_ += event->RECEIVE.TotalBufferLength;
      if (self->answer_bytes_ >= self->answer_bytes_wanted_) self->MakeWay();
    }
    if (event->Type != QUIC_STREAM_EVENT_SHUTDOWN_COMPLETE) return QUIC_STATUS_SUCCESS;
    if (!event->SHUTDOWN_COMPLETE.AppCloseInProgress) self->library()->StreamClose(stream);
    self->open_streams_ -= 1;
    if (self->open_streams_ == 0 && self->answer_bytes_ >= self->answer_bytes_wanted_) self->Settle();
    return QUIC_STATUS_SUCCESS;
  }

  void SendBurst() {
    HQUIC stream = nullptr;
    Require(library()->StreamOpen(handle(), QUIC_STREAM_OPEN_FLAG_UNIDIRECTIONAL, OnStream, this, &stream),
            "StreamOpen");
    open_streams_ += 1;
    answer_bytes_wanted_ = burst_.bytes.size() - burst_.prefix_bytes;
    const auto flags = QUIC_SEND_FLAG_START | QUIC_SEND_FLAG_FIN;
    Require(library()->StreamSend(stream, &burst_.buffer, 1, flags, nullptr), "StreamSend");
  }

  const Burst& burst_;
  uint32_t open_streams_ = 0;
  uint64_t answer_bytes_ = 0;
  uint64_t answer_bytes_wanted_ = 0;  // every message comes back, and a prefix with every stream
};

Burst ReadBurst(Options& options) {
  const uint32_t messages = options.Number("burst", 0, 0, 1024);
  const uint32_t size = options.Number("size", 64, 0, 65'536);
  const std::vector<uint8_t> prefix = options.Bytes("prefix");
  std::vector<uint8_t> message = options.Bytes("head");
  message.insert(message.end(), size, 0x5a);
  Burst burst;
  if (messages == 0) return burst;
  burst.prefix_bytes = prefix.size();
  burst.bytes = prefix;
  for (uint32_t i = 0; i < messages; i += 1) {
    burst.bytes.insert(burst.bytes.end(), message.begin(), message.end());
  }
  return burst;
}

int Run(Options options) {
  Server server{options.Text("host", "127.0.0.1"),
                static_cast<uint16_t>(options.Number("port", 0, 1, 65535))};
  const uint32_t connections = options.Number("connections", 1000, 1, 1'000'000);
  const std::string alpn = options.Text("alpn", "millrace-echo");
  const uint32_t keep_alive_ms = options.Number("keep-alive-ms", 0, 0, 3'600'000);
  Burst burst = ReadBurst(options);
  options.RefuseOthers();
  burst.buffer = {static_cast<uint32_t>(burst.bytes.size()), burst.bytes.data()};

  QUIC_SETTINGS settings = CommonSettings(16 * 1024);
  settings.PeerUnidiStreamCount = 16;
  settings.IsSet.PeerUnidiStreamCount = 1;
  settings.KeepAliveIntervalMs = keep_alive_ms;
  settings.IsSet.KeepAliveIntervalMs = 1;
  Crowd crowd(alpn, settings, std::move(server));
  crowd.Open(connections, [&] { return std::make_unique<IdleConnection>(crowd, burst); });
  HoldUntilInputEnds(crowd.ready());
  std::_Exit(0);  // closing them one by one would take seconds, and the server ends next
}

}  // namespace
}  // namespace millrace::bench

int main(int argc, char** argv) {
  return millrace::bench::Run(millrace::bench::Options(argc, argv));
}
