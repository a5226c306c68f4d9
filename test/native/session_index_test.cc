#include "native/session/session_index.h"

#include <gtest/gtest.h>

#include <atomic>
#include <cstdint>
#include <map>
#include <random>
#include <thread>
#include <vector>

namespace millrace {
namespace {

SessionKey KeyOf(uint64_t number, uint32_t kind = 1) {
  return {.low = number, .high = number * 7, .kind = kind};
}
bool Always(uint64_t /*handle*/) {
  return true;
}

TEST(SessionIndex, IsWhatAMapIs) {
  SessionIndex index(1);
  std::map<uint64_t, uint64_t> model;
  std::mt19937 random(2);
  for (uint32_t step = 1; step < 200'000; ++step) {
    const uint64_t number = random() % 5'000;
    const auto known = model.find(number);
    const uint64_t handle = known == model.end() ? 0 : known->second;
    ASSERT_EQ(index.Find(KeyOf(number)), handle);
    ASSERT_FALSE(index.Erase(KeyOf(number), step)) << "the id does not name this handle";
    if (random() % 2 == 0) {
      index.Assign(KeyOf(number), step, Always);
      model[number] = step;
    } else if (handle != 0) {
      ASSERT_TRUE(index.Erase(KeyOf(number), handle));
      model.erase(known);
    }
    ASSERT_EQ(index.Find(KeyOf(number, 2)), 0u) << "an id of another kind";
  }
  EXPECT_EQ(index.size(), model.size());
}

TEST(SessionIndex, UsesTheRoomOfStaleEntriesAgain) {
  SessionIndex index(1);
  for (uint64_t number = 1; number <= 1'000'000; ++number) {
    index.Assign(KeyOf(number), number, [&](uint64_t handle) { return handle + 1'000 > number; });
    ASSERT_EQ(index.Find(KeyOf(number)), number);
  }
  EXPECT_LT(index.size(), 10'000u);
}

// Each thread has its ids, and everybody looks for those of all: what is found is what was assigned last, and
// handles only grow, so that nobody ever finds an earlier one after a later one.
TEST(SessionIndexThreads, FindWhatWasAssignedLastAndNothingElse) {
  constexpr uint32_t kThreads = 4;
  constexpr uint64_t kIds = 512;
#if defined(__SANITIZE_THREAD__) || defined(__SANITIZE_ADDRESS__)
  constexpr uint64_t kRounds = 20'000;
#else
  constexpr uint64_t kRounds = 300'000;
#endif
  SessionIndex index(3);
  std::atomic<uint32_t> failures{0};
  const auto work = [&](uint64_t self) {
    std::mt19937 random(static_cast<uint32_t>(self));
    std::vector<uint64_t> own(kIds);
    std::vector<uint64_t> seen(kThreads * kIds);
    const auto check = [&](bool holds) { failures += holds ? 0 : 1; };
    for (uint64_t round = 1; round <= kRounds; ++round) {
      const uint64_t id = random() % kIds;
      const SessionKey key = KeyOf(self * kIds + id);
      check(index.Find(key) == own[id]);
      if (own[id] == 0 || random() % 2 == 0) {
        // The handle says whose it is and which id it is for.
        own[id] = (round << 16) | (self * kIds + id);
        index.Assign(key, own[id], Always);
      } else {
        check(index.Erase(key, own[id]));
        own[id] = 0;
      }
      const uint64_t any = random() % (kThreads * kIds);
      const uint64_t found = index.Find(KeyOf(any));
      if (found == 0) continue;
      check((found & 0xffff) == any);
      check(found >= seen[any]);
      seen[any] = found;
    }
    for (uint64_t id = 0; id < kIds; ++id) {
      if (own[id] != 0) check(index.Erase(KeyOf(self * kIds + id), own[id]));
    }
  };
  std::vector<std::thread> threads;
  for (uint64_t self = 1; self < kThreads; ++self) threads.emplace_back(work, self);
  work(0);
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(failures.load(), 0u);
  EXPECT_EQ(index.size(), 0u);
}

}  // namespace
}  // namespace millrace
