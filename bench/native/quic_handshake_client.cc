// Opens connections and closes them as soon as their handshake has completed, so many at once. One line of
// JSON says how many a second, and how long a handshake took.

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstdio>
#include <deque>
#include <memory>
#include <mutex>
#include <semaphore>
#include <string>
#include <vector>

#include "bench/native/answer.h"
#include "bench/native/load.h"
#include "bench/native/quic_client.h"

namespace millrace::bench {
namespace {

/** So that it is handshakes that are counted, and not sockets made. */
constexpr uint32_t kSharedSockets = 8;
constexpr std::chrono::seconds kDeadline{30};

class Handshake;

/** What all handshakes share. */
struct HandshakeClient {
  explicit HandshakeClient(const Load& the_load)
      : load(the_load),
        server{load.host, load.port},
        configuration(library.OpenConfiguration(kAnswerAlpn, CommonSettings(kAnswerWindowBytes),
                                                InsecureClientCredential())) {}
  ~HandshakeClient() { library.CloseConfiguration(configuration); }

  void Ended(Handshake* handshake) {
    {
      const std::lock_guard lock(mutex);
      idle.push_back(handshake);
    }
    ended.release();
  }
  /** Null when none ends. */
  Handshake* Take() {
    if (!ended.try_acquire_for(kDeadline)) return nullptr;
    const std::lock_guard lock(mutex);
    Handshake* first = idle.front();
    idle.pop_front();
    return first;
  }

  const Load load;
  const Server server;
  QuicLibrary library;
  const HQUIC configuration;
  Recorder recorder;
  std::atomic<uint64_t> refused{0};
  std::counting_semaphore<> ended{0};
  std::mutex mutex;
  std::deque<Handshake*> idle;  // guarded by mutex
};

/** A place for one handshake after the other. */
class Handshake final : public ClientConnection {
 public:
  explicit Handshake(HandshakeClient& client) : ClientConnection(client.library), client_(client) {}

  void Begin(const QUIC_ADDR& socket) {
    begun_ns_ = NowNs();
    StartShared(client_.configuration, client_.server, &socket);
  }

 private:
  void OnEvent(QUIC_CONNECTION_EVENT& event) override {
    switch (event.Type) {
      case QUIC_CONNECTION_EVENT_CONNECTED:
        client_.recorder.RoundTrip(NowNs() - begun_ns_);
        Shutdown();
        break;
      case QUIC_CONNECTION_EVENT_SHUTDOWN_INITIATED_BY_TRANSPORT:
        // A server that is late refuses (RFC 9000 section 20.1); that is no handshake, and no failure of
        // ours.
        if (event.SHUTDOWN_INITIATED_BY_TRANSPORT.Status == QUIC_STATUS_CONNECTION_REFUSED) {
          client_.refused += 1;
        } else {
          client_.recorder.Error();
        }
        break;
      case QUIC_CONNECTION_EVENT_SHUTDOWN_COMPLETE:
        Close();
        client_.Ended(this);
        break;
      default:
        break;
    }
  }

  HandshakeClient& client_;
  uint64_t begun_ns_ = 0;
};

/** Keeps handshakes going until then. False when the server stopped answering. */
bool KeepGoing(HandshakeClient& client, const std::vector<QUIC_ADDR>& sockets, uint32_t* next,
               uint32_t milliseconds) {
  const uint64_t end = NowNs() + uint64_t{milliseconds} * 1'000'000;
  while (NowNs() < end) {
    Handshake* handshake = client.Take();
    if (!handshake) return false;
    handshake->Begin(sockets[*next]);
    *next = (*next + 1) % static_cast<uint32_t>(sockets.size());
  }
  return true;
}

int Run(Options options) {
  const Load load(options);
  options.RefuseOthers();
  HandshakeClient client(load);
  std::deque<AwaitedConnection> holders;  // they keep their sockets open
  std::vector<QUIC_ADDR> sockets;
  for (uint32_t i = 0; i < kSharedSockets; i += 1) {
    holders.emplace_back(client.library).StartShared(client.configuration, client.server, nullptr);
    holders.back().AwaitOpen();
    sockets.push_back(holders.back().LocalAddress());
  }

  std::deque<Handshake> handshakes;
  for (uint32_t i = 0; i < load.connections; i += 1) client.Ended(&handshakes.emplace_back(client));
  uint32_t next = 0;
  bool well = KeepGoing(client, sockets, &next, load.warmup_ms);
  client.recorder.Begin();
  well = well && KeepGoing(client, sockets, &next, load.duration_ms);
  client.recorder.End();
  for (uint32_t i = 0; well && i < load.connections; i += 1) well = client.Take() != nullptr;
  if (!well) Require(QUIC_STATUS_ABORTED, "the server stopped answering: a handshake");
  if (client.refused > 0) {
    std::fprintf(stderr, "%llu refused\n", static_cast<unsigned long long>(client.refused));
  }
  for (AwaitedConnection& holder : holders) holder.ShutdownAndWait();
  return client.recorder.Print(load);
}

}  // namespace
}  // namespace millrace::bench

int main(int argc, char** argv) {
  return millrace::bench::Run(millrace::bench::Options(argc, argv));
}
