#include "bench/native/message_format.h"

#include <arpa/inet.h>

#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <sstream>

#include "bench/native/web_socket.h"

namespace millrace::bench {
namespace {

constexpr uint32_t kLetters = 26;

// Where the fields are in a frame, and in its header.
constexpr uint32_t kHotHeadBytes = 48;
constexpr uint32_t kHeaderBytes = 16;
constexpr uint32_t kLeastBytes = 32;
constexpr uint32_t kRootAt = 4;
constexpr uint32_t kFirstFieldAt = 4;
constexpr uint32_t kTypeAt = 4;
constexpr uint32_t kSequenceAt = 8;
constexpr uint32_t kAcknowledgedAt = 12;

Framing ReadFraming(Options& options) {
  const std::string name = options.Text("framing", "websocket");
  if (name == "websocket") return Framing::kWebSocket;
  if (name == "sized") return Framing::kSized;
  if (name == "prefixed") return Framing::kPrefixed;
  if (name == "fixed") return Framing::kFixed;
  std::fprintf(stderr, "--framing must be websocket, sized, prefixed or fixed\n");
  std::exit(2);
}

}  // namespace

bool FrameHeader::Read(const uint8_t* frame, uint32_t length) {
  uint32_t root = 0;
  int32_t to_vtable = 0;
  uint16_t to_header = 0;
  if (length < kLeastBytes) return false;
  std::memcpy(&root, frame + kRootAt, sizeof(root));
  const uint64_t table = uint64_t{root} + kRootAt;
  if (table + sizeof(to_vtable) > length) return false;
  std::memcpy(&to_vtable, frame + table, sizeof(to_vtable));
  const uint64_t field = table - static_cast<uint64_t>(int64_t{to_vtable}) + kFirstFieldAt;
  if (field + sizeof(to_header) > length) return false;
  std::memcpy(&to_header, frame + field, sizeof(to_header));
  const uint64_t header = table + to_header;
  if (header + kHeaderBytes > length) return false;
  kind = static_cast<FrameKind>(frame[header]);
  std::memcpy(&sequence, frame + header + kSequenceAt, sizeof(sequence));
  return true;
}

MessageFormat::MessageFormat(Options& options, uint32_t payload_bytes)
    : framing(ReadFraming(options)),
      path(options.Text("path", "/")),
      subprotocol(options.Text("subprotocol", "")),
      text(options.Number("text", 0, 0, 1) == 1),
      message_(options.Bytes("head")) {
  ReadOpening(options.Text("opening", ""));
  const std::vector<uint8_t> tail = options.Bytes("tail");
  payload_at_ = message_.size();
  answer_payload_at_ = options.Number("answer-head", static_cast<uint32_t>(payload_at_), 0, 4096);
  const uint32_t header = options.Number("header-at", 0, 0, static_cast<uint32_t>(payload_at_));
  session = header > 0;
  is_request_ = session && message_[header] == static_cast<uint8_t>(FrameKind::kRequest);
  answer_kind = is_request_ ? FrameKind::kResponse : FrameKind::kMessage;
  answer_kind =
      static_cast<FrameKind>(options.Number("answer-kind", static_cast<uint32_t>(answer_kind), 0, UINT8_MAX));
  answers = options.Number("answers", 1, 1, 1024);
  opened_at = options.Number("opened-at", 0, 0, UINT32_MAX);

  for (uint32_t i = 0; i < payload_bytes; i += 1) {
    message_.push_back(static_cast<uint8_t>(text ? 'a' + i % kLetters : i));
  }
  answer_bytes = static_cast<uint32_t>(answer_payload_at_ + payload_bytes);
  message_.insert(message_.end(), tail.begin(), tail.end());
  if (!session) answer_bytes += static_cast<uint32_t>(tail.size());
  payload_bytes_ = payload_bytes;
  answer_around = options.Number("answer-around", 0, 0, 4096);
  if (answer_around > 0) answer_bytes = payload_bytes + answer_around;
  framed_ = Frame(message_);
  header_at_ = framed_.size() - message_.size() + header;
  if (framing == Framing::kWebSocket) std::memcpy(&mask_, kWebSocketMask, sizeof(mask_));
}

void MessageFormat::Append(std::vector<uint8_t>& out, uint32_t sequence, uint32_t acknowledged) const {
  const size_t at = out.size();
  out.insert(out.end(), framed_.begin(), framed_.end());
  if (!session) return;
  uint8_t* header = out.data() + at + header_at_;
  sequence ^= mask_;
  acknowledged ^= mask_;
  if (is_request_) std::memcpy(header + kTypeAt, &sequence, sizeof(sequence));  // any id of its own
  std::memcpy(header + kSequenceAt, &sequence, sizeof(sequence));
  std::memcpy(header + kAcknowledgedAt, &acknowledged, sizeof(acknowledged));
}

void MessageFormat::AppendAcknowledgement(std::vector<uint8_t>& out, uint32_t acknowledged) const {
  if (!session) return;
  constexpr uint32_t kAck = static_cast<uint32_t>(FrameKind::kAck);
  const uint32_t frame[kHotHeadBytes / sizeof(uint32_t)] = {
      kHotHeadBytes - sizeof(uint32_t), 16, 0, 0x0018'0008, 0x0014'0004, 8, kAck, 0, 0, acknowledged, 4, 0};
  const auto* bytes = reinterpret_cast<const uint8_t*>(frame);
  const std::vector<uint8_t> framed = Frame({bytes, bytes + sizeof(frame)});
  out.insert(out.end(), framed.begin(), framed.end());
}

void MessageFormat::ReadOpening(const std::string& steps) {
  std::istringstream rest(steps);
  for (std::string step; std::getline(rest, step, ',');) {
    if (step == "-") {
      opening.push_back({Step::Do::kAwait, {}});
    } else if (step == "/") {
      opening.push_back({Step::Do::kAwaitLine, {}});
    } else if (step.starts_with('=')) {
      opening.push_back({Step::Do::kSendRaw, Options::ParseBytes("opening", step.substr(1))});
    } else {
      opening.push_back({Step::Do::kSend, Options::ParseBytes("opening", step)});
    }
  }
}

std::vector<uint8_t> MessageFormat::Frame(const std::vector<uint8_t>& bytes) const {
  if (framing == Framing::kWebSocket) return MaskedFrame(bytes, text);
  if (framing != Framing::kPrefixed) return bytes;
  const uint32_t length = htonl(static_cast<uint32_t>(bytes.size()));
  std::vector<uint8_t> framed(sizeof(length));
  std::memcpy(framed.data(), &length, sizeof(length));
  framed.insert(framed.end(), bytes.begin(), bytes.end());
  return framed;
}

bool MessageFormat::IsAnswer(const uint8_t* answer, uint32_t length) const {
  const uint8_t* payload = message_.data() + payload_at_;
  if (answer_around > 0) return memmem(answer, length, payload, payload_bytes_) != nullptr;
  return length == answer_bytes &&
         std::memcmp(answer + answer_payload_at_, payload, length - answer_payload_at_) == 0;
}

}  // namespace millrace::bench
