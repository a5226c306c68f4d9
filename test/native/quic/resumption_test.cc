#include "native/quic/resumption.h"

#include <gtest/gtest.h>

#include <atomic>
#include <thread>
#include <vector>

namespace millrace {
namespace {

using namespace std::chrono_literals;

constexpr Resumption::Options kOptions{.early_data = true, .lifetime = 1h, .max_tickets = 256};
const Resumption::Clock::time_point kNow{1'000'000s};

TEST(NonceStore, GivesEachNumberOnceAndNeverOneThatItHasNotIssued) {
  NonceStore store(64);
  const uint64_t first = store.Issue();
  const uint64_t second = store.Issue();
  EXPECT_NE(first, second);
  EXPECT_TRUE(store.Take(second));
  EXPECT_FALSE(store.Take(second));
  EXPECT_TRUE(store.Take(first));
  EXPECT_FALSE(store.Take(first));
  EXPECT_FALSE(store.Take(second + 1));
  EXPECT_FALSE(store.Take(UINT64_MAX));
}

TEST(NonceStore, ForgetsTheOldestAndRefusesIt) {
  NonceStore store(100);
  ASSERT_EQ(store.capacity(), 128u);
  const uint64_t oldest = store.Issue();
  const uint64_t taken = store.Issue();
  ASSERT_TRUE(store.Take(taken));
  for (int i = 0; i < 127; ++i) (void)store.Issue();
  // 129 are out: the first has left the window, and its place is another's.
  EXPECT_FALSE(store.Take(oldest));
  EXPECT_FALSE(store.Take(taken));
  EXPECT_TRUE(store.Take(oldest + 128));
  EXPECT_FALSE(store.Take(oldest + 128));
  EXPECT_TRUE(store.Take(oldest + 2));
}

TEST(NonceStore, GivesEachNumberToOneOfManyThreads) {
  constexpr uint64_t kNonces = 4096;
  NonceStore store(kNonces);
  for (uint64_t i = 0; i < kNonces; ++i) (void)store.Issue();
  std::atomic<uint64_t> taken{0};
  std::vector<std::thread> threads;
  for (int i = 0; i < 4; ++i) {
    threads.emplace_back([&] {
      for (uint64_t nonce = 0; nonce < kNonces; ++nonce) {
        if (store.Take(nonce)) taken.fetch_add(1);
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(taken.load(), kNonces);
}

TEST(Resumption, TakesTheEarlyDataOfATicketOnceAndResumesItEveryTime) {
  Resumption resumption(kOptions);
  const auto ticket = resumption.Issue(kNow);
  const auto first = resumption.Redeem(ticket, kNow + 1min);
  EXPECT_TRUE(first.resume);
  EXPECT_TRUE(first.early_data);
  const auto second = resumption.Redeem(ticket, kNow + 1min);
  EXPECT_TRUE(second.resume);
  EXPECT_FALSE(second.early_data);
}

TEST(Resumption, RefusesTheEarlyDataOfAnotherNodeAndOfItselfBeforeARestart) {
  Resumption before(kOptions);
  Resumption after(kOptions);
  const auto verdict = after.Redeem(before.Issue(kNow), kNow);
  EXPECT_TRUE(verdict.resume);
  EXPECT_FALSE(verdict.early_data);
}

TEST(Resumption, ResumesNothingThatHasExpired) {
  Resumption resumption(kOptions);
  const auto ticket = resumption.Issue(kNow);
  EXPECT_FALSE(resumption.Redeem(ticket, kNow + 1h).resume);
  EXPECT_TRUE(resumption.Redeem(ticket, kNow + 1h - 1ms).early_data);
}

TEST(Resumption, TakesNoEarlyDataWhereItIsOff) {
  Resumption::Options options = kOptions;
  options.early_data = false;
  Resumption resumption(options);
  const auto verdict = resumption.Redeem(resumption.Issue(kNow), kNow);
  EXPECT_TRUE(verdict.resume);
  EXPECT_FALSE(verdict.early_data);
}

TEST(Resumption, RefusesWhatIsNoTicketOfThisVersion) {
  Resumption resumption(kOptions);
  auto ticket = resumption.Issue(kNow);
  EXPECT_FALSE(resumption.Redeem({}, kNow).resume);
  EXPECT_FALSE(resumption.Redeem(std::span(ticket).first(Resumption::kTicketBytes - 1), kNow).resume);
  ticket[0] = 2;
  EXPECT_FALSE(resumption.Redeem(ticket, kNow).resume);
}

}  // namespace
}  // namespace millrace
