#pragma once

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <mutex>
#include <span>
#include <utility>

namespace millrace {

class SlabPool;

// One block of a pool, uninitialised; the memory goes back when this goes, on any thread.
class Slab {
 public:
  Slab() noexcept = default;
  Slab(Slab&& other) noexcept
      : pool_(std::exchange(other.pool_, nullptr)), data_(other.data_), capacity_(other.capacity_) {}
  Slab& operator=(Slab&& other) noexcept {
    if (this != &other) {
      Reset();
      pool_ = std::exchange(other.pool_, nullptr);
      data_ = other.data_;
      capacity_ = other.capacity_;
    }
    return *this;
  }
  ~Slab() { Reset(); }

  void Reset() noexcept;

  [[nodiscard]] explicit operator bool() const noexcept { return pool_ != nullptr; }
  [[nodiscard]] uint8_t* data() const noexcept { return pool_ != nullptr ? data_ : nullptr; }
  // At least what was asked for.
  [[nodiscard]] size_t capacity() const noexcept { return pool_ != nullptr ? capacity_ : 0; }
  [[nodiscard]] std::span<uint8_t> bytes() const noexcept { return {data(), capacity()}; }

 private:
  friend class SlabPool;
  Slab(SlabPool* pool, uint8_t* data, size_t capacity) noexcept
      : pool_(pool), data_(data), capacity_(capacity) {}

  SlabPool* pool_ = nullptr;  // Null when empty.
  uint8_t* data_ = nullptr;
  size_t capacity_ = 0;
};

static_assert(sizeof(Slab) == 3 * sizeof(void*));

// Blocks of a few sizes for bytes that cross threads: taken by a JavaScript thread, given back by the msquic
// worker that completes the send. Any thread. Outlives its slabs.
//
// Each class has a list of idle blocks under a mutex of its own. Not a lock-free stack: its pop reads the
// link of a block that another thread may have popped meanwhile and freed, which no tag cures, and blocks
// must be freed for an idle process to give memory back. The lock is held for two loads and two stores, and
// the two sides seldom meet: the JavaScript thread takes one slab a flush, not one a frame.
class SlabPool {
 public:
  static constexpr std::array<size_t, 5> kClassBytes{256, 1024, 4096, 16384, 65536};
  static constexpr size_t kDefaultIdleBytes = 1u << 20;

  struct Stats {
    size_t live_bytes;  // In slabs that somebody holds.
    size_t live_slabs;
    size_t idle_bytes;  // Kept for the next Acquire.
    uint64_t acquired;  // Since the start: slabs handed out, ...
    uint64_t recycled;  // ... those of them that were idle blocks.
  };

  // Each class keeps at most that many idle bytes; what is given back beyond is freed.
  explicit SlabPool(size_t idle_bytes_per_class = kDefaultIdleBytes) noexcept;
  SlabPool(const SlabPool&) = delete;
  SlabPool& operator=(const SlabPool&) = delete;
  ~SlabPool();

  // The smallest class that holds `bytes`, above the largest an allocation of just that size. Empty when
  // there is no memory.
  [[nodiscard]] Slab Acquire(size_t bytes) noexcept;

  // Frees the idle blocks.
  void Trim() noexcept;

  // Exact when no other thread is in the pool.
  [[nodiscard]] Stats stats() noexcept;

 private:
  friend class Slab;

  struct IdleBlock {
    IdleBlock* next;
  };

  // On cache lines of its own.
  struct alignas(64) Class {
    std::mutex mutex;
    IdleBlock* idle = nullptr;
    size_t idle_blocks = 0;
    size_t live_blocks = 0;
    uint64_t acquired = 0;
    uint64_t recycled = 0;
  };

  [[nodiscard]] Slab AcquireExact(size_t bytes) noexcept;
  void GiveBack(uint8_t* data, size_t capacity) noexcept;

  const size_t idle_bytes_per_class_;
  std::array<Class, kClassBytes.size()> classes_;
  std::atomic<size_t> exact_live_bytes_{0};
  std::atomic<size_t> exact_live_slabs_{0};
  std::atomic<uint64_t> exact_acquired_{0};
};

inline void Slab::Reset() noexcept {
  if (pool_ != nullptr) std::exchange(pool_, nullptr)->GiveBack(data_, capacity_);
}

}  // namespace millrace
