#include "test/native/quic/pages.h"

#include <sys/mman.h>
#include <unistd.h>

#include <cstdlib>

namespace millrace::kit {

Pages::Pages(size_t bytes) {
  const auto page = static_cast<size_t>(::sysconf(_SC_PAGESIZE));
  const size_t data = (bytes + page - 1) / page * page;
  void* at = ::mmap(nullptr, data + page, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (at == MAP_FAILED) std::abort();
  mapped_ = {static_cast<uint8_t*>(at), data + page};
  bytes_ = mapped_.subspan(data - (bytes + 7) / 8 * 8, (bytes + 7) / 8 * 8);
  if (::mprotect(mapped_.data() + data, page, PROT_NONE) != 0) std::abort();
}

Pages::~Pages() {
  TakeAway();
}

void Pages::TakeAway() {
  if (::mprotect(mapped_.data(), mapped_.size(), PROT_NONE) != 0) std::abort();
  (void)::madvise(mapped_.data(), mapped_.size(), MADV_DONTNEED);
}

}  // namespace millrace::kit
