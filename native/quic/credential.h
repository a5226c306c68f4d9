#pragma once

#include <msquic.h>

#include <cstdint>
#include <string>

namespace millrace {

enum class ClientCertificate : uint8_t { kNone = 0, kRequest = 1, kRequire = 2 };

// Who we are and whom we trust: what TLS is told, apart from QUIC's settings. src/transport/credential.ts has
// read and checked it.
struct CredentialOptions {
  bool server = false;
  std::string certificate_pem;  // with its chain; empty: a client without one
  std::string private_key_pem;
  std::string ca_pem;                                               // what a peer's certificate must lead to
  bool any_peer = false;                                            // takes any certificate of a peer instead
  ClientCertificate client_certificate = ClientCertificate::kNone;  // server
  uint32_t cipher_suites = 0;  // QUIC_ALLOWED_CIPHER_SUITE_FLAGS, 0 = all
  std::string key_log_file;    // empty: none

  // True when a peer's certificate is looked at.
  [[nodiscard]] bool ExpectsCertificate() const noexcept {
    return !server || client_certificate != ClientCertificate::kNone;
  }
};

// Gives a configuration its credential. msquic does not judge peers' certificates, CertificateVerifier does.
// Blocking; control thread.
[[nodiscard]] QUIC_STATUS LoadCredential(HQUIC configuration, const CredentialOptions& options) noexcept;

}  // namespace millrace
