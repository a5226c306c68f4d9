#pragma once

#include <cstddef>
#include <cstdint>

// The ring as it lies in memory that JavaScript allocated (one SharedArrayBuffer), little-endian.
// src/native/ring.ts has the same numbers; a test compares them.
//
//     0       4         8          12       64         128        192        196       256
//     +-------+---------+----------+--------+----------+----------+----------+---------+------
//     | magic | version | capacity | unused | tail     | head     | sleeping | starved | data
//     +-------+---------+----------+--------+----------+----------+----------+---------+------
//       written once, by the allocator        producer   consumer   both, rarely
//
// The three groups of words that change are 64 bytes apart, so no two of them share a cache line, however
// the buffer is aligned. tail and head are byte positions that run freely modulo 2^32: the place in the
// data is position & (capacity - 1), and tail - head is what lies between them.
//
// A record is contiguous, begins at a multiple of 8 and takes a multiple of 8:
//
//     0        4       6       8       12           16       20         24
//     +--------+-------+-------+-------+------------+--------+----------+------------------------+-----+
//     | length | kind  | flags | slot  | generation | stream | reserved | payload (length bytes) | pad |
//     +--------+-------+-------+-------+------------+--------+----------+------------------------+-----+
//
// Kind 0 is padding: it reaches to the end of the data, and the next record is at place 0. Only its first
// 8 bytes are written, since no more may be left there.

namespace millrace {

struct RingHeader {
  uint32_t magic;
  uint32_t version;
  uint32_t capacity;
  uint32_t unused_line_0[13];
  uint32_t tail;
  uint32_t unused_line_1[15];
  uint32_t head;
  uint32_t unused_line_2[15];
  uint32_t sleeping;  // The consumer sets it before it sleeps; the producer takes it and wakes the consumer.
  uint32_t starved;   // The producer sets it when it found no room; the consumer takes it after giving room.
  uint32_t unused_line_3[14];
};

struct RecordHeader {
  uint32_t length;  // Of the payload, without this header and the padding to 8.
  uint16_t kind;    // The event; kRecordPadding is the ring's own.
  uint16_t flags;
  uint32_t slot;
  uint32_t generation;
  uint32_t stream;
  uint32_t reserved;
};

inline constexpr uint32_t kRingMagic = 0x4752524d;  // "MRRG"
inline constexpr uint32_t kRingVersion = 1;
inline constexpr uint32_t kRingHeaderBytes = 256;
inline constexpr uint32_t kRingMinCapacity = 64u << 10;
inline constexpr uint32_t kRingMaxCapacity = 1u << 30;

inline constexpr uint32_t kRecordHeaderBytes = 24;
inline constexpr uint32_t kRecordAlignment = 8;
inline constexpr uint16_t kRecordPadding = 0;

static_assert(sizeof(RingHeader) == kRingHeaderBytes);
static_assert(offsetof(RingHeader, magic) == 0);
static_assert(offsetof(RingHeader, version) == 4);
static_assert(offsetof(RingHeader, capacity) == 8);
static_assert(offsetof(RingHeader, tail) == 64);
static_assert(offsetof(RingHeader, head) == 128);
static_assert(offsetof(RingHeader, sleeping) == 192);
static_assert(offsetof(RingHeader, starved) == 196);

static_assert(sizeof(RecordHeader) == kRecordHeaderBytes);
static_assert(kRecordHeaderBytes % kRecordAlignment == 0);
static_assert(offsetof(RecordHeader, length) == 0);
static_assert(offsetof(RecordHeader, kind) == 4);
static_assert(offsetof(RecordHeader, flags) == 6);
static_assert(offsetof(RecordHeader, slot) == 8);
static_assert(offsetof(RecordHeader, generation) == 12);
static_assert(offsetof(RecordHeader, stream) == 16);
static_assert(offsetof(RecordHeader, reserved) == 20);

// What a record with this much payload takes. The caller has checked that the payload fits a ring.
[[nodiscard]] constexpr uint32_t RecordBytes(uint32_t payload_bytes) noexcept {
  return kRecordHeaderBytes + ((payload_bytes + kRecordAlignment - 1) & ~(kRecordAlignment - 1));
}

// The largest payload: a record takes at most half of the ring, so an empty ring has room for any record
// wherever its positions stand, and a producer that waits for an empty ring does not wait in vain.
[[nodiscard]] constexpr uint32_t MaxPayloadBytes(uint32_t capacity) noexcept {
  return capacity / 2 - kRecordHeaderBytes;
}

}  // namespace millrace
