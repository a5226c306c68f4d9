#include "native/quic/churn_budget.h"

#include <gtest/gtest.h>

#include <chrono>
#include <cstdint>

namespace millrace {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

uint32_t TakeAll(ChurnBudget& budget, uint32_t per_second, ChurnBudget::Clock::time_point now) {
  uint32_t taken = 0;
  while (budget.Take(per_second, now)) ++taken;
  return taken;
}

TEST(ChurnBudget, LetsTenSecondsWorthPassAtOnce) {
  const ChurnBudget::Clock::time_point start{seconds(100)};
  for (const uint32_t per_second : {1u, 20u, 1000u}) {
    ChurnBudget budget;
    EXPECT_EQ(TakeAll(budget, per_second, start), 10 * per_second);
  }
}

TEST(ChurnBudget, EarnsItsRateAndNeverMoreThanTenSeconds) {
  const ChurnBudget::Clock::time_point start{seconds(100)};
  ChurnBudget budget;
  EXPECT_EQ(TakeAll(budget, 20, start), 200u);
  EXPECT_EQ(TakeAll(budget, 20, start), 0u);
  EXPECT_EQ(TakeAll(budget, 20, start + milliseconds(49)), 0u);
  EXPECT_EQ(TakeAll(budget, 20, start + milliseconds(50)), 1u);
  EXPECT_EQ(TakeAll(budget, 20, start + seconds(1)), 19u);
  EXPECT_EQ(TakeAll(budget, 20, start + std::chrono::hours(1)), 200u);
}

TEST(ChurnBudget, OfZeroIsNoLimit) {
  ChurnBudget budget;
  for (int i = 0; i < 100'000; ++i) ASSERT_TRUE(budget.Take(0, ChurnBudget::Clock::time_point{}));
}

}  // namespace
}  // namespace millrace
