#include "native/quic/handshake.h"

#include <openssl/crypto.h>

#include <utility>

#include "native/quic/library.h"

namespace millrace {

std::unique_ptr<Handshake> Handshake::For(const Configuration& configuration,
                                          std::string server_name) noexcept {
  if (!configuration.verifier() && !configuration.key_log()) return nullptr;
  return std::make_unique<Handshake>(configuration, std::move(server_name));
}

Handshake::Handshake(const Configuration& configuration, std::string server_name) noexcept
    : server_name_(std::move(server_name)),
      verifier_(configuration.verifier()),
      key_log_(configuration.key_log()) {}

Handshake::~Handshake() {
  if (secrets_ != nullptr) OPENSSL_cleanse(secrets_.get(), sizeof(*secrets_));
}

void Handshake::Begin(HQUIC connection) noexcept {
  if (!key_log_) return;
  secrets_ = std::make_unique<QUIC_TLS_SECRETS>();
  const QUIC_STATUS status =
      Api().SetParam(connection, QUIC_PARAM_CONN_TLS_SECRETS, sizeof(*secrets_), secrets_.get());
  if (QUIC_FAILED(status)) key_log_ = {};
}

CertificateVerifier::Verdict Handshake::Verify(const QUIC_CONNECTION_EVENT& received) const noexcept {
  const auto& event = received.PEER_CERTIFICATE_RECEIVED;
  return verifier_->Verify(event.Certificate, event.Chain, server_name_);
}

bool Handshake::End() noexcept {
  if (!key_log_) return secrets_ == nullptr;
  Library::Get().control().Post(
      [log = std::exchange(key_log_, {}), secrets = *secrets_] { log->Append(secrets); });
  return false;
}

}  // namespace millrace
