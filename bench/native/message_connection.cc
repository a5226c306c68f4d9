#include "bench/native/message_connection.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cstdio>
#include <cstring>

#include "bench/native/web_socket.h"

namespace millrace::bench {
namespace {

/** The largest message of an opening. */
constexpr uint32_t kOpeningBytes = 4096;
constexpr int kDeadlineSeconds = 10;

sockaddr_in Address(const std::string& host, uint16_t port) {
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(port);
  inet_pton(AF_INET, host.c_str(), &address.sin_addr);
  return address;
}

bool Fail(const char* what) {
  std::fprintf(stderr, "%s: %s\n", what, std::strerror(errno));
  return false;
}

uint32_t Largest(const MessageFormat& format) {
  if (format.framing == Framing::kFixed) return format.answer_bytes;
  return format.answer_bytes > kOpeningBytes ? format.answer_bytes : kOpeningBytes;
}

}  // namespace

MessageConnection::MessageConnection(const MessageFormat& format, uint32_t read_ahead)
    : format_(format),
      reader_(format.framing, Largest(format), read_ahead),
      sent_(format.opened_at),
      received_(format.opened_at) {}

MessageConnection::~MessageConnection() {
  if (socket_ >= 0) close(socket_);
}

bool MessageConnection::Open(const Endpoint& endpoint) {
  if (!Connect(endpoint)) return false;
  if (format_.framing == Framing::kWebSocket && !Upgrade(endpoint)) return false;
  for (const MessageFormat::Step& step : format_.opening) {
    errno = EPROTO;
    if (!Take(step)) return Fail("the server did not let the client in");
  }
  Block(false);
  return true;
}

bool MessageConnection::Connect(const Endpoint& endpoint) {
  const int on = 1;
  const timeval deadline = {kDeadlineSeconds, 0};
  socket_ = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  if (socket_ < 0) return Fail("socket");
  setsockopt(socket_, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
  setsockopt(socket_, SOL_SOCKET, SO_RCVTIMEO, &deadline, sizeof(deadline));
  if (!endpoint.source.empty()) {
    // Without a port of its own yet, one source address serves as many connections as there are ports.
    setsockopt(socket_, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, &on, sizeof(on));
    const sockaddr_in from = Address(endpoint.source, 0);
    if (bind(socket_, reinterpret_cast<const sockaddr*>(&from), sizeof(from)) != 0) return Fail("bind");
  }
  const sockaddr_in to = Address(endpoint.host, endpoint.port);
  if (connect(socket_, reinterpret_cast<const sockaddr*>(&to), sizeof(to)) != 0) return Fail("connect");
  return true;
}

bool MessageConnection::Upgrade(const Endpoint& endpoint) {
  const std::string request = UpgradeRequest(endpoint.host, endpoint.port, format_.path, format_.subprotocol);
  if (!SendAll(reinterpret_cast<const uint8_t*>(request.data()), request.size())) return Fail("send");
  errno = EPROTO;
  const std::string answer = reader_.AwaitText(socket_, "\r\n\r\n");
  return answer.starts_with("HTTP/1.1 101") || Fail("the server did not upgrade");
}

bool MessageConnection::Take(const MessageFormat::Step& step) {
  using Do = MessageFormat::Step::Do;
  const uint8_t* message = nullptr;
  uint32_t length = 0;
  if (step.what == Do::kAwait) return reader_.Await(socket_, &message, &length);
  if (step.what == Do::kAwaitLine) return !reader_.AwaitText(socket_, "\n").empty();
  const std::vector<uint8_t> bytes = step.what == Do::kSend ? format_.Frame(step.bytes) : step.bytes;
  return SendAll(bytes.data(), bytes.size());
}

bool MessageConnection::SendAll(const uint8_t* bytes, size_t count) {
  return send(socket_, bytes, count, MSG_NOSIGNAL) == static_cast<ssize_t>(count);
}

void MessageConnection::CutOnClose() {
  const linger at_once = {1, 0};
  setsockopt(socket_, SOL_SOCKET, SO_LINGER, &at_once, sizeof(at_once));
}

void MessageConnection::Block(bool blocking) {
  fcntl(socket_, F_SETFL, blocking ? 0 : O_NONBLOCK);
}

void MessageConnection::Queue(uint32_t messages) {
  for (uint32_t i = 0; i < messages; i += 1) format_.Append(unwritten_, ++sent_, received_);
}

bool MessageConnection::Write() {
  while (WantsToWrite()) {
    const ssize_t done =
        send(socket_, unwritten_.data() + written_, unwritten_.size() - written_, MSG_NOSIGNAL);
    if (done < 0) return errno == EAGAIN;
    written_ += static_cast<size_t>(done);
  }
  unwritten_.clear();
  written_ = 0;
  return true;
}

bool MessageConnection::AwaitAnswer() {
  for (;;) {
    const uint8_t* bytes = nullptr;
    uint32_t length = 0;
    bool unbroken = true;
    if (!reader_.Await(socket_, &bytes, &length)) return false;
    if (!format_.session || TakeFrame(bytes, length, &unbroken)) return format_.IsAnswer(bytes, length);
    if (!unbroken) return false;
  }
}

bool MessageConnection::TakeFrame(const uint8_t* bytes, uint32_t length, bool* unbroken) {
  FrameHeader frame;
  bool known = frame.Read(bytes, length);
  if (known && frame.IsSequenced()) {
    known = frame.sequence == received_ + 1;
    received_ = frame.sequence;
  }
  const bool answer = known && frame.kind == format_.answer_kind;
  if (!answer && (!known || frame.kind != FrameKind::kAck)) *unbroken = false;
  return answer;
}

}  // namespace millrace::bench
