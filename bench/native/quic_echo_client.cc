// Loads any QUIC echo server: connections with one bidirectional stream each, and so many messages
// outstanding on every stream. What comes back is compared with what was sent; one line of JSON says how long
// it took.

#include <algorithm>
#include <cstring>
#include <string>
#include <vector>

#include "bench/native/load_client.h"

namespace millrace::bench {
namespace {

constexpr uint32_t kStreamWindowBytes = 256 * 1024;

/** What all connections share. */
struct EchoClient : LoadClient {
  EchoClient(const Load& the_load, const std::string& alpn)
      : LoadClient(the_load, alpn, CommonSettings(kStreamWindowBytes)),
        pattern(size_t{load.depth} * load.size),
        bursts(load.depth) {
    for (size_t i = 0; i < pattern.size(); i += 1) pattern[i] = static_cast<uint8_t>(i % load.size);
    for (uint32_t i = 0; i < load.depth; i += 1) bursts[i] = {(i + 1) * load.size, pattern.data()};
  }

  std::vector<uint8_t> pattern;     // `depth` equal messages
  std::vector<QUIC_BUFFER> bursts;  // bursts[n - 1] is n messages; constant, so sends of it need no memory
};

/** One connection with its stream. */
class EchoConnection final : public LoadConnection {
 public:
  explicit EchoConnection(LoadClient& client)
      : LoadConnection(client), sent_at_ns_(client.load.depth), echo_(static_cast<EchoClient&>(client)) {}
  ~EchoConnection() override {
    if (stream_) library()->StreamClose(stream_);
  }

  void Begin() override {
    if (stream_) Send(echo_.load.depth, NowNs());
  }

 private:
  static QUIC_STATUS OnStream(HQUIC, void* context, QUIC_STREAM_EVENT* event) {
    if (event->Type != QUIC_STREAM_EVENT_RECEIVE) return QUIC_STATUS_SUCCESS;
    auto* self = static_cast<EchoConnection*>(context);
    for (uint32_t i = 0; i < event->RECEIVE.BufferCount; i += 1) self->Check(event->RECEIVE.Buffers[i]);
    self->Answered(event->RECEIVE.TotalBufferLength);
    return QUIC_STATUS_SUCCESS;
  }

  void OnConnected() override {
    Require(library()->StreamOpen(handle(), QUIC_STREAM_OPEN_FLAG_NONE, OnStream, this, &stream_),
            "StreamOpen");
    Require(library()->StreamStart(stream_, QUIC_STREAM_START_FLAG_NONE), "StreamStart");
  }

  void Check(const QUIC_BUFFER& chunk) {
    const std::vector<uint8_t>& pattern = echo_.pattern;
    uint32_t done = 0;
    while (done < chunk.Length) {
      const uint32_t from = (partial_ + done) % echo_.load.size;
      const uint32_t step = std::min(chunk.Length - done, static_cast<uint32_t>(pattern.size()) - from);
      if (std::memcmp(chunk.Buffer + done, pattern.data() + from, step) != 0) echo_.recorder.Error();
      done += step;
    }
    partial_ = (partial_ + chunk.Length) % echo_.load.size;
  }

  void Answered(uint64_t bytes) {
    received_ += bytes;
    const auto messages = static_cast<uint32_t>(received_ / echo_.load.size - answered_);
    if (messages == 0) return;
    const uint64_t now = NowNs();
    for (uint32_t i = 0; i < messages; i += 1) {
      echo_.recorder.RoundTrip(now - sent_at_ns_[(answered_ + i) % echo_.load.depth]);
    }
    answered_ += messages;
    if (!echo_.Stopping()) Send(messages, now);
  }

  void Send(uint32_t messages, uint64_t now) {
    for (uint32_t i = 0; i < messages; i += 1) sent_at_ns_[(sent_ + i) % echo_.load.depth] = now;
    sent_ += messages;
    const QUIC_STATUS status =
        library()->StreamSend(stream_, &echo_.bursts[messages - 1], 1, QUIC_SEND_FLAG_NONE, nullptr);
    if (QUIC_FAILED(status) && !echo_.Stopping()) echo_.recorder.Error();
  }

  HQUIC stream_ = nullptr;
  uint32_t partial_ = 0;              // bytes of the message that is arriving
  uint64_t received_ = 0;             // bytes
  uint64_t answered_ = 0;             // messages
  uint64_t sent_ = 0;                 // messages
  std::vector<uint64_t> sent_at_ns_;  // of the messages outstanding, first sent first answered
  EchoClient& echo_;
};

int Run(Options options) {
  const Load load(options);
  const std::string alpn = options.Text("alpn", "millrace-echo");
  options.RefuseOthers();
  EchoClient client(load, alpn);
  return client.Run<EchoConnection>();
}

}  // namespace
}  // namespace millrace::bench

int main(int argc, char** argv) {
  return millrace::bench::Run(millrace::bench::Options(argc, argv));
}
