#include "native/quic/peer_certificate.h"

#include <cstring>
#include <utility>

namespace millrace {
namespace {

// The peer says how large its chain is; OpenSSL itself stops it at 100 KB.
constexpr size_t kMaxEncodedBytes = 128u << 10;

bool Append(X509* certificate, std::vector<uint8_t>* to) noexcept {
  const int bytes = i2d_X509(certificate, nullptr);
  if (bytes <= 0) return false;
  const auto length = static_cast<uint32_t>(bytes);
  const size_t at = to->size();
  if (at + sizeof(length) + length > kMaxEncodedBytes) return false;
  to->resize(at + sizeof(length) + length);
  std::memcpy(to->data() + at, &length, sizeof(length));
  unsigned char* der = to->data() + at + sizeof(length);
  return i2d_X509(certificate, &der) == bytes;
}

}  // namespace

PeerCertificate::PeerCertificate(std::vector<uint8_t> encoded) noexcept : encoded_(std::move(encoded)) {}

Ref<PeerCertificate> PeerCertificate::Of(const STACK_OF(X509) * chain) noexcept {
  std::vector<uint8_t> encoded;
  for (int i = 0; i < sk_X509_num(chain); ++i) {
    if (!Append(sk_X509_value(chain, i), &encoded)) return {};
  }
  return encoded.empty() ? Ref<PeerCertificate>() : MakeRef<PeerCertificate>(std::move(encoded));
}

}  // namespace millrace
