#include "native/memory/slab_pool.h"

#include <algorithm>
#include <cassert>
#include <cstdlib>
#include <new>

#if defined(__SANITIZE_ADDRESS__)
#include <sanitizer/asan_interface.h>
#else
#define ASAN_POISON_MEMORY_REGION(address, bytes) (static_cast<void>(address), static_cast<void>(bytes))
#define ASAN_UNPOISON_MEMORY_REGION(address, bytes) (static_cast<void>(address), static_cast<void>(bytes))
#endif

namespace millrace {
namespace {

// Past the last class when the bytes fit none.
size_t ClassIndex(size_t bytes) noexcept {
  const auto& sizes = SlabPool::kClassBytes;
  return static_cast<size_t>(std::lower_bound(sizes.begin(), sizes.end(), bytes) - sizes.begin());
}

}  // namespace

SlabPool::SlabPool(size_t idle_bytes_per_class) noexcept : idle_bytes_per_class_(idle_bytes_per_class) {}

SlabPool::~SlabPool() {
  assert(stats().live_slabs == 0);
  Trim();
}

Slab SlabPool::Acquire(size_t bytes) noexcept {
  const size_t index = ClassIndex(bytes);
  if (index == kClassBytes.size()) return AcquireExact(bytes);
  const size_t capacity = kClassBytes[index];
  Class& of = classes_[index];
  {
    const std::lock_guard lock(of.mutex);
    ++of.acquired;
    ++of.live_blocks;
    if (IdleBlock* const block = of.idle; block != nullptr) {
      of.idle = block->next;
      --of.idle_blocks;
      ++of.recycled;
      // An idle block is poisoned but for its link, so that ASan sees a use after the slab has gone.
      ASAN_UNPOISON_MEMORY_REGION(block, capacity);
      return Slab(this, reinterpret_cast<uint8_t*>(block), capacity);
    }
  }
  // The allocator is called outside of the lock: it may take its time.
  if (auto* const data = static_cast<uint8_t*>(std::malloc(capacity))) return Slab(this, data, capacity);
  const std::lock_guard lock(of.mutex);
  --of.acquired;
  --of.live_blocks;
  return {};
}

Slab SlabPool::AcquireExact(size_t bytes) noexcept {
  auto* const data = static_cast<uint8_t*>(std::malloc(bytes));
  if (data == nullptr) return {};
  // Numbers for people, guarding no memory: relaxed.
  exact_live_bytes_.fetch_add(bytes, std::memory_order_relaxed);
  exact_live_slabs_.fetch_add(1, std::memory_order_relaxed);
  exact_acquired_.fetch_add(1, std::memory_order_relaxed);
  return Slab(this, data, bytes);
}

void SlabPool::GiveBack(uint8_t* data, size_t capacity) noexcept {
  const size_t index = ClassIndex(capacity);
  if (index == kClassBytes.size()) {
    exact_live_bytes_.fetch_sub(capacity, std::memory_order_relaxed);
    exact_live_slabs_.fetch_sub(1, std::memory_order_relaxed);
    std::free(data);
    return;
  }
  Class& of = classes_[index];
  {
    const std::lock_guard lock(of.mutex);
    --of.live_blocks;
    if ((of.idle_blocks + 1) * capacity <= idle_bytes_per_class_) {
      of.idle = new (data) IdleBlock{of.idle};
      ++of.idle_blocks;
      ASAN_POISON_MEMORY_REGION(data + sizeof(IdleBlock), capacity - sizeof(IdleBlock));
      return;
    }
  }
  std::free(data);
}

void SlabPool::Trim() noexcept {
  for (size_t index = 0; index < kClassBytes.size(); ++index) {
    Class& of = classes_[index];
    IdleBlock* block;
    {
      const std::lock_guard lock(of.mutex);
      block = std::exchange(of.idle, nullptr);
      of.idle_blocks = 0;
    }
    while (block != nullptr) {
      IdleBlock* const next = block->next;
      ASAN_UNPOISON_MEMORY_REGION(block, kClassBytes[index]);
      std::free(block);
      block = next;
    }
  }
}

SlabPool::Stats SlabPool::stats() noexcept {
  Stats sum{
      .live_bytes = exact_live_bytes_.load(std::memory_order_relaxed),
      .live_slabs = exact_live_slabs_.load(std::memory_order_relaxed),
      .idle_bytes = 0,
      .acquired = exact_acquired_.load(std::memory_order_relaxed),
      .recycled = 0,
  };
  for (size_t index = 0; index < kClassBytes.size(); ++index) {
    Class& of = classes_[index];
    const std::lock_guard lock(of.mutex);
    sum.live_bytes += of.live_blocks * kClassBytes[index];
    sum.live_slabs += of.live_blocks;
    sum.idle_bytes += of.idle_blocks * kClassBytes[index];
    sum.acquired += of.acquired;
    sum.recycled += of.recycled;
  }
  return sum;
}

}  // namespace millrace
