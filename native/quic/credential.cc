#include "native/quic/credential.h"

#include "native/quic/library.h"
#include "native/quic/pkcs12.h"

namespace millrace {

QUIC_STATUS LoadCredential(HQUIC configuration, const CredentialOptions& options) noexcept {
  QUIC_CREDENTIAL_CONFIG credential{};
  Pkcs12 bundle;
  QUIC_CERTIFICATE_PKCS12 pkcs12{};
  credential.Type = QUIC_CREDENTIAL_TYPE_NONE;
  if (!options.certificate_pem.empty()) {
    if (!Pkcs12::FromPem(options.certificate_pem, options.private_key_pem, &bundle))
      return QUIC_STATUS_TLS_ERROR;
    pkcs12.Asn1Blob = bundle.der.data();
    pkcs12.Asn1BlobLength = static_cast<uint32_t>(bundle.der.size());
    pkcs12.PrivateKeyPassword = bundle.password.c_str();
    credential.Type = QUIC_CREDENTIAL_TYPE_CERTIFICATE_PKCS12;
    credential.CertificatePkcs12 = &pkcs12;
  }
  if (!options.server) credential.Flags |= QUIC_CREDENTIAL_FLAG_CLIENT;
  if (options.ExpectsCertificate()) {
    // With these two msquic asks us, and only us, in PEER_CERTIFICATE_RECEIVED.
    credential.Flags |=
        QUIC_CREDENTIAL_FLAG_INDICATE_CERTIFICATE_RECEIVED | QUIC_CREDENTIAL_FLAG_NO_CERTIFICATE_VALIDATION;
  }
  if (options.client_certificate != ClientCertificate::kNone) {
    credential.Flags |= QUIC_CREDENTIAL_FLAG_REQUIRE_CLIENT_AUTHENTICATION;
  }
  if (options.cipher_suites != 0) {
    credential.Flags |= QUIC_CREDENTIAL_FLAG_SET_ALLOWED_CIPHER_SUITES;
    credential.AllowedCipherSuites = static_cast<QUIC_ALLOWED_CIPHER_SUITE_FLAGS>(options.cipher_suites);
  }
  return Api().ConfigurationLoadCredential(configuration, &credential);
}

}  // namespace millrace
