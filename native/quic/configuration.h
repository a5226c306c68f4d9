#pragma once

#include <msquic.h>

#include <cstdint>
#include <string>
#include <vector>

#include "native/memory/ref_counted.h"

namespace millrace {

// msquic's settings and credentials, for the listeners and connections that share them.
class Configuration : public RefCounted<Configuration> {
 public:
  struct Options {
    bool server = false;
    std::vector<std::string> alpns;
    std::string certificate_pem;  // server: its certificate and chain
    std::string private_key_pem;
    std::string ca_file;    // client: trusts only these, when not empty
    bool insecure = false;  // client: accepts any certificate
    uint32_t idle_timeout_ms = 0;
    uint32_t handshake_timeout_ms = 0;
    uint32_t keep_alive_ms = 0;
    uint16_t peer_bidi_streams = 0;
    uint16_t peer_uni_streams = 0;
    uint32_t stream_window_bytes = 0;  // a power of two
    uint32_t connection_window_bytes = 0;
    bool datagrams = false;
  };

  // Blocking; control thread. Null on failure, with msquic's status.
  [[nodiscard]] static Ref<Configuration> Open(const Options& options, QUIC_STATUS* status) noexcept;

  explicit Configuration(HQUIC handle) noexcept : handle_(handle) {}
  ~Configuration();

  [[nodiscard]] HQUIC handle() const noexcept { return handle_; }

 private:
  const HQUIC handle_;
};

}  // namespace millrace
