#pragma once

#include <msquic.h>

#include <cstdint>
#include <string>

namespace millrace::bench {

/** msquic's function table and one LOW_LATENCY registration: all a process needs. Ends the process on
 * failure. */
class QuicLibrary {
 public:
  QuicLibrary();
  ~QuicLibrary();
  QuicLibrary(const QuicLibrary&) = delete;
  QuicLibrary& operator=(const QuicLibrary&) = delete;

  const QUIC_API_TABLE* operator->() const { return api_; }
  HQUIC Registration() const { return registration_; }

  HQUIC OpenConfiguration(const std::string& alpn, const QUIC_SETTINGS& settings,
                          const QUIC_CREDENTIAL_CONFIG& credential);
  void CloseConfiguration(HQUIC configuration) { api_->ConfigurationClose(configuration); }

 private:
  const QUIC_API_TABLE* api_ = nullptr;
  HQUIC registration_ = nullptr;
};

/** Ends the process with a message when msquic refused something that must work. */
void Require(QUIC_STATUS status, const char* what);

/** The settings that every end shares: nothing that is only of use to sleeping or resumed connections. */
QUIC_SETTINGS CommonSettings(uint32_t stream_window_bytes);

/** A client that accepts any certificate: the servers here make their own. */
QUIC_CREDENTIAL_CONFIG InsecureClientCredential();

}  // namespace millrace::bench
