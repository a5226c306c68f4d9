// Feeds a stream to the splitter whole, and again in pieces to a sink that refuses now and then. Both must
// give the same frames and end the same way; and every frame must pass Google's verifier and be readable to
// its last field by the generated accessors. The first byte of the input chooses the pieces.

#include <algorithm>
#include <cstdint>
#include <vector>

#include "native/frame/splitter.h"
#include "test/fuzz/read_frame.h"

namespace millrace {
namespace {

using Bytes = std::vector<uint8_t>;

constexpr uint32_t kMaxFrameBytes = 64 * 1024;

struct Outcome {
  std::vector<Bytes> frames;
  SplitStatus status = SplitStatus::kNeedMore;
  bool at_boundary = true;
};

Outcome FeedWhole(const Bytes& stream) {
  Outcome outcome;
  MemoryBudget budget(SIZE_MAX);
  FrameSplitter splitter(kMaxFrameBytes, &budget);
  outcome.status = splitter
                       .Feed(stream.data(), stream.size(),
                             [&](const uint8_t* frame, size_t bytes) {
                               outcome.frames.emplace_back(frame, frame + bytes);
                               return true;
                             })
                       .status;
  outcome.at_boundary = splitter.AtFrameBoundary();
  return outcome;
}

Outcome FeedInPieces(const Bytes& stream, uint32_t seed) {
  Outcome outcome;
  MemoryBudget budget(SIZE_MAX);
  FrameSplitter splitter(kMaxFrameBytes, &budget);
  uint32_t random = seed * 2654435761u + 1;
  const auto next = [&random] { return (random = random * 1664525 + 1013904223) >> 16; };
  const auto sink = [&](const uint8_t* frame, size_t bytes) {
    if (next() % 4 == 0) return false;
    outcome.frames.emplace_back(frame, frame + bytes);
    return true;
  };
  size_t at = 0;
  while (at < stream.size()) {
    const size_t size = std::min<size_t>(1 + next() % (seed % 64 + 1), stream.size() - at);
    const Bytes piece(stream.begin() + static_cast<ptrdiff_t>(at),
                      stream.begin() + static_cast<ptrdiff_t>(at + size));
    const SplitResult result = splitter.Feed(piece.data(), piece.size(), sink);
    outcome.status = result.status;
    if (result.status == SplitStatus::kBlocked) {
      Require(result.consumed < size, "a refused call must leave a byte with the caller");
    } else if (result.status == SplitStatus::kNeedMore) {
      Require(result.consumed == size, "nothing is refused, so all is consumed");
    } else {
      break;
    }
    Require(budget.used_bytes() <= std::max<size_t>(2 * (at + size), 64), "more is held than has come");
    at += result.consumed;
  }
  outcome.at_boundary = splitter.AtFrameBoundary();
  return outcome;
}

}  // namespace
}  // namespace millrace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace millrace;
  if (size == 0) return 0;
  const Bytes stream(data + 1, data + size);
  const Outcome whole = FeedWhole(stream);
  const Outcome pieces = FeedInPieces(stream, data[0]);
  Require(whole.frames == pieces.frames, "the frames depend on how the stream is split");
  Require(whole.status == pieces.status, "the end depends on how the stream is split");
  if (whole.status == SplitStatus::kNeedMore) {
    Require(whole.at_boundary == pieces.at_boundary, "the boundary depends on how the stream is split");
  }
  for (const Bytes& frame : whole.frames) ReadFrame(frame);
  return 0;
}
