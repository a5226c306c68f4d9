#pragma once

#include <openssl/x509.h>

#include <cstdint>
#include <span>
#include <vector>

#include "native/memory/ref_counted.h"

namespace millrace {

// A peer's certificate and its chain, the peer's first, as JavaScript gets them. Immutable.
class PeerCertificate : public RefCounted<PeerCertificate> {
 public:
  // Null where the chain is empty, or larger than anybody needs.
  [[nodiscard]] static Ref<PeerCertificate> Of(const STACK_OF(X509) * chain) noexcept;

  // For each certificate {u32 bytes, DER}.
  [[nodiscard]] std::span<const uint8_t> encoded() const noexcept { return encoded_; }

  explicit PeerCertificate(std::vector<uint8_t> encoded) noexcept;
  ~PeerCertificate() = default;

 private:
  const std::vector<uint8_t> encoded_;
};

}  // namespace millrace
