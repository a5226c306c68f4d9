// Subscribes with many connections (publish.h), then asks for one publication after the other, each when
// everyone has the last. One line of JSON says how many deliveries a second that was.

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <memory>
#include <string>
#include <vector>

#include "bench/native/crowd.h"
#include "bench/native/histogram.h"
#include "bench/native/options.h"
#include "bench/native/publish.h"

namespace millrace::bench {
namespace {

constexpr std::chrono::milliseconds kDeadline{kPublishDisconnectTimeoutMs};
/**
 * Clients acknowledge at once. Where they wait, as is usual, for more to acknowledge, all acknowledgements of
 * ten thousand come together, when the server sends the next publication: most are lost, and it is loss
 * recovery that is measured.
 */
constexpr uint32_t kMaxAckDelayMs = 2;

QUIC_SETTINGS Settings() {
  QUIC_SETTINGS settings = PublishSettings();
  settings.MaxAckDelayMs = kMaxAckDelayMs;
  settings.IsSet.MaxAckDelayMs = 1;
  return settings;
}

/** What all connections share. */
struct Publications {
  explicit Publications(uint64_t bytes_each_time) : bytes_each(bytes_each_time) {}

  void Received(uint64_t bytes) {
    if (received.fetch_add(bytes) + bytes == bytes_each) complete.release();
  }

  const uint64_t bytes_each;
  std::atomic<uint64_t> received{0};
  std::atomic<uint64_t> wrong{0};
  std::counting_semaphore<> complete{0};
};

class Subscriber final : public CrowdConnection {
 public:
  Subscriber(Crowd& crowd, Publications& publications)
      : CrowdConnection(crowd), publications_(publications) {}

  void AskForPublication() { Send(publish_); }

 private:
  void OnConnected() override {
    Require(library()->StreamOpen(handle(), QUIC_STREAM_OPEN_FLAG_NONE, OnStream, this, &stream_),
            "StreamOpen");
    Require(library()->StreamStart(stream_, QUIC_STREAM_START_FLAG_NONE), "StreamStart");
    Send(subscribe_);
  }

  static QUIC_STATUS OnStream(HQUIC, void* context, QUIC_STREAM_EVENT* event) {
    auto* self = static_cast<Subscriber*>(context);
    if (event->Type != QUIC_STREAM_EVENT_RECEIVE) return QUIC_STATUS_SUCCESS;
    for (uint32_t i = 0; i < event->RECEIVE.BufferCount; i += 1) self->Receive(event->RECEIVE.Buffers[i]);
    return QUIC_STATUS_SUCCESS;
  }

  void Receive(const QUIC_BUFFER& chunk) {
    if (!subscribed_) {
      subscribed_ = true;
      if (chunk.Length != 1 || *chunk.Buffer != kSubscribe) publications_.wrong += 1;
      return Settle();
    }
    const bool right =
        std::all_of(chunk.Buffer, chunk.Buffer + chunk.Length, [](uint8_t byte) { return byte == kPublish; });
    if (!right) publications_.wrong += 1;
    publications_.Received(chunk.Length);
  }

  void Send(const QUIC_BUFFER& buffer) {
    Require(library()->StreamSend(stream_, &buffer, 1, QUIC_SEND_FLAG_NONE, nullptr), "StreamSend");
  }

  static inline uint8_t subscribe_byte = kSubscribe;
  static inline uint8_t publish_byte = kPublish;

  const QUIC_BUFFER subscribe_{1, &subscribe_byte};
  const QUIC_BUFFER publish_{1, &publish_byte};
  Publications& publications_;
  HQUIC stream_ = nullptr;
  bool subscribed_ = false;
};

/** Asks again and again, each time when everyone has the last one. Returns how often. */
uint32_t PublishFor(Publications& publications, Subscriber& one, uint32_t milliseconds) {
  const uint64_t end = NowNs() + uint64_t{milliseconds} * 1'000'000;
  uint32_t rounds = 0;
  while (rounds == 0 || NowNs() < end) {
    publications.received = 0;
    one.AskForPublication();
    if (!publications.complete.try_acquire_for(kDeadline)) GiveUp("a publication did not reach everyone");
    rounds += 1;
  }
  return rounds;
}

/** A line on the standard input begins it, so that what it costs can be told from what connecting did. */
void Measure(Publications& publications, Subscriber& one, uint32_t milliseconds) {
  const uint64_t begin = NowNs();
  const uint32_t rounds = PublishFor(publications, one, milliseconds);
  const double seconds = static_cast<double>(NowNs() - begin) / 1e9;
  if (publications.wrong > 0) GiveUp("wrong bytes arrived");
  const double deliveries = static_cast<double>(publications.bytes_each / kPublishBytes) * rounds;
  std::printf("{\"operations\":%.0f,\"perSecond\":%.0f}\n", deliveries, deliveries / seconds);
  std::fflush(stdout);
}

int Run(Options options) {
  Server server{options.Text("host", "127.0.0.1"),
                static_cast<uint16_t>(options.Number("port", 0, 1, 65535))};
  const uint32_t connections = options.Number("connections", 1000, 1, 100'000);
  const uint32_t warmup_ms = options.Number("warmup-ms", 500, 0, 60'000);
  const uint32_t duration_ms = options.Number("duration-ms", 2'000, 1, 600'000);
  options.RefuseOthers();

  Crowd crowd(kPublishAlpn, Settings(), std::move(server));
  Publications publications(uint64_t{connections} * kPublishBytes);
  Subscriber* last = nullptr;  // not refused, or there would be another after it
  crowd.Open(connections, [&] {
    auto subscriber = std::make_unique<Subscriber>(crowd, publications);
    last = subscriber.get();
    return subscriber;
  });
  (void)PublishFor(publications, *last, warmup_ms);
  std::printf("{\"connections\":%zu}\n", crowd.ready());
  std::fflush(stdout);
  for (int key = std::getchar(); key != EOF; key = std::getchar()) {
    if (key == '\n') Measure(publications, *last, duration_ms);
  }
  std::_Exit(0);  // closing them one by one would take seconds, and the server ends next
}

}  // namespace
}  // namespace millrace::bench

int main(int argc, char** argv) {
  return millrace::bench::Run(millrace::bench::Options(argc, argv));
}
