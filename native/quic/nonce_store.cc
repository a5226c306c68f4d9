#include "native/quic/nonce_store.h"

#include <algorithm>

namespace millrace {
namespace {

uint64_t BitOf(uint64_t nonce) noexcept {
  return uint64_t{1} << (nonce % 64);
}

}  // namespace

NonceStore::NonceStore(uint32_t capacity) : words_((std::max<size_t>(capacity, 64) + 63) / 64) {}

uint64_t& NonceStore::WordOf(uint64_t nonce) noexcept {
  return words_[nonce / 64 % words_.size()];
}

uint64_t NonceStore::Issue() noexcept {
  const std::lock_guard lock(mutex_);
  const uint64_t nonce = next_++;
  WordOf(nonce) |= BitOf(nonce);  // whoever had the bit before has left the window
  return nonce;
}

bool NonceStore::Take(uint64_t nonce) noexcept {
  const std::lock_guard lock(mutex_);
  if (nonce >= next_ || next_ - nonce > capacity()) return false;
  uint64_t& word = WordOf(nonce);
  if ((word & BitOf(nonce)) == 0) return false;
  word &= ~BitOf(nonce);
  return true;
}

}  // namespace millrace
