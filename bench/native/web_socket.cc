#include "bench/native/web_socket.h"

namespace millrace::bench {
namespace {

constexpr uint8_t kTextFin = 0x81;
constexpr uint8_t kBinaryFin = 0x82;
constexpr uint8_t kMasked = 0x80;

}  // namespace

std::string UpgradeRequest(const std::string& host, uint16_t port, const std::string& path,
                           const std::string& subprotocol) {
  std::string request = "GET " + path + " HTTP/1.1\r\nHost: " + host + ":" + std::to_string(port) +
                        "\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
                        "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n";
  if (!subprotocol.empty()) request += "Sec-WebSocket-Protocol: " + subprotocol + "\r\n";
  return request + "\r\n";
}

std::vector<uint8_t> MaskedFrame(const std::vector<uint8_t>& message, bool text) {
  std::vector<uint8_t> frame = {text ? kTextFin : kBinaryFin};
  const size_t size = message.size();
  if (size < 126) {
    frame.push_back(static_cast<uint8_t>(kMasked | size));
  } else if (size < 65'536) {
    frame.push_back(kMasked | 126);
    for (int shift = 8; shift >= 0; shift -= 8) frame.push_back(static_cast<uint8_t>(size >> shift));
  } else {
    frame.push_back(kMasked | 127);
    for (int shift = 56; shift >= 0; shift -= 8) frame.push_back(static_cast<uint8_t>(size >> shift));
  }
  frame.insert(frame.end(), kWebSocketMask, kWebSocketMask + 4);
  for (size_t i = 0; i < size; i += 1) {
    frame.push_back(static_cast<uint8_t>(message[i] ^ kWebSocketMask[i % 4]));
  }
  return frame;
}

}  // namespace millrace::bench
