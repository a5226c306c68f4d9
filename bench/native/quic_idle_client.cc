// Opens so many QUIC connections and holds them idle. With a burst it speaks millrace/1 first: so many frames
// on a unidirectional stream of its own on each connection, and every frame's answer on streams that the
// server opens and finishes. It prints one line of JSON when all are idle and hold no stream, and ends with
// its standard input.

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <memory>
#include <semaphore>
#include <string>
#include <vector>

#include "bench/native/options.h"
#include "bench/native/quic_library.h"

namespace millrace::bench {
namespace {

constexpr uint32_t kInFlight =
    24;  // handshakes and bursts; more of them cost the server memory that it keeps
constexpr uint32_t kSharedSockets = 8;
constexpr uint32_t kRounds = 20;  // of connecting those that were refused
constexpr std::chrono::seconds kDeadline{30};

/** What all connections share. */
struct Client {
  Client(const std::string& alpn, const std::vector<uint8_t>& prefix, const std::vector<uint8_t>& messages)
      : prefix_bytes(prefix.size()), burst(prefix) {
    QUIC_SETTINGS settings = CommonSettings(16 * 1024);
    settings.PeerUnidiStreamCount = 16;
    settings.IsSet.PeerUnidiStreamCount = 1;
    configuration = library.OpenConfiguration(alpn, settings, InsecureClientCredential());
    burst.insert(burst.end(), messages.begin(), messages.end());
    buffer = {static_cast<uint32_t>(burst.size()), burst.data()};
  }
  ~Client() { library.CloseConfiguration(configuration); }

  /** Says why the first of the connections that fail did. */
  void Explain(const char* what, uint64_t code) {
    if (!explained.exchange(true))
      std::fprintf(stderr, "%s: %llu\n", what, static_cast<unsigned long long>(code));
  }

  QuicLibrary library;
  HQUIC configuration = nullptr;
  size_t prefix_bytes;
  std::vector<uint8_t> burst;  // a whole stream: the prefix and the messages; empty for none
  QUIC_BUFFER buffer{};
  std::atomic<uint32_t> failed{0};
  std::atomic<uint32_t> refused{0};
  std::atomic<bool> explained{false};
  std::counting_semaphore<> in_flight{kInFlight};
  std::counting_semaphore<> settled{0};  // one for each connection that became idle, or failed
};

/** One connection. Its callbacks come from one msquic worker at a time. */
class IdleConnection {
 public:
  explicit IdleConnection(Client& client) : client_(client) {}
  ~IdleConnection() {
    if (connection_) client_.library->ConnectionClose(connection_);
  }
  IdleConnection(const IdleConnection&) = delete;
  IdleConnection& operator=(const IdleConnection&) = delete;

  /** @param socket the local address of a connection whose UDP socket to share; null opens one to be shared.
   */
  void Start(const std::string& host, uint16_t port, const QUIC_ADDR* socket) {
    QuicLibrary& library = client_.library;
    const uint8_t share = 1;
    Require(library->ConnectionOpen(library.Registration(), OnConnection, this, &connection_),
            "ConnectionOpen");
    Require(library->SetParam(connection_, QUIC_PARAM_CONN_SHARE_UDP_BINDING, sizeof(share), &share),
            "sharing");
    if (socket) {
      Require(library->SetParam(connection_, QUIC_PARAM_CONN_LOCAL_ADDRESS, sizeof(*socket), socket),
              "local address");
    }
    Require(library->ConnectionStart(connection_, client_.configuration, QUIC_ADDRESS_FAMILY_INET,
                                     host.c_str(), port),
            "ConnectionStart");
  }

  /** Blocks. Only once the connection is open. */
  QUIC_ADDR LocalAddress() const {
    QUIC_ADDR address{};
    uint32_t size = sizeof(address);
    Require(client_.library->GetParam(connection_, QUIC_PARAM_CONN_LOCAL_ADDRESS, &size, &address),
            "local address");
    return address;
  }

 private:
  static QUIC_STATUS OnConnection(HQUIC, void* context, QUIC_CONNECTION_EVENT* event) {
    auto* self = static_cast<IdleConnection*>(context);
    switch (event->Type) {
      case QUIC_CONNECTION_EVENT_CONNECTED:
        if (self->client_.burst.empty()) {
          self->Settle();
        } else {
          self->SendBurst();
        }
        break;
      case QUIC_CONNECTION_EVENT_PEER_STREAM_STARTED:
        self->open_streams_ += 1;
        self->answer_bytes_wanted_ += self->client_.prefix_bytes;
        self->client_.library->SetCallbackHandler(event->PEER_STREAM_STARTED.Stream,
                                                  reinterpret_cast<void*>(OnStream), self);
        break;
      case QUIC_CONNECTION_EVENT_SHUTDOWN_INITIATED_BY_TRANSPORT:
        self->refused_ = event->SHUTDOWN_INITIATED_BY_TRANSPORT.Status == QUIC_STATUS_CONNECTION_REFUSED;
        if (!self->refused_) {
          self->client_.Explain("msquic's status", event->SHUTDOWN_INITIATED_BY_TRANSPORT.Status);
        }
        break;
      case QUIC_CONNECTION_EVENT_SHUTDOWN_INITIATED_BY_PEER:
        self->client_.Explain("the server's code", event->SHUTDOWN_INITIATED_BY_PEER.ErrorCode);
        break;
      case QUIC_CONNECTION_EVENT_SHUTDOWN_COMPLETE:
        (self->refused_ ? self->client_.refused : self->client_.failed) += 1;
        self->Settle();
        break;
      default:
        break;
    }
    return QUIC_STATUS_SUCCESS;
  }

