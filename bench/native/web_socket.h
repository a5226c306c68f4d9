#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace millrace::bench {

/** Where a WebSocket server listens. `host` is an IPv4 address; an empty subprotocol offers none. */
struct WebSocketTarget {
  std::string host;
  uint16_t port = 0;
  std::string path;
  std::string subprotocol;
};

/**
 * Connects and upgrades, blocking, and leaves the socket non-blocking.
 * @param source the IPv4 address to connect from; empty leaves it to the kernel.
 * @returns the socket, or -1 with a line on standard error.
 */
int OpenWebSocket(const WebSocketTarget& target, const std::string& source);

/**
 * One message as a client sends it (RFC 6455 section 5.2): a masked binary frame. The mask is always the
 * same, which a browser must not do and a load generator may: the server has to undo it all the same.
 */
std::vector<uint8_t> MaskedFrame(const std::vector<uint8_t>& message);

/** The messages in a server's byte stream: unmasked and unfragmented binary frames, control frames skipped.
 */
class WebSocketReader {
 public:
  static constexpr int kClosed = -1;
  static constexpr int kMalformed = -2;

  explicit WebSocketReader(uint32_t largest_message) : buffer_(largest_message + kSpareBytes) {}

  /**
   * Reads what the socket has, at most one buffer of it, and calls `sink(bytes, length)` for each whole
   * message.
   * @returns the number of messages, 0 when there was nothing to read, or kClosed or kMalformed.
   */
  template <typename Sink>
  int Read(int socket, Sink&& sink) {
    if (!Fill(socket)) return kClosed;
    int messages = 0;
    const uint8_t* message = nullptr;
    uint32_t length = 0;
    Parsed parsed;
    while ((parsed = Next(&message, &length)) != Parsed::kNothing) {
      if (parsed == Parsed::kMalformed) return kMalformed;
      if (parsed == Parsed::kControl) continue;
      sink(message, length);
      messages += 1;
    }
    return messages;
  }

 private:
  static constexpr uint32_t kSpareBytes = 64 * 1024;
  enum class Parsed { kNothing, kMessage, kControl, kMalformed };

  bool Fill(int socket);
  Parsed Next(const uint8_t** message, uint32_t* length);

  std::vector<uint8_t> buffer_;
  size_t begin_ = 0;
  size_t end_ = 0;
};

}  // namespace millrace::bench
