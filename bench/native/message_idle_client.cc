// Opens so many connections that carry messages over WebSocket or TCP, sends a burst over each and awaits the
// answers, then holds them idle. It prints one line of JSON when they are idle, and ends with its standard
// input.

#include <atomic>
#include <cstdio>
#include <deque>
#include <string>
#include <thread>
#include <vector>

#include "bench/native/hold.h"
#include "bench/native/message_connection.h"
#include "bench/native/options.h"

namespace millrace::bench {
namespace {

constexpr uint32_t kConnectionsPerSource = 10'000;
constexpr uint32_t kReadAhead = 4 * 1024;
/** As many are opened at once: some servers let each wait for a while. */
constexpr uint32_t kInFlight = 32;

/** A loopback address of its own for every ten thousand connections: a pair of addresses has 64 k ports at
 * most. */
std::string Source(uint32_t index) {
  return "127.0.1." + std::to_string(1 + index / kConnectionsPerSource);
}

bool Burst(MessageConnection& connection, uint32_t messages) {
  connection.Block(true);
  connection.Queue(messages);
  if (!connection.Write()) return false;
  for (uint32_t answered = 0; answered < messages; answered += 1) {
    if (!connection.AwaitAnswer()) return false;
  }
  if (messages > 0) connection.QueueAcknowledgement();
  return connection.Write();
}

int Run(Options options) {
  const uint32_t connections = options.Number("connections", 1000, 1, 19'500);
  const uint32_t burst = options.Number("burst", 0, 0, 1024);
  const uint32_t size = options.Number("size", 64, 1, 4096);
  const auto port = static_cast<uint16_t>(options.Number("port", 0, 1, 65535));
  const std::string host = options.Text("host", "127.0.0.1");
  const MessageFormat format(options, size);
  options.RefuseOthers();

  std::deque<MessageConnection> held;
  for (uint32_t i = 0; i < connections; i += 1) held.emplace_back(format, kReadAhead);
  std::atomic<uint32_t> next{0};
  std::atomic<bool> failed{false};
  const auto open_some = [&] {
    for (uint32_t i = next++; i < connections && !failed; i = next++) {
      if (held[i].Open({host, port, Source(i)}) && Burst(held[i], burst)) continue;
      failed = true;
      std::fprintf(stderr, "connection %u of %u failed\n", i + 1, connections);
    }
  };
  std::vector<std::thread> threads;
  for (uint32_t i = 0; i < kInFlight; i += 1) threads.emplace_back(open_some);
  for (std::thread& thread : threads) thread.join();
  if (failed) return 1;
  HoldUntilInputEnds(held.size());
  return 0;
}

}  // namespace
}  // namespace millrace::bench

int main(int argc, char** argv) {
  return millrace::bench::Run(millrace::bench::Options(argc, argv));
}
