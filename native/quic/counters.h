#pragma once

#include <atomic>
#include <cstdint>
#include <vector>

namespace millrace {

// Names the calling thread; fits a JavaScript number.
[[nodiscard]] uint64_t CurrentThreadId() noexcept;

// Counts of one thread, written by it alone; shows which threads do the work.
struct ThreadCounters {
  uint64_t thread_id = 0;
  std::atomic<uint64_t> verified_frames{0};
  std::atomic<uint64_t> verified_bytes{0};

  // This thread's. Made on first use; lives as long as the process.
  [[nodiscard]] static ThreadCounters& Mine() noexcept;
  [[nodiscard]] static std::vector<const ThreadCounters*> All() noexcept;
};

// One writer, so load and store are enough and cost no lock prefix.
inline void Add(std::atomic<uint64_t>& counter, uint64_t n) noexcept {
  counter.store(counter.load(std::memory_order_relaxed) + n, std::memory_order_relaxed);
}

}  // namespace millrace
