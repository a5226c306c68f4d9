#include "native/frame/verifier.h"

#include "native/frame/hot_frame.h"
#include "native/frame/utf8.h"

namespace millrace {

namespace {

// FLATBUFFERS_MAX_BUFFER_SIZE: larger offsets are negative to some readers.
constexpr size_t kMaxFrameBytes = 0x7fffffff;
constexpr uint32_t kMaxEntries = 1024;
// Of the subject and all keys together. Text is all that costs time by its length, and entries may share
// their keys, so it counts as often as it is referred to.
constexpr size_t kMaxTextBytes = size_t{64} << 10;

// vtable slots, in the order of the schema's fields
constexpr size_t kFrameHeader = 0;
constexpr size_t kFramePayload = 1;
constexpr size_t kFrameSubject = 2;
constexpr size_t kFrameMeta = 3;
constexpr size_t kEntryKey = 0;
constexpr size_t kEntryValue = 1;

// A table whose vtable and inline part are known to lie in the frame.
struct Table {
  size_t at;
  size_t bytes;
  size_t vtable;
  size_t vtable_bytes;
};

class Verification {
 public:
  Verification(const uint8_t* frame, size_t bytes) noexcept : frame_(frame), bytes_(bytes) {}

  FrameStatus Run() noexcept {
    if (bytes_ < 2 * sizeof(uint32_t) || bytes_ > kMaxFrameBytes) return FrameStatus::kBadSize;
    if (FrameBytesByPrefix(frame_) != bytes_) return FrameStatus::kBadSize;
    size_t root;
    if (!Follow(hot_frame::kSizePrefixBytes, &root)) return FrameStatus::kBadOffset;
    Table table;
    if (!Open(root, &table)) return FrameStatus::kBadTable;
    return VerifyRoot(table);
  }

 private:
  FrameStatus VerifyRoot(const Table& table) noexcept {
    size_t at;
    if (!Field(table, kFrameHeader, hot_frame::kHeaderBytes, &at)) return FrameStatus::kBadTable;
    if (at == 0) return FrameStatus::kMissingField;
    uint32_t payload_bytes;
    FrameStatus payload = VerifyBytes(table, kFramePayload, &payload_bytes);
    if (payload != FrameStatus::kValid) return payload;
    if (FrameStatus status = VerifyString(table, kFrameSubject, false); status != FrameStatus::kValid) {
      return status;
    }
    return VerifyMeta(table);
  }

  FrameStatus VerifyMeta(const Table& table) noexcept {
    size_t at;
    if (!Field(table, kFrameMeta, sizeof(uint32_t), &at)) return FrameStatus::kBadTable;
    if (at == 0) return FrameStatus::kValid;
    uint32_t length;
    if (!Follow(at, &at)) return FrameStatus::kBadOffset;
    if (!Vector(at, sizeof(uint32_t), &length)) return FrameStatus::kBadVector;
    if (length > kMaxEntries) return FrameStatus::kTooMuchMeta;
    for (uint32_t i = 0; i < length; ++i) {
      size_t entry;
      Table entry_table;
      if (!Follow(at + sizeof(uint32_t) * (i + size_t{1}), &entry)) return FrameStatus::kBadOffset;
      if (!Open(entry, &entry_table)) return FrameStatus::kBadTable;
      FrameStatus status = VerifyString(entry_table, kEntryKey, true);
      if (status == FrameStatus::kValid) status = VerifyValue(entry_table);
      if (status != FrameStatus::kValid) return status;
    }
    return FrameStatus::kValid;
  }

  FrameStatus VerifyValue(const Table& entry) noexcept {
    uint32_t length;
    FrameStatus status = VerifyBytes(entry, kEntryValue, &length);
    if (status != FrameStatus::kValid) return status;
    if (length > values_left_) return FrameStatus::kTooMuchMeta;
    values_left_ -= length;
    return FrameStatus::kValid;
  }

  // `length` is 0 where they are absent.
  FrameStatus VerifyBytes(const Table& table, size_t slot, uint32_t* length) const noexcept {
    size_t at;
    *length = 0;
    if (!Field(table, slot, sizeof(uint32_t), &at)) return FrameStatus::kBadTable;
    if (at == 0) return FrameStatus::kValid;
    if (!Follow(at, &at)) return FrameStatus::kBadOffset;
    return Vector(at, 1, length) ? FrameStatus::kValid : FrameStatus::kBadVector;
  }

