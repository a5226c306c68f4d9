#pragma once

#include <msquic.h>

#include <mutex>
#include <string>

#include "native/memory/ref_counted.h"
#include "native/quic/credential.h"
#include "native/quic/openssl_ptr.h"
#include "native/quic/peer_certificate.h"

namespace millrace {

// Judges the certificates of peers (RFC 5280, RFC 6125) by the CAs that the configuration trusts, in memory.
// msquic can do so itself, but takes CAs from a file only and tells little of what was wrong:
// docs/decisions/tls.md. msquic's workers, several at once.
class CertificateVerifier : public RefCounted<CertificateVerifier> {
 public:
  // Null when there is a CA that is no PEM.
  [[nodiscard]] static Ref<CertificateVerifier> Open(const CredentialOptions& options) noexcept;

  struct Verdict {
    QUIC_STATUS status = QUIC_STATUS_SUCCESS;                  // otherwise what our own side reports
    QUIC_TLS_ALERT_CODES alert = QUIC_TLS_ALERT_CODE_SUCCESS;  // otherwise what the peer is told
    // Null where the peer has none, and where it was refused for more than its name.
    Ref<PeerCertificate> certificate;
  };

  // The arguments are those of PEER_CERTIFICATE_RECEIVED: OpenSSL's X509* and X509_STORE_CTX*, or null.
  // `name` is what a server's certificate must be for, a host name or an address.
  [[nodiscard]] Verdict Verify(QUIC_CERTIFICATE* certificate, QUIC_CERTIFICATE_CHAIN* sent,
                               const std::string& name) noexcept;

  CertificateVerifier(const CredentialOptions& options, StorePtr trusted) noexcept;
  ~CertificateVerifier() = default;

 private:
  [[nodiscard]] Verdict VerifyChain(X509* certificate, STACK_OF(X509) * sent,
                                    const std::string& name) noexcept;
  [[nodiscard]] Ref<PeerCertificate> Share(const STACK_OF(X509) * chain) noexcept;

  const bool peer_is_server_;
  const bool any_peer_;
  const bool required_;
  const StorePtr trusted_;
  std::mutex mutex_;
  Ref<PeerCertificate> last_;  // clients connect to the same few servers again and again
};

}  // namespace millrace
