#include "native/quic/configuration.h"

#include "native/quic/credential.h"
#include "native/quic/library.h"

namespace millrace {
namespace {

QUIC_STATUS LoadServerCredential(HQUIC configuration, const Configuration::Options& options) noexcept {
  Pkcs12 bundle;
  if (!Pkcs12::FromPem(options.certificate_pem, options.private_key_pem, &bundle))
    return QUIC_STATUS_TLS_ERROR;
  QUIC_CERTIFICATE_PKCS12 pkcs12{};
  pkcs12.Asn1Blob = bundle.der.data();
  pkcs12.Asn1BlobLength = static_cast<uint32_t>(bundle.der.size());
  pkcs12.PrivateKeyPassword = bundle.password.c_str();
  QUIC_CREDENTIAL_CONFIG credential{};
  credential.Type = QUIC_CREDENTIAL_TYPE_CERTIFICATE_PKCS12;
  credential.CertificatePkcs12 = &pkcs12;
  return Api().ConfigurationLoadCredential(configuration, &credential);
}

QUIC_STATUS LoadClientCredential(HQUIC configuration, const Configuration::Options& options) noexcept {
  QUIC_CREDENTIAL_CONFIG credential{};
  credential.Type = QUIC_CREDENTIAL_TYPE_NONE;
  credential.Flags = QUIC_CREDENTIAL_FLAG_CLIENT;
  if (options.insecure) credential.Flags |= QUIC_CREDENTIAL_FLAG_NO_CERTIFICATE_VALIDATION;
  if (!options.ca_file.empty()) {
    credential.Flags |= QUIC_CREDENTIAL_FLAG_SET_CA_CERTIFICATE_FILE;
    credential.CaCertificateFile = options.ca_file.c_str();
  }
  return Api().ConfigurationLoadCredential(configuration, &credential);
}

}  // namespace

Ref<Configuration> Configuration::Open(const Options& options, QUIC_STATUS* status) noexcept {
  std::vector<QUIC_BUFFER> alpns;
  for (const std::string& alpn : options.alpns) {
    alpns.push_back(
        {static_cast<uint32_t>(alpn.size()), reinterpret_cast<uint8_t*>(const_cast<char*>(alpn.data()))});
  }
  QUIC_SETTINGS settings = ToMsquic(options.settings);
  settings.ServerResumptionLevel = QUIC_SERVER_NO_RESUME;
  settings.IsSet.ServerResumptionLevel = 1;
  HQUIC handle = nullptr;
  *status = Api().ConfigurationOpen(Library::Get().registration(), alpns.data(),
                                    static_cast<uint32_t>(alpns.size()), &settings, sizeof(settings), nullptr,
                                    &handle);
  if (QUIC_FAILED(*status)) return {};
  Ref<Configuration> configuration = MakeRef<Configuration>(handle);
  *status = options.server ? LoadServerCredential(handle, options) : LoadClientCredential(handle, options);
  return QUIC_FAILED(*status) ? Ref<Configuration>() : configuration;
}

Configuration::~Configuration() {
  Library::Get().control().Post([handle = handle_] { Api().ConfigurationClose(handle); });
}

}  // namespace millrace
