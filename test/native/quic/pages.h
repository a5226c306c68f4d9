#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

namespace millrace::kit {

// Memory such as a JavaScript thread shares with the engine. What lies behind its end is not accessible, and
// after TakeAway nothing of it is: whoever still reads or writes there ends the program. The addresses are
// not used again.
class Pages {
 public:
  explicit Pages(size_t bytes);
  Pages(const Pages&) = delete;
  Pages& operator=(const Pages&) = delete;
  ~Pages();

  void TakeAway();
  [[nodiscard]] std::span<uint8_t> bytes() const { return bytes_; }
  [[nodiscard]] std::span<int32_t> words() const {
    return {reinterpret_cast<int32_t*>(bytes_.data()), bytes_.size() / sizeof(int32_t)};
  }

 private:
  std::span<uint8_t> mapped_;
  std::span<uint8_t> bytes_;  // zeroed; a multiple of 8, ends where the mapping does
};

}  // namespace millrace::kit
