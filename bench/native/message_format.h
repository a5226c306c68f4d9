#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "bench/native/message_reader.h"
#include "bench/native/options.h"

namespace millrace::bench {

/** Kinds of a session's frames (schemas/frame.fbs) that a client which only loads a server has to tell apart.
 */
enum class FrameKind : uint8_t { kMessage = 4, kRequest = 5, kResponse = 6, kAck = 7 };

/** The header of a session's frame (docs/wire.md section 3), as far as a client looks at it. */
struct FrameHeader {
  /** False of bytes that are no frame. */
  bool Read(const uint8_t* frame, uint32_t length);
  /** Whether it has a place in a lane. */
  bool IsSequenced() const { return kind != FrameKind::kAck && sequence != 0; }

  FrameKind kind{};
  uint32_t sequence = 0;
};

/**
 * What a server's messages look like. Programs here know nothing of protocols but this: flags say how a
 * connection is opened, what stands before and behind a payload, and whether it is a session's frame.
 */
struct MessageFormat {
  /** What a connection does before it is open. */
  struct Step {
    enum class Do { kSend, kSendRaw, kAwait, kAwaitLine } what;
    std::vector<uint8_t> bytes;
  };

  /**
   * Reads these flags:
   * --framing websocket|sized|prefixed|fixed; --path, --subprotocol, --text 1 (of WebSocket);
   * --opening a list of steps set apart by commas: hexadecimal, a message to be sent; = and hexadecimal,
   *   bytes to be sent as they are; - await a message; / await a line;
   * --head, --tail hexadecimal, what stands around a payload; --answer-head how many bytes do in an answer;
   *   --answer-around so many bytes at most do that are the server's own;
   * --header-at where the frame's header is in the head of a session's frame: each frame then has its
   *   sequence and an acknowledgement, and a request an id; --opened-at the sequence that the opening took,
   * in both directions; --answer-kind of frames that are answers, where it is not the message's own;
   * --answers how many there are to each message: of a batch.
   */
  MessageFormat(Options& options, uint32_t payload_bytes);

  /**
   * Appends the message as it is on the wire.
   * @param sequence of it, and the highest of the server's that is acknowledged; only of a session's.
   */
  void Append(std::vector<uint8_t>& out, uint32_t sequence, uint32_t acknowledged) const;
  /** Appends an acknowledgement of all of the server's messages up to that one; nothing where there are no
   * sessions. */
  void AppendAcknowledgement(std::vector<uint8_t>& out, uint32_t acknowledged) const;
  /** What goes on the wire for any message. */
  std::vector<uint8_t> Frame(const std::vector<uint8_t>& bytes) const;
  /** Whether these bytes are an answer to the message that is sent. */
  bool IsAnswer(const uint8_t* answer, uint32_t length) const;

  Framing framing = Framing::kWebSocket;
  std::string path;
  std::string subprotocol;
  bool text = false;
  std::vector<Step> opening;
  bool session = false;
  FrameKind answer_kind = FrameKind::kMessage;
  uint32_t answer_bytes = 0;   // the most
  uint32_t answer_around = 0;  // 0 where they are as long as the message
  uint32_t answers = 1;        // to each message
  uint32_t opened_at = 0;      // the sequence that the opening took, in both directions

 private:
  void ReadOpening(const std::string& steps);

  std::vector<uint8_t> message_;  // but for its sequence
  std::vector<uint8_t> framed_;   // the same as it is on the wire
  size_t header_at_ = 0;          // of a session's frame, in `framed_`
  bool is_request_ = false;
  uint32_t mask_ = 0;  // over the header's fields
  size_t payload_at_ = 0;
  size_t payload_bytes_ = 0;
  size_t answer_payload_at_ = 0;
};

}  // namespace millrace::bench
