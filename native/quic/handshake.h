#pragma once

#include <msquic.h>

#include <memory>
#include <string>

#include "native/memory/ref_counted.h"
#include "native/quic/certificate_verifier.h"
#include "native/quic/configuration.h"
#include "native/quic/key_log.h"

namespace millrace {

// What a connection needs of its TLS handshake: whom the peer has to be, and its secrets, where they are
// logged. Owned by the connection, and gone when that is open, unless secrets are logged: msquic keeps a
// pointer to those.
class Handshake {
 public:
  // Null where the configuration asks for nothing of it. `server_name` is what the client asks for, a host
  // name or an address; empty where it does not say.
  [[nodiscard]] static std::unique_ptr<Handshake> For(const Configuration& configuration,
                                                      std::string server_name) noexcept;

  Handshake(const Configuration& configuration, std::string server_name) noexcept;
  Handshake(const Handshake&) = delete;
  Handshake& operator=(const Handshake&) = delete;
  ~Handshake();

  [[nodiscard]] const std::string& server_name() const noexcept { return server_name_; }

  // Before msquic's handshake begins: on the control thread, or inside the listener's callback.
  void Begin(HQUIC connection) noexcept;

  // Inside the connection's callback.
  [[nodiscard]] CertificateVerifier::Verdict Verify(const QUIC_CONNECTION_EVENT& received) const noexcept;

  // The handshake is over, well or not: secrets go to their file. True when nothing needs this any more.
  [[nodiscard]] bool End() noexcept;

 private:
  const std::string server_name_;
  const Ref<CertificateVerifier> verifier_;
  Ref<KeyLog> key_log_;
  std::unique_ptr<QUIC_TLS_SECRETS> secrets_;
};

}  // namespace millrace
