#include "native/quic/receive_credit.h"

#include <gtest/gtest.h>

#include <atomic>
#include <chrono>
#include <cstdint>
#include <thread>

#include "test/native/quic/kit.h"

namespace millrace {
namespace {

TEST(ReceiveCredit, IsExhaustedAtTheLimit) {
  ReceiveCredit credit(100);
  EXPECT_EQ(credit.Left(), 100u);
  credit.Charge(99);
  EXPECT_FALSE(credit.Exhausted());
  EXPECT_EQ(credit.Left(), 1u);
  credit.Charge(1);
  EXPECT_TRUE(credit.Exhausted());
  EXPECT_EQ(credit.Left(), 0u);
}

// A frame is charged whole, however little is left.
TEST(ReceiveCredit, HasNothingLeftBeyondTheLimit) {
  ReceiveCredit credit(100);
  credit.Charge(99);
  credit.Charge(1000);
  EXPECT_EQ(credit.Left(), 0u);
  EXPECT_TRUE(credit.Exhausted());
}

TEST(ReceiveCredit, AsksForAResumeBelowHalfOfTheLimit) {
  ReceiveCredit credit(100);
  credit.Charge(120);
  EXPECT_FALSE(credit.Return(25));
  EXPECT_FALSE(credit.Return(25));
  EXPECT_FALSE(credit.Return(20));
  EXPECT_TRUE(credit.Return(1));
  EXPECT_EQ(credit.Left(), 51u);
}

TEST(ReceiveCredit, TakesMoreThanWasChargedAsAllOfIt) {
  ReceiveCredit credit(100);
  credit.Charge(60);
  EXPECT_TRUE(credit.Return(UINT32_MAX));
  EXPECT_EQ(credit.Left(), 100u);
}

// The reader charges and pauses as InboundLaneStream::Deliver does; the other thread consumes and returns in
// quarters of the limit as JavaScript does. Were either to miss the other, both would wait for ever.
TEST(ReceiveCredit, NeverLeavesAReaderPausedThatHasCredit) {
  constexpr uint32_t kLimit = 64;
  constexpr uint32_t kTotal = 400'000;
  ReceiveCredit credit(kLimit);
  std::atomic<bool> paused{false};
  std::atomic<uint32_t> delivered{0};
  kit::Signal resumed;
  kit::Signal more;

  std::thread reader([&] {
    const auto deadline = std::chrono::steady_clock::now() + kit::kDeadline;
    for (uint32_t sent = 0; sent < kTotal;) {
      if (credit.Exhausted()) {
        paused.store(true);
        if (credit.Exhausted()) {
          if (!resumed.Wait(deadline)) return;
          continue;
        }
        paused.store(false);
      }
      credit.Charge(1);
      delivered.store(++sent);
      if (sent % (kLimit / 4) == 0) more.Raise();
    }
  });

  const auto deadline = std::chrono::steady_clock::now() + kit::kDeadline;
  uint32_t consumed = 0;
  while (consumed < kTotal && more.Wait(deadline)) {
    for (const uint32_t upto = delivered.load(); upto - consumed >= kLimit / 4;) {
      consumed += kLimit / 4;
      if (credit.Return(kLimit / 4) && paused.exchange(false)) resumed.Raise();
    }
  }
  reader.join();
  EXPECT_EQ(consumed, kTotal);
}

}  // namespace
}  // namespace millrace
