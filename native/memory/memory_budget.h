#pragma once

#include <atomic>
#include <cstddef>

namespace millrace {

// A cap on bytes that many objects share, such as the frames that wait for their end over all connections.
// Any thread. Whoever charges releases the same amount.
class MemoryBudget {
 public:
  // What is charged here is charged to `parent` as well, which outlives this.
  explicit MemoryBudget(size_t limit_bytes, MemoryBudget* parent = nullptr) noexcept
      : limit_bytes_(limit_bytes), parent_(parent) {}
  MemoryBudget(const MemoryBudget&) = delete;
  MemoryBudget& operator=(const MemoryBudget&) = delete;

  // All of it or nothing. The count is a number and guards no other memory, so relaxed order is enough;
  // compare-exchange rather than add-and-undo, or a large charge that fails would make small ones fail.
  [[nodiscard]] bool TryCharge(size_t bytes) noexcept {
    size_t used = used_bytes_.load(std::memory_order_relaxed);
    do {
      if (bytes > limit_bytes_ - used) return false;
    } while (!used_bytes_.compare_exchange_weak(used, used + bytes, std::memory_order_relaxed));
    if (parent_ == nullptr || parent_->TryCharge(bytes)) return true;
    used_bytes_.fetch_sub(bytes, std::memory_order_relaxed);
    return false;
  }

  void Release(size_t bytes) noexcept {
    used_bytes_.fetch_sub(bytes, std::memory_order_relaxed);
    if (parent_ != nullptr) parent_->Release(bytes);
  }

  [[nodiscard]] size_t used_bytes() const noexcept { return used_bytes_.load(std::memory_order_relaxed); }
  [[nodiscard]] size_t limit_bytes() const noexcept { return limit_bytes_; }

 private:
  const size_t limit_bytes_;
  MemoryBudget* const parent_;
  std::atomic<size_t> used_bytes_{0};
};

}  // namespace millrace
