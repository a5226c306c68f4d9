#include "native/quic/certificate_verifier.h"

#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>

#include <algorithm>
#include <utility>

namespace millrace {
namespace {

constexpr int kMaxDepth = 10;
// OpenSSL's own default: no SHA-1, no RSA key below 2048 bits.
constexpr int kSecurityLevel = 2;

// Adds every certificate of a PEM text. False when one cannot be read, or there is none.
bool AddTrusted(X509_STORE* store, const std::string& pem) noexcept {
  const BioPtr reader = ReaderOf(pem);
  int count = 0;
  while (const X509Ptr certificate{PEM_read_bio_X509(reader.get(), nullptr, nullptr, nullptr)}) {
    if (X509_STORE_add_cert(store, certificate.get()) != 1) break;
    count += 1;
  }
  const auto error = ERR_peek_last_error();
  ERR_clear_error();
  const bool at_end = ERR_GET_LIB(error) == ERR_LIB_PEM && ERR_GET_REASON(error) == PEM_R_NO_START_LINE;
  return count > 0 && at_end;
}

// What OpenSSL found, as the status of our side and the alert for the peer (RFC 8446 section 6.2).
std::pair<QUIC_STATUS, QUIC_TLS_ALERT_CODES> ReasonOf(int error) noexcept {
  switch (error) {
    case X509_V_ERR_CERT_HAS_EXPIRED:
    case X509_V_ERR_CERT_NOT_YET_VALID:
      return {QUIC_STATUS_CERT_EXPIRED, QUIC_TLS_ALERT_CODE_CERTIFICATE_EXPIRED};
    case X509_V_ERR_HOSTNAME_MISMATCH:
    case X509_V_ERR_IP_ADDRESS_MISMATCH:
      return {QUIC_STATUS_BAD_CERTIFICATE, QUIC_TLS_ALERT_CODE_BAD_CERTIFICATE};
    case X509_V_ERR_DEPTH_ZERO_SELF_SIGNED_CERT:
    case X509_V_ERR_SELF_SIGNED_CERT_IN_CHAIN:
    case X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT:
    case X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT_LOCALLY:
    case X509_V_ERR_UNABLE_TO_VERIFY_LEAF_SIGNATURE:
    case X509_V_ERR_CERT_UNTRUSTED:
    case X509_V_ERR_CERT_SIGNATURE_FAILURE:
    case X509_V_ERR_INVALID_CA:
      return {QUIC_STATUS_CERT_UNTRUSTED_ROOT, QUIC_TLS_ALERT_CODE_UNKNOWN_CA};
    default:  // its purpose, its key, its form
      return {QUIC_STATUS_UNSUPPORTED_CERTIFICATE, QUIC_TLS_ALERT_CODE_UNSUPPORTED_CERTIFICATE};
  }
}

bool ExpectName(X509_VERIFY_PARAM* parameters, const std::string& name) noexcept {
  X509_VERIFY_PARAM_set_hostflags(parameters, X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS);
  return X509_VERIFY_PARAM_set1_ip_asc(parameters, name.c_str()) == 1 ||
         (!name.empty() && X509_VERIFY_PARAM_set1_host(parameters, name.c_str(), name.size()) == 1);
}

}  // namespace

CertificateVerifier::CertificateVerifier(const CredentialOptions& options, StorePtr trusted) noexcept
    : peer_is_server_(!options.server),
      any_peer_(options.any_peer),
      required_(!options.server || options.client_certificate == ClientCertificate::kRequire),
      trusted_(std::move(trusted)) {}

Ref<CertificateVerifier> CertificateVerifier::Open(const CredentialOptions& options) noexcept {
  StorePtr trusted(X509_STORE_new());
  if (!trusted) return {};
  if (!options.any_peer && !AddTrusted(trusted.get(), options.ca_pem)) return {};
  return MakeRef<CertificateVerifier>(options, std::move(trusted));
}

CertificateVerifier::Verdict CertificateVerifier::Verify(QUIC_CERTIFICATE* certificate,
                                                         QUIC_CERTIFICATE_CHAIN* sent,
                                                         const std::string& name) noexcept {
  if (certificate == nullptr) {
    if (!required_) return {};
    return {QUIC_STATUS_CERT_NO_CERT, QUIC_TLS_ALERT_CODE_CERTIFICATE_REQUIRED, {}};
  }
  auto* context = reinterpret_cast<X509_STORE_CTX*>(sent);
  Verdict verdict =
      VerifyChain(reinterpret_cast<X509*>(certificate), X509_STORE_CTX_get0_untrusted(context), name);
  // msquic's own use of OpenSSL on this thread reads the queue after us.
  ERR_clear_error();
  return verdict;
}

CertificateVerifier::Verdict CertificateVerifier::VerifyChain(X509* certificate, STACK_OF(X509) * sent,
                                                              const std::string& name) noexcept {
  constexpr QUIC_TLS_ALERT_CODES kInternal = QUIC_TLS_ALERT_CODE_INTERNAL_ERROR;
  if (any_peer_) {
    Ref<PeerCertificate> shared = Share(sent);
    if (!shared) return {QUIC_STATUS_TLS_ERROR, kInternal, {}};
    return {QUIC_STATUS_SUCCESS, QUIC_TLS_ALERT_CODE_SUCCESS, std::move(shared)};
  }
  const StoreContextPtr context(X509_STORE_CTX_new());
  if (!context || X509_STORE_CTX_init(context.get(), trusted_.get(), certificate, sent) != 1 ||
      X509_STORE_CTX_set_default(context.get(), peer_is_server_ ? "ssl_server" : "ssl_client") != 1) {
    return {QUIC_STATUS_OUT_OF_MEMORY, kInternal, {}};
  }
  X509_VERIFY_PARAM* parameters = X509_STORE_CTX_get0_param(context.get());
  X509_VERIFY_PARAM_set_depth(parameters, kMaxDepth);
  X509_VERIFY_PARAM_set_auth_level(parameters, kSecurityLevel);
  if (peer_is_server_ && !ExpectName(parameters, name)) return {QUIC_STATUS_TLS_ERROR, kInternal, {}};
  if (X509_verify_cert(context.get()) != 1) {
    const auto [status, alert] = ReasonOf(X509_STORE_CTX_get_error(context.get()));
    if (status != QUIC_STATUS_BAD_CERTIFICATE) return {status, alert, {}};
    // Who is told of the wrong name wants to know the right one.
    return {status, alert, Share(X509_STORE_CTX_get0_chain(context.get()))};
  }
  Ref<PeerCertificate> shared = Share(X509_STORE_CTX_get0_chain(context.get()));
  if (!shared) return {QUIC_STATUS_TLS_ERROR, kInternal, {}};
  return {QUIC_STATUS_SUCCESS, QUIC_TLS_ALERT_CODE_SUCCESS, std::move(shared)};
}

Ref<PeerCertificate> CertificateVerifier::Share(const STACK_OF(X509) * chain) noexcept {
  Ref<PeerCertificate> certificate = PeerCertificate::Of(chain);
  if (!certificate) return {};
  const std::lock_guard lock(mutex_);
  if (last_ && std::ranges::equal(last_->encoded(), certificate->encoded())) return last_;
  last_ = certificate;
  return certificate;
}

}  // namespace millrace
