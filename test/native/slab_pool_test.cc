#include "native/memory/slab_pool.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <condition_variable>
#include <cstdint>
#include <cstring>
#include <deque>
#include <mutex>
#include <thread>
#include <utility>
#include <vector>

// A sanitizer's allocator is to answer as malloc does, and not to end the program.
#define EXPORTED extern "C" __attribute__((visibility("default")))
EXPORTED const char* __asan_default_options();
EXPORTED const char* __tsan_default_options();
const char* __asan_default_options() {
  return "allocator_may_return_null=1";
}
const char* __tsan_default_options() {
  return "allocator_may_return_null=1";
}
#undef EXPORTED

namespace millrace {
namespace {

TEST(SlabPool, GivesTheSmallestClassThatHoldsTheBytes) {
  SlabPool pool;
  EXPECT_EQ(pool.Acquire(0).capacity(), 256u);
  EXPECT_EQ(pool.Acquire(256).capacity(), 256u);
  EXPECT_EQ(pool.Acquire(257).capacity(), 1024u);
  EXPECT_EQ(pool.Acquire(16384).capacity(), 16384u);
  EXPECT_EQ(pool.Acquire(65536).capacity(), 65536u);
  EXPECT_EQ(pool.Acquire(65537).capacity(), 65537u);
}

TEST(SlabPool, RecyclesABlockThatWasGivenBack) {
  SlabPool pool;
  Slab slab = pool.Acquire(1000);
  const uint8_t* const data = slab.data();
  slab.Reset();
  EXPECT_FALSE(slab);
  EXPECT_EQ(slab.data(), nullptr);
  EXPECT_EQ(pool.Acquire(900).data(), data);
  EXPECT_EQ(pool.stats().recycled, 1u);
  EXPECT_EQ(pool.stats().acquired, 2u);
}

TEST(SlabPool, NeverHandsOutABlockTwice) {
  SlabPool pool;
  for (int round = 0; round < 3; ++round) {
    std::vector<Slab> slabs;
    for (uint32_t i = 0; i < 500; ++i) {
      slabs.push_back(pool.Acquire(64));
      ASSERT_TRUE(slabs.back());
      std::fill_n(reinterpret_cast<uint32_t*>(slabs.back().data()), 64, i);
    }
    for (uint32_t i = 0; i < 500; ++i) {
      const auto* const words = reinterpret_cast<const uint32_t*>(slabs[i].data());
      ASSERT_TRUE(std::all_of(words, words + 64, [i](uint32_t word) { return word == i; }));
    }
    EXPECT_EQ(pool.stats().live_slabs, 500u);
  }
  EXPECT_EQ(pool.stats().recycled, 1000u);
}

TEST(SlabPool, KeepsABoundedNumberOfIdleBytes) {
  SlabPool pool(4 * 4096);
  {
    std::vector<Slab> slabs;
    for (int i = 0; i < 100; ++i) slabs.push_back(pool.Acquire(4096));
    EXPECT_EQ(pool.stats().live_bytes, 100u * 4096);
    EXPECT_EQ(pool.stats().idle_bytes, 0u);
  }
  EXPECT_EQ(pool.stats().live_bytes, 0u);
  EXPECT_EQ(pool.stats().idle_bytes, 4u * 4096);
  pool.Trim();
  EXPECT_EQ(pool.stats().idle_bytes, 0u);
  EXPECT_EQ(pool.Acquire(4096).capacity(), 4096u);
}

TEST(SlabPool, CountsExactAllocationsAndKeepsNone) {
  SlabPool pool;
  Slab slab = pool.Acquire(1 << 20);
  std::memset(slab.data(), 1, slab.capacity());
  EXPECT_EQ(pool.stats().live_bytes, 1u << 20);
  EXPECT_EQ(pool.stats().live_slabs, 1u);
  slab.Reset();
  EXPECT_EQ(pool.stats().live_bytes, 0u);
  EXPECT_EQ(pool.stats().idle_bytes, 0u);
}

TEST(SlabPool, GivesNothingWhenThereIsNoMemory) {
  SlabPool pool;
  EXPECT_FALSE(pool.Acquire(size_t{1} << 62));
  EXPECT_EQ(pool.stats().live_slabs, 0u);
}

TEST(SlabPool, MovesTheBlockWithItsHandle) {
  SlabPool pool;
  Slab first = pool.Acquire(10);
  const uint8_t* const data = first.data();
  Slab second = std::move(first);
  EXPECT_FALSE(first);  // NOLINT(bugprone-use-after-move): the state after a move is what is tested.
  EXPECT_EQ(second.data(), data);
  second = pool.Acquire(5000);
  EXPECT_EQ(pool.stats().live_slabs, 1u);
  EXPECT_EQ(pool.stats().idle_bytes, 256u);
}

// As in the product: one thread takes and fills, another checks and gives back.
TEST(SlabPool, CarriesBytesAcrossThreads) {
  constexpr uint32_t kSlabs = 100000;
  constexpr size_t kInFlight = 200;
  SlabPool pool(64 << 10);
  std::mutex mutex;
  std::condition_variable changed;
  std::deque<std::pair<uint32_t, Slab>> sent;

  uint32_t wrong = 0;
  std::thread completer([&] {
    for (uint32_t expected = 0; expected < kSlabs; ++expected) {
      std::pair<uint32_t, Slab> taken;
      {
        std::unique_lock lock(mutex);
        changed.wait(lock, [&] { return !sent.empty(); });
        taken = std::move(sent.front());
        sent.pop_front();
      }
      changed.notify_all();
      uint32_t value;
      std::memcpy(&value, taken.second.data(), sizeof(value));
      if (taken.first != expected || value != expected) ++wrong;
    }
  });
  for (uint32_t i = 0; i < kSlabs; ++i) {
    Slab slab = pool.Acquire(size_t{1} << (i % 18));
    std::memcpy(slab.data(), &i, sizeof(i));
    std::unique_lock lock(mutex);
    changed.wait(lock, [&] { return sent.size() < kInFlight; });
    sent.emplace_back(i, std::move(slab));
    lock.unlock();
    changed.notify_all();
  }
  completer.join();
  EXPECT_EQ(wrong, 0u);
  EXPECT_EQ(pool.stats().live_slabs, 0u);
  EXPECT_EQ(pool.stats().acquired, kSlabs);
  EXPECT_LE(pool.stats().idle_bytes, SlabPool::kClassBytes.size() * (64u << 10));
}

TEST(SlabPool, StaysWholeWhenThreadsTakeAndGiveBackAtOnce) {
  SlabPool pool(8 * 256);
  const auto churn = [&pool](uint8_t mark) {
    for (int i = 0; i < 30000; ++i) {
      Slab slab = pool.Acquire(256);
      std::memset(slab.data(), mark, slab.capacity());
      Slab other = pool.Acquire(100);
      other.data()[0] = 0;
      ASSERT_EQ(slab.data()[255], mark);
      if (i % 1000 == 0) pool.Trim();
    }
  };
  std::vector<std::thread> threads;
  for (uint8_t mark = 1; mark <= 3; ++mark) threads.emplace_back(churn, mark);
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(pool.stats().live_slabs, 0u);
  EXPECT_EQ(pool.stats().acquired, 3u * 2 * 30000);
}

#if defined(__SANITIZE_ADDRESS__)
TEST(SlabPoolDeathTest, LetsTheSanitizerSeeAUseAfterTheSlabHasGone) {
  SlabPool pool;
  Slab slab = pool.Acquire(256);
  uint8_t* const data = slab.data();
  slab.Reset();
  ASSERT_GT(pool.stats().idle_bytes, 0u);
  EXPECT_DEATH(data[100] = 1, "use-after-poison");
}
#endif

}  // namespace
}  // namespace millrace
