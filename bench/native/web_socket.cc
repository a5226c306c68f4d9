#include "bench/native/web_socket.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cstdio>
#include <cstring>

namespace millrace::bench {

namespace {

constexpr uint8_t kBinaryFin = 0x82;
constexpr uint8_t kMasked = 0x80;
constexpr uint8_t kMask[4] = {0x37, 0xfa, 0x21, 0x3d};

sockaddr_in Address(const std::string& host, uint16_t port) {
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(port);
  inet_pton(AF_INET, host.c_str(), &address.sin_addr);
  return address;
}

int Fail(int socket, const char* what) {
  std::fprintf(stderr, "%s: %s\n", what, std::strerror(errno));
  if (socket >= 0) close(socket);
  return -1;
}

std::string UpgradeRequest(const WebSocketTarget& target) {
  std::string request = "GET " + target.path + " HTTP/1.1\r\nHost: " + target.host + ":" +
                        std::to_string(target.port) +
                        "\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
                        "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n";
  if (!target.subprotocol.empty()) request += "Sec-WebSocket-Protocol: " + target.subprotocol + "\r\n";
  return request + "\r\n";
}

/** Reads the answer byte by byte, so that no byte of a message is taken. */
bool Upgraded(int socket) {
  std::string answer;
  char byte;
  while (!answer.ends_with("\r\n\r\n")) {
    if (answer.size() > 4096 || recv(socket, &byte, 1, 0) != 1) return false;
    answer.push_back(byte);
  }
  return answer.starts_with("HTTP/1.1 101");
}

}  // namespace

int OpenWebSocket(const WebSocketTarget& target, const std::string& source) {
  const int on = 1;
  const int socket_fd = socket(AF_INET, SOCK_STREAM, 0);
  if (socket_fd < 0) return Fail(socket_fd, "socket");
  setsockopt(socket_fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
  if (!source.empty()) {
    // Without a port of its own yet, one source address serves as many connections as there are ports.
    setsockopt(socket_fd, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, &on, sizeof(on));
    const sockaddr_in from = Address(source, 0);
    if (bind(socket_fd, reinterpret_cast<const sockaddr*>(&from), sizeof(from)) != 0)
      return Fail(socket_fd, "bind");
  }
  const sockaddr_in to = Address(target.host, target.port);
  if (connect(socket_fd, reinterpret_cast<const sockaddr*>(&to), sizeof(to)) != 0)
    return Fail(socket_fd, "connect");
  const std::string request = UpgradeRequest(target);
  if (send(socket_fd, request.data(), request.size(), MSG_NOSIGNAL) != static_cast<ssize_t>(request.size())) {
    return Fail(socket_fd, "send");
  }
  errno = EPROTO;
  if (!Upgraded(socket_fd)) return Fail(socket_fd, "the server did not upgrade");
  fcntl(socket_fd, F_SETFL, O_NONBLOCK);
  return socket_fd;
}

std::vector<uint8_t> MaskedFrame(const std::vector<uint8_t>& message) {
  std::vector<uint8_t> frame = {kBinaryFin};
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
  frame.insert(frame.end(), kMask, kMask + 4);
  for (size_t i = 0; i < size; i += 1) frame.push_back(static_cast<uint8_t>(message[i] ^ kMask[i % 4]));
  return frame;
}

bool WebSocketReader::Fill(int socket) {
  if (begin_ > 0) {
    std::memmove(buffer_.data(), buffer_.data() + begin_, end_ - begin_);
    end_ -= begin_;
    begin_ = 0;
  }
  const ssize_t count = recv(socket, buffer_.data() + end_, buffer_.size() - end_, 0);
  if (count > 0) end_ += static_cast<size_t>(count);
  return count > 0 || (count < 0 && errno == EAGAIN);
}

WebSocketReader::Parsed WebSocketReader::Next(const uint8_t** message, uint32_t* length) {
  const uint8_t* at = buffer_.data() + begin_;
  const size_t have = end_ - begin_;
  if (have < 2) return Parsed::kNothing;
  const bool control = (at[0] & 0x08) != 0;
  if ((!control && at[0] != kBinaryFin) || (at[1] & kMasked) != 0) return Parsed::kMalformed;
  size_t head = 2;
  uint64_t size = at[1];
  if (size >= 126) {
    head += size == 126 ? 2 : 8;
    if (have < head) return Parsed::kNothing;
    size = 0;
    for (size_t i = 2; i < head; i += 1) size = size << 8 | at[i];
  }
  if (size > buffer_.size() - kSpareBytes + 125) return Parsed::kMalformed;
  if (have < head + size) return Parsed::kNothing;
  begin_ += head + size;
  *message = at + head;
  *length = static_cast<uint32_t>(size);
  return control ? Parsed::kControl : Parsed::kMessage;
}

}  // namespace millrace::bench
