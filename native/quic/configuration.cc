#include "native/quic/configuration.h"

#include "native/quic/credential.h"
#include "native/quic/library.h"

namespace millrace {
namespace {

QUIC_SETTINGS SettingsOf(const Configuration::Options& options) noexcept {
  QUIC_SETTINGS settings{};
  settings.IdleTimeoutMs = options.idle_timeout_ms;
  settings.IsSet.IdleTimeoutMs = 1;
  settings.HandshakeIdleTimeoutMs = options.handshake_timeout_ms;
  settings.IsSet.HandshakeIdleTimeoutMs = 1;
  settings.KeepAliveIntervalMs = options.keep_alive_ms;
  settings.IsSet.KeepAliveIntervalMs = 1;
  settings.PeerBidiStreamCount = options.peer_bidi_streams;
  settings.IsSet.PeerBidiStreamCount = 1;
  settings.PeerUnidiStreamCount = options.peer_uni_streams;
  settings.IsSet.PeerUnidiStreamCount = 1;
  settings.StreamRecvWindowDefault = options.stream_window_bytes;
  settings.IsSet.StreamRecvWindowDefault = 1;
  settings.ConnFlowControlWindow = options.connection_window_bytes;
  settings.IsSet.ConnFlowControlWindow = 1;
  // Off: we own the bytes until they are acknowledged, so msquic need not copy them, and completion means
  // more.
  settings.SendBufferingEnabled = 0;
  settings.IsSet.SendBufferingEnabled = 1;
  settings.DatagramReceiveEnabled = options.datagrams ? 1 : 0;
  settings.IsSet.DatagramReceiveEnabled = 1;
  settings.ServerResumptionLevel = QUIC_SERVER_NO_RESUME;
  settings.IsSet.ServerResumptionLevel = 1;
  return settings;
}

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
  const QUIC_SETTINGS settings = SettingsOf(options);
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
