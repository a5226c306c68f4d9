#pragma once

#include <msquic.h>

#include <string>

#include "native/memory/ref_counted.h"

namespace millrace {

// A file of TLS secrets in the format of NSS (draft-ietf-tls-keylogfile), by which Wireshark decrypts what
// was captured. Several may append to one file, also from several processes.
class KeyLog : public RefCounted<KeyLog> {
 public:
  // Opens or creates it for its owner only. Control thread. Null on failure, with the status.
  [[nodiscard]] static Ref<KeyLog> Open(const std::string& path, QUIC_STATUS* status) noexcept;

  // Appends what is known of a connection, with a single write. It may wait for the disk: control thread.
  void Append(const QUIC_TLS_SECRETS& secrets) const noexcept;

  explicit KeyLog(int fd) noexcept : fd_(fd) {}
  ~KeyLog();

 private:
  const int fd_;
};

}  // namespace millrace
