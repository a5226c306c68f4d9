#include "native/frame/splitter.h"

#include <algorithm>

#include "native/frame/hot_frame.h"
#include "native/frame/verifier.h"

namespace millrace {

using hot_frame::kSizePrefixBytes;

FrameSplitter::Cut FrameSplitter::Next(const uint8_t* data, size_t bytes) noexcept {
  if (!assembly_.empty() || bytes < kSizePrefixBytes) return Assemble(data, bytes);
  const uint64_t frame_bytes = FrameBytesByPrefix(data);
  if (frame_bytes > max_frame_bytes_) return {SplitStatus::kTooLarge, nullptr, 0, 0};
  const size_t size = static_cast<size_t>(frame_bytes);
  if (bytes < size) {
    if (!Store(data, bytes, size)) return {SplitStatus::kOutOfMemory, nullptr, 0, 0};
    return {SplitStatus::kNeedMore, nullptr, 0, bytes};
  }
  if (VerifyFrame(data, size) != FrameStatus::kValid) return {SplitStatus::kMalformed, nullptr, 0, 0};
  return {SplitStatus::kNeedMore, data, size, size};
}

FrameSplitter::Cut FrameSplitter::Assemble(const uint8_t* data, size_t bytes) noexcept {
  size_t taken = 0;
  if (assembly_.size() < kSizePrefixBytes) {
    taken = std::min(bytes, kSizePrefixBytes - assembly_.size());
    if (!Store(data, taken, kSizePrefixBytes)) return {SplitStatus::kOutOfMemory, nullptr, 0, 0};
    if (assembly_.size() < kSizePrefixBytes) return {SplitStatus::kNeedMore, nullptr, 0, taken};
  }
  const uint64_t frame_bytes = FrameBytesByPrefix(assembly_.data());
  if (frame_bytes > max_frame_bytes_) return {SplitStatus::kTooLarge, nullptr, 0, 0};
  const size_t size = static_cast<size_t>(frame_bytes);
  const size_t rest = std::min(bytes - taken, size - assembly_.size());
  if (!Store(data + taken, rest, size)) return {SplitStatus::kOutOfMemory, nullptr, 0, 0};
  taken += rest;
  if (assembly_.size() < size) return {SplitStatus::kNeedMore, nullptr, 0, taken};
  if (VerifyFrame(assembly_.data(), size) != FrameStatus::kValid) {
    return {SplitStatus::kMalformed, nullptr, 0, 0};
  }
  return {SplitStatus::kNeedMore, assembly_.data(), size, taken};
}

// Doubles like Buffer does, but is charged before it grows and never grows past the frame: a peer that
// announces a large frame pays for it byte by byte.
bool FrameSplitter::Store(const uint8_t* data, size_t bytes, size_t frame_bytes) noexcept {
  const size_t needed = assembly_.size() + bytes;
  if (needed > assembly_.capacity()) {
    const size_t capacity = std::max(needed, std::min(2 * assembly_.capacity(), frame_bytes));
    const size_t charge = capacity - assembly_.capacity();
    if (!budget_->TryCharge(charge)) return false;
    if (!assembly_.Reserve(capacity)) {
      budget_->Release(charge);
      return false;
    }
  }
  return assembly_.Append({data, bytes});
}

void FrameSplitter::Unread(const Cut& cut) noexcept {
  if (!assembly_.empty()) assembly_.Truncate(assembly_.size() - cut.taken);
}

void FrameSplitter::ReleaseAssembly() noexcept {
  if (assembly_.capacity() == 0) return;
  budget_->Release(assembly_.capacity());
  assembly_.Reset();
}

}  // namespace millrace
