#include "native/frame/splitter.h"

#include <gtest/gtest.h>

#include <cstring>
#include <memory>
#include <vector>

#include "native/frame/hot_frame.h"
#include "test/native/frame_corpus.h"

namespace millrace {
namespace {

using Bytes = std::vector<uint8_t>;

constexpr uint32_t kMaxFrameBytes = 100'000;
constexpr size_t kUnlimited = size_t{1} << 40;

Bytes HotFrame(size_t payload_bytes, uint8_t fill) {
  Bytes frame(hot_frame::kHeadBytes + payload_bytes, fill);
  WriteHotHead(frame.data(), FrameHeader{4, 0, 0, 0, 0, 0}, static_cast<uint32_t>(payload_bytes));
  return frame;
}

Bytes Join(const std::vector<Bytes>& parts) {
  Bytes all;
  for (const Bytes& part : parts) all.insert(all.end(), part.begin(), part.end());
  return all;
}

// A splitter, its budget, and a sink that takes what it has room for.
struct Stream {
  MemoryBudget budget{kUnlimited};
  FrameSplitter splitter{kMaxFrameBytes, &budget};
  std::vector<Bytes> frames;
  std::vector<const uint8_t*> places;
  size_t room = SIZE_MAX;

  // Each call's bytes have their own allocation, so that a sanitizer sees one byte too many.
  SplitResult Feed(const uint8_t* data, size_t bytes) {
    const Bytes copy(data, data + bytes);
    return FeedInPlace(copy.data(), bytes);
  }