  FrameStatus VerifyString(const Table& table, size_t slot, bool required) noexcept {
    size_t at;
    uint32_t length;
    if (!Field(table, slot, sizeof(uint32_t), &at)) return FrameStatus::kBadTable;
    if (at == 0) return required ? FrameStatus::kMissingField : FrameStatus::kValid;
    if (!Follow(at, &at)) return FrameStatus::kBadOffset;
    if (!Vector(at, 1, &length)) return FrameStatus::kBadString;
    const size_t text = at + sizeof(uint32_t);
    if (bytes_ - text == length || frame_[text + length] != 0) return FrameStatus::kBadString;
    if (length > text_left_) return FrameStatus::kTooMuchMeta;
    text_left_ -= length;
    return IsUtf8(frame_ + text, length) ? FrameStatus::kValid : FrameStatus::kBadString;
  }

  // From the uint32 at `at`, which lies in the frame, to what it points at: a uint32 in the frame, aligned
  // relative to the frame's start. Offsets are unsigned and so only lead forward: nothing can loop.
  bool Follow(size_t at, size_t* target) const noexcept {
    const uint32_t offset = LoadU32(frame_ + at);
    if (offset == 0 || offset > bytes_ - at) return false;
    *target = at + offset;
    return *target % sizeof(uint32_t) == 0 && bytes_ - *target >= sizeof(uint32_t);
  }

  // `at` comes from Follow: aligned, and its first four bytes are in the frame.
  bool Open(size_t at, Table* table) const noexcept {
    // The one signed offset of the format: the vtable may lie on either side.
    const int64_t vtable = static_cast<int64_t>(at) - static_cast<int32_t>(LoadU32(frame_ + at));
    if (vtable < 0 || vtable % 2 != 0 || vtable > static_cast<int64_t>(bytes_) - 4) return false;
    *table = {at, 0, static_cast<size_t>(vtable), 0};
    table->vtable_bytes = LoadU16(frame_ + table->vtable);
    table->bytes = LoadU16(frame_ + table->vtable + 2);
    if (table->vtable_bytes < 4 || table->vtable_bytes % 2 != 0) return false;
    if (table->vtable_bytes > bytes_ - table->vtable) return false;
    return table->bytes >= 4 && table->bytes <= bytes_ - at;
  }

  // Where a field of `bytes` lies, 0 when it is absent; false when it does not lie in its table. Every field
  // of the schema is aligned to four.
  bool Field(const Table& table, size_t slot, size_t bytes, size_t* at) const noexcept {
    const size_t entry = 4 + 2 * slot;
    *at = 0;
    if (entry + 2 > table.vtable_bytes) return true;
    const size_t offset = LoadU16(frame_ + table.vtable + entry);
    if (offset == 0) return true;
    if (offset < 4 || offset % 4 != 0 || offset + bytes > table.bytes) return false;
    *at = table.at + offset;
    return true;
  }

  // `at` comes from Follow.
  bool Vector(size_t at, size_t element_bytes, uint32_t* length) const noexcept {
    *length = LoadU32(frame_ + at);
    return *length <= (bytes_ - at - sizeof(uint32_t)) / element_bytes;
  }

  const uint8_t* const frame_;
  const size_t bytes_;
  size_t text_left_ = kMaxTextBytes;
  // All values together have at most the frame's own bytes: they may share theirs too, and who keeps a frame
  // copies each of them.
  size_t values_left_ = bytes_;
};

}  // namespace

FrameStatus VerifyFrame(const uint8_t* frame, size_t bytes) noexcept {
  if (IsHotFrame(frame, bytes) && bytes <= kMaxFrameBytes) return FrameStatus::kValid;
  return Verification(frame, bytes).Run();
}

const char* Name(FrameStatus status) noexcept {
  switch (status) {
    case FrameStatus::kValid:
      return "valid";
    case FrameStatus::kBadSize:
      return "size";
    case FrameStatus::kBadTable:
      return "table";
    case FrameStatus::kBadOffset:
      return "offset";
    case FrameStatus::kBadVector:
      return "vector";
    case FrameStatus::kBadString:
      return "string";
    case FrameStatus::kMissingField:
      return "missing";
    case FrameStatus::kTooMuchMeta:
      return "meta";
  }
  return "";
}

}  // namespace millrace
