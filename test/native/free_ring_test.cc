#include "native/session/free_ring.h"

#include <gtest/gtest.h>

#include <array>
#include <atomic>
#include <barrier>
#include <cstdint>
#include <thread>
#include <vector>

namespace millrace {
namespace {

constexpr uint32_t kPerProducer = 24;
constexpr uint32_t kProducers = 2;
constexpr uint32_t kSlots = kPerProducer * kProducers;
constexpr uint32_t kCells = 64;  // more than a round puts in, so that every round is another part of a lap

#if defined(__SANITIZE_THREAD__) || defined(__SANITIZE_ADDRESS__)
constexpr uint32_t kRounds = 1'000;
#else
constexpr uint32_t kRounds = 10'000;
#endif

class FreeRingThreads : public testing::Test {
 protected:
  FreeRing Ring() { return {&head_, &tail_, cells_.data(), kCells, kSlots}; }
  void Check(bool holds) { failures_ += holds ? 0 : 1; }

  // Puts its own slots in order.
  void Produce(uint32_t self) {
    for (uint32_t i = 0; i < kPerProducer; ++i) Check(Ring().Put(self * kPerProducer + i));
  }

  // Takes until all of the round are taken; those of one producer come in order.
  void Consume() {
    std::array<int64_t, kProducers> last;
    last.fill(-1);
    while (left_.load() > 0) {
      const FreeRing::Taken taken = Ring().Take();
      if (taken.outcome == FreeRing::Outcome::kEmpty) {
        std::this_thread::yield();
        continue;
      }
      if (taken.outcome != FreeRing::Outcome::kSlot) return Check(false);
      --left_;
      ++taken_[taken.slot];
      int64_t& before = last[taken.slot / kPerProducer];
      Check(taken.slot > before);
      before = taken.slot;
    }
  }

  uint32_t head_ = 0;
  uint32_t tail_ = 0;
  std::vector<uint32_t> cells_ = std::vector<uint32_t>(kCells);
  std::array<std::atomic<uint32_t>, kSlots> taken_{};
  std::atomic<int32_t> left_{0};
  std::atomic<uint32_t> failures_{0};
};

TEST_F(FreeRingThreads, GiveEverySlotOnceAndInOrder) {
  std::barrier round(kProducers + 2, [this]() noexcept { left_ = kSlots; });
  const auto rounds = [&](auto work) {
    return std::thread([&round, work] {
      for (uint32_t i = 0; i < kRounds; ++i) {
        round.arrive_and_wait();
        work();
      }
    });
  };
  std::array threads{rounds([this] { Produce(0); }), rounds([this] { Produce(1); }),
                     rounds([this] { Consume(); }), rounds([this] { Consume(); })};
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(failures_.load(), 0u);
  for (const std::atomic<uint32_t>& count : taken_) EXPECT_EQ(count.load(), kRounds);
  EXPECT_EQ(Ring().Take().outcome, FreeRing::Outcome::kEmpty);
}

}  // namespace
}  // namespace millrace
