#include "native/ring/ring.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <limits>
#include <optional>
#include <random>
#include <semaphore>
#include <string>
#include <thread>
#include <vector>

namespace millrace {
namespace {

constexpr uint32_t kCapacity = kRingMinCapacity;

// An exact allocation, so that ASan sees any access outside of it.
class RingMemory {
 public:
  explicit RingMemory(uint32_t start = 0) : words_((kRingHeaderBytes + kCapacity) / 8) {
    EXPECT_TRUE(FormatRing(bytes(), size()));
    header().tail = header().head = start;
  }

  uint8_t* bytes() { return reinterpret_cast<uint8_t*>(words_.data()); }
  size_t size() const { return words_.size() * 8; }
  uint8_t* data() { return bytes() + kRingHeaderBytes; }
  RingHeader& header() { return *reinterpret_cast<RingHeader*>(bytes()); }
  RingWriter Writer() { return *RingWriter::Open(bytes(), size()); }
  RingReader Reader() { return *RingReader::Open(bytes(), size()); }
  bool Opens() { return RingWriter::Open(bytes(), size()) && RingReader::Open(bytes(), size()); }

 private:
  std::vector<uint64_t> words_;
};

// A record whose every word follows from its sequence number.
RecordHeader HeaderOf(uint32_t sequence, uint32_t length) {
  return {.length = length,
          .kind = static_cast<uint16_t>(1 + sequence % 9),
          .flags = static_cast<uint16_t>(sequence),
          .slot = sequence,
          .generation = ~sequence,
          .stream = sequence * 3,
          .reserved = 0};
}

bool WriteRecord(RingWriter& writer, uint32_t sequence, uint32_t length) {
  uint8_t* const payload = writer.Reserve(length);
  if (payload == nullptr) return false;
  EXPECT_EQ(reinterpret_cast<uintptr_t>(payload) % 8, 0u);
  std::memset(payload, static_cast<uint8_t>(sequence), length);
  writer.Stage(HeaderOf(sequence, length));
  return true;
}

bool IsRecord(const RingReader& reader, uint32_t sequence, uint32_t length) {
  const RecordHeader expected = HeaderOf(sequence, length);
  if (std::memcmp(&reader.header(), &expected, sizeof(expected)) != 0) return false;
  const uint8_t* const payload = reader.payload();
  return std::all_of(payload, payload + length,
                     [sequence](uint8_t byte) { return byte == static_cast<uint8_t>(sequence); });
}

class Random {
 public:
  explicit Random(uint32_t seed) : engine_(seed) {}
  uint32_t operator()() { return static_cast<uint32_t>(engine_()); }

