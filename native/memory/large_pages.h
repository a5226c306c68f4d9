#pragma once

#include <cstddef>
#include <cstdint>
#include <new>

#ifdef __linux__
#include <sys/mman.h>
#endif

namespace millrace {

inline constexpr size_t kLargePageBytes = size_t{2} << 20;
inline constexpr size_t kCacheLineBytes = 64;

// Asks for pages of 2 MiB where the kernel gives them: what is read here and there all over 64 MiB spends
// most of its time in finding its pages otherwise. Best before the memory is first touched; without effect
// elsewhere, or on less than such a page.
inline void PreferLargePages(void* memory, size_t bytes) noexcept {
#ifdef __linux__
  constexpr uintptr_t kPageBytes = 4096;
  const size_t before = (0 - reinterpret_cast<uintptr_t>(memory)) & (kPageBytes - 1);  // the first whole page
  if (bytes < before + kPageBytes) return;
  (void)madvise(static_cast<std::byte*>(memory) + before, (bytes - before) & ~(kPageBytes - 1),
                MADV_HUGEPAGE);
#else
  (void)memory;
  (void)bytes;
#endif
}

// For a vector of that size; below it, as std::allocator.
template <typename T>
struct LargePageAllocator {
  using value_type = T;

  LargePageAllocator() noexcept = default;
  template <typename U>
  explicit LargePageAllocator(const LargePageAllocator<U>& /*other*/) noexcept {}

  [[nodiscard]] T* allocate(size_t count) {
    const size_t bytes = count * sizeof(T);
    void* const memory = ::operator new(bytes, AlignmentOf(bytes));
    if (bytes >= kLargePageBytes) PreferLargePages(memory, bytes);
    return static_cast<T*>(memory);
  }
  void deallocate(T* memory, size_t count) noexcept {
    ::operator delete(memory, AlignmentOf(count * sizeof(T)));
  }

  friend bool operator==(const LargePageAllocator&, const LargePageAllocator&) noexcept { return true; }

 private:
  static std::align_val_t AlignmentOf(size_t bytes) noexcept {
    return std::align_val_t{bytes >= kLargePageBytes ? kLargePageBytes : alignof(std::max_align_t)};
  }
};

}  // namespace millrace
