#include "native/quic/resumption.h"

#include <openssl/rand.h>

#include <algorithm>
#include <cstring>

namespace millrace {
namespace {

constexpr uint8_t kVersion = 1;
constexpr size_t kEpochOffset = 1;
constexpr size_t kNonceOffset = kEpochOffset + 16;
constexpr size_t kExpiresOffset = kNonceOffset + sizeof(uint64_t);
static_assert(kExpiresOffset + sizeof(uint64_t) == Resumption::kTicketBytes);

uint64_t Milliseconds(Resumption::Clock::time_point time) noexcept {
  const auto since = std::chrono::duration_cast<std::chrono::milliseconds>(time.time_since_epoch());
  return static_cast<uint64_t>(since.count());
}

uint64_t Read(std::span<const uint8_t> ticket, size_t offset) noexcept {
  uint64_t value = 0;
  std::memcpy(&value, ticket.data() + offset, sizeof(value));
  return value;
}

}  // namespace

Resumption::Resumption(const Options& options)
    : options_(options),
      has_epoch_(RAND_bytes(epoch_.data(), static_cast<int>(epoch_.size())) == 1),
      nonces_(options.early_data ? options.max_tickets : 0) {}

Resumption::Ticket Resumption::Issue(Clock::time_point now) noexcept {
  Ticket ticket{};
  ticket[0] = kVersion;
  std::copy(epoch_.begin(), epoch_.end(), ticket.begin() + kEpochOffset);
  const uint64_t nonce = nonces_.Issue();
  std::memcpy(ticket.data() + kNonceOffset, &nonce, sizeof(nonce));
  const uint64_t expires = Milliseconds(now + options_.lifetime);
  std::memcpy(ticket.data() + kExpiresOffset, &expires, sizeof(expires));
  return ticket;
}

Resumption::Verdict Resumption::Redeem(std::span<const uint8_t> ticket, Clock::time_point now) noexcept {
  if (ticket.size() != kTicketBytes || ticket[0] != kVersion) return {};
  if (Milliseconds(now) >= Read(ticket, kExpiresOffset)) return {};
  const bool ours = has_epoch_ && std::equal(epoch_.begin(), epoch_.end(), ticket.begin() + kEpochOffset);
  const bool early_data = options_.early_data && ours && nonces_.Take(Read(ticket, kNonceOffset));
  return {true, early_data};
}

}  // namespace millrace
