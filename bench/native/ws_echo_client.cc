// Loads any WebSocket echo server from one thread: so many connections, so many messages outstanding on each.
// With the subprotocol millrace.v1 a message is a frame whose payload has the given size. What comes back is
// compared with what was sent; one line of JSON says how long it took.

#include <errno.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <cstring>
#include <deque>
#include <string>
#include <vector>

#include "bench/native/load.h"
#include "bench/native/web_socket.h"

namespace millrace::bench {
namespace {

/** The message that is sent over and over, and what of its answer must be equal. */
struct Message {
  Message(const Load& load, const std::vector<uint8_t>& head) : payload_offset(head.size()), bytes(head) {
    for (uint32_t i = 0; i < load.size; i += 1) bytes.push_back(static_cast<uint8_t>(i));
    masked = MaskedFrame(bytes);
    // A write may begin anywhere in a message, and take as many as are outstanding.
    for (uint32_t i = 0; i <= load.depth; i += 1)
      repeated.insert(repeated.end(), masked.begin(), masked.end());
  }

  /** The head of an answer is the server's own. */
  bool Answers(const uint8_t* answer, uint32_t length) const {
    return length == bytes.size() &&
           std::memcmp(answer + payload_offset, bytes.data() + payload_offset, length - payload_offset) == 0;
  }

  size_t payload_offset;
  std::vector<uint8_t> bytes;
  std::vector<uint8_t> masked;
  std::vector<uint8_t> repeated;
};

/** One WebSocket; everything happens on the one thread. */
class EchoSocket {
 public:
  EchoSocket(const Load& load, const Message& message, Recorder& recorder, int socket)
      : message_(message),
        recorder_(recorder),
        socket_(socket),
        reader_(static_cast<uint32_t>(message.bytes.size())),
        sent_at_ns_(load.depth) {}
  ~EchoSocket() { close(socket_); }
  EchoSocket(const EchoSocket&) = delete;
  EchoSocket& operator=(const EchoSocket&) = delete;

  int Socket() const { return socket_; }

  /** Sends the first `depth` messages; the answers keep it going. */
  bool Begin() {
    Queue(static_cast<uint32_t>(sent_at_ns_.size()), NowNs());
    return Write();
  }

  bool OnReadable() {
    const uint64_t now = NowNs();
    const int messages = reader_.Read(socket_, [&](const uint8_t* answer, uint32_t length) {
      if (!message_.Answers(answer, length)) recorder_.Error();
      recorder_.RoundTrip(now - sent_at_ns_[answered_ % sent_at_ns_.size()]);
      answered_ += 1;
    });
    if (messages < 0) return false;
    Queue(static_cast<uint32_t>(messages), now);
    return Write();
  }

  /** Writes what is queued, as far as the socket takes it. */
  bool Write() {
    while (unwritten_bytes_ > 0) {
      const size_t from = written_bytes_ % message_.masked.size();
      const size_t count = std::min(unwritten_bytes_, message_.repeated.size() - from);
      const ssize_t done = send(socket_, message_.repeated.data() + from, count, MSG_NOSIGNAL);
      if (done < 0) return errno == EAGAIN;
      written_bytes_ += static_cast<size_t>(done);
      unwritten_bytes_ -= static_cast<size_t>(done);
    }
    return true;
  }

  bool WantsToWrite() const { return unwritten_bytes_ > 0; }

 private:
  void Queue(uint32_t messages, uint64_t now) {
    for (uint32_t i = 0; i < messages; i += 1) sent_at_ns_[(sent_ + i) % sent_at_ns_.size()] = now;
    sent_ += messages;
    unwritten_bytes_ += messages * message_.masked.size();
  }

  const Message& message_;
  Recorder& recorder_;
  int socket_;
  WebSocketReader reader_;
  size_t written_bytes_ = 0;
  size_t unwritten_bytes_ = 0;
  uint64_t sent_ = 0;                 // messages
  uint64_t answered_ = 0;             // messages
  std::vector<uint64_t> sent_at_ns_;  // of the messages outstanding, first sent first answered
};

class Loop {
 public:
  Loop() : epoll_(epoll_create1(EPOLL_CLOEXEC)) {}
  ~Loop() { close(epoll_); }
  Loop(const Loop&) = delete;
  Loop& operator=(const Loop&) = delete;

  void Watch(EchoSocket* socket) { Control(EPOLL_CTL_ADD, socket, EPOLLIN); }

  /** Serves the sockets until `until_ns`. @returns false when one broke. */
  bool Run(uint64_t until_ns) {
    epoll_event events[256];
    for (uint64_t now = NowNs(); now < until_ns; now = NowNs()) {
      const auto wait_ms = static_cast<int>((until_ns - now) / 1'000'000 + 1);
      const int count = epoll_wait(epoll_, events, 256, wait_ms);
      for (int i = 0; i < count; i += 1) {
        if (!Serve(static_cast<EchoSocket*>(events[i].data.ptr), events[i].events)) return false;
      }
    }
    return true;
  }

 private:
  bool Serve(EchoSocket* socket, uint32_t events) {
    const bool wanted_to_write = (events & EPOLLOUT) != 0;
    if (wanted_to_write && !socket->Write()) return false;
    if ((events & ~EPOLLOUT) != 0 && !socket->OnReadable()) return false;
    if (socket->WantsToWrite() || wanted_to_write) {
      Control(EPOLL_CTL_MOD, socket, socket->WantsToWrite() ? EPOLLIN | EPOLLOUT : EPOLLIN);
    }
    return true;
  }

  void Control(int operation, EchoSocket* socket, uint32_t events) {
    epoll_event event{};
    event.events = events;
    event.data.ptr = socket;
    epoll_ctl(epoll_, operation, socket->Socket(), &event);
  }

  int epoll_;
};

int Run(Options options) {
  const Load load(options);
  const WebSocketTarget target = {load.host, load.port, options.Text("path", "/"),
                                  options.Text("subprotocol", "")};
  const Message message(load, options.Bytes("head"));
  options.RefuseOthers();

  Recorder recorder;
  Loop loop;
  std::deque<EchoSocket> sockets;
  for (uint32_t i = 0; i < load.connections; i += 1) {
    const int socket = OpenWebSocket(target, "");
    if (socket < 0) return 1;
    loop.Watch(&sockets.emplace_back(load, message, recorder, socket));
  }
  bool unbroken = true;
  for (EchoSocket& socket : sockets) unbroken = socket.Begin() && unbroken;
  const uint64_t begin = NowNs() + uint64_t{load.warmup_ms} * 1'000'000;
  unbroken = unbroken && loop.Run(begin);
  recorder.Begin();
  unbroken = unbroken && loop.Run(NowNs() + uint64_t{load.duration_ms} * 1'000'000);
  recorder.End();
  if (!unbroken) {
    std::fprintf(stderr, "the server broke a connection\n");
    return 1;
  }
  return recorder.Print(load);
}

}  // namespace
}  // namespace millrace::bench

int main(int argc, char** argv) {
  return millrace::bench::Run(millrace::bench::Options(argc, argv));
}
