#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>

#include "native/ring/ring_layout.h"

// One producer, one consumer, over the memory that ring_layout.h draws. A thread that scribbles over that
// memory can spoil records, but it never makes either side touch a byte outside of it: each side keeps its
// own position privately and checks every word it reads before use.
//
// All words that the two sides share are read and written seq_cst. Two handshakes need that, each a store
// followed by a load of the other side's word (Dekker): tail then sleeping against sleeping then tail, and
// starved then head against head then starved. Seq_cst accesses cost the same full barrier as a fence on
// x86 (one xchg) and less on ARM (stlr, ldar), and ThreadSanitizer understands them. The publication of
// records (tail) and of room (head) needs only release and acquire, which seq_cst includes; both sides
// cache the other's position, so that a shared word is read once a batch rather than once a record.

namespace millrace {

// Writes the header of an empty ring. `bytes` is the header plus a power of two within the limits.
[[nodiscard]] bool FormatRing(uint8_t* memory, size_t bytes) noexcept;

// The producer's side. Not thread-safe: the caller holds the producer's lock, and keeps the memory alive.
class RingWriter {
 public:
  // Empty when the memory is not a well-formed ring.
  [[nodiscard]] static std::optional<RingWriter> Open(uint8_t* memory, size_t bytes) noexcept;

  // Where to write a payload of that many bytes (aligned to 8), or nullptr when there is no room now, or
  // never will be (more than MaxPayload). Nothing is taken before Commit or Stage; a second Reserve
  // replaces the first.
  [[nodiscard]] uint8_t* Reserve(uint32_t payload_bytes) noexcept;

  // Appends the reserved record, invisible until Publish. header.length may be less than was reserved.
  void Stage(const RecordHeader& header) noexcept;

  // Makes the staged records visible. True when the caller has to wake the consumer: at most once for each
  // time that it set out to sleep, and at times when it has just thought better of it.
  [[nodiscard]] bool Publish() noexcept;

  // Stage and Publish.
  [[nodiscard]] bool Commit(const RecordHeader& header) noexcept {
    Stage(header);
    return Publish();
  }

  [[nodiscard]] bool HasRoom(uint32_t payload_bytes) noexcept;

  // So many are free. Reads the consumer's position only when what it was does not answer that.
  [[nodiscard]] bool HasBytes(uint32_t bytes) noexcept;

  // Asks the consumer to say when it has made room. Publish first, then MarkStarved, then look at the room
  // again: it may have been made before the consumer could see the mark.
  void MarkStarved() noexcept;

  // Bytes that are free now, staged records not counted as free.
  [[nodiscard]] uint32_t FreeBytes() noexcept;

  [[nodiscard]] uint32_t capacity() const noexcept { return capacity_; }
  [[nodiscard]] uint32_t MaxPayload() const noexcept { return MaxPayloadBytes(capacity_); }

  // How often the consumer's word held a position that cannot be: taken as a full ring.
  [[nodiscard]] uint64_t impossible_heads() const noexcept { return impossible_heads_; }

 private:
  RingWriter(uint8_t* memory, uint32_t capacity, uint32_t tail, uint32_t head) noexcept;

  [[nodiscard]] uint32_t BytesNeeded(uint32_t record_bytes) const noexcept;
  [[nodiscard]] bool MayRewind() noexcept;
  void ReloadHead() noexcept;

  RingHeader* header_;
  uint8_t* data_;
  uint32_t capacity_;
  uint32_t tail_;          // Where the next record goes.
  uint32_t published_;     // The shared tail as we wrote it; behind tail_ by what is staged.
  uint32_t head_;          // The consumer's position when it was last read.
  uint32_t reserved_ = 0;  // Position of the reserved record: tail_, or beyond the padding.
  uint32_t reserved_payload_ = 0;
  bool has_reserved_ = false;
  uint64_t impossible_heads_ = 0;
};

// The consumer's side, as in src/native/ring.ts; for tests and benchmarks. Not thread-safe.
class RingReader {
 public:
  [[nodiscard]] static std::optional<RingReader> Open(uint8_t* memory, size_t bytes) noexcept;

  // Steps to the next record: header() and payload() are valid until Release. False when there is none,
  // and for ever once the ring is found corrupt.
  [[nodiscard]] bool Next() noexcept;
  [[nodiscard]] const RecordHeader& header() const noexcept { return record_; }
  [[nodiscard]] const uint8_t* payload() const noexcept { return payload_; }

  // Gives the producer back the room of all records up to this one.
  void Release() noexcept;

  // Releases, and true when the producer will say when there is something to do. False when there is now:
  // a record, or a starved producer.
  [[nodiscard]] bool TrySleep() noexcept;

  // True once for each time the producer starved. Release before.
  [[nodiscard]] bool TakeStarved() noexcept;

  [[nodiscard]] bool corrupt() const noexcept { return corrupt_; }

 private:
  RingReader(uint8_t* memory, uint32_t capacity, uint32_t tail, uint32_t head) noexcept;

  [[nodiscard]] bool Corrupt() noexcept;

  RingHeader* header_;
  const uint8_t* data_;
  uint32_t capacity_;
  uint32_t tail_;      // The producer's position when it was last read.
  uint32_t position_;  // Behind the current record; ahead of the shared head by what is not released.
  RecordHeader record_{};
  const uint8_t* payload_ = nullptr;
  bool corrupt_ = false;
};

}  // namespace millrace
