#pragma once

#include <atomic>
#include <cstdint>

namespace millrace {

// How many received bytes a reader may leave unconsumed in the ring and in JavaScript's queue, so that one
// paused reader does not hold the ring that others need.
//
// The engine charges before it delivers; JavaScript returns in steps of at most a quarter of the limit, so
// what it may still owe after consuming everything is below the half at which Return asks for a resume.
class ReceiveCredit {
 public:
  explicit ReceiveCredit(uint32_t limit_bytes) noexcept : limit_(limit_bytes) {}

  // seq_cst throughout: a reader marks itself paused, then re-reads Exhausted; a returner subtracts, then
  // looks for the mark. One of them sees the other.
  [[nodiscard]] bool Exhausted() const noexcept { return outstanding_.load() >= limit_; }
  // For what may be lost: the other half is left to what may not.
  [[nodiscard]] bool HalfExhausted() const noexcept { return outstanding_.load() >= limit_ / 2; }
  [[nodiscard]] uint32_t Left() const noexcept {
    const uint32_t outstanding = outstanding_.load();
    return outstanding >= limit_ ? 0 : limit_ - outstanding;
  }
  void Charge(uint32_t bytes) noexcept { outstanding_.fetch_add(bytes); }

  // True when a paused reader should go on. More than was charged is a caller's fault and counts as all of
  // it.
  [[nodiscard]] bool Return(uint32_t bytes) noexcept {
    uint32_t before = outstanding_.load();
    uint32_t after = 0;
    do {
      after = before > bytes ? before - bytes : 0;
    } while (!outstanding_.compare_exchange_weak(before, after));
    return after < limit_ / 2;
  }

 private:
  std::atomic<uint32_t> outstanding_{0};
  const uint32_t limit_;
};

}  // namespace millrace
