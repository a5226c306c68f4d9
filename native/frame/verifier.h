#pragma once

#include <cstddef>
#include <cstdint>

namespace millrace {

// What is wrong with a frame, or kValid. src/frame/verifier.ts gives the same answer to the same bytes.
enum class FrameStatus : uint8_t {
  kValid,
  kBadSize,       // the size prefix is not the number of bytes that follow it
  kBadTable,      // a table or its vtable is misaligned or not inside the frame
  kBadOffset,     // an offset is zero, misaligned or points out of the frame
  kBadVector,     // a vector is longer than the frame
  kBadString,     // a string is longer than the frame, unterminated or not UTF-8
  kMissingField,  // a required field is absent
  kTooMuchMeta,   // more entries, text or bytes of values than a frame may cost who verifies or keeps it
};

// For error messages and test names: "valid", "size", "table", …
[[nodiscard]] const char* Name(FrameStatus status) noexcept;

// Verifies one whole frame, its size prefix included, by the rules of schemas/frame.fbs and of the
// FlatBuffers binary format, so that no accessor, of any language, reads outside of it. The schema does not
// nest, so neither does this; its time is bounded by its limits, however large the frame. Any thread.
// Not required: an 8-byte aligned payload (not every encoder knows of it), known kinds, nothing between
// parts.
[[nodiscard]] FrameStatus VerifyFrame(const uint8_t* frame, size_t bytes) noexcept;

}  // namespace millrace