 private:
  std::mt19937 engine_;
};

TEST(Ring, OpensOnlyWhatIsARing) {
  EXPECT_TRUE(RingMemory().Opens());
  RingMemory ring;
  EXPECT_FALSE(RingWriter::Open(nullptr, ring.size()));
  EXPECT_FALSE(RingWriter::Open(ring.bytes() + 4, ring.size() - 8));
  EXPECT_FALSE(RingWriter::Open(ring.bytes(), ring.size() - 8));
  EXPECT_FALSE(RingWriter::Open(ring.bytes(), 0));
  EXPECT_FALSE(RingWriter::Open(ring.bytes(), kRingHeaderBytes + kCapacity / 2));
  EXPECT_FALSE(FormatRing(ring.bytes(), kRingHeaderBytes + kCapacity / 2));

  const auto opens_with = [](uint32_t RingHeader::*word, uint32_t value) {
    RingMemory spoiled;
    spoiled.header().*word = value;
    return spoiled.Opens();
  };
  EXPECT_FALSE(opens_with(&RingHeader::magic, 1));
  EXPECT_FALSE(opens_with(&RingHeader::version, kRingVersion + 1));
  EXPECT_FALSE(opens_with(&RingHeader::capacity, 2 * kCapacity));
  EXPECT_FALSE(opens_with(&RingHeader::tail, 4));
  EXPECT_FALSE(opens_with(&RingHeader::tail, kCapacity + 8));
  EXPECT_FALSE(opens_with(&RingHeader::head, 8));
  EXPECT_TRUE(opens_with(&RingHeader::tail, kCapacity));
}

// Starts at every place before the end of the data from which the longest of these records does not fit, and
// once where the positions themselves wrap.
TEST(Ring, KeepsRecordsWholeAcrossTheEndAtEveryAlignment) {
  for (const uint32_t end : {kCapacity, uint32_t{0}}) {
    for (uint32_t before_end = 8; before_end <= 256; before_end += 8) {
      for (uint32_t length = 0; length <= 130; ++length) {
        RingMemory ring(end - before_end);
        RingWriter writer = ring.Writer();
        RingReader reader = ring.Reader();
        for (uint32_t sequence = 0; sequence < 4; ++sequence) {
          ASSERT_TRUE(WriteRecord(writer, sequence, length + sequence));
        }
        ASSERT_FALSE(writer.Publish());
        for (uint32_t sequence = 0; sequence < 4; ++sequence) {
          ASSERT_TRUE(reader.Next());
          ASSERT_TRUE(IsRecord(reader, sequence, length + sequence)) << before_end << " " << length;
        }
        ASSERT_FALSE(reader.Next());
        ASSERT_FALSE(reader.corrupt());
        reader.Release();
        ASSERT_EQ(writer.FreeBytes(), kCapacity);
      }
    }
  }
}

TEST(Ring, PadsARemainderThatIsShorterThanAHeader) {
  for (const uint32_t remainder : {8u, 16u}) {
    RingMemory ring(kCapacity - remainder);
    std::memset(ring.data(), 0xee, kCapacity);
    RingWriter writer = ring.Writer();
    ASSERT_TRUE(WriteRecord(writer, 1, 0));
    EXPECT_FALSE(writer.Publish());
    EXPECT_EQ(ring.header().tail, kCapacity + kRecordHeaderBytes);
    const RecordHeader expected = HeaderOf(1, 0);
    EXPECT_EQ(std::memcmp(ring.data(), &expected, sizeof(expected)), 0);
    RingReader reader = ring.Reader();
    EXPECT_TRUE(reader.Next());
    EXPECT_FALSE(reader.Next());
  }
}

TEST(Ring, FillsToTheLastByteAndNoFurther) {
  RingMemory ring;
  RingWriter writer = ring.Writer();
  RingReader reader = ring.Reader();
  uint32_t written = 0;
  while (WriteRecord(writer, written, 40)) ++written;
  EXPECT_EQ(written, kCapacity / 64);
  EXPECT_EQ(writer.FreeBytes(), 0u);
  EXPECT_FALSE(writer.HasRoom(0));
  EXPECT_FALSE(writer.Publish());

  ASSERT_TRUE(reader.Next());
  EXPECT_FALSE(writer.HasRoom(0)) << "room is given by Release, not by Next";
  reader.Release();
  EXPECT_TRUE(writer.HasRoom(40));
  EXPECT_FALSE(writer.HasRoom(41));
  ASSERT_TRUE(WriteRecord(writer, written, 40));
  EXPECT_FALSE(writer.Publish());
  for (uint32_t sequence = 1; sequence <= written; ++sequence) {
    ASSERT_TRUE(reader.Next());
    ASSERT_TRUE(IsRecord(reader, sequence, 40));
  }
  EXPECT_FALSE(reader.Next());
}

TEST(Ring, HasRoomForTheLargestRecordWhereverItIsEmpty) {
  for (uint32_t start = 0; start < kCapacity; start += 8) {
    RingMemory ring(start);
    RingWriter writer = ring.Writer();
    const uint32_t largest = writer.MaxPayload();
    ASSERT_EQ(largest, kCapacity / 2 - kRecordHeaderBytes);
    ASSERT_EQ(writer.Reserve(largest + 1), nullptr);
    uint8_t* const payload = writer.Reserve(largest);
    ASSERT_NE(payload, nullptr) << start;
    payload[0] = 1;
    payload[largest - 1] = 2;
    ASSERT_FALSE(writer.Commit(HeaderOf(1, largest)));
    RingReader reader = ring.Reader();
    ASSERT_TRUE(reader.Next());
    ASSERT_EQ(reader.payload()[0], 1);
    ASSERT_EQ(reader.payload()[largest - 1], 2);
  }
}

TEST(Ring, RefusesLengthsThatWouldOverflow) {
  RingMemory ring;
  RingWriter writer = ring.Writer();
  for (uint32_t below = 0; below < 64; ++below) {
    EXPECT_EQ(writer.Reserve(std::numeric_limits<uint32_t>::max() - below), nullptr);
  }
}

TEST(Ring, TakesAShorterRecordThanWasReservedAndForgetsAReservation) {
  RingMemory ring;
  RingWriter writer = ring.Writer();
  ASSERT_NE(writer.Reserve(1000), nullptr);
  EXPECT_EQ(writer.FreeBytes(), kCapacity);
  uint8_t* const payload = writer.Reserve(1000);
  ASSERT_NE(payload, nullptr);
  payload[0] = 5;
  EXPECT_FALSE(writer.Commit(HeaderOf(5, 1)));
  EXPECT_EQ(writer.FreeBytes(), kCapacity - RecordBytes(1));
  RingReader reader = ring.Reader();
  ASSERT_TRUE(reader.Next());
  EXPECT_TRUE(IsRecord(reader, 5, 1));
}

TEST(Ring, ShowsStagedRecordsTogetherAndWakesOnceASleep) {
  RingMemory ring;
  RingWriter writer = ring.Writer();
  RingReader reader = ring.Reader();
  ASSERT_TRUE(reader.TrySleep());
  ASSERT_TRUE(WriteRecord(writer, 1, 8));
  ASSERT_TRUE(WriteRecord(writer, 2, 8));
  EXPECT_FALSE(reader.Next());
  EXPECT_TRUE(writer.Publish());
  EXPECT_FALSE(writer.Publish());
  ASSERT_TRUE(WriteRecord(writer, 3, 8));
  EXPECT_FALSE(writer.Publish());
  EXPECT_FALSE(reader.TrySleep()) << "there are records";
  EXPECT_EQ(ring.header().sleeping, 0u);
  for (uint32_t sequence = 1; sequence <= 3; ++sequence) {
    ASSERT_TRUE(reader.Next());
    ASSERT_TRUE(IsRecord(reader, sequence, 8));
  }
  EXPECT_TRUE(reader.TrySleep());
  EXPECT_EQ(writer.FreeBytes(), kCapacity) << "a sleeping reader holds no room";
}

TEST(Ring, DoesNotSleepWhileTheProducerStarves) {
  RingMemory ring;
  RingWriter writer = ring.Writer();
  RingReader reader = ring.Reader();
  EXPECT_FALSE(reader.TakeStarved());
  writer.MarkStarved();
  EXPECT_FALSE(reader.TrySleep());
  EXPECT_TRUE(reader.TakeStarved());
  EXPECT_FALSE(reader.TakeStarved());
  EXPECT_TRUE(reader.TrySleep());
}

TEST(Ring, TakesAnImpossibleHeadAsFullAndRecovers) {
  RingMemory ring;
  RingWriter writer = ring.Writer();
  while (WriteRecord(writer, 0, 1000)) continue;
  EXPECT_FALSE(writer.Publish());
  const uint32_t tail = ring.header().tail;
  for (const uint32_t head :
       {tail + 8, tail + kCapacity, tail - kCapacity - 8, tail - 4, tail ^ 0x80000000u}) {
    const uint64_t counted = writer.impossible_heads();
    ring.header().head = head;
    EXPECT_EQ(writer.FreeBytes(), 0u);
    EXPECT_EQ(writer.Reserve(1000), nullptr);
    EXPECT_GT(writer.impossible_heads(), counted);
  }
  const uint64_t counted = writer.impossible_heads();
  ring.header().head = tail;
  EXPECT_EQ(writer.FreeBytes(), kCapacity);
  EXPECT_TRUE(WriteRecord(writer, 1, 1000));
  EXPECT_EQ(writer.impossible_heads(), counted);
}

TEST(Ring, NeverWritesOutsideWhenItsMemoryIsScribbledOver) {
  RingMemory ring;
  RingWriter writer = ring.Writer();
  Random random(1);
  uint32_t written = 0;
  for (uint32_t i = 0; i < 200000; ++i) {
    auto* const words = reinterpret_cast<uint32_t*>(ring.bytes());
    words[random() % (kRingHeaderBytes / 4)] = random();
    // A head that can be, so that there is something to write, but seldom the one that was.
    if (i % 2 == 0) ring.header().head = ring.header().tail - random() % (kCapacity + 1) / 8 * 8;
    const uint32_t length = random() % (writer.MaxPayload() / 4);
    uint8_t* const payload = writer.Reserve(length);
    if (payload == nullptr) continue;
    ASSERT_GE(payload, ring.data());
    ASSERT_LE(payload + length, ring.data() + kCapacity);
    std::memset(payload, 0x11, length);
    static_cast<void>(writer.Commit(HeaderOf(i, length)));
    ++written;
  }
  EXPECT_GT(written, 500u);  // heads that cannot be count as a full ring
  EXPECT_GT(writer.impossible_heads(), 1000u);
}

TEST(Ring, StaysInItsLowerHalfWhileTheConsumerKeepsUp) {
  RingMemory ring;
  RingWriter writer = ring.Writer();
  RingReader reader = ring.Reader();
  constexpr uint32_t kLength = 1000;
  for (uint32_t i = 0; i < 1000; ++i) {
    ASSERT_TRUE(WriteRecord(writer, i, kLength));
    static_cast<void>(writer.Publish());
    ASSERT_TRUE(reader.Next());
    ASSERT_TRUE(IsRecord(reader, i, kLength));
    ASSERT_LT(reader.payload(), ring.data() + kCapacity / 2 + RecordBytes(kLength));
    reader.Release();
  }
}

TEST(Ring, TakesItsLargestRecordRightAfterItsLowerHalf) {
  RingMemory ring(kCapacity / 2 + 8);
  RingWriter writer = ring.Writer();
  RingReader reader = ring.Reader();
  ASSERT_TRUE(WriteRecord(writer, 1, writer.MaxPayload()));
  static_cast<void>(writer.Publish());
  ASSERT_TRUE(reader.Next());
  EXPECT_TRUE(IsRecord(reader, 1, writer.MaxPayload()));
}

TEST(Ring, NeverReadsOutsideWhenItsMemoryIsScribbledOver) {
  Random random(2);
  uint32_t read = 0;
  uint32_t corrupt = 0;
  RingMemory ring;
  for (uint32_t round = 0; round < 20000; ++round) {
    const uint32_t start = random() & ~7u;
    ring.header().tail = ring.header().head = start;
    RingWriter writer = ring.Writer();
    RingReader reader = ring.Reader();
    for (uint32_t i = 0; i < 8; ++i) static_cast<void>(WriteRecord(writer, i, random() % 2000));
    static_cast<void>(writer.Publish());
    for (uint32_t i = 0; i < 4; ++i) {
      // The first words of a record are where damage would tell, so most of it goes there.
      const uint32_t at = (start + random() % 512) & (kCapacity - 1) & ~3u;
      const uint32_t value = random() >> (random() % 32);
      std::memcpy(ring.data() + at, &value, sizeof(value));
    }
    if (round % 4 == 0) ring.header().tail += random() >> (random() % 32);
    for (uint32_t i = 0; i < 10000 && reader.Next(); ++i) {
      ASSERT_GE(reader.payload(), ring.data() + kRecordHeaderBytes);
      ASSERT_LE(reader.payload() + reader.header().length, ring.data() + kCapacity);
      ++read;
    }
    corrupt += reader.corrupt() ? 1 : 0;
    ASSERT_FALSE(reader.corrupt() && reader.Next());
  }
  EXPECT_GT(read, 10000u);
  EXPECT_GT(corrupt, 1000u);
}

TEST(Ring, IsFoundCorruptForEver) {
  struct Damage {
    const char* what;
    size_t offset;
    uint32_t value;
  };
  constexpr Damage kDamages[] = {
      {"a tail beyond the ring", offsetof(RingHeader, tail), kCapacity + 8},
      {"a tail behind the head", offsetof(RingHeader, tail), 0u - 8},
      {"a tail between records", offsetof(RingHeader, tail), 36},
      {"a record longer than what was published", kRingHeaderBytes, 9},
      {"a record longer than any", kRingHeaderBytes, kCapacity / 2},
      {"a length that overflows", kRingHeaderBytes, 0u - 1},
      {"padding with nothing behind it", kRingHeaderBytes + 4, 0},
  };
  for (const Damage& damage : kDamages) {
    RingMemory ring;
    RingWriter writer = ring.Writer();
    RingReader reader = ring.Reader();
    ASSERT_TRUE(WriteRecord(writer, 1, 8));
    ASSERT_FALSE(writer.Publish());
    std::memcpy(ring.bytes() + damage.offset, &damage.value, sizeof(damage.value));
    EXPECT_FALSE(reader.Next()) << damage.what;
    EXPECT_TRUE(reader.corrupt()) << damage.what;
    EXPECT_FALSE(reader.Next()) << damage.what;
  }
}

// Two threads that do one thing each, at the same instant, again and again: the window of a handshake. The
// check runs on the first one's thread, and so leaves the flag that it resets in the wrong core's cache.
template <typename First, typename Second, typename Check>
void Collide(uint32_t rounds, First first, Second second, Check check) {
  std::atomic<uint32_t> started{0};
  std::atomic<uint32_t> finished{0};
  // Delays that vary on both sides: the two begin within nanoseconds of each other, in either order.
  const auto linger = [&started](uint32_t loads) {
    while (loads-- != 0) static_cast<void>(started.load(std::memory_order_relaxed));
  };
  std::thread other([&] {
    for (uint32_t round = 1; round <= rounds; ++round) {
      while (started.load() != round) continue;
      linger(round / 64 % 64);
      second();
      finished.store(round);
    }
  });
  for (uint32_t round = 1; round <= rounds; ++round) {
    started.store(round);
    linger(round % 64);
    first();
    while (finished.load() != round) std::this_thread::yield();
    check();
  }
  other.join();
}

#if defined(__SANITIZE_THREAD__) || defined(__SANITIZE_ADDRESS__)
constexpr uint32_t kCollisions = 5000;  // Instrumentation closes the window: this only looks for races.
#else
constexpr uint32_t kCollisions = 200000;
#endif

TEST(RingThreads, NeverSleepThroughARecordThatIsPublishedAtTheSameInstant) {
  RingMemory ring;
  RingWriter writer = ring.Writer();
  RingReader reader = ring.Reader();
  bool wakes = false;
  bool sleeps = false;
  uint32_t lost = 0;
  Collide(
      kCollisions,
      [&] {
        if (WriteRecord(writer, 1, 8)) wakes = writer.Publish();
      },
      [&] { sleeps = reader.TrySleep(); },
      [&] {
        lost += sleeps && !wakes ? 1 : 0;
        while (reader.Next()) continue;
        reader.Release();
        ring.header().sleeping = 0;
      });
  EXPECT_EQ(lost, 0u);
}

TEST(RingThreads, NeverStarveBesideRoomThatIsGivenAtTheSameInstant) {
  RingMemory ring;
  RingWriter writer = ring.Writer();
  RingReader reader = ring.Reader();
  bool has_room = false;
  bool tells = false;
  uint32_t lost = 0;
  const auto fill = [&] {
    while (WriteRecord(writer, 1, 30000)) continue;
    static_cast<void>(writer.Publish());
    while (reader.Next()) continue;
  };
  fill();
  Collide(
      kCollisions,
      [&] {
        reader.Release();
        tells = reader.TakeStarved();
      },
      [&] {
        writer.MarkStarved();
        has_room = writer.HasRoom(30000);
      },
      [&] {
        lost += !has_room && !tells ? 1 : 0;
        static_cast<void>(reader.TakeStarved());
        fill();
      });
  EXPECT_EQ(lost, 0u);
}

// A thread's bed: a wake that is lost is a wait that times out.
class Bed {
 public:
  void Wake() { wakes_.release(); }
  [[nodiscard]] bool Sleep() { return wakes_.try_acquire_for(std::chrono::seconds(20)); }

