#include "native/session/session_numbers.h"

#include <gtest/gtest.h>

#include <atomic>
#include <cstdint>
#include <optional>
#include <random>
#include <set>
#include <thread>
#include <vector>

#include "native/session/session_walk.h"
#include "test/native/table_memory.h"

namespace millrace {
namespace {

constexpr SessionNumber kNumbers[] = {
    SessionNumber::kLastActivity, SessionNumber::kRoundTripUs,     SessionNumber::kQueuedBytes,
    SessionNumber::kSendSequence, SessionNumber::kReceiveSequence, SessionNumber::kAckSequence,
    SessionNumber::kMessages,
};

TEST(SessionNumbers, AreKeptForASessionAndNotForTheNextOne) {
  TableMemory memory(2);
  SessionTable table = memory.Table();
  const SessionTable reader = memory.Table();
  const SessionClaim claim = memory.Join();
  const SessionHandle handle = table.Allocate(claim).value();
  EXPECT_EQ(IdentityOf(reader, handle), std::nullopt) << "not opened yet";
  ASSERT_TRUE(table.Open(handle, kIdentity, 1));
  uint32_t value = UINT32_MAX - 3;
  for (const SessionNumber number : kNumbers) {
    EXPECT_TRUE(SetNumber(table, handle, number, value));
    EXPECT_TRUE(AddNumber(table, handle, number, 1));
    EXPECT_EQ(GetNumber(reader, handle, number), ++value) << "modulo 2^32";
  }
  const std::optional<SessionIdentity> identity = IdentityOf(reader, handle);
  ASSERT_TRUE(identity.has_value());
  EXPECT_EQ(identity->transport, kIdentity.transport);
  EXPECT_EQ(identity->connection, kIdentity.connection);
  EXPECT_EQ(identity->id, kIdentity.id) << "numbers and identity do not overlap";

  ASSERT_TRUE(Release(table, handle, claim));
  for (const SessionNumber number : kNumbers) {
    EXPECT_EQ(GetNumber(reader, handle, number), std::nullopt);
    EXPECT_FALSE(SetNumber(table, handle, number, 1));
    EXPECT_FALSE(AddNumber(table, handle, number, 1));
  }
  EXPECT_FALSE(IdentityOf(reader, handle).has_value());
  while (const std::optional<SessionHandle> next = table.Allocate(claim)) {
    for (const SessionNumber number : kNumbers) EXPECT_EQ(GetNumber(reader, *next, number), 0u);
  }
  for (const SessionHandle wrong :
       {SessionHandle{0}, ~SessionHandle{0}, handle + 2, SessionHandle{1} << 49}) {
    EXPECT_FALSE(SetNumber(table, wrong, SessionNumber::kMessages, 1));
    EXPECT_EQ(GetNumber(table, wrong, SessionNumber::kMessages), std::nullopt);
  }
}

TEST(SessionWalk, VisitsASliceOfTheTableACall) {
  TableMemory memory(8);
  SessionTable table = memory.Table();
  const SessionClaim claim = memory.Join();
  std::vector<SessionHandle> handles;
  while (const std::optional<SessionHandle> handle = table.Allocate(claim)) handles.push_back(*handle);
  ASSERT_TRUE(Release(table, handles[3], claim));
  handles.erase(handles.begin() + 3);
  std::vector<SessionHandle> seen;
  const auto visit = [&](SessionHandle handle) { seen.push_back(handle); };
  EXPECT_EQ(Walk(table, 0, 5, visit), 5u);
  EXPECT_EQ(seen.size(), 4u);
  EXPECT_EQ(Walk(table, 5, UINT32_MAX, visit), 0u);
  EXPECT_EQ(seen, handles);
  EXPECT_EQ(Walk(table, 1'000, 0, visit), 1u) << "a cursor that is none begins anew, and a slot is the least";
}

TEST(SessionWalk, FindsTheIdleAmongItsOwnPastTheEndOfTheClock) {
  TableMemory memory(4);
  SessionTable table = memory.Table();
  const SessionClaim claim = memory.Join();
  const SessionClaim other = memory.Join();
  const uint32_t late = UINT32_MAX - 9;
  const SessionHandle handle = table.Allocate(claim).value();
  const auto slot = static_cast<uint32_t>(handle % kTableMaxSlots);
  EXPECT_EQ(IdleTicksAt(table, slot, claim, late), std::nullopt) << "opening";
  ASSERT_TRUE(table.Open(handle, kIdentity, late));
  EXPECT_EQ(IdleTicksAt(table, slot, claim, 20), 30u);
  EXPECT_EQ(IdleTicksAt(table, slot, claim, late - 1), 0u) << "a clock that lags";
  EXPECT_EQ(IdleTicksAt(table, slot, other, 20), std::nullopt);
  ASSERT_TRUE(table.Touch(handle, 20));
  EXPECT_EQ(IdleTicksAt(table, slot, claim, 20), 0u);
  ASSERT_TRUE(table.StartClose(handle));
  EXPECT_EQ(IdleTicksAt(table, slot, claim, 20), std::nullopt) << "closing";
}

#if defined(__SANITIZE_THREAD__) || defined(__SANITIZE_ADDRESS__)
constexpr uint32_t kWalks = 1'000;
#else
constexpr uint32_t kWalks = 20'000;
#endif

TEST(SessionWalkThreads, SeeEachSessionThatStaysOnceWhileOthersComeAndGo) {
  constexpr uint32_t kSlots = 64;
  TableMemory memory(kSlots);
  SessionTable table = memory.Table();
  const SessionClaim claim = memory.Join();
  std::set<SessionHandle> staying;
  for (uint32_t i = 0; i < kSlots / 4; ++i) {
    const SessionHandle handle = table.Allocate(claim).value();
    ASSERT_TRUE(table.Open(handle, kIdentity, 0));
    staying.insert(handle);
  }
  std::atomic<bool> stop{false};
  std::atomic<uint32_t> failures{0};
  const auto churn = [&](uint32_t seed) {
    SessionTable own = memory.Table();
    const SessionClaim mine = memory.Join();
    std::mt19937 random(seed);
    std::vector<SessionHandle> held;
    while (!stop) {
      if (held.size() < kSlots / 4 && random() % 2 == 0) {
        const std::optional<SessionHandle> handle = own.Allocate(mine);
        if (!handle) continue;
        const bool is_open = own.Open(*handle, kIdentity, 0);
        const bool is_set = SetNumber(own, *handle, SessionNumber::kQueuedBytes, seed);
        failures += is_open && is_set ? 0 : 1;
        held.push_back(*handle);
      } else if (!held.empty()) {
        const SessionHandle handle = held.back();
        held.pop_back();
        const bool is_own = GetNumber(own, handle, SessionNumber::kQueuedBytes) == seed;
        failures += is_own && Release(own, handle, mine) ? 0 : 1;
      }
    }
  };
  std::thread first(churn, 1);
  std::thread second(churn, 2);
  for (uint32_t walk = 0; walk < kWalks; ++walk) {
    std::set<SessionHandle> seen;
    uint32_t stayed = 0;
    uint32_t cursor = 0;
    do {
      cursor = Walk(table, cursor, 7, [&](SessionHandle handle) {
        EXPECT_TRUE(seen.insert(handle).second) << "seen twice";
        stayed += staying.contains(handle) ? 1 : 0;
        const std::optional<uint32_t> queued = GetNumber(table, handle, SessionNumber::kQueuedBytes);
        EXPECT_LE(queued.value_or(0), 2u);
      });
    } while (cursor != 0);
    ASSERT_EQ(stayed, staying.size());
    uint32_t idle = 0;
    for (uint32_t slot = 0; slot < kSlots; ++slot) idle += IdleTicksAt(table, slot, claim, 5) == 5 ? 1 : 0;
    ASSERT_EQ(idle, staying.size()) << "its own, and no other's";
  }
  stop = true;
  first.join();
  second.join();
  EXPECT_EQ(failures.load(), 0u);
}

}  // namespace
}  // namespace millrace
