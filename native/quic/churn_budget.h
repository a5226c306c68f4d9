#pragma once

#include <algorithm>
#include <chrono>
#include <cstdint>

namespace millrace {

// How many streams a peer may abort: so many a second on average, and ten seconds' worth at once. A stream
// that is opened and aborted costs the peer a few bytes and us a round through JavaScript. Called by one
// thread at a time.
class ChurnBudget {
 public:
  using Clock = std::chrono::steady_clock;
  static constexpr std::chrono::seconds kBurst{10};

  // Whether one more is within the budget; 0 a second is no limit.
  [[nodiscard]] bool Take(uint32_t per_second, Clock::time_point now) noexcept {
    if (per_second == 0) return true;
    const Clock::time_point paid_until =
        std::max(paid_until_, now) + Clock::duration(std::chrono::seconds(1)) / per_second;
    if (paid_until - now > kBurst) return false;
    paid_until_ = paid_until;
    return true;
  }

 private:
  Clock::time_point paid_until_{};  // each takes its part of a second; the future is the debt
};

}  // namespace millrace
