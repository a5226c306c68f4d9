#include "bench/native/quic_library.h"

#include <cstdio>
#include <cstdlib>

namespace millrace::bench {

void Require(QUIC_STATUS status, const char* what) {
  if (QUIC_SUCCEEDED(status)) return;
  std::fprintf(stderr, "%s failed with status %u\n", what, static_cast<unsigned>(status));
  std::exit(1);
}

QuicLibrary::QuicLibrary() {
  Require(MsQuicOpen2(&api_), "MsQuicOpen2");
  const QUIC_REGISTRATION_CONFIG config = {"bench", QUIC_EXECUTION_PROFILE_LOW_LATENCY};
  Require(api_->RegistrationOpen(&config, &registration_), "RegistrationOpen");
}

QuicLibrary::~QuicLibrary() {
  api_->RegistrationShutdown(registration_, QUIC_CONNECTION_SHUTDOWN_FLAG_SILENT, 0);
  api_->RegistrationClose(registration_);
  MsQuicClose(api_);
}

HQUIC QuicLibrary::OpenConfiguration(const std::string& alpn, const QUIC_SETTINGS& settings,
                                     const QUIC_CREDENTIAL_CONFIG& credential) {
  std::string name = alpn;
  const QUIC_BUFFER buffer = {static_cast<uint32_t>(name.size()), reinterpret_cast<uint8_t*>(name.data())};
  HQUIC configuration = nullptr;
  Require(api_->ConfigurationOpen(registration_, &buffer, 1, &settings, sizeof(settings), nullptr,
                                  &configuration),
          "ConfigurationOpen");
  Require(api_->ConfigurationLoadCredential(configuration, &credential), "ConfigurationLoadCredential");
  return configuration;
}

QUIC_SETTINGS CommonSettings(uint32_t stream_window_bytes) {
  QUIC_SETTINGS settings{};
  settings.IdleTimeoutMs = 0;
  settings.IsSet.IdleTimeoutMs = 1;
  settings.StreamRecvWindowDefault = stream_window_bytes;
  settings.IsSet.StreamRecvWindowDefault = 1;
  settings.ServerResumptionLevel = QUIC_SERVER_NO_RESUME;
  settings.IsSet.ServerResumptionLevel = 1;
  // Messages are answered at once and whole, so msquic's own copy of them would only cost.
  settings.SendBufferingEnabled = 0;
  settings.IsSet.SendBufferingEnabled = 1;
  return settings;
}

QUIC_CREDENTIAL_CONFIG InsecureClientCredential() {
  QUIC_CREDENTIAL_CONFIG credential{};
  credential.Type = QUIC_CREDENTIAL_TYPE_NONE;
  credential.Flags = QUIC_CREDENTIAL_FLAG_CLIENT | QUIC_CREDENTIAL_FLAG_NO_CERTIFICATE_VALIDATION;
  return credential;
}

}  // namespace millrace::bench
