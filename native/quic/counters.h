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

// What the whole process has open and has done; any thread counts.
struct ProcessCounters {
  std::atomic<uint64_t> connections{0};   // native objects: somebody still holds a lease
  std::atomic<uint64_t> streams{0};       // the same, of raw connections
  std::atomic<uint64_t> lane_streams{0};  // streams of framed connections' lanes, both directions
  std::atomic<uint64_t> wakes{0};         // of JavaScript threads
  std::atomic<uint64_t> handshakes{0};    // done
  std::atomic<uint64_t> peers_failed{0};  // connections that the engine itself ended, for what the peer did
  std::atomic<uint64_t> sends{0};         // of raw connections' streams and datagrams
  std::atomic<uint64_t> copied_bytes{0};  // into buffers that msquic sends from

  [[nodiscard]] static ProcessCounters& Get() noexcept;
};

// Counts its owner for as long as that lives.
class LiveCount {
 public:
  explicit LiveCount(std::atomic<uint64_t>& count) noexcept : count_(count) {
    count_.fetch_add(1, std::memory_order_relaxed);
  }
  LiveCount(const LiveCount&) = delete;
  LiveCount& operator=(const LiveCount&) = delete;
  ~LiveCount() { count_.fetch_sub(1, std::memory_order_relaxed); }

 private:
  std::atomic<uint64_t>& count_;
};

// One writer, so load and store are enough and cost no lock prefix.
inline void Add(std::atomic<uint64_t>& counter, uint64_t n) noexcept {
  counter.store(counter.load(std::memory_order_relaxed) + n, std::memory_order_relaxed);
}

}  // namespace millrace
