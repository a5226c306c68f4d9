#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "bench/native/message_format.h"
#include "bench/native/message_reader.h"

namespace millrace::bench {

/** Where a server of messages listens, and from where it is reached. Addresses are of IPv4. */
struct Endpoint {
  std::string host;
  uint16_t port = 0;
  std::string source;  // empty leaves it to the kernel
};

/** One connection that carries messages over a byte stream: WebSocket or TCP, a session's or not. */
class MessageConnection {
 public:
  /** @param read_ahead how many bytes it reads at once, beside one message. */
  MessageConnection(const MessageFormat& format, uint32_t read_ahead);
  ~MessageConnection();
  MessageConnection(const MessageConnection&) = delete;
  MessageConnection& operator=(const MessageConnection&) = delete;

  /**
   * Connects and does what the format's opening says; blocks until that is done.
   * @returns false with a line on standard error.
   */
  bool Open(const Endpoint& endpoint);

  int Socket() const { return socket_; }

  /** Appends so many messages to what is to be written. */
  void Queue(uint32_t messages);
  /** Appends that all which came is handled: no message will say so. */
  void QueueAcknowledgement() { format_.AppendAcknowledgement(unwritten_, received_); }
  /** Writes what is queued, as far as the socket takes it. False where it is broken. */
  bool Write();
  bool WantsToWrite() const { return written_ < unwritten_.size(); }

  /**
   * Takes what has come. `sink(right)` is called for each answer: whether it is what was sent.
   * @returns false where the server broke the connection or the protocol.
   */
  template <typename Sink>
  bool Read(Sink&& sink) {
    bool unbroken = true;
    const int messages = reader_.Read(socket_, [&](const uint8_t* bytes, uint32_t length) {
      if (!format_.session || TakeFrame(bytes, length, &unbroken)) sink(format_.IsAnswer(bytes, length));
    });
    return messages >= 0 && unbroken;
  }

  /** Waits for the next answer, on a socket that blocks. False where none comes, or a wrong one. */
  bool AwaitAnswer();
  void Block(bool blocking);
  /** Leaves no port behind that waits for late segments. */
  void CutOnClose();

 private:
  bool Connect(const Endpoint& endpoint);
  bool Upgrade(const Endpoint& endpoint);
  bool Take(const MessageFormat::Step& step);
  bool SendAll(const uint8_t* bytes, size_t count);
  /** Whether the frame is an answer; others are dealt with. */
  bool TakeFrame(const uint8_t* bytes, uint32_t length, bool* unbroken);

  const MessageFormat& format_;
  MessageReader reader_;
  int socket_ = -1;
  std::vector<uint8_t> unwritten_;
  size_t written_ = 0;
  uint32_t sent_;      // sequence of the newest frame of ours
  uint32_t received_;  // and of the server's
};

}  // namespace millrace::bench
