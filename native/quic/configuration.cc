#include "native/quic/configuration.h"

#include <utility>

#include "native/quic/library.h"

namespace millrace {
Ref<Configuration> Configuration::Open(const Options& options, QUIC_STATUS* status) noexcept {
  const CredentialOptions& credential = options.credential;
  Ref<CertificateVerifier> verifier;
  if (credential.ExpectsCertificate() && !(verifier = CertificateVerifier::Open(credential))) {
    *status = QUIC_STATUS_TLS_ERROR;
    return {};
  }
  Ref<KeyLog> key_log;
  if (!credential.key_log_file.empty() && !(key_log = KeyLog::Open(credential.key_log_file, status))) {
    return {};
  }
  std::vector<QUIC_BUFFER> alpns;
  for (const std::string& alpn : options.alpns) {
    alpns.push_back(
        {static_cast<uint32_t>(alpn.size()), reinterpret_cast<uint8_t*>(const_cast<char*>(alpn.data()))});
  }
  QUIC_SETTINGS settings = ToMsquic(options.settings);
  settings.ServerResumptionLevel =
      options.resumption ? QUIC_SERVER_RESUME_AND_ZERORTT : QUIC_SERVER_NO_RESUME;
  settings.IsSet.ServerResumptionLevel = 1;
  HQUIC handle = nullptr;
  *status = Api().ConfigurationOpen(Library::Get().registration(), alpns.data(),
                                    static_cast<uint32_t>(alpns.size()), &settings, sizeof(settings), nullptr,
                                    &handle);
  if (QUIC_FAILED(*status)) return {};
  Ref<Configuration> configuration = MakeRef<Configuration>(handle, std::move(verifier), std::move(key_log));
  *status = LoadCredential(handle, credential);
  return QUIC_FAILED(*status) ? Ref<Configuration>() : configuration;
}

Configuration::~Configuration() {
  Library::Get().control().Post([handle = handle_] { Api().ConfigurationClose(handle); });
}

}  // namespace millrace
