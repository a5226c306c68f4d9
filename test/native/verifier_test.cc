#include "native/frame/verifier.h"

#include <gtest/gtest.h>

#include <cstdio>
#include <random>
#include <set>
#include <string>
#include <vector>

#include "native/frame/generated/frame_generated.h"
#include "native/frame/hot_frame.h"
#include "test/native/frame_corpus.h"

namespace millrace {
namespace {

using Bytes = std::vector<uint8_t>;

constexpr FrameHeader kHeader{4, 0x80, 1, 2, 3, 0xffffffff};

Bytes HotFrame(size_t payload_bytes) {
  Bytes frame(hot_frame::kHeadBytes + payload_bytes);
  WriteHotHead(frame.data(), kHeader, static_cast<uint32_t>(payload_bytes));
  for (size_t i = 0; i < payload_bytes; ++i) frame[hot_frame::kHeadBytes + i] = static_cast<uint8_t>(i);
  return frame;
}

// What flatc's own encoder makes of the same fields.
Bytes Generated(size_t payload_bytes, const char* subject) {
  flatbuffers::FlatBufferBuilder builder;
  Bytes payload(payload_bytes);
  for (size_t i = 0; i < payload_bytes; ++i) payload[i] = static_cast<uint8_t>(i);
  const wire::Header header(static_cast<wire::Kind>(kHeader.kind), kHeader.flags, kHeader.channel,
                            kHeader.type, kHeader.seq, kHeader.ref);
  builder.FinishSizePrefixed(wire::CreateFrameDirect(builder, &header, &payload, subject));
  return {builder.GetBufferPointer(), builder.GetBufferPointer() + builder.GetSize()};
}

bool GoogleAccepts(const Bytes& frame) {
  // Google's verifier asserts that there is a buffer at all.
  if (frame.size() < 8) return false;
  flatbuffers::Verifier verifier(frame.data(), frame.size());
  return wire::VerifySizePrefixedFrameBuffer(verifier);
}

FrameStatus Verify(const Bytes& frame) {
  return VerifyFrame(frame.data(), frame.size());
}

TEST(Verifier, PassesEveryValidFrameOfTheCorpusAsGoogleDoes) {
  const auto corpus = ReadCorpus("valid");
  ASSERT_GT(corpus.size(), 20u);
  for (const CorpusFrame& frame : corpus) {
    EXPECT_EQ(Verify(frame.bytes), FrameStatus::kValid) << frame.name;
    EXPECT_TRUE(GoogleAccepts(frame.bytes)) << frame.name;
  }
}

TEST(Verifier, RefusesEveryHostileFrameOfTheCorpusForTheReasonInItsName) {
  const auto corpus = ReadCorpus("hostile");
  ASSERT_GT(corpus.size(), 50u);
  for (const CorpusFrame& frame : corpus) {
    EXPECT_EQ(Name(Verify(frame.bytes)), frame.name.substr(0, frame.name.find('.'))) << frame.name;
  }
}

// Google's lets bytes follow those that the prefix counts, and does not look at a table's own size, at UTF-8,
// nor at what verification costs.
TEST(Verifier, IsStricterThanGoogleInWhatIsListedHereOnly) {
  std::set<std::string> google_passes;
  for (const CorpusFrame& frame : ReadCorpus("hostile")) {
    if (GoogleAccepts(frame.bytes)) google_passes.insert(frame.name);
  }
  const std::set<std::string> listed = {"meta.entries-1025",
                                        "meta.one-byte-of-text-too-many",
                                        "meta.one-byte-of-values-too-many",
                                        "meta.shared-text",
                                        "meta.shared-value",
                                        "size.one-too-small",
                                        "string.above-10ffff",
                                        "string.cut-short",
                                        "string.key-not-utf8",
                                        "string.lead-f5",
                                        "string.lone-continuation",
                                        "string.overlong-of-3",
                                        "string.overlong-of-4",
                                        "string.overlong-slash",
                                        "string.surrogate",
                                        "table.entry-too-long",
                                        "table.header-past-its-table",
                                        "table.table-of-2",
                                        "table.table-too-long"};
  EXPECT_EQ(google_passes, listed);
}

TEST(Verifier, PassesNothingThatGoogleRefuses) {
  std::mt19937 random(1);
  size_t passed = 0;
  const auto corpus = ReadCorpus("valid");
  for (int round = 0; round < 200'000; ++round) {
    Bytes frame = corpus[random() % corpus.size()].bytes;
    if (frame.size() > 2000) continue;
    for (auto changes = 1 + random() % 3; changes > 0; --changes) {
      const auto value = random() % 2 == 0 ? random() % 128 : random();
      frame[4 + random() % (frame.size() - 4)] = static_cast<uint8_t>(value);
    }
    if (Verify(frame) != FrameStatus::kValid) continue;
    ++passed;
    ASSERT_TRUE(GoogleAccepts(frame)) << "round " << round;
  }
  EXPECT_GT(passed, 10'000u);
}

// test/corpus/mutants.ts spoils the same frames, and holds the verifier in TypeScript to the same lines.
TEST(Verifier, FindsTheSameFaultsInSpoiltFramesAsTheOneInTypeScript) {
  std::vector<Bytes> seeds;
  for (CorpusFrame& frame : ReadCorpus("valid")) {
    if (frame.bytes.size() <= 2000) seeds.push_back(std::move(frame.bytes));
  }
  uint32_t random = 1;
  const auto next = [&random] {
    random ^= random << 13;
    random ^= random >> 17;
    random ^= random << 5;
    return random;
  };
  std::ifstream lines(std::filesystem::path(__FILE__).parent_path() / "../corpus/mutants.txt");
  std::string expected;
  size_t blocks = 0;
  for (; std::getline(lines, expected); ++blocks) {
    uint32_t hash = 0x811c9dc5;  // FNV-1a
    for (int i = 0; i < 5'000; ++i) {
      Bytes frame = seeds[next() % seeds.size()];
      for (uint32_t changes = 1 + next() % 3; changes > 0; --changes) {
        const size_t place = 4 + next() % (frame.size() - 4);
        const bool small = next() % 2 == 0;
        frame[place] = static_cast<uint8_t>(small ? next() % 128 : next());
      }
      hash = (hash ^ static_cast<uint32_t>(Verify(frame))) * 0x01000193;
    }
    char line[9];
    std::snprintf(line, sizeof(line), "%08x", hash);
    EXPECT_EQ(line, expected) << "block " << blocks;
  }
  EXPECT_EQ(blocks, 10u);
}

TEST(Verifier, RefusesEveryFrameCutShort) {
  for (const CorpusFrame& frame : ReadCorpus("valid")) {
    if (frame.bytes.size() > 2000) continue;
    for (size_t size = 0; size < frame.bytes.size(); ++size) {
      // Its own allocation, so that a sanitizer sees one byte too many.
      const Bytes cut(frame.bytes.begin(), frame.bytes.begin() + static_cast<ptrdiff_t>(size));
      EXPECT_EQ(Verify(cut), FrameStatus::kBadSize) << frame.name << " at " << size;
    }
  }
}

TEST(Verifier, ReadsFramesAtAnyAlignment) {
  for (const CorpusFrame& frame : ReadCorpus("valid")) {
    for (size_t shift = 1; shift < 8; ++shift) {
      Bytes shifted(shift, 0xc7);
      shifted.insert(shifted.end(), frame.bytes.begin(), frame.bytes.end());
      EXPECT_EQ(VerifyFrame(shifted.data() + shift, frame.bytes.size()), FrameStatus::kValid) << frame.name;
    }
  }
}

TEST(HotFrame, IsByteForByteWhatTheGeneratedEncoderMakes) {
  for (const size_t payload_bytes : {8u, 256u, 65'536u}) {
    EXPECT_EQ(HotFrame(payload_bytes), Generated(payload_bytes, nullptr)) << payload_bytes;
  }
}

TEST(HotFrame, IsRecognisedAlsoWithTheEncodersPaddingAtTheEnd) {
  const Bytes padded = Generated(5, nullptr);
  EXPECT_EQ(padded.size(), hot_frame::kHeadBytes + 8);
  EXPECT_TRUE(IsHotFrame(padded.data(), padded.size()));
}

TEST(HotFrame, IsReadByTheGeneratedAccessors) {
  const Bytes bytes = HotFrame(13);
  ASSERT_TRUE(GoogleAccepts(bytes));
  const wire::Frame* frame = wire::GetSizePrefixedFrame(bytes.data());
  EXPECT_EQ(static_cast<uint8_t>(frame->header()->kind()), kHeader.kind);
  EXPECT_EQ(frame->header()->flags(), kHeader.flags);
  EXPECT_EQ(frame->header()->channel(), kHeader.channel);
  EXPECT_EQ(frame->header()->type(), kHeader.type);
  EXPECT_EQ(frame->header()->seq(), kHeader.seq);
  EXPECT_EQ(frame->header()->ref(), kHeader.ref);
  EXPECT_EQ(frame->payload()->size(), 13u);
  EXPECT_EQ(frame->payload()->Data(), bytes.data() + hot_frame::kHeadBytes);
  EXPECT_EQ(frame->subject(), nullptr);
}

TEST(HotFrame, IsNotWhatHasASubjectYetThatIsValid) {
  const Bytes frame = Generated(8, "a/b");
  EXPECT_FALSE(IsHotFrame(frame.data(), frame.size()));
  EXPECT_EQ(Verify(frame), FrameStatus::kValid);
}

}  // namespace
}  // namespace millrace
