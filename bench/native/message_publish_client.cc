// Subscribes with many connections, over WebSocket, as the format's opening says. One of them then sends a
// message, which the server publishes to all, again and again: a few publications are on their way at a time.
// One line of JSON says how many deliveries a second that was.

#include <atomic>
#include <cstdio>
#include <deque>
#include <string>
#include <thread>
#include <vector>

#include "bench/native/histogram.h"
#include "bench/native/message_connection.h"
#include "bench/native/message_loop.h"
#include "bench/native/options.h"

namespace millrace::bench {
namespace {

constexpr uint32_t kReadAhead = 8 * 1024;
constexpr uint32_t kConnectionsPerSource = 10'000;
constexpr uint32_t kInFlight = 16;
constexpr uint64_t kDeadlineNs = 30'000'000'000;

struct Deliveries {
  uint64_t right = 0;
  uint64_t wrong = 0;
};

class Subscriber {
 public:
  Subscriber(const MessageFormat& format, Deliveries& deliveries)
      : connection_(format, kReadAhead), deliveries_(deliveries) {}

  bool Open(const Endpoint& endpoint) { return connection_.Open(endpoint); }
  int Socket() const { return connection_.Socket(); }
  bool Write() { return connection_.Write(); }
  bool WantsToWrite() const { return connection_.WantsToWrite(); }
  void AskForPublication() { connection_.Queue(1); }

  bool OnReadable() {
    return connection_.Read([&](bool right) { (right ? deliveries_.right : deliveries_.wrong) += 1; });
  }

 private:
  MessageConnection connection_;
  Deliveries& deliveries_;
};

bool OpenAll(std::deque<Subscriber>& subscribers, const std::string& host, uint16_t port) {
  std::atomic<uint32_t> next{0};
  std::atomic<bool> failed{false};
  const auto open_some = [&] {
    for (uint32_t i = next++; i < subscribers.size() && !failed; i = next++) {
      const std::string source = "127.0.1." + std::to_string(1 + i / kConnectionsPerSource);
      if (!subscribers[i].Open({host, port, source})) failed = true;
    }
  };
  std::vector<std::thread> threads;
  for (uint32_t i = 0; i < kInFlight; i += 1) threads.emplace_back(open_some);
  for (std::thread& thread : threads) thread.join();
  return !failed;
}

/** Asks for publications until then, and waits for all of them. False where a connection broke, or one got
 * none. */
bool PublishUntil(uint64_t until_ns, uint32_t outstanding, std::deque<Subscriber>& subscribers,
                  MessageLoop<Subscriber>& loop, Deliveries& deliveries) {
  deliveries = {};
  uint64_t asked = 0;
  for (;;) {
    const uint64_t complete = (deliveries.right + deliveries.wrong) / subscribers.size();
    const uint64_t now = NowNs();
    if (now >= until_ns && complete == asked) return true;
    if (now > until_ns + kDeadlineNs) return false;
    while (now < until_ns && asked < complete + outstanding) {
      asked += 1;
      subscribers.front().AskForPublication();
      if (!loop.Flush(&subscribers.front())) return false;
    }
    if (!loop.Turn(now + 100'000'000)) return false;
  }
}

int Run(Options options) {
  const auto port = static_cast<uint16_t>(options.Number("port", 0, 1, 65535));
  const std::string host = options.Text("host", "127.0.0.1");
  const uint32_t connections = options.Number("connections", 1000, 1, 19'000);
  const uint32_t outstanding = options.Number("depth", 2, 1, 64);
  const uint64_t warmup_ns = uint64_t{options.Number("warmup-ms", 500, 0, 60'000)} * 1'000'000;
  const uint64_t duration_ns = uint64_t{options.Number("duration-ms", 2000, 1, 600'000)} * 1'000'000;
  const MessageFormat format(options, options.Number("size", 1024, 1, 4096));
  options.RefuseOthers();

  Deliveries deliveries;
  std::deque<Subscriber> subscribers;
  for (uint32_t i = 0; i < connections; i += 1) subscribers.emplace_back(format, deliveries);
  if (!OpenAll(subscribers, host, port)) return 1;
  MessageLoop<Subscriber> loop;
  for (Subscriber& subscriber : subscribers) loop.Watch(&subscriber);
  std::printf("{\"connections\":%u}\n", connections);
  std::fflush(stdout);
  if (std::getchar() == EOF) return 0;  // a line begins it

  bool unbroken = PublishUntil(NowNs() + warmup_ns, outstanding, subscribers, loop, deliveries);
  const uint64_t begin = NowNs();
  unbroken = unbroken && PublishUntil(begin + duration_ns, outstanding, subscribers, loop, deliveries);
  const double seconds = static_cast<double>(NowNs() - begin) / 1e9;
  if (!unbroken || deliveries.wrong > 0) {
    std::fprintf(
        stderr, "%s; %llu came right and %llu wrong\n", unbroken ? "wrong bytes" : "a connection broke",
        static_cast<unsigned long long>(deliveries.right), static_cast<unsigned long long>(deliveries.wrong));
    return 1;
  }
  std::printf("{\"operations\":%llu,\"perSecond\":%.0f}\n", static_cast<unsigned long long>(deliveries.right),
              static_cast<double>(deliveries.right) / seconds);
  std::fflush(stdout);
  return 0;
}

}  // namespace
}  // namespace millrace::bench

int main(int argc, char** argv) {
  return millrace::bench::Run(millrace::bench::Options(argc, argv));
}