  SplitResult FeedInPlace(const uint8_t* data, size_t bytes) {
    return splitter.Feed(data, bytes, [this](const uint8_t* frame, size_t size) {
      if (room == 0) return false;
      --room;
      frames.emplace_back(frame, frame + size);
      places.push_back(frame);
      return true;
    });
  }
};

TEST(Splitter, GivesFramesOfOneCallFromWhereTheyLie) {
  const std::vector<Bytes> sent = {HotFrame(0, 1), HotFrame(5, 2), HotFrame(1000, 3)};
  const Bytes all = Join(sent);
  Stream stream;
  const SplitResult result = stream.FeedInPlace(all.data(), all.size());
  EXPECT_EQ(result.status, SplitStatus::kNeedMore);
  EXPECT_EQ(result.consumed, all.size());
  EXPECT_EQ(stream.frames, sent);
  EXPECT_EQ(stream.places[0], all.data());
  EXPECT_EQ(stream.places[2], all.data() + sent[0].size() + sent[1].size());
  EXPECT_EQ(stream.budget.used_bytes(), 0u);
}

TEST(Splitter, GivesTheSameFramesWhereverTheBytesAreSplit) {
  std::vector<Bytes> sent = {HotFrame(0, 1), HotFrame(90, 2)};
  for (const CorpusFrame& frame : ReadCorpus("valid")) {
    if (frame.bytes.size() < 300) sent.push_back(frame.bytes);
  }
  const Bytes all = Join(sent);
  for (size_t split = 0; split <= all.size(); ++split) {
    Stream stream;
    EXPECT_EQ(stream.Feed(all.data(), split).consumed, split);
    EXPECT_EQ(stream.Feed(all.data() + split, all.size() - split).consumed, all.size() - split);
    ASSERT_EQ(stream.frames, sent) << "split at " << split;
    EXPECT_TRUE(stream.splitter.AtFrameBoundary());
    EXPECT_EQ(stream.budget.used_bytes(), 0u);
  }
}

TEST(Splitter, GivesTheSameFramesInPiecesOfAnySize) {
  const std::vector<Bytes> sent = {HotFrame(0, 1), HotFrame(700, 2), HotFrame(3, 3)};
  const Bytes all = Join(sent);
  for (size_t piece = 1; piece < 60; ++piece) {
    Stream stream;
    for (size_t at = 0; at < all.size(); at += piece) {
      const size_t bytes = std::min(piece, all.size() - at);
      ASSERT_EQ(stream.Feed(all.data() + at, bytes).consumed, bytes);
    }
    ASSERT_EQ(stream.frames, sent) << "pieces of " << piece;
  }
}

TEST(Splitter, KnowsWhetherAStreamMayEndHere) {
  const Bytes frame = HotFrame(10, 1);
  Stream stream;
  EXPECT_TRUE(stream.splitter.AtFrameBoundary());
  for (size_t at = 0; at + 1 < frame.size(); ++at) {
    (void)stream.Feed(frame.data() + at, 1);
    EXPECT_FALSE(stream.splitter.AtFrameBoundary()) << at;
  }
  (void)stream.Feed(&frame.back(), 1);
  EXPECT_TRUE(stream.splitter.AtFrameBoundary());
}

TEST(Splitter, ConsumesNothingOfAFrameThatTheSinkRefuses) {
  const std::vector<Bytes> sent = {HotFrame(10, 1), HotFrame(20, 2)};
  const Bytes all = Join(sent);
  Stream stream;
  stream.room = 1;
  const SplitResult blocked = stream.Feed(all.data(), all.size());
  EXPECT_EQ(blocked.status, SplitStatus::kBlocked);
  EXPECT_EQ(blocked.consumed, sent[0].size());
  stream.room = 1;
  const SplitResult rest = stream.Feed(all.data() + blocked.consumed, all.size() - blocked.consumed);
  EXPECT_EQ(rest.status, SplitStatus::kNeedMore);
  EXPECT_EQ(stream.frames, sent);
}

// However the bytes come and whenever the sink is full, a refused call leaves at least one byte with the
// caller, and showing the rest again loses nothing and doubles nothing.
TEST(Splitter, LosesNothingWhenTheSinkRefusesAtEverySplit) {
  const std::vector<Bytes> sent = {HotFrame(30, 1), HotFrame(0, 2), HotFrame(77, 3)};
  const Bytes all = Join(sent);
  for (size_t piece = 1; piece <= all.size(); ++piece) {
    Stream stream;
    stream.room = 0;
    size_t at = 0;
    while (at < all.size()) {
      const size_t bytes = std::min(piece, all.size() - at);
      const SplitResult result = stream.Feed(all.data() + at, bytes);
      at += result.consumed;
      if (result.status == SplitStatus::kBlocked) {
        ASSERT_LT(result.consumed, bytes);
        const SplitResult again = stream.Feed(all.data() + at, bytes - result.consumed);
        ASSERT_EQ(again.status, SplitStatus::kBlocked) << "still no room";
        ASSERT_EQ(again.consumed, 0u);
        stream.room = 1;
      } else {
        ASSERT_EQ(result.status, SplitStatus::kNeedMore);
        ASSERT_EQ(result.consumed, bytes);
      }
    }
    ASSERT_EQ(stream.frames, sent) << "pieces of " << piece;
    EXPECT_EQ(stream.budget.used_bytes(), 0u);
  }
}

TEST(Splitter, RefusesATooLargeFrameByItsPrefixBeforeItStoresAByteOfIt) {
  for (const uint32_t prefix : {kMaxFrameBytes - 3, 0x7fffffffu, 0xfffffffcu, 0xffffffffu}) {
    uint8_t bytes[64] = {};
    std::memcpy(bytes, &prefix, sizeof(prefix));
    Stream whole;
    EXPECT_EQ(whole.Feed(bytes, sizeof(bytes)).status, SplitStatus::kTooLarge) << prefix;
    EXPECT_EQ(whole.budget.used_bytes(), 0u);
    Stream byte_by_byte;
    for (size_t at = 0; at < 3; ++at) {
      EXPECT_EQ(byte_by_byte.Feed(bytes + at, 1).status, SplitStatus::kNeedMore);
    }
    EXPECT_EQ(byte_by_byte.Feed(bytes + 3, 1).status, SplitStatus::kTooLarge) << prefix;
    EXPECT_LE(byte_by_byte.budget.used_bytes(), 64u);
  }
}

TEST(Splitter, TakesAFrameOfExactlyTheLimit) {
  const Bytes frame = HotFrame(kMaxFrameBytes - hot_frame::kHeadBytes, 1);
  Stream stream;
  EXPECT_EQ(stream.Feed(frame.data(), frame.size()).status, SplitStatus::kNeedMore);
  ASSERT_EQ(stream.frames.size(), 1u);
  EXPECT_EQ(stream.frames[0], frame);
}

TEST(Splitter, RefusesEveryHostileFrameWholeAndInPieces) {
  for (const CorpusFrame& hostile : ReadCorpus("hostile")) {
    // A wrong size is a wrong boundary: there the bytes are other frames.
    if (hostile.name.starts_with("size.")) continue;
    Stream whole;
    EXPECT_EQ(whole.Feed(hostile.bytes.data(), hostile.bytes.size()).status, SplitStatus::kMalformed)
        << hostile.name;
    Stream pieces;
    SplitStatus status = SplitStatus::kNeedMore;
    for (size_t at = 0; at < hostile.bytes.size() && status == SplitStatus::kNeedMore; ++at) {
      status = pieces.Feed(hostile.bytes.data() + at, 1).status;
    }
    EXPECT_EQ(status, SplitStatus::kMalformed) << hostile.name;
    EXPECT_TRUE(whole.frames.empty() && pieces.frames.empty()) << hostile.name;
  }
}

TEST(Splitter, RefusesASizePrefixOfNothing) {
  const uint8_t prefix[4] = {};
  Stream stream;
  EXPECT_EQ(stream.Feed(prefix, 4).status, SplitStatus::kMalformed);
}

TEST(Splitter, HoldsMemoryForTheBytesThatCameNotForThoseAnnounced) {
  const Bytes frame = HotFrame(90'000, 1);
  Stream stream;
  for (size_t at = 0; at + 1 < frame.size(); at += 100) {
    const size_t bytes = std::min<size_t>(100, frame.size() - 1 - at);
    (void)stream.Feed(frame.data() + at, bytes);
    ASSERT_LE(stream.budget.used_bytes(), std::max<size_t>(2 * (at + bytes), 64));
    ASSERT_LE(stream.budget.used_bytes(), frame.size());
  }
  EXPECT_GE(stream.budget.used_bytes(), frame.size() - 1);
}

TEST(Splitter, GivesMemoryBackAfterAFrameAndWhenItGoes) {
  const Bytes frame = HotFrame(5000, 1);
  MemoryBudget budget(kUnlimited);
  auto splitter = std::make_unique<FrameSplitter>(kMaxFrameBytes, &budget);
  const auto sink = [](const uint8_t*, size_t) { return true; };
  (void)splitter->Feed(frame.data(), 4000, sink);
  EXPECT_GT(budget.used_bytes(), 0u);
  (void)splitter->Feed(frame.data() + 4000, frame.size() - 4000, sink);
  EXPECT_EQ(budget.used_bytes(), 0u);
  (void)splitter->Feed(frame.data(), 4000, sink);
  splitter.reset();
  EXPECT_EQ(budget.used_bytes(), 0u);
}

TEST(Splitter, SaysWhenTheBudgetOfAllStreamsIsSpent) {
  const Bytes frame = HotFrame(50'000, 1);
  MemoryBudget budget(60'000);
  FrameSplitter first(kMaxFrameBytes, &budget);
  FrameSplitter second(kMaxFrameBytes, &budget);
  size_t taken = 0;
  const auto sink = [&taken](const uint8_t*, size_t) { return ++taken > 0; };
  EXPECT_EQ(first.Feed(frame.data(), 40'000, sink).status, SplitStatus::kNeedMore);
  EXPECT_EQ(second.Feed(frame.data(), 40'000, sink).status, SplitStatus::kOutOfMemory);
  EXPECT_EQ(first.Feed(frame.data() + 40'000, frame.size() - 40'000, sink).status, SplitStatus::kNeedMore);
  EXPECT_EQ(taken, 1u);
  EXPECT_EQ(budget.used_bytes(), 0u);
}

}  // namespace
}  // namespace millrace
