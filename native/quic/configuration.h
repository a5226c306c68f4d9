#pragma once

#include <msquic.h>

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "native/memory/ref_counted.h"
#include "native/quic/certificate_verifier.h"
#include "native/quic/credential.h"
#include "native/quic/key_log.h"
#include "native/quic/settings.h"

namespace millrace {

// msquic's settings and credentials, for the listeners and connections that share them.
class Configuration : public RefCounted<Configuration> {
 public:
  struct Options {
    std::vector<std::string> alpns;
    Settings settings;
    CredentialOptions credential;
    bool resumption = false;  // server: gives tickets, with the keys that its listener sets
  };

  // Blocking; control thread. Null on failure, with msquic's status.
  [[nodiscard]] static Ref<Configuration> Open(const Options& options, QUIC_STATUS* status) noexcept;

  Configuration(HQUIC handle, Ref<CertificateVerifier> verifier, Ref<KeyLog> key_log) noexcept
      : handle_(handle), verifier_(std::move(verifier)), key_log_(std::move(key_log)) {}
  ~Configuration();

  [[nodiscard]] HQUIC handle() const noexcept { return handle_; }
  // Null where no certificate is asked for.
  [[nodiscard]] const Ref<CertificateVerifier>& verifier() const noexcept { return verifier_; }
  // Null where secrets are not logged.
  [[nodiscard]] const Ref<KeyLog>& key_log() const noexcept { return key_log_; }

 private:
  const HQUIC handle_;
  const Ref<CertificateVerifier> verifier_;
  const Ref<KeyLog> key_log_;
};

}  // namespace millrace
