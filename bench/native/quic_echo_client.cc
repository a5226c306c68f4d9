// Loads any QUIC echo server: connections with one bidirectional stream each, and so many messages
// outstanding on every stream. What comes back is compared with what was sent; one line of JSON says how long
// it took.

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstdio>
#include <cstring>
#include <memory>
#include <semaphore>
#include <string>
#include <thread>
#include <vector>

#include "bench/native/load.h"
#include "bench/native/quic_library.h"

namespace millrace::bench {
namespace {

constexpr uint32_t kHandshakesInFlight = 24;
constexpr uint32_t kStreamWindowBytes = 256 * 1024;

/** What all connections share. */
struct Client {
  Client(const Load& the_load, const std::string& alpn)
      : load(the_load), pattern(size_t{load.depth} * load.size), bursts(load.depth) {
    for (size_t i = 0; i < pattern.size(); i += 1) pattern[i] = static_cast<uint8_t>(i % load.size);
    for (uint32_t i = 0; i < load.depth; i += 1) bursts[i] = {(i + 1) * load.size, pattern.data()};
    configuration =
        library.OpenConfiguration(alpn, CommonSettings(kStreamWindowBytes), InsecureClientCredential());
  }
  ~Client() { library.CloseConfiguration(configuration); }

  Load load;
  QuicLibrary library;
  HQUIC configuration = nullptr;
  Recorder recorder;
  std::vector<uint8_t> pattern;     // `depth` equal messages
  std::vector<QUIC_BUFFER> bursts;  // bursts[n - 1] is n messages; constant, so sends of it need no memory
  std::atomic<bool> stopping{false};
  std::atomic<uint32_t> opened{0};
  std::atomic<uint32_t> failed{0};
  std::counting_semaphore<> handshakes{kHandshakesInFlight};
  std::counting_semaphore<> settled{0};  // a connection opened its stream, or failed
  std::counting_semaphore<> closed{0};
};

/** One connection with its stream. Its callbacks come from one msquic worker at a time. */
class EchoConnection {
 public:
  explicit EchoConnection(Client& client) : client_(client), sent_at_ns_(client.load.depth) {}

  // The handles live as long as this object, so that a connection that broke early may still be shut down.
  ~EchoConnection() {
    if (stream_) client_.library->StreamClose(stream_);
    if (connection_) client_.library->ConnectionClose(connection_);
  }
  EchoConnection(const EchoConnection&) = delete;
  EchoConnection& operator=(const EchoConnection&) = delete;

  void Start() {
    QuicLibrary& library = client_.library;
    Require(library->ConnectionOpen(library.Registration(), OnConnection, this, &connection_),
            "ConnectionOpen");
    Require(library->ConnectionStart(connection_, client_.configuration, QUIC_ADDRESS_FAMILY_INET,
                                     client_.load.host.c_str(), client_.load.port),
            "ConnectionStart");
  }

  /** Puts the first `depth` messages on their way; the answers keep it going. */
  void Begin() {
    if (stream_) Send(client_.load.depth, NowNs());
  }

  void Shutdown() { client_.library->ConnectionShutdown(connection_, QUIC_CONNECTION_SHUTDOWN_FLAG_NONE, 0); }

 private:
  static QUIC_STATUS OnConnection(HQUIC, void* context, QUIC_CONNECTION_EVENT* event) {
    auto* self = static_cast<EchoConnection*>(context);
    Client& client = self->client_;
    switch (event->Type) {
      case QUIC_CONNECTION_EVENT_CONNECTED:
        self->OpenStream();
        client.opened += 1;
        self->Settle();
        break;
      case QUIC_CONNECTION_EVENT_SHUTDOWN_COMPLETE:
        if (!client.stopping) client.recorder.Error();
        self->Settle();
        client.closed.release();
        break;
      default:
        break;
    }
    return QUIC_STATUS_SUCCESS;
  }

  static QUIC_STATUS OnStream(HQUIC, void* context, QUIC_STREAM_EVENT* event) {
    if (event->Type != QUIC_STREAM_EVENT_RECEIVE) return QUIC_STATUS_SUCCESS;
    auto* self = static_cast<EchoConnection*>(context);
    for (uint32_t i = 0; i < event->RECEIVE.BufferCount; i += 1) self->Check(event->RECEIVE.Buffers[i]);
    self->Answered(event->RECEIVE.TotalBufferLength);
    return QUIC_STATUS_SUCCESS;
  }

