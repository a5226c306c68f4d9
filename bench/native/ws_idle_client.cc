// Opens so many WebSockets, sends a burst of messages over each and awaits the answers, then holds them idle.
// It prints one line of JSON when they are idle, and ends with its standard input.

#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cstdio>
#include <string>
#include <vector>

#include "bench/native/options.h"
#include "bench/native/web_socket.h"

namespace millrace::bench {
namespace {

constexpr uint32_t kConnectionsPerSource = 10'000;
constexpr int kAnswerDeadlineMs = 10'000;

/** A loopback address of its own for every ten thousand connections: a pair of addresses has 64 k ports at
 * most. */
std::string Source(uint32_t index) {
  return "127.0.1." + std::to_string(1 + index / kConnectionsPerSource);
}

bool Burst(int socket, const std::vector<uint8_t>& masked, uint32_t messages, WebSocketReader* reader) {
  for (uint32_t i = 0; i < messages; i += 1) {
    if (send(socket, masked.data(), masked.size(), MSG_NOSIGNAL) != static_cast<ssize_t>(masked.size()))
      return false;
  }
  for (uint32_t answered = 0; answered < messages;) {
    pollfd readable = {socket, POLLIN, 0};
    if (poll(&readable, 1, kAnswerDeadlineMs) != 1) return false;
    const int count = reader->Read(socket, [](const uint8_t*, uint32_t) {});
    if (count < 0) return false;
    answered += static_cast<uint32_t>(count);
  }
  return true;
}

int Run(Options options) {
  const uint32_t connections = options.Number("connections", 1000, 1, 19'000);
  const uint32_t burst = options.Number("burst", 0, 0, 1024);
  const uint32_t size = options.Number("size", 64, 1, 4096);
  const auto port = static_cast<uint16_t>(options.Number("port", 0, 1, 65535));
  const WebSocketTarget target = {options.Text("host", "127.0.0.1"), port, options.Text("path", "/"),
                                  options.Text("subprotocol", "")};
  std::vector<uint8_t> message = options.Bytes("head");
  options.RefuseOthers();

  message.insert(message.end(), size, 0x5a);
  const std::vector<uint8_t> masked = MaskedFrame(message);
  std::vector<int> sockets;
  for (uint32_t i = 0; i < connections; i += 1) {
    WebSocketReader reader(static_cast<uint32_t>(message.size()));
    sockets.push_back(OpenWebSocket(target, Source(i)));
    if (sockets.back() < 0) return 1;
    if (!Burst(sockets.back(), masked, burst, &reader)) {
      std::fprintf(stderr, "connection %u of %u got no answer\n", i + 1, connections);
      return 1;
    }
  }
  std::printf("{\"connections\":%zu}\n", sockets.size());
  std::fflush(stdout);
  while (std::getchar() != EOF) {
  }
  for (const int socket : sockets) close(socket);
  return 0;
}

}  // namespace
}  // namespace millrace::bench

int main(int argc, char** argv) {
  return millrace::bench::Run(millrace::bench::Options(argc, argv));
}
