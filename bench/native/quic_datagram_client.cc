// Loads a server that sends datagrams back: so many of them outstanding on each connection. What comes back
// is compared with what was sent; one that is lost on either way is counted apart and replaced. One line of
// JSON says how long an answer took.

#include <algorithm>
#include <atomic>
#include <cstdio>
#include <cstring>
#include <vector>

#include "bench/native/answer.h"
#include "bench/native/load_client.h"

namespace millrace::bench {
namespace {

/** On a loopback interface what has not come back by then is lost. */
constexpr uint64_t kLostAfterNs = 500'000'000;

QUIC_SETTINGS Settings() {
  QUIC_SETTINGS settings = CommonSettings(kAnswerWindowBytes);
  settings.DatagramReceiveEnabled = 1;
  settings.IsSet.DatagramReceiveEnabled = 1;
  return settings;
}

/** What all connections share. */
struct DatagramClient : LoadClient {
  explicit DatagramClient(const Load& the_load) : LoadClient(the_load, kAnswerAlpn, Settings()) {}

  std::atomic<uint64_t> lost{0};
};

/** The first bytes of every datagram: which one it is. */
struct Head {
  uint32_t place;
  uint32_t round;
};

class DatagramConnection final : public LoadConnection {
 public:
  explicit DatagramConnection(LoadClient& client)
      : LoadConnection(client),
        size_(std::max<uint32_t>(client.load.size, sizeof(Head))),
        bytes_(size_t{client.load.depth} * size_, kAnswerByte),
        places_(client.load.depth),
        shared_(static_cast<DatagramClient&>(client)) {
    for (uint32_t i = 0; i < places_.size(); i += 1) places_[i].buffer = {size_, &bytes_[size_t{i} * size_]};
  }

  void Begin() override {
    for (uint32_t i = 0; i < places_.size(); i += 1) Send(i, NowNs());
  }

 private:
  /** Room for one datagram, used again once its answer has come. */
  struct Place {
    QUIC_BUFFER buffer{};
    uint32_t round = 0;
    uint64_t sent_at_ns = 0;
  };

  void OnConnected() override {}

  void OnOther(QUIC_CONNECTION_EVENT& event) override {
    if (event.Type == QUIC_CONNECTION_EVENT_DATAGRAM_RECEIVED) OnAnswer(*event.DATAGRAM_RECEIVED.Buffer);
    // Also where answers are lost, so that it goes on when all of them are.
    if (event.Type == QUIC_CONNECTION_EVENT_DATAGRAM_SEND_STATE_CHANGED) ReplaceLost(NowNs());
  }

  void OnAnswer(const QUIC_BUFFER& answer) {
    Head head{};
    if (answer.Length != size_) return shared_.recorder.Error();
    std::memcpy(&head, answer.Buffer, sizeof(head));
    if (head.place >= places_.size()) return shared_.recorder.Error();
    Place& place = places_[head.place];
    const uint64_t now = NowNs();
    if (head.round == place.round) {  // else it was given up before
      if (std::memcmp(answer.Buffer, place.buffer.Buffer, size_) != 0) shared_.recorder.Error();
      shared_.recorder.RoundTrip(now - place.sent_at_ns);
      Send(head.place, now);
    }
    ReplaceLost(now);
  }

  /** Looks at one place a time, so that all are looked at again and again. */
  void ReplaceLost(uint64_t now) {
    next_looked_at_ = (next_looked_at_ + 1) % static_cast<uint32_t>(places_.size());
    if (now - places_[next_looked_at_].sent_at_ns < kLostAfterNs) return;
    shared_.lost += 1;
    Send(next_looked_at_, now);
  }

  // msquic has copied the last datagram of this place into a packet long since: it has come back.
  void Send(uint32_t index, uint64_t now) {
    if (shared_.Stopping()) return;
    Place& place = places_[index];
    place.round += 1;
    place.sent_at_ns = now;
    const Head head{index, place.round};
    std::memcpy(place.buffer.Buffer, &head, sizeof(head));
    const QUIC_STATUS status =
        library()->DatagramSend(handle(), &place.buffer, 1, QUIC_SEND_FLAG_NONE, nullptr);
    if (QUIC_FAILED(status) && !shared_.Stopping()) shared_.recorder.Error();
  }

  const uint32_t size_;
  std::vector<uint8_t> bytes_;
  std::vector<Place> places_;
  uint32_t next_looked_at_ = 0;
  DatagramClient& shared_;
};

int Run(Options options) {
  const Load load(options);
  options.RefuseOthers();
  DatagramClient client(load);
  const int status = client.Run<DatagramConnection>();
  if (client.lost > 0) std::fprintf(stderr, "%llu lost\n", static_cast<unsigned long long>(client.lost));
  return status;
}

}  // namespace
}  // namespace millrace::bench

int main(int argc, char** argv) {
  return millrace::bench::Run(millrace::bench::Options(argc, argv));
}