  void OpenStream() {
    QuicLibrary& library = client_.library;
    Require(library->StreamOpen(connection_, QUIC_STREAM_OPEN_FLAG_NONE, OnStream, this, &stream_),
            "StreamOpen");
    Require(library->StreamStart(stream_, QUIC_STREAM_START_FLAG_NONE), "StreamStart");
  }

  void Settle() {
    if (settled_) return;
    settled_ = true;
    client_.handshakes.release();
    client_.settled.release();
  }

  void Check(const QUIC_BUFFER& chunk) {
    const std::vector<uint8_t>& pattern = client_.pattern;
    uint32_t done = 0;
    while (done < chunk.Length) {
      const uint32_t from = (partial_ + done) % client_.load.size;
      const uint32_t step = std::min(chunk.Length - done, static_cast<uint32_t>(pattern.size()) - from);
      if (std::memcmp(chunk.Buffer + done, pattern.data() + from, step) != 0) client_.recorder.Error();
      done += step;
    }
    partial_ = (partial_ + chunk.Length) % client_.load.size;
  }

  void Answered(uint64_t bytes) {
    received_ += bytes;
    const auto messages = static_cast<uint32_t>(received_ / client_.load.size - answered_);
    if (messages == 0) return;
    const uint64_t now = NowNs();
    for (uint32_t i = 0; i < messages; i += 1) {
      client_.recorder.RoundTrip(now - sent_at_ns_[(answered_ + i) % client_.load.depth]);
    }
    answered_ += messages;
    if (!client_.stopping.load(std::memory_order_relaxed)) Send(messages, now);
  }

  void Send(uint32_t messages, uint64_t now) {
    for (uint32_t i = 0; i < messages; i += 1) sent_at_ns_[(sent_ + i) % client_.load.depth] = now;
    sent_ += messages;
    const QUIC_STATUS status =
        client_.library->StreamSend(stream_, &client_.bursts[messages - 1], 1, QUIC_SEND_FLAG_NONE, nullptr);
    if (QUIC_FAILED(status) && !client_.stopping) client_.recorder.Error();
  }

  Client& client_;
  HQUIC connection_ = nullptr;
  HQUIC stream_ = nullptr;
  bool settled_ = false;
  uint32_t partial_ = 0;              // bytes of the message that is arriving
  uint64_t received_ = 0;             // bytes
  uint64_t answered_ = 0;             // messages
  uint64_t sent_ = 0;                 // messages
  std::vector<uint64_t> sent_at_ns_;  // of the messages outstanding, first sent first answered
};

int Run(Options options) {
  const Load load(options);
  const std::string alpn = options.Text("alpn", "millrace-echo");
  options.RefuseOthers();

  Client client(load, alpn);
  std::vector<std::unique_ptr<EchoConnection>> connections;
  for (uint32_t i = 0; i < load.connections; i += 1) {
    client.handshakes.acquire();
    connections.push_back(std::make_unique<EchoConnection>(client));
    connections.back()->Start();
  }
  for (uint32_t i = 0; i < load.connections; i += 1) client.settled.acquire();
  if (client.opened < load.connections) {
    std::fprintf(stderr, "only %u of %u connections opened\n", client.opened.load(), load.connections);
    std::exit(1);
  }
  for (auto& connection : connections) connection->Begin();
  std::this_thread::sleep_for(std::chrono::milliseconds(load.warmup_ms));
  client.recorder.Begin();
  std::this_thread::sleep_for(std::chrono::milliseconds(load.duration_ms));
  client.recorder.End();
  client.stopping = true;
  for (auto& connection : connections) connection->Shutdown();
  for (uint32_t i = 0; i < load.connections; i += 1) client.closed.acquire();
  return client.recorder.Print(load);
}

}  // namespace
}  // namespace millrace::bench

int main(int argc, char** argv) {
  return millrace::bench::Run(millrace::bench::Options(argc, argv));
}