  static QUIC_STATUS OnStream(HQUIC stream, void* context, QUIC_STREAM_EVENT* event) {
    auto* self = static_cast<IdleConnection*>(context);
    if (event->Type == QUIC_STREAM_EVENT_RECEIVE) {
      self->answer_bytes_ += event->RECEIVE.TotalBufferLength;
      if (self->answer_bytes_ >= self->answer_bytes_wanted_) self->MakeWay();
    }
    if (event->Type != QUIC_STREAM_EVENT_SHUTDOWN_COMPLETE) return QUIC_STATUS_SUCCESS;
    if (!event->SHUTDOWN_COMPLETE.AppCloseInProgress) self->client_.library->StreamClose(stream);
    self->open_streams_ -= 1;
    if (self->open_streams_ == 0 && self->answer_bytes_ >= self->answer_bytes_wanted_) self->Settle();
    return QUIC_STATUS_SUCCESS;
  }

  void SendBurst() {
    QuicLibrary& library = client_.library;
    HQUIC stream = nullptr;
    Require(library->StreamOpen(connection_, QUIC_STREAM_OPEN_FLAG_UNIDIRECTIONAL, OnStream, this, &stream),
            "StreamOpen");
    open_streams_ += 1;
    answer_bytes_wanted_ = client_.burst.size() - client_.prefix_bytes;
    Require(
        library->StreamSend(stream, &client_.buffer, 1, QUIC_SEND_FLAG_START | QUIC_SEND_FLAG_FIN, nullptr),
        "StreamSend");
  }

  /** Lets the next connection begin: this one has its answers, and only waits for its streams to end. */
  void MakeWay() {
    if (made_way_) return;
    made_way_ = true;
    client_.in_flight.release();
  }

  void Settle() {
    MakeWay();
    if (settled_) return;
    settled_ = true;
    client_.settled.release();
  }

  Client& client_;
  HQUIC connection_ = nullptr;
  bool refused_ = false;
  bool made_way_ = false;
  bool settled_ = false;
  uint32_t open_streams_ = 0;
  uint64_t answer_bytes_ = 0;
  uint64_t answer_bytes_wanted_ = 0;  // every message comes back, and a prefix with every stream
};

[[noreturn]] void GiveUp(const std::string& why) {
  std::fprintf(stderr, "%s\n", why.c_str());
  std::_Exit(1);
}

/** Opens connections and waits until all of them are idle. */
class Crowd {
 public:
  Crowd(Client& client, const std::string& host, uint16_t port) : client_(client), host_(host), port_(port) {}

  /** A server that is late answers some with CONNECTION_REFUSED (RFC 9000 section 20.1): they try again. */
  void Open(uint32_t connections) {
    std::vector<QUIC_ADDR> sockets;
    for (uint32_t i = 0; i < std::min(connections, kSharedSockets); i += 1) Start(nullptr);
    if (AwaitSettled(held_.size()) != held_.size()) GiveUp("the server refused the first connections");
    for (const auto& connection : held_) sockets.push_back(connection->LocalAddress());
    idle_ = held_.size();
    for (uint32_t round = 0; idle_ < connections; round += 1) {
      if (round == kRounds) GiveUp("the server refuses connections");
      const size_t missing = connections - idle_;
      for (size_t i = 0; i < missing; i += 1) Start(&sockets[i % sockets.size()]);
      idle_ += AwaitSettled(missing);
    }
  }

  size_t Idle() const { return idle_; }

 private:
  void Start(const QUIC_ADDR* socket) {
    if (!client_.in_flight.try_acquire_for(kDeadline)) GiveUp("the server stopped accepting");
    held_.push_back(std::make_unique<IdleConnection>(client_));
    held_.back()->Start(host_, port_, socket);
  }

  /** @returns how many of them became idle; the others were refused. */
  size_t AwaitSettled(size_t connections) {
    for (size_t i = 0; i < connections; i += 1) {
      if (client_.settled.try_acquire_for(kDeadline)) continue;
      GiveUp(std::to_string(connections - i) + " connections did not become idle");
    }
    if (client_.failed > 0) GiveUp(std::to_string(client_.failed) + " connections failed");
    return connections - client_.refused.exchange(0);
  }

  Client& client_;
  const std::string& host_;
  const uint16_t port_;
  std::vector<std::unique_ptr<IdleConnection>> held_;  // the refused ones too
  size_t idle_ = 0;
};

int Run(Options options) {
  const std::string host = options.Text("host", "127.0.0.1");
  const auto port = static_cast<uint16_t>(options.Number("port", 0, 1, 65535));
  const uint32_t connections = options.Number("connections", 1000, 1, 1'000'000);
  const uint32_t burst = options.Number("burst", 0, 0, 1024);
  const uint32_t size = options.Number("size", 64, 0, 65'536);
  const std::string alpn = options.Text("alpn", "millrace-echo");
  const std::vector<uint8_t> prefix = options.Bytes("prefix");
  std::vector<uint8_t> message = options.Bytes("head");
  options.RefuseOthers();

  message.insert(message.end(), size, 0x5a);
  std::vector<uint8_t> messages;
  for (uint32_t i = 0; i < burst; i += 1) messages.insert(messages.end(), message.begin(), message.end());
  Client client(alpn, burst > 0 ? prefix : std::vector<uint8_t>(), messages);
  Crowd crowd(client, host, port);
  crowd.Open(connections);
  std::printf("{\"connections\":%zu}\n", crowd.Idle());
  std::fflush(stdout);
  while (std::getchar() != EOF) {
  }
  std::_Exit(0);  // closing them one by one would take seconds, and the server ends next
}

}  // namespace
}  // namespace millrace::bench

int main(int argc, char** argv) {
  return millrace::bench::Run(millrace::bench::Options(argc, argv));
}