 private:
  std::counting_semaphore<> wakes_{0};
};

// Waits for a record the way the pump does.
bool AwaitRecord(RingReader& reader, Bed& bed, Bed& producer, uint64_t& sleeps) {
  while (!reader.Next()) {
    reader.Release();
    if (reader.TakeStarved()) producer.Wake();
    if (!reader.TrySleep()) continue;
    ++sleeps;
    if (!bed.Sleep()) return false;
  }
  return true;
}

struct Traffic {
  uint32_t records;
  uint32_t max_length;
  uint32_t batch;  // Records a Publish, at most.
};

uint32_t LengthOf(uint32_t sequence, const Traffic& traffic) {
  return sequence * 2654435761u % (traffic.max_length + 1);
}

// One thread writes numbered records, one reads and checks them; each sleeps when it has nothing to do.
void Exchange(const Traffic& traffic) {
  RingMemory ring(0u - kCapacity / 2);
  Bed consumer_bed;
  Bed producer_bed;
  uint64_t sleeps = 0;
  uint64_t starved = 0;
  bool producer_lost_wake = false;

  std::thread producer([&] {
    RingWriter writer = ring.Writer();
    const auto publish = [&] {
      if (writer.Publish()) consumer_bed.Wake();
    };
    for (uint32_t sequence = 0; sequence < traffic.records; ++sequence) {
      while (!WriteRecord(writer, sequence, LengthOf(sequence, traffic))) {
        publish();
        writer.MarkStarved();
        if (writer.HasRoom(LengthOf(sequence, traffic))) continue;
        ++starved;
        if (!producer_bed.Sleep()) {
          producer_lost_wake = true;
          return;
        }
      }
      if (sequence % traffic.batch == 0) publish();
    }
    publish();
  });

  RingReader reader = ring.Reader();
  for (uint32_t sequence = 0; sequence < traffic.records; ++sequence) {
    const bool came = AwaitRecord(reader, consumer_bed, producer_bed, sleeps);
    EXPECT_TRUE(came) << "a wake was lost before record " << sequence;
    if (!came) break;
    const bool right = IsRecord(reader, sequence, LengthOf(sequence, traffic));
    EXPECT_TRUE(right) << "record " << sequence;
    if (!right) break;
    if (sequence % 16 != 0) continue;
    reader.Release();
    if (reader.TakeStarved()) producer_bed.Wake();
  }
  producer.join();
  EXPECT_FALSE(producer_lost_wake);
  EXPECT_FALSE(reader.corrupt());
  EXPECT_FALSE(reader.Next());
  ::testing::Test::RecordProperty("sleeps", std::to_string(sleeps));
  ::testing::Test::RecordProperty("starved", std::to_string(starved));
}

TEST(RingThreads, CarryMillionsOfSmallRecordsInOrder) {
  Exchange({.records = 2000000, .max_length = 64, .batch = 1});
}

TEST(RingThreads, CarryBatchesInOrder) {
  Exchange({.records = 2000000, .max_length = 64, .batch = 32});
}

TEST(RingThreads, StarveAndGoOnWithRecordsOfHalfTheRing) {
  Exchange({.records = 20000, .max_length = MaxPayloadBytes(kCapacity), .batch = 1});
}

// Two rings, one record in flight: each side sleeps before each record, so each wake counts.
TEST(RingThreads, WakeEachOtherForEveryRecord) {
  constexpr uint32_t kRounds = 30000;
  RingMemory there;
  RingMemory back;
  Bed echo_bed;
  Bed caller_bed;
  uint64_t echo_sleeps = 0;
  uint64_t caller_sleeps = 0;

  std::thread echo([&] {
    RingReader reader = there.Reader();
    RingWriter writer = back.Writer();
    for (uint32_t round = 0; round < kRounds; ++round) {
      if (!AwaitRecord(reader, echo_bed, caller_bed, echo_sleeps)) return;
      if (!WriteRecord(writer, reader.header().slot, 8)) return;
      reader.Release();
      if (writer.Publish()) caller_bed.Wake();
    }
  });
  RingWriter writer = there.Writer();
  RingReader reader = back.Reader();
  for (uint32_t round = 0; round < kRounds; ++round) {
    EXPECT_TRUE(WriteRecord(writer, round, 8));
    if (writer.Publish()) echo_bed.Wake();
    const bool came = AwaitRecord(reader, caller_bed, echo_bed, caller_sleeps);
    EXPECT_TRUE(came) << "a wake was lost in round " << round;
    if (!came) break;
    EXPECT_TRUE(IsRecord(reader, round, 8));
    reader.Release();
  }
  echo.join();
  EXPECT_GT(echo_sleeps + caller_sleeps, kRounds / 10);
}

}  // namespace
}  // namespace millrace
