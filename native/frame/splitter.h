#pragma once

#include <cstddef>
#include <cstdint>

#include "native/memory/buffer.h"
#include "native/memory/memory_budget.h"

namespace millrace {

enum class SplitStatus : uint8_t {
  kNeedMore,     // all was consumed
  kBlocked,      // the sink has no room: come again with the bytes that were not consumed
  kTooLarge,     // a frame above the limit is announced
  kMalformed,    // a whole frame did not pass the verifier
  kOutOfMemory,  // the budget or the heap refused the bytes of an unfinished frame
};

struct SplitResult {
  SplitStatus status;
  size_t consumed;
};

// Cuts the bytes of one inbound stream into whole, verified frames. A frame that lies inside one call's bytes
// goes to the sink from where it lies; only one that spans calls is assembled here, in memory that grows with
// the bytes that really arrived. After any status but kNeedMore and kBlocked the stream is of no more use.
// One thread at a time; owned by the stream whose bytes it cuts. Holds no memory between frames.
class FrameSplitter {
 public:
  // `max_frame_bytes` counts the size prefix. `budget` is borrowed and outlives the splitter.
  FrameSplitter(uint32_t max_frame_bytes, MemoryBudget* budget) noexcept
      : budget_(budget), max_frame_bytes_(max_frame_bytes) {}
  ~FrameSplitter() { ReleaseAssembly(); }
  FrameSplitter(const FrameSplitter&) = delete;
  FrameSplitter& operator=(const FrameSplitter&) = delete;

  // `sink` is bool(const uint8_t* frame, size_t bytes); false says that it took nothing and has no room now.
  // This call's bytes of the refused frame are not consumed, at least one, so the transport shows them again.
  template <typename Sink>
  [[nodiscard]] SplitResult Feed(const uint8_t* data, size_t bytes, Sink&& sink) {
    SplitResult result{SplitStatus::kNeedMore, 0};
    while (result.consumed < bytes) {
      const Cut cut = Next(data + result.consumed, bytes - result.consumed);
      if (cut.status != SplitStatus::kNeedMore) {
        result.status = cut.status;
        break;
      }
      if (cut.frame != nullptr && !sink(cut.frame, cut.frame_bytes)) {
        Unread(cut);
        result.status = SplitStatus::kBlocked;
        break;
      }
      if (cut.frame != nullptr) assembly_.Truncate(0);
      result.consumed += cut.taken;
    }
    if (assembly_.empty()) ReleaseAssembly();
    return result;
  }

  // Where a stream must be when it ends; one that ends elsewhere was cut short.
  [[nodiscard]] bool AtFrameBoundary() const noexcept { return assembly_.empty(); }

 private:
  struct Cut {
    SplitStatus status;
    const uint8_t* frame;  // null: the bytes ended before a frame did
    size_t frame_bytes;
    size_t taken;  // of the bytes given
  };

  Cut Next(const uint8_t* data, size_t bytes) noexcept;
  Cut Assemble(const uint8_t* data, size_t bytes) noexcept;
  bool Store(const uint8_t* data, size_t bytes, size_t frame_bytes) noexcept;
  void Unread(const Cut& cut) noexcept;
  void ReleaseAssembly() noexcept;

  Buffer assembly_;             // an unfinished frame; its capacity is charged to budget_
  MemoryBudget* const budget_;  // (not owned)
  const uint32_t max_frame_bytes_;
};

static_assert(sizeof(FrameSplitter) <= 48, "there is one in every open stream");

}  // namespace millrace
