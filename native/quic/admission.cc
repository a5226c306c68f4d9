#include "native/quic/admission.h"

#include <netinet/in.h>

#include <cstring>
#include <utility>

#include "native/memory/random_seed.h"

namespace millrace {

AddressKey::AddressKey(const QUIC_ADDR& address) noexcept {
  const bool is_ipv6 = QuicAddrGetFamily(&address) == QUIC_ADDRESS_FAMILY_INET6;
  const auto* bytes = reinterpret_cast<const uint8_t*>(&address.Ipv6.sin6_addr);
  if (!is_ipv6) {
    std::memcpy(&bits_, &address.Ipv4.sin_addr, 4);
  } else if (IN6_IS_ADDR_V4MAPPED(&address.Ipv6.sin6_addr)) {
    std::memcpy(&bits_, bytes + 12, 4);
  } else if (IN6_IS_ADDR_LINKLOCAL(&address.Ipv6.sin6_addr)) {
    std::memcpy(&bits_, bytes + 8, 8);
    kind_ = Kind::kLinkLocal;
  } else {
    std::memcpy(&bits_, bytes, 8);
    kind_ = Kind::kIpv6Network;
  }
}

// The finalizer of SplitMix64, over the key and a secret.
size_t AddressKey::Hash(uint64_t seed) const noexcept {
  uint64_t x = (bits_ ^ seed) + static_cast<uint64_t>(kind_) * 0x9e3779b97f4a7c15u;
  x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9u;
  x = (x ^ (x >> 27)) * 0x94d049bb133111ebu;
  return static_cast<size_t>(x ^ (x >> 31));
}

Admissions::Admissions(const AdmissionLimits& limits) noexcept
    : limits_(limits), counts_(0, Hash{RandomSeed()}) {}

std::optional<Admissions::Place> Admissions::Admit(const QUIC_ADDR& remote, FailedBy* reached) noexcept {
  const AddressKey key(remote);
  const std::lock_guard lock(mutex_);
  if (connections_ >= limits_.connections) {
    refused_.connections.fetch_add(1, std::memory_order_relaxed);
    *reached = FailedBy::kConnections;
    return std::nullopt;
  }
  const auto found = counts_.find(key);
  const Count now = found == counts_.end() ? Count{} : found->second;
  if (now.connections >= limits_.connections_per_address) {
    refused_.connections_per_address.fetch_add(1, std::memory_order_relaxed);
    *reached = FailedBy::kConnectionsPerAddress;
    return std::nullopt;
  }
  if (now.handshakes >= limits_.handshakes_per_address) {
    refused_.handshakes_per_address.fetch_add(1, std::memory_order_relaxed);
    *reached = FailedBy::kHandshakesPerAddress;
    return std::nullopt;
  }
  Count& count = found == counts_.end() ? counts_[key] : found->second;
  count.connections += 1;
  count.handshakes += 1;
  connections_ += 1;
  return std::optional<Place>(std::in_place, Ref<Admissions>(this), key);
}

void Admissions::FinishHandshake(const AddressKey& key) noexcept {
  const std::lock_guard lock(mutex_);
  counts_.find(key)->second.handshakes -= 1;
}

void Admissions::Leave(const AddressKey& key, bool in_handshake) noexcept {
  const std::lock_guard lock(mutex_);
  const auto found = counts_.find(key);
  if (in_handshake) found->second.handshakes -= 1;
  connections_ -= 1;
  if (--found->second.connections == 0) counts_.erase(found);
}

size_t Admissions::addresses() noexcept {
  const std::lock_guard lock(mutex_);
  return counts_.size();
}

Admissions::Place::Place(Ref<Admissions> admissions, const AddressKey& key) noexcept
    : admissions_(std::move(admissions)), key_(key) {}

Admissions::Place::~Place() {
  if (admissions_) admissions_->Leave(key_, in_handshake_);  // empty where it was moved
}

void Admissions::Place::HandshakeDone() noexcept {
  if (std::exchange(in_handshake_, false)) admissions_->FinishHandshake(key_);
}

}  // namespace millrace
