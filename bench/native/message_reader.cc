#include "bench/native/message_reader.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>

#include <cstring>

namespace millrace::bench {
namespace {

constexpr uint8_t kTextFin = 0x81;
constexpr uint8_t kBinaryFin = 0x82;
constexpr uint8_t kControlBit = 0x08;
constexpr uint8_t kMasked = 0x80;
constexpr size_t kMostText = 4096;

}  // namespace

bool MessageReader::Fill(int socket) {
  if (begin_ > 0) {
    std::memmove(buffer_.data(), buffer_.data() + begin_, end_ - begin_);
    end_ -= begin_;
    begin_ = 0;
  }
  const ssize_t count = recv(socket, buffer_.data() + end_, buffer_.size() - end_, 0);
  if (count > 0) end_ += static_cast<size_t>(count);
  return count > 0 || (count < 0 && errno == EAGAIN);
}

bool MessageReader::Await(int socket, const uint8_t** message, uint32_t* length) {
  for (;;) {
    const Parsed parsed = Next(message, length);
    if (parsed == Parsed::kMessage) return true;
    if (parsed == Parsed::kMalformed) return false;
    if (parsed != Parsed::kNothing) continue;
    // A server without TCP_NODELAY waits for this before it sends the rest; who only opens connections may
    // not.
    const int on = 1;
    setsockopt(socket, IPPROTO_TCP, TCP_QUICKACK, &on, sizeof(on));
    if (!Fill(socket)) return false;
  }
}

std::string MessageReader::AwaitText(int socket, const std::string& end) {
  for (;;) {
    const std::string text(reinterpret_cast<const char*>(buffer_.data()) + begin_, end_ - begin_);
    const size_t at = text.find(end);
    if (at != std::string::npos) {
      begin_ += at + end.size();
      return text.substr(0, at + end.size());
    }
    if (text.size() > kMostText || text.size() == buffer_.size() || !Fill(socket)) return "";
  }
}

MessageReader::Parsed MessageReader::Next(const uint8_t** message, uint32_t* length) {
  if (framing_ == Framing::kWebSocket) return NextWebSocket(message, length);
  const uint8_t* at = buffer_.data() + begin_;
  const size_t have = end_ - begin_;
  uint32_t head = 0;
  size_t size = largest_;
  if (framing_ != Framing::kFixed) {
    uint32_t prefix = 0;
    if (have < sizeof(prefix)) return Parsed::kNothing;
    std::memcpy(&prefix, at, sizeof(prefix));
    if (framing_ == Framing::kPrefixed) {
      prefix = ntohl(prefix);
      head = sizeof(prefix);
    }
    size = size_t{prefix} + sizeof(prefix);
    if (size > largest_ + kHeadBytes) return Parsed::kMalformed;
  }
  if (have < size) return Parsed::kNothing;
  begin_ += size;
  *message = at + head;
  *length = static_cast<uint32_t>(size) - head;
  return Parsed::kMessage;
}

MessageReader::Parsed MessageReader::NextWebSocket(const uint8_t** message, uint32_t* length) {
  const uint8_t* at = buffer_.data() + begin_;
  const size_t have = end_ - begin_;
  if (have < 2) return Parsed::kNothing;
  const bool control = (at[0] & kControlBit) != 0;
  if ((!control && at[0] != kBinaryFin && at[0] != kTextFin) || (at[1] & kMasked) != 0) {
    return Parsed::kMalformed;
  }
  size_t head = 2;
  uint64_t size = at[1];
  if (size >= 126) {
    head += size == 126 ? 2 : 8;
    if (have < head) return Parsed::kNothing;
    size = 0;
    for (size_t i = 2; i < head; i += 1) size = size << 8 | at[i];
  }
  if (size > largest_) return Parsed::kMalformed;
  if (have < head + size) return Parsed::kNothing;
  begin_ += head + size;
  *message = at + head;
  *length = static_cast<uint32_t>(size);
  return control ? Parsed::kControl : Parsed::kMessage;
}

}  // namespace millrace::bench
