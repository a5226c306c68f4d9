#pragma once

#include <algorithm>
#include <cassert>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <limits>
#include <memory>
#include <span>
#include <utility>

namespace millrace {

// Bytes on the heap, owned, growing. Unlike std::vector it does not zero what is about to be written, grows
// by realloc (large blocks move by remapping) and answers false instead of throwing. One thread at a time.
class Buffer {
 public:
  Buffer() noexcept = default;
  Buffer(Buffer&& other) noexcept
      : bytes_(std::move(other.bytes_)),
        size_(std::exchange(other.size_, 0)),
        capacity_(std::exchange(other.capacity_, 0)) {}
  Buffer& operator=(Buffer&& other) noexcept {
    bytes_ = std::move(other.bytes_);
    size_ = std::exchange(other.size_, 0);
    capacity_ = std::exchange(other.capacity_, 0);
    return *this;
  }

  // Room for that many bytes altogether, exactly. On false nothing has changed.
  [[nodiscard]] bool Reserve(size_t capacity) noexcept {
    if (capacity <= capacity_) return true;
    void* grown = std::realloc(bytes_.get(), capacity);
    if (grown == nullptr) return false;
    static_cast<void>(bytes_.release());  // realloc took it.
    bytes_.reset(static_cast<uint8_t*>(grown));
    capacity_ = capacity;
    return true;
  }

  // Adds bytes that the caller is to write, growing by doubling. The pointer is to the first of them, or
  // null when there is no memory (then nothing has changed).
  [[nodiscard]] uint8_t* Extend(size_t bytes) noexcept {
    if (bytes > std::numeric_limits<size_t>::max() / 2 - size_) return nullptr;
    const size_t needed = size_ + bytes;
    if (needed > capacity_ && !Reserve(std::max({needed, capacity_ * 2, kMinCapacity}))) return nullptr;
    uint8_t* const added = bytes_.get() + size_;
    size_ = needed;
    return added;
  }

  // Must not point into this buffer.
  [[nodiscard]] bool Append(std::span<const uint8_t> bytes) noexcept {
    if (bytes.empty()) return true;
    uint8_t* const to = Extend(bytes.size());
    if (to == nullptr) return false;
    std::memcpy(to, bytes.data(), bytes.size());
    return true;
  }

  // Keeps the first `size` bytes and the memory.
  void Truncate(size_t size) noexcept {
    assert(size <= size_);
    size_ = size;
  }

  // Gives the memory back.
  void Reset() noexcept { *this = Buffer(); }

  [[nodiscard]] uint8_t* data() noexcept { return bytes_.get(); }
  [[nodiscard]] const uint8_t* data() const noexcept { return bytes_.get(); }
  [[nodiscard]] size_t size() const noexcept { return size_; }
  [[nodiscard]] bool empty() const noexcept { return size_ == 0; }
  [[nodiscard]] size_t capacity() const noexcept { return capacity_; }
  [[nodiscard]] std::span<uint8_t> bytes() noexcept { return {bytes_.get(), size_}; }
  [[nodiscard]] std::span<const uint8_t> bytes() const noexcept { return {bytes_.get(), size_}; }

 private:
  static constexpr size_t kMinCapacity = 64;

  struct Free {
    void operator()(uint8_t* bytes) const noexcept { std::free(bytes); }
  };

  std::unique_ptr<uint8_t[], Free> bytes_;
  size_t size_ = 0;
  size_t capacity_ = 0;
};

}  // namespace millrace
