#include "native/ring/ring.h"

#include <atomic>
#include <bit>
#include <cassert>
#include <cstring>

namespace millrace {
namespace {

static_assert(std::endian::native == std::endian::little, "the ring is little-endian");
static_assert(std::atomic_ref<uint32_t>::is_always_lock_free);

// Seq_cst, all of them: see ring.h for the two handshakes that need it.
uint32_t Load(uint32_t& word) noexcept {
  return std::atomic_ref<uint32_t>(word).load();
}
void Store(uint32_t& word, uint32_t value) noexcept {
  std::atomic_ref<uint32_t>(word).store(value);
}

// Takes a flag. The plain load keeps the cache line shared in the common case, that it is down.
bool Take(uint32_t& flag) noexcept {
  return Load(flag) != 0 && std::atomic_ref<uint32_t>(flag).exchange(0) != 0;
}

bool IsAligned(uint32_t position) noexcept {
  return position % kRecordAlignment == 0;
}

struct Positions {
  uint32_t capacity;
  uint32_t tail;
  uint32_t head;
};

// The capacity is what the buffer's size says, never what a shared word says.
std::optional<uint32_t> CapacityOf(const uint8_t* memory, size_t bytes) noexcept {
  if (memory == nullptr || reinterpret_cast<uintptr_t>(memory) % kRecordAlignment != 0) return std::nullopt;
  if (bytes < kRingHeaderBytes + size_t{kRingMinCapacity}) return std::nullopt;
  if (bytes > kRingHeaderBytes + size_t{kRingMaxCapacity}) return std::nullopt;
  const size_t capacity = bytes - kRingHeaderBytes;
  if (!std::has_single_bit(capacity)) return std::nullopt;
  return static_cast<uint32_t>(capacity);
}

std::optional<Positions> Inspect(uint8_t* memory, size_t bytes) noexcept {
  const std::optional<uint32_t> capacity = CapacityOf(memory, bytes);
  if (!capacity) return std::nullopt;
  auto& header = *reinterpret_cast<RingHeader*>(memory);
  if (Load(header.magic) != kRingMagic || Load(header.version) != kRingVersion) return std::nullopt;
  if (Load(header.capacity) != *capacity) return std::nullopt;
  const Positions positions{*capacity, Load(header.tail), Load(header.head)};
  if (!IsAligned(positions.tail) || !IsAligned(positions.head)) return std::nullopt;
  if (positions.tail - positions.head > *capacity) return std::nullopt;
  return positions;
}

}  // namespace

bool FormatRing(uint8_t* memory, size_t bytes) noexcept {
  const std::optional<uint32_t> capacity = CapacityOf(memory, bytes);
  if (!capacity) return false;
  RingHeader header{};
  header.magic = kRingMagic;
  header.version = kRingVersion;
  header.capacity = *capacity;
  std::memcpy(memory, &header, sizeof(header));
  return true;
}

std::optional<RingWriter> RingWriter::Open(uint8_t* memory, size_t bytes) noexcept {
  const std::optional<Positions> at = Inspect(memory, bytes);
  if (!at) return std::nullopt;
  return RingWriter(memory, at->capacity, at->tail, at->head);
}

RingWriter::RingWriter(uint8_t* memory, uint32_t capacity, uint32_t tail, uint32_t head) noexcept
    : header_(reinterpret_cast<RingHeader*>(memory)),
      data_(memory + kRingHeaderBytes),
      capacity_(capacity),
      tail_(tail),
      published_(tail),
      head_(head) {}

uint8_t* RingWriter::Reserve(uint32_t payload_bytes) noexcept {
  has_reserved_ = false;
  if (!HasRoom(payload_bytes)) return nullptr;
  const uint32_t record_bytes = RecordBytes(payload_bytes);
  uint32_t skipped = BytesNeeded(record_bytes) - record_bytes;
  if (skipped == 0 && MayRewind()) skipped = capacity_ - (tail_ & (capacity_ - 1));
  if (skipped != 0) {
    // Free bytes, unseen by the consumer until the record behind them is published.
    std::memset(data_ + (tail_ & (capacity_ - 1)), 0, kRecordAlignment);
  }
  has_reserved_ = true;
  reserved_ = tail_ + skipped;
  reserved_payload_ = payload_bytes;
  return data_ + (reserved_ & (capacity_ - 1)) + kRecordHeaderBytes;
}

void RingWriter::Stage(const RecordHeader& header) noexcept {
  assert(has_reserved_ && header.length <= reserved_payload_ && header.kind != kRecordPadding);
  std::memcpy(data_ + (reserved_ & (capacity_ - 1)), &header, sizeof(header));
  tail_ = reserved_ + RecordBytes(header.length);
  has_reserved_ = false;
}

bool RingWriter::Publish() noexcept {
  published_ = tail_;
  Store(header_->tail, tail_);
  return Take(header_->sleeping);
}

bool RingWriter::HasRoom(uint32_t payload_bytes) noexcept {
  return payload_bytes <= MaxPayload() && HasBytes(BytesNeeded(RecordBytes(payload_bytes)));
}

void RingWriter::MarkStarved() noexcept {
  assert(published_ == tail_);  // Else the consumer may sleep with an empty ring before its eyes.
  Store(header_->starved, 1);
}

uint32_t RingWriter::FreeBytes() noexcept {
  ReloadHead();
  return capacity_ - (tail_ - head_);
}

// With the padding in front of a record that does not fit before the end of the data.
uint32_t RingWriter::BytesNeeded(uint32_t record_bytes) const noexcept {
  const uint32_t to_end = capacity_ - (tail_ & (capacity_ - 1));
  return record_bytes <= to_end ? record_bytes : to_end + record_bytes;
}

// A consumer that keeps up leaves the ring empty again and again: then it is the lower half that is used over
// and over, in the caches, and the pages of the upper half are not touched. From the middle on a rewind skips
// at most half of the ring, and the largest record fits into the other one. Looked at once a batch: it reads
// the head.
bool RingWriter::MayRewind() noexcept {
  const bool in_upper_half = (tail_ & (capacity_ - 1)) >= capacity_ / 2;
  if (!in_upper_half || tail_ != published_) return false;
  ReloadHead();
  return tail_ == head_;
}

bool RingWriter::HasBytes(uint32_t bytes) noexcept {
  if (bytes <= capacity_ - (tail_ - head_)) return true;
  ReloadHead();
  return bytes <= capacity_ - (tail_ - head_);
}

// Invariant: tail_ - head_ is at most the capacity, so whatever is written lies within the data.
void RingWriter::ReloadHead() noexcept {
  const uint32_t head = Load(header_->head);
  if (IsAligned(head) && tail_ - head <= capacity_) {
    head_ = head;
    return;
  }
  ++impossible_heads_;
  head_ = tail_ - capacity_;
}

std::optional<RingReader> RingReader::Open(uint8_t* memory, size_t bytes) noexcept {
  const std::optional<Positions> at = Inspect(memory, bytes);
  if (!at) return std::nullopt;
  return RingReader(memory, at->capacity, at->tail, at->head);
}

RingReader::RingReader(uint8_t* memory, uint32_t capacity, uint32_t tail, uint32_t head) noexcept
    : header_(reinterpret_cast<RingHeader*>(memory)),
      data_(memory + kRingHeaderBytes),
      capacity_(capacity),
      tail_(tail),
      position_(head) {}

bool RingReader::Next() noexcept {
  if (corrupt_) return false;
  for (;;) {
    if (position_ == tail_) {
      tail_ = Load(header_->tail);
      if (position_ == tail_) return false;
      if (!IsAligned(tail_)) return Corrupt();
    }
    const uint32_t offset = position_ & (capacity_ - 1);
    const uint32_t to_end = capacity_ - offset;
    const uint32_t readable = tail_ - position_;
    if (readable > capacity_) return Corrupt();

    std::memcpy(&record_, data_ + offset, kRecordAlignment);  // Length, kind and flags: padding has no more.
    if (record_.kind == kRecordPadding) {
      if (to_end >= readable) return Corrupt();
      position_ += to_end;
      continue;
    }
    if (record_.length > MaxPayloadBytes(capacity_)) return Corrupt();
    const uint32_t record_bytes = RecordBytes(record_.length);
    if (record_bytes > to_end || record_bytes > readable) return Corrupt();
    // Length and kind were checked, so they are not read a second time.
    std::memcpy(reinterpret_cast<uint8_t*>(&record_) + kRecordAlignment, data_ + offset + kRecordAlignment,
                kRecordHeaderBytes - kRecordAlignment);
    payload_ = data_ + offset + kRecordHeaderBytes;
    position_ += record_bytes;
    return true;
  }
}

void RingReader::Release() noexcept {
  Store(header_->head, position_);
}

bool RingReader::TrySleep() noexcept {
  Release();
  Store(header_->sleeping, 1);
  if (Load(header_->tail) == position_ && Load(header_->starved) == 0) return true;
  Store(header_->sleeping, 0);
  return false;
}

bool RingReader::TakeStarved() noexcept {
  return Take(header_->starved);
}

bool RingReader::Corrupt() noexcept {
  corrupt_ = true;
  return false;
}

}  // namespace millrace
