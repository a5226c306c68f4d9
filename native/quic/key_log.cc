#include "native/quic/key_log.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdint>
#include <span>

namespace millrace {
namespace {

std::string Hex(std::span<const uint8_t> bytes) noexcept {
  constexpr char kDigits[] = "0123456789abcdef";
  std::string text;
  text.reserve(bytes.size() * 2);
  for (const uint8_t byte : bytes) {
    text += kDigits[byte >> 4];
    text += kDigits[byte & 0xf];
  }
  return text;
}

}  // namespace

Ref<KeyLog> KeyLog::Open(const std::string& path, QUIC_STATUS* status) noexcept {
  constexpr int kFlags = O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC | O_NONBLOCK | O_NOCTTY;
  const int fd = ::open(path.c_str(), kFlags, 0600);
  *status = fd < 0 ? static_cast<QUIC_STATUS>(errno) : QUIC_STATUS_SUCCESS;
  if (fd < 0) return {};
  // Secrets are written on msquic's threads, which a FIFO or a terminal could hold up.
  struct stat what {};
  if (::fstat(fd, &what) != 0 || !S_ISREG(what.st_mode)) {
    ::close(fd);
    *status = QUIC_STATUS_INVALID_PARAMETER;
    return {};
  }
  return MakeRef<KeyLog>(fd);
}

KeyLog::~KeyLog() {
  ::close(fd_);
}

void KeyLog::Append(const QUIC_TLS_SECRETS& secrets) const noexcept {
  if (secrets.IsSet.ClientRandom == 0) return;
  const std::string random = Hex(secrets.ClientRandom);
  std::string lines;
  const auto add = [&](const char* label, bool is_set, const uint8_t* secret) {
    if (is_set) lines += std::string(label) + ' ' + random + ' ' + Hex({secret, secrets.SecretLength}) + '\n';
  };
  const auto& set = secrets.IsSet;
  add("CLIENT_EARLY_TRAFFIC_SECRET", set.ClientEarlyTrafficSecret, secrets.ClientEarlyTrafficSecret);
  add("CLIENT_HANDSHAKE_TRAFFIC_SECRET", set.ClientHandshakeTrafficSecret,
      secrets.ClientHandshakeTrafficSecret);
  add("SERVER_HANDSHAKE_TRAFFIC_SECRET", set.ServerHandshakeTrafficSecret,
      secrets.ServerHandshakeTrafficSecret);
  add("CLIENT_TRAFFIC_SECRET_0", set.ClientTrafficSecret0, secrets.ClientTrafficSecret0);
  add("SERVER_TRAFFIC_SECRET_0", set.ServerTrafficSecret0, secrets.ServerTrafficSecret0);
  // A log that cannot be written (a full disk) costs nobody their connection.
  (void)!::write(fd_, lines.data(), lines.size());
}

}  // namespace millrace
