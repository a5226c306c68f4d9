#include "native/quic/environment.h"

#include <gtest/gtest.h>

#include <array>
#include <atomic>
#include <cstdint>
#include <memory>
#include <thread>
#include <utility>
#include <vector>

#include "test/native/quic/kit.h"

namespace millrace {
namespace {

class EnvironmentTest : public testing::Test {
 protected:
  // Slot 0 names nothing.
  static constexpr uint32_t kSlots = 8;

  EnvironmentTest() {
    environment_ =
        MakeRef<Environment>(std::vector<std::span<uint8_t>>{memory_.ring.bytes()},
                             memory_.slot_words.words(), std::make_unique<kit::SignalWaker>(signal_));
  }

  Ref<kit::Probe> MakeProbe() { return MakeRef<kit::Probe>(environment_->NextPort(), record_); }
  // Null when the environment is full.
  Ref<kit::Probe> Insert() {
    Ref<kit::Probe> probe = MakeProbe();
    return environment_->Insert(probe.get()) ? probe : Ref<kit::Probe>();
  }
  Resource* Find(const Ref<kit::Probe>& probe) {
    return environment_->Find(probe->slot(), probe->generation());
  }

  kit::PortMemory memory_{kRingMinCapacity, kSlots};
  std::shared_ptr<kit::Signal> signal_ = std::make_shared<kit::Signal>();
  kit::Record record_;
  Ref<Environment> environment_;
};

TEST_F(EnvironmentTest, FindsAResourceByItsSlotAndGeneration) {
  const Ref<kit::Probe> one = Insert();
  const Ref<kit::Probe> other = Insert();
  EXPECT_NE(one->slot(), other->slot());
  EXPECT_EQ(Find(one), one.get());
  EXPECT_EQ(Find(other), other.get());
  environment_->Close();
}

TEST_F(EnvironmentTest, FindsNothingByAHandleThatNamesNothing) {
  const Ref<kit::Probe> probe = Insert();
  EXPECT_EQ(environment_->Find(probe->slot(), probe->generation() + 1), nullptr);
  EXPECT_EQ(environment_->Find(probe->slot(), 0), nullptr);
  EXPECT_EQ(environment_->Find(probe->slot() + 1, 1), nullptr);
  for (const uint32_t slot : {0u, kSlots, UINT32_MAX}) EXPECT_EQ(environment_->Find(slot, 1), nullptr);
  environment_->Close();
}

TEST_F(EnvironmentTest, RefusesMoreThanItHasSlots) {
  for (uint32_t i = 1; i < kSlots; ++i) ASSERT_TRUE(Insert()) << i;
  EXPECT_FALSE(Insert());
  EXPECT_EQ(record_.destroyed, 1);
  environment_->Close();
  EXPECT_EQ(record_.destroyed, static_cast<int>(kSlots));
}

TEST_F(EnvironmentTest, DropsItsLeaseOnRemoval) {
  Ref<kit::Probe> probe = Insert();
  kit::Probe* const raw = probe.get();
  probe = {};
  EXPECT_EQ(record_.destroyed, 0);
  environment_->Remove(raw);
  EXPECT_EQ(record_.destroyed, 1);
}

TEST_F(EnvironmentTest, TellsAReusedSlotByItsGeneration) {
  for (uint32_t i = 1; i < kSlots; ++i) ASSERT_TRUE(Insert());
  for (uint32_t generation = 1; generation < 100; ++generation) {
    Resource* const old = environment_->Find(3, generation);
    ASSERT_NE(old, nullptr);
    environment_->Remove(old);
    ASSERT_EQ(environment_->Find(3, generation), nullptr);
    const Ref<kit::Probe> next = Insert();
    ASSERT_EQ(next->slot(), 3u);
    ASSERT_EQ(environment_->Find(3, generation), nullptr);
    ASSERT_EQ(environment_->Find(3, generation + 1), next.get());
  }
  environment_->Close();
}

TEST_F(EnvironmentTest, LetsASlotRestAsLongAsPossible) {
  std::vector<Ref<kit::Probe>> probes;
  for (uint32_t i = 1; i < kSlots; ++i) probes.push_back(Insert());
  const std::array<uint32_t, 3> freed{5, 2, 7};
  for (const uint32_t slot : freed) environment_->Remove(probes[slot - 1].get());
  for (const uint32_t slot : freed) EXPECT_EQ(Insert()->slot(), slot);
  environment_->Close();
}

TEST_F(EnvironmentTest, BeginsASlotsNextLifeWithItsWordsAtZero) {
  for (uint32_t i = 1; i < kSlots; ++i) ASSERT_TRUE(Insert());
  const std::span<int32_t> words = memory_.slot_words.words().subspan(4 * kSlotWords, kSlotWords);
  environment_->Find(4, 1)->port().Complete(*environment_->Find(4, 1), 99, false);
  words[kSlotWantsDrain] = 1;
  environment_->Find(4, 1)->port().StoreRoundTrip(*environment_->Find(4, 1), 7);
  environment_->Find(4, 1)->port().CountDroppedDatagram(*environment_->Find(4, 1));
  EXPECT_EQ(std::vector<int32_t>(words.begin(), words.end()), (std::vector<int32_t>{99, 1, 7, 1}));
  environment_->Remove(environment_->Find(4, 1));
  ASSERT_EQ(Insert()->slot(), 4u);
  EXPECT_EQ(std::vector<int32_t>(words.begin(), words.end()), (std::vector<int32_t>{0, 0, 0, 0}));
  environment_->Close();
}

TEST_F(EnvironmentTest, EndsEveryResourceOnceWhenItCloses) {
  for (uint32_t i = 0; i < 5; ++i) ASSERT_TRUE(Insert());
  environment_->Remove(environment_->Find(2, 1));
  EXPECT_FALSE(environment_->closed());
  environment_->Close();
  EXPECT_TRUE(environment_->closed());
  EXPECT_EQ(record_.abandoned, 4);
  EXPECT_EQ(record_.destroyed, 5);
  EXPECT_EQ(environment_->Find(1, 1), nullptr);
  EXPECT_FALSE(Insert());
}

TEST_F(EnvironmentTest, EndsEveryResourceThatComesWhileItCloses) {
  constexpr int kRounds = 200;
  for (int round = 0; round < kRounds; ++round) {
    kit::PortMemory memory(kRingMinCapacity, 4096);
    const auto environment =
        MakeRef<Environment>(std::vector<std::span<uint8_t>>{memory.ring.bytes()}, memory.slot_words.words(),
                             std::make_unique<kit::SignalWaker>(signal_));
    kit::Record record;
    std::atomic<int> inserted{0};
    std::atomic<int> refused{0};
    std::vector<std::thread> workers;
    for (int i = 0; i < 2; ++i) {
      workers.emplace_back([&] {
        for (;;) {
          const auto probe = MakeRef<kit::Probe>(environment->NextPort(), record);
          if (!environment->Insert(probe.get())) break;
          inserted += 1;
        }
        refused += 1;
      });
    }
    while (inserted < 16) std::this_thread::yield();
    environment->Close();
    memory.TakeAway();
    for (std::thread& worker : workers) worker.join();
    ASSERT_EQ(refused, 2);
    ASSERT_EQ(record.abandoned, inserted);
    ASSERT_EQ(record.destroyed, inserted + refused);
  }
}

TEST_F(EnvironmentTest, HandsItsPortsOutInTurn) {
  kit::PortMemory second;
  const auto environment =
      MakeRef<Environment>(std::vector<std::span<uint8_t>>{memory_.ring.bytes(), second.ring.bytes()},
                           memory_.slot_words.words(), std::make_unique<kit::SignalWaker>(signal_));
  ASSERT_TRUE(environment->valid());
  const Ref<EventPort> a = environment->NextPort();
  const Ref<EventPort> b = environment->NextPort();
  EXPECT_NE(a.get(), b.get());
  EXPECT_EQ(environment->NextPort().get(), a.get());
  environment->Close();
}

TEST_F(EnvironmentTest, IsOnlyValidWithWellFormedRings) {
  EXPECT_TRUE(environment_->valid());
  kit::Pages unformatted(kRingHeaderBytes + kRingMinCapacity);
  const auto make = [this](const std::vector<std::span<uint8_t>>& rings) {
    return MakeRef<Environment>(rings, memory_.slot_words.words(),
                                std::make_unique<kit::SignalWaker>(signal_));
  };
  EXPECT_FALSE(make({})->valid());
  EXPECT_FALSE(make({unformatted.bytes()})->valid());
  EXPECT_FALSE(make({memory_.ring.bytes(), unformatted.bytes()})->valid());
  environment_->Close();
}

}  // namespace
}  // namespace millrace
