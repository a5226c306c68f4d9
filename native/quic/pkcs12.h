#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace millrace {

// A certificate, its chain and its key as PEM text.
struct PemIdentity {
  std::string certificate;
  std::string private_key;

  PemIdentity() = default;
  PemIdentity(const PemIdentity&) = delete;
  PemIdentity& operator=(const PemIdentity&) = delete;
  ~PemIdentity();
};

// The same in the one in-memory form that msquic takes. The key touches no disk; the password is random and
// lives as long as this.
struct Pkcs12 {
  std::vector<uint8_t> der;
  std::string password;

  Pkcs12() = default;
  Pkcs12(const Pkcs12&) = delete;
  Pkcs12& operator=(const Pkcs12&) = delete;
  ~Pkcs12();

  // False when either is not PEM, or they do not belong together.
  [[nodiscard]] static bool FromPem(std::string_view certificate_pem, std::string_view private_key_pem,
                                    Pkcs12* out) noexcept;
};

enum class Pkcs12Status : uint8_t { kOk, kUnreadable, kWrongPassphrase, kUnsupported, kIncomplete };

// Opens a user's PKCS#12 file (RFC 7292). Deriving its keys takes as long as the file asks for. Any thread.
[[nodiscard]] Pkcs12Status ReadPkcs12(std::span<const uint8_t> der, const std::string& passphrase,
                                      PemIdentity* out) noexcept;

}  // namespace millrace
