#pragma once

#include <bit>
#include <cstddef>
#include <cstdint>
#include <cstring>

namespace millrace {

// The frame nearly every message has: a header, a payload, nothing else. All before the payload is constant
// but for two sizes and the header, so it is written from a template and recognised by comparing words. It is
// byte for byte what Google's encoder makes of the same fields, but that it pads the end to 8 bytes.
//
//    0  size prefix          bytes that follow it
//    4  root offset = 16     → the table at 20
//    8  padding
//   12  vtable: size = 8, table size = 24, header at 4, payload at 20 (u16 each)
//   20  table: offset back to the vtable = 8
//   24  Header               kind u8, flags u8, channel u16, type u32, seq u32, ref u32
//   40  payload offset = 4   → the vector at 44
//   44  payload length
//   48  payload              8-byte aligned, as the size prefix is
//
// src/frame/codec.ts has the same words; the corpus in test/corpus/frames holds both to them.
namespace hot_frame {

constexpr size_t kSizeOffset = 0;
constexpr size_t kHeaderOffset = 24;
constexpr size_t kPayloadLengthOffset = 44;
constexpr size_t kHeadBytes = 48;

constexpr size_t kHeaderBytes = 16;
constexpr size_t kSizePrefixBytes = 4;

struct ConstantWord {
  size_t offset;
  uint32_t value;
};
constexpr ConstantWord kConstantWords[] = {
    {4, 16}, {12, 8 | 24 << 16}, {16, 4 | 20 << 16}, {20, 8}, {40, 4},
};

static_assert(kHeadBytes % 8 == 0, "the payload is 8-byte aligned");
static_assert(kPayloadLengthOffset + 4 == kHeadBytes);
static_assert(std::endian::native == std::endian::little, "words are read as they lie on the wire");

}  // namespace hot_frame

struct FrameHeader {
  uint8_t kind;
  uint8_t flags;
  uint16_t channel;
  uint32_t type;
  uint32_t seq;
  uint32_t ref;
};
static_assert(sizeof(FrameHeader) == hot_frame::kHeaderBytes, "written as it lies in memory");

// Input is never aligned, so every read goes through memcpy.
[[nodiscard]] inline uint32_t LoadU32(const uint8_t* from) noexcept {
  uint32_t value;
  std::memcpy(&value, from, sizeof(value));
  return value;
}

[[nodiscard]] inline uint16_t LoadU16(const uint8_t* from) noexcept {
  uint16_t value;
  std::memcpy(&value, from, sizeof(value));
  return value;
}

// The bytes of a whole frame by its size prefix, which must be readable. 64 bits: the prefix may be 2^32 - 1.
[[nodiscard]] inline uint64_t FrameBytesByPrefix(const uint8_t* frame) noexcept {
  return hot_frame::kSizePrefixBytes + uint64_t{LoadU32(frame)};
}

// Whether these bytes are one whole hot frame. That is a full verification of it, not a guess.
[[nodiscard]] inline bool IsHotFrame(const uint8_t* frame, size_t bytes) noexcept {
  if (bytes < hot_frame::kHeadBytes || FrameBytesByPrefix(frame) != bytes) return false;
  for (const hot_frame::ConstantWord& word : hot_frame::kConstantWords) {
    if (LoadU32(frame + word.offset) != word.value) return false;
  }
  return LoadU32(frame + hot_frame::kPayloadLengthOffset) <= bytes - hot_frame::kHeadBytes;
}

// Writes kHeadBytes; the payload follows them.
inline void WriteHotHead(uint8_t* head, const FrameHeader& header, uint32_t payload_bytes) noexcept {
  const auto store = [head](size_t offset, uint32_t value) {
    std::memcpy(head + offset, &value, sizeof(value));
  };
  store(hot_frame::kSizeOffset,
        static_cast<uint32_t>(hot_frame::kHeadBytes - hot_frame::kSizePrefixBytes) + payload_bytes);
  store(8, 0);
  for (const hot_frame::ConstantWord& word : hot_frame::kConstantWords) store(word.offset, word.value);
  std::memcpy(head + hot_frame::kHeaderOffset, &header, sizeof(header));
  store(hot_frame::kPayloadLengthOffset, payload_bytes);
}

}  // namespace millrace
