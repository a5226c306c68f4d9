#include "native/memory/buffer.h"

#include <gtest/gtest.h>

#include <array>
#include <cstdint>
#include <cstring>
#include <limits>
#include <numeric>
#include <thread>
#include <utility>
#include <vector>

#include "native/memory/memory_budget.h"

namespace millrace {
namespace {

TEST(Buffer, KeepsItsBytesWhileItGrows) {
  std::vector<uint8_t> expected;
  std::array<uint8_t, 251> piece;
  std::iota(piece.begin(), piece.end(), uint8_t{1});
  Buffer buffer;
  for (int i = 0; i < 400; ++i) {
    ASSERT_TRUE(buffer.Append(piece));
    expected.insert(expected.end(), piece.begin(), piece.end());
  }
  ASSERT_EQ(buffer.size(), expected.size());
  EXPECT_EQ(std::memcmp(buffer.data(), expected.data(), expected.size()), 0);
  EXPECT_LT(buffer.capacity(), 2 * expected.size());
}

TEST(Buffer, ReservesExactly) {
  Buffer buffer;
  ASSERT_TRUE(buffer.Reserve(1000));
  EXPECT_EQ(buffer.capacity(), 1000u);
  const uint8_t* const before = buffer.data();
  EXPECT_EQ(buffer.Extend(1000), before);
  EXPECT_EQ(buffer.capacity(), 1000u);
}

TEST(Buffer, LeavesTheSourceOfAMoveEmpty) {
  Buffer from;
  ASSERT_TRUE(from.Append(std::array<uint8_t, 3>{1, 2, 3}));
  Buffer to = std::move(from);
  EXPECT_EQ(to.size(), 3u);
  EXPECT_TRUE(from.empty());  // NOLINT(bugprone-use-after-move): the state after a move is what is tested.
  EXPECT_EQ(from.capacity(), 0u);
  ASSERT_TRUE(from.Append(std::array<uint8_t, 1>{9}));
  to = std::move(from);
  ASSERT_EQ(to.size(), 1u);
  EXPECT_EQ(to.data()[0], 9);
}

TEST(Buffer, RefusesASizeThatCannotBeAndStaysAsItWas) {
  Buffer buffer;
  ASSERT_TRUE(buffer.Append(std::array<uint8_t, 2>{7, 8}));
  EXPECT_EQ(buffer.Extend(std::numeric_limits<size_t>::max()), nullptr);
  EXPECT_EQ(buffer.Extend(std::numeric_limits<size_t>::max() - 1), nullptr);
  ASSERT_EQ(buffer.size(), 2u);
  EXPECT_EQ(buffer.data()[1], 8);
}

TEST(Buffer, TruncatesWithoutGivingMemoryBackAndResetsWithIt) {
  Buffer buffer;
  ASSERT_TRUE(buffer.Append(std::array<uint8_t, 100>{}));
  const size_t capacity = buffer.capacity();
  buffer.Truncate(10);
  EXPECT_EQ(buffer.size(), 10u);
  EXPECT_EQ(buffer.capacity(), capacity);
  buffer.Reset();
  EXPECT_EQ(buffer.capacity(), 0u);
  EXPECT_EQ(buffer.data(), nullptr);
}

TEST(MemoryBudget, ChargesAllOrNothing) {
  MemoryBudget budget(100);
  EXPECT_TRUE(budget.TryCharge(60));
  EXPECT_FALSE(budget.TryCharge(41));
  EXPECT_FALSE(budget.TryCharge(std::numeric_limits<size_t>::max()));
  EXPECT_EQ(budget.used_bytes(), 60u);
  EXPECT_TRUE(budget.TryCharge(40));
  EXPECT_FALSE(budget.TryCharge(1));
  budget.Release(100);
  EXPECT_EQ(budget.used_bytes(), 0u);
  EXPECT_TRUE(budget.TryCharge(100));
}

TEST(MemoryBudget, IsNeverExceededByThreadsThatCompete) {
  constexpr size_t kLimit = 1000;
  MemoryBudget budget(kLimit);
  std::atomic<size_t> held{0};  // Counted after a charge and before its release: never more than charged.
  std::atomic<bool> exceeded{false};
  std::atomic<uint64_t> granted{0};
  const auto compete = [&] {
    for (int i = 0; i < 20000; ++i) {
      if (!budget.TryCharge(400)) continue;
      if (held.fetch_add(400) + 400 > kLimit) exceeded = true;
      held.fetch_sub(400);
      budget.Release(400);
      ++granted;
    }
  };
  std::vector<std::thread> threads;
  for (int i = 0; i < 4; ++i) threads.emplace_back(compete);
  for (std::thread& thread : threads) thread.join();
  EXPECT_FALSE(exceeded);
  EXPECT_GT(granted, 0u);
  EXPECT_EQ(budget.used_bytes(), 0u);
}

}  // namespace
}  // namespace millrace
