// Opens so many connections that carry messages over WebSocket or TCP, sends a burst over each and awaits the
// answers, then holds them idle. It prints one line of JSON when they are idle, and ends with its standard
// input.

#include <cstdio>
#include <deque>
#include <string>

#include "bench/native/message_connection.h"
#include "bench/native/options.h"

namespace millrace::bench {
namespace {

constexpr uint32_t kConnectionsPerSource = 10'000;
constexpr uint32_t kReadAhead = 4 * 1024;

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
  return true;
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
  for (uint32_t i = 0; i < connections; i += 1) {
    MessageConnection& connection = held.emplace_back(format, kReadAhead);
    if (!connection.Open({host, port, Source(i)})) return 1;
    if (!Burst(connection, burst)) {
      std::fprintf(stderr, "connection %u of %u got no answer\n", i + 1, connections);
      return 1;
    }
  }
  std::printf("{\"connections\":%zu}\n", held.size());
  std::fflush(stdout);
  while (std::getchar() != EOF) {
  }
  return 0;
}

}  // namespace
}  // namespace millrace::bench

int main(int argc, char** argv) {
  return millrace::bench::Run(millrace::bench::Options(argc, argv));
}
