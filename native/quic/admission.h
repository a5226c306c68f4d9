#pragma once

#include <msquic.h>

#include <array>
#include <atomic>
#include <cstdint>
#include <mutex>
#include <optional>
#include <unordered_map>

#include "native/memory/ref_counted.h"
#include "native/quic/events.h"

namespace millrace {

// How much one listener takes; UINT32_MAX = any number.
struct AdmissionLimits {
  uint32_t connections = UINT32_MAX;
  uint32_t connections_per_address = UINT32_MAX;
  uint32_t handshakes_per_address = UINT32_MAX;
};

// Who a peer is for the limits: an IPv4 address, also one that an IPv6 socket shows as ::ffff:a.b.c.d; of an
// IPv6 address the first 64 bits, because that is the least that a subscriber gets, but the last 64 of a
// link-local one, because all of a link begin with the same.
class AddressKey {
 public:
  explicit AddressKey(const QUIC_ADDR& address) noexcept;
  bool operator==(const AddressKey&) const noexcept = default;
  [[nodiscard]] size_t Hash(uint64_t seed) const noexcept;

 private:
  enum class Kind : uint8_t { kIpv4, kIpv6Network, kLinkLocal };

  uint64_t bits_ = 0;
  Kind kind_ = Kind::kIpv4;
};

// Admits a listener's connections within its limits, and counts what it refuses. Any thread. The table has an
// entry for each address that has a connection now, so it is no larger than the connections are many.
class Admissions : public RefCounted<Admissions> {
 public:
  // A connection's place, given back when it goes. One thread at a time.
  class Place {
   public:
    Place(Ref<Admissions> admissions, const AddressKey& key) noexcept;
    Place(Place&& other) noexcept = default;
    Place& operator=(Place&&) = delete;
    ~Place();
    // From here on it counts as a connection only.
    void HandshakeDone() noexcept;

   private:
    Ref<Admissions> admissions_;
    AddressKey key_;
    bool in_handshake_ = true;
  };

  // What was refused, by the limit that was reached.
  struct Refused {
    std::atomic<uint64_t> connections{0};
    std::atomic<uint64_t> connections_per_address{0};
    std::atomic<uint64_t> handshakes_per_address{0};
  };

  explicit Admissions(const AdmissionLimits& limits) noexcept;
  ~Admissions() = default;

  // Empty when a limit is reached; `reached` says which.
  [[nodiscard]] std::optional<Place> Admit(const QUIC_ADDR& remote, FailedBy* reached) noexcept;
  [[nodiscard]] const Refused& refused() const noexcept { return refused_; }
  // Addresses that have a connection now.
  [[nodiscard]] size_t addresses() noexcept;

 private:
  struct Count {
    uint32_t connections = 0;
    uint32_t handshakes = 0;
  };
  // Peers choose the keys, so they may not know where they fall.
  struct Hash {
    uint64_t seed;
    size_t operator()(const AddressKey& key) const noexcept { return key.Hash(seed); }
  };

  void Leave(const AddressKey& key, bool in_handshake) noexcept;
  void FinishHandshake(const AddressKey& key) noexcept;

  const AdmissionLimits limits_;
  Refused refused_;
  std::mutex mutex_;
  uint32_t connections_ = 0;
  std::unordered_map<AddressKey, Count, Hash> counts_;
};

}  // namespace millrace
