#include "native/session/session_table.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <atomic>
#include <cstdint>
#include <cstring>
#include <optional>
#include <random>
#include <set>
#include <span>
#include <thread>
#include <vector>

#include "test/native/table_memory.h"

namespace millrace {
namespace {

TEST(SessionTable, TakesASessionThroughItsStatesAndRefusesAnyOtherWay) {
  TableMemory memory(4);
  SessionTable table = memory.Table();
  const SessionClaim claim = memory.Join();
  const SessionClaim other = memory.Join();
  const SessionHandle handle = table.Allocate(claim).value();
  EXPECT_EQ(table.Lookup(handle), SlotState::kOpening);
  EXPECT_FALSE(table.Touch(handle, 1));
  EXPECT_FALSE(table.FinishClose(handle, claim));
  EXPECT_FALSE(table.Release(handle, claim));
  EXPECT_TRUE(table.Open(handle, kIdentity, 1));
  EXPECT_FALSE(table.Open(handle, kIdentity, 1));
  EXPECT_TRUE(table.Touch(handle, 1));
  EXPECT_TRUE(table.StartClose(handle));
  EXPECT_FALSE(table.StartClose(handle));
  EXPECT_FALSE(table.Touch(handle, 1));
  EXPECT_FALSE(table.FinishClose(handle, other)) << "another environment's";
  EXPECT_TRUE(table.FinishClose(handle, claim));
  EXPECT_FALSE(table.Release(handle, other));
  EXPECT_TRUE(table.Release(handle, claim));
  EXPECT_EQ(table.Lookup(handle), std::nullopt);
  EXPECT_FALSE(table.Release(handle, claim));
}

TEST(SessionTable, RefusesWhenFullAndTakesWhatIsReleased) {
  TableMemory memory(3);
  SessionTable table = memory.Table();
  const SessionClaim claim = memory.Join();
  std::vector<SessionHandle> handles;
  while (const std::optional<SessionHandle> handle = table.Allocate(claim)) handles.push_back(*handle);
  ASSERT_EQ(handles.size(), 3u);
  ASSERT_TRUE(Release(table, handles[1], claim));
  const SessionHandle next = table.Allocate(claim).value();
  EXPECT_NE(next, handles[1]);
  EXPECT_EQ(table.Lookup(handles[1]), std::nullopt);
  EXPECT_FALSE(table.Allocate(claim).has_value());
}

TEST(SessionTable, TakesWhatAnEnvironmentOfJavaScriptKeeps) {
  constexpr uint32_t kSlots = 128;
  TableMemory memory(kSlots);
  SessionTable table = memory.Table();
  const SessionClaim keeper = memory.Join();
  const SessionClaim claim = memory.Join();
  const SessionHandle kept = table.Allocate(keeper).value();
  const auto slot = static_cast<uint32_t>(kept & kSlotMask);
  while (table.Allocate(claim).has_value()) continue;
  // As src/session/own_slots.ts leaves it: no cell says that this slot is free.
  const std::span<std::atomic<uint32_t>> own = memory.directory()->OwnWords(keeper);
  own[OwnSlotsOffset(kSlots) + slot] = 1u << 1;
  own[kOwnHeaderWords + 1] = slot + 1;
  EXPECT_EQ(memory.directory()->OwnerOf(kept), -1);
  const SessionHandle handle = table.Allocate(claim).value();
  EXPECT_EQ(handle, (SessionHandle{2} << kHandleSlotBits) | slot);
  EXPECT_EQ(memory.directory()->OwnerOf(handle), static_cast<int32_t>(claim & kEnvironmentMask));
  EXPECT_FALSE(table.Allocate(claim).has_value());
}

TEST(SessionTable, OpensNoMemoryThatIsNotATable) {
  TableMemory memory(4);
  EXPECT_FALSE(SessionTable::Open(nullptr, memory.size(), memory.directory()).has_value());
  EXPECT_FALSE(SessionTable::Open(memory.bytes(), memory.size() - 8, memory.directory()).has_value());
  EXPECT_FALSE(SessionTable::Open(memory.bytes(), 8, memory.directory()).has_value());
  memory.bytes()[8] = 5;
  EXPECT_FALSE(SessionTable::Open(memory.bytes(), memory.size(), memory.directory()).has_value());
}

TEST(SessionTable, NeverLeavesItsMemoryWhenItIsScribbledOver) {
  constexpr uint32_t kSlots = 64;
  std::mt19937 random(1);
  for (uint32_t round = 0; round < 200; ++round) {
    TableMemory memory(kSlots);
    SessionTable table = memory.Table();
    const SessionClaim claim = memory.Join();
    for (uint32_t i = 0; i < 500; ++i) {
      auto* const words = reinterpret_cast<uint32_t*>(memory.bytes());
      words[random() % (memory.size() / 4)] = static_cast<uint32_t>(random()) >> (random() % 32);
      const std::optional<SessionHandle> handle = table.Allocate(claim);
      const SessionHandle any = handle.value_or((uint64_t{random()} << 20) ^ random());
      static_cast<void>(table.Open(any, kIdentity, 1));
      static_cast<void>(table.Touch(any, i));
      static_cast<void>(Release(table, any, claim));
    }
  }
}

#if defined(__SANITIZE_THREAD__) || defined(__SANITIZE_ADDRESS__)
constexpr uint32_t kRounds = 20'000;
#else
constexpr uint32_t kRounds = 200'000;
#endif

// Four threads that allocate, open, touch and release what they hold, few slots for all of them.
TEST(SessionTableThreads, GiveASlotToOneAtATimeAndLoseNone) {
  constexpr uint32_t kSlots = 32;
  constexpr uint32_t kThreads = 4;
  TableMemory memory(kSlots);
  std::vector<std::atomic<uint32_t>> holders(kSlots);
  std::atomic<uint32_t> failures{0};
  const auto work = [&](uint32_t seed) {
    SessionTable table = memory.Table();
    const SessionClaim claim = memory.Join();
    std::mt19937 random(seed);
    std::vector<SessionHandle> held;
    std::vector<SessionHandle> gone;
    const auto check = [&](bool holds) { failures += holds ? 0 : 1; };
    const auto release = [&](size_t index) {
      const SessionHandle handle = held[index];
      held[index] = held.back();
      held.pop_back();
      check(holders[handle % kSlots].exchange(0) == seed);
      check(Release(table, handle, claim));
      gone.push_back(handle);
    };
    for (uint32_t round = 0; round < kRounds; ++round) {
      if (held.size() < kSlots / 3 && random() % 2 == 0) {
        if (const std::optional<SessionHandle> handle = table.Allocate(claim)) {
          check(holders[*handle % kSlots].exchange(seed) == 0);
          check(table.Open(*handle, kIdentity, 1));
          held.push_back(*handle);
        }
      } else if (!held.empty()) {
        const size_t index = random() % held.size();
        check(table.Touch(held[index], round));
        if (random() % 2 == 0) release(index);
      }
      if (!gone.empty()) check(!table.Lookup(gone[random() % gone.size()]).has_value());
      if (gone.size() > 100) gone.clear();
    }
    while (!held.empty()) release(held.size() - 1);
  };
  std::vector<std::thread> threads;
  for (uint32_t thread = 1; thread <= kThreads; ++thread) threads.emplace_back(work, thread);
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(failures.load(), 0u);

  SessionTable table = memory.Table();
  const SessionClaim claim = memory.Join();
  std::set<SessionHandle> left;
  while (const std::optional<SessionHandle> handle = table.Allocate(claim)) left.insert(*handle % kSlots);
  EXPECT_EQ(left.size(), kSlots);
}

}  // namespace
}  // namespace millrace
