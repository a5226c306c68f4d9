#pragma once

#include <cstdint>
#include <mutex>
#include <vector>

namespace millrace {

// Numbers of which each can be taken once: how a replayed first flight is told from the first one. One bit a
// number, in a window over the last `capacity` that were issued. An older one, and one that was never issued,
// cannot be taken, so memory is bounded and a flood of new tickets costs the oldest their early data, never
// safety. Any thread.
class NonceStore {
 public:
  // At least 64; rounded up to a multiple of that.
  explicit NonceStore(uint32_t capacity);

  [[nodiscard]] uint64_t Issue() noexcept;
  // True for one caller only.
  [[nodiscard]] bool Take(uint64_t nonce) noexcept;

  [[nodiscard]] uint64_t capacity() const noexcept { return words_.size() * 64; }

 private:
  [[nodiscard]] uint64_t& WordOf(uint64_t nonce) noexcept;

  std::mutex mutex_;
  uint64_t next_ = 0;
  std::vector<uint64_t> words_;  // bit = issued and not taken; a nonce's is at nonce % capacity
};

}  // namespace millrace
