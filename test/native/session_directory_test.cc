#include "native/session/session_directory.h"

#include <gtest/gtest.h>

#include <atomic>
#include <cstdint>
#include <span>
#include <thread>
#include <utility>
#include <vector>

namespace millrace {
namespace {

class CountingWaker final : public SessionWaker {
 public:
  void Wake() noexcept override { ++wakes; }
  std::atomic<uint32_t> wakes{0};
};

SessionClaim Join(const Ref<SessionDirectory>& directory) {
  return directory->Join(Ref<SessionWaker>(new CountingWaker));
}

// Detaches at the end, as an environment does.
class SessionDirectoryTest : public testing::Test {
 protected:
  static constexpr uint32_t kSlots = 8;
  ~SessionDirectoryTest() override { directory_->Detach(); }
  const Ref<SessionDirectory> directory_ = SessionDirectory::Create(kSlots, 2);
};

TEST_F(SessionDirectoryTest, GivesThePlaceOfWhoHasLeftToTheNextAtOnceWithAnotherClaim) {
  const SessionClaim first = Join(directory_);
  const SessionClaim second = Join(directory_);
  EXPECT_NE(first & kEnvironmentMask, second & kEnvironmentMask);
  EXPECT_EQ(Join(directory_), 0u) << "there are two places";
  directory_->Leave(first);
  EXPECT_FALSE(directory_->IsAlive(first));
  const SessionClaim third = Join(directory_);
  EXPECT_EQ(third & kEnvironmentMask, first & kEnvironmentMask);
  EXPECT_NE(third, first);
  EXPECT_TRUE(directory_->IsAlive(third));
  EXPECT_FALSE(directory_->IsAlive(first));
  EXPECT_EQ(directory_->Ended(), std::vector{first}) << "its slots are in the table still";
  directory_->Leave(first);  // the next one's place is not its own any more
  EXPECT_TRUE(directory_->IsAlive(third));
  directory_->Bury(first);
  EXPECT_TRUE(directory_->Ended().empty());
}

TEST_F(SessionDirectoryTest, FreesTheSlotsOfWhoLeavesAndNoOthers) {
  const SessionClaim first = Join(directory_);
  const SessionClaim second = Join(directory_);
  ASSERT_EQ(directory_->Bind(0, first & kEnvironmentMask), 1u);
  ASSERT_EQ(directory_->Bind(1, second & kEnvironmentMask), 1u);
  EXPECT_EQ(directory_->Bind(0, second & kEnvironmentMask), 0u) << "somebody has it";
  EXPECT_EQ(directory_->held_count(), 2u);
  directory_->Leave(first);
  EXPECT_EQ(directory_->BoundGeneration(0), 0u);
  EXPECT_EQ(directory_->BoundGeneration(1), 1u);
  EXPECT_EQ(directory_->held_count(), 1u);
  EXPECT_EQ(directory_->Bind(0, second & kEnvironmentMask), 2u) << "the first generation is over";
}

TEST_F(SessionDirectoryTest, GivesAwayWhatIsKeptAndNothingElse) {
  const SessionClaim keeper = Join(directory_);
  const SessionClaim thief = Join(directory_);
  const uint32_t keeper_place = keeper & kEnvironmentMask;
  const uint32_t thief_place = thief & kEnvironmentMask;
  // Enough slots that an environment keeps one.
  const Ref<SessionDirectory> directory = SessionDirectory::Create(kTableMaxEnvironments, 2);
  ASSERT_EQ(Join(directory) & kEnvironmentMask, keeper_place);
  ASSERT_EQ(Join(directory) & kEnvironmentMask, thief_place);
  ASSERT_EQ(directory->Bind(5, keeper_place), 1u);
  const std::span<std::atomic<uint32_t>> own = directory->OwnWords(keeper);
  std::atomic<uint32_t>& kept = own[kOwnHeaderWords];
  kept = 5 + 1;
  EXPECT_EQ(directory->Steal(thief_place), 0u) << "a session lives there";
  kept = 7 + 1;
  EXPECT_EQ(directory->Steal(thief_place), 0u) << "the keeper has not that slot";
  kept = kTableMaxSlots;
  EXPECT_EQ(directory->Steal(thief_place), 0u) << "no such slot";
  own[OwnSlotsOffset(kTableMaxEnvironments) + 5] = 1u << 1;
  kept = 5 + 1;
  EXPECT_EQ(directory->Steal(thief_place), (SessionHandle{2} << kHandleSlotBits) | 5);
  EXPECT_EQ(directory->Steal(thief_place), 0u);
  EXPECT_EQ(directory->BoundGeneration(5), 2u);
  EXPECT_EQ(directory->held_count(), 1u);
  directory->Detach();
}

TEST_F(SessionDirectoryTest, ListsWhoLivesAndCountsEveryChange) {
  uint32_t changes = 0;
  const SessionClaim first = directory_->Join(Ref<SessionWaker>(new CountingWaker), &changes);
  EXPECT_EQ(directory_->Living(), std::vector{first});
  EXPECT_EQ(changes, 0u) << "its own joining is none";
  const SessionClaim second = Join(directory_);
  EXPECT_EQ(changes, 1u);
  EXPECT_EQ(directory_->Living(), (std::vector{first, second}));
  directory_->Leave(second);
  EXPECT_EQ(changes, 2u);
  EXPECT_EQ(directory_->Living(), std::vector{first});
  directory_->Leave(first);
  EXPECT_EQ(changes, 2u) << "who has left is told nothing";
  EXPECT_TRUE(directory_->Living().empty());
}

TEST_F(SessionDirectoryTest, SaysWhomANameDisplacesAndKeepsItWhereAsked) {
  const SessionClaim claim = Join(directory_);
  const uint32_t place = claim & kEnvironmentMask;
  const auto handle_of = [&](uint32_t slot) {
    return (SessionHandle{directory_->Bind(slot, place)} << kHandleSlotBits) | slot;
  };
  const SessionHandle one = handle_of(0);
  const SessionHandle two = handle_of(1);
  const SessionKey key{1, 2, 1};
  EXPECT_EQ(directory_->Assign(key, one), 0u) << "it named nobody";
  EXPECT_EQ(directory_->Assign(key, two, true), one);
  EXPECT_EQ(directory_->Find(key), one);
  EXPECT_EQ(directory_->Assign(key, two), one);
  EXPECT_EQ(directory_->Find(key), two);
  ASSERT_TRUE(directory_->Unbind(1, 1, place));
  EXPECT_EQ(directory_->Assign(key, one, true), 0u) << "who has ended is not displaced";
  EXPECT_EQ(directory_->Find(key), one);
  EXPECT_EQ(directory_->Assign(key, two), 0u) << "nor named";
  EXPECT_EQ(directory_->Find(key), one);
}

TEST_F(SessionDirectoryTest, WakesWhoIsThere) {
  auto* const waker = new CountingWaker;
  const Ref<SessionWaker> lease(waker);
  const SessionClaim claim = directory_->Join(lease);
  EXPECT_TRUE(directory_->Wake(claim & kEnvironmentMask));
  EXPECT_EQ(waker->wakes.load(), 1u);
  directory_->Leave(claim);
  EXPECT_FALSE(directory_->Wake(claim & kEnvironmentMask));
  EXPECT_FALSE(directory_->Wake(77));
  EXPECT_EQ(waker->wakes.load(), 1u);
}

TEST_F(SessionDirectoryTest, GuardsATableInCpp) {
  std::vector<uint64_t> words(TableBytesOf(kSlots) / 8);
  auto* const bytes = reinterpret_cast<uint8_t*>(words.data());
  auto& header = *reinterpret_cast<TableHeader*>(bytes);
  header.magic = kTableMagic;
  header.version = kTableVersion;
  header.slot_count = kSlots;
  header.cell_count = CellCountOf(kSlots);
  auto* const slots = reinterpret_cast<TableSlot*>(bytes + kTableHeaderBytes);
  const FreeRing ring(&header.head, &header.tail, reinterpret_cast<uint32_t*>(slots + kSlots),
                      header.cell_count, kSlots);
  for (uint32_t slot = 0; slot < kSlots; ++slot) {
    slots[slot].state = 1u << kSlotStateBits;
    ASSERT_TRUE(ring.Put(slot));
  }
  SessionTable table = SessionTable::Open(bytes, words.size() * 8, directory_.get()).value();
  const SessionClaim claim = Join(directory_);
  const SessionHandle handle = table.Allocate(claim).value();
  EXPECT_EQ(directory_->OwnerOf(handle), static_cast<int32_t>(claim & kEnvironmentMask));
  EXPECT_TRUE(table.StartClose(handle));
  EXPECT_TRUE(table.FinishClose(handle, claim));
  EXPECT_TRUE(table.Release(handle, claim));
  EXPECT_EQ(directory_->OwnerOf(handle), -1);
  EXPECT_EQ(directory_->held_count(), 0u);
}

// Threads that come and go over two places: each has its own slots and nobody else's.
TEST_F(SessionDirectoryTest, KeepsThreadsThatComeAndGoApart) {
  std::atomic<uint32_t> failures{0};
  std::vector<std::atomic<uint32_t>> generations(kSlots);
  const auto work = [&](uint32_t first_slot) {
    for (uint32_t round = 0; round < 2'000; ++round) {
      const SessionClaim claim = Join(directory_);
      if (claim == 0) {
        ++failures;
        continue;
      }
      for (uint32_t slot = first_slot; slot < kSlots; slot += 2) {
        failures += directory_->Bind(slot, claim & kEnvironmentMask) == ++generations[slot] ? 0 : 1;
      }
      directory_->Leave(claim);
      directory_->Bury(claim);
    }
  };
  std::thread other(work, 0);
  work(1);
  other.join();
  EXPECT_EQ(failures.load(), 0u);
  EXPECT_EQ(directory_->held_count(), 0u);
}

}  // namespace
}  // namespace millrace
