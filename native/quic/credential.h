#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace millrace {

// A certificate, its chain and its key in the one in-memory form that msquic takes. The key touches no disk;
// the password is random and lives as long as this.
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

}  // namespace millrace
