#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace millrace::bench {

/** How messages are cut out of what a server sends. */
enum class Framing {
  kWebSocket,  // unmasked and unfragmented frames, of bytes or of text; control frames are skipped
  kSized,      // a 32-bit length, little-endian, then so many bytes; the message begins with the length
  kPrefixed,   // a 32-bit length, big-endian, then a message of so many bytes
  kFixed,      // all are equally long
};

/** The messages in a server's byte stream. */
class MessageReader {
 public:
  static constexpr int kClosed = -1;
  static constexpr int kMalformed = -2;

  /**
   * @param largest of a message, or its length where all are equal.
   * @param ahead how many bytes more it reads at once.
   */
  MessageReader(Framing framing, uint32_t largest, uint32_t ahead)
      : framing_(framing), largest_(largest), buffer_(size_t{largest} + kHeadBytes + ahead) {}

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

  /** Waits for one message, on a blocking socket. False where none comes. The bytes are valid until the next
   * call. */
  bool Await(int socket, const uint8_t** message, uint32_t* length);
  /** The same of text that ends with `end`, at most 4 KiB; nothing behind it is taken. Empty where none
   * comes.
   */
  std::string AwaitText(int socket, const std::string& end);

 private:
  static constexpr uint32_t kHeadBytes = 16;
  enum class Parsed { kNothing, kMessage, kControl, kMalformed };

  bool Fill(int socket);
  Parsed Next(const uint8_t** message, uint32_t* length);
  Parsed NextWebSocket(const uint8_t** message, uint32_t* length);

  const Framing framing_;
  const uint32_t largest_;
  std::vector<uint8_t> buffer_;
  size_t begin_ = 0;
  size_t end_ = 0;
};

}  // namespace millrace::bench
