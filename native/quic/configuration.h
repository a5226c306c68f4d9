#pragma once

#include <msquic.h>

#include <cstdint>
#include <string>
#include <vector>

#include "native/memory/ref_counted.h"
#include "native/quic/settings.h"

namespace millrace {

// msquic's settings and credentials, for the listeners and connections that share them.
class Configuration : public RefCounted<Configuration> {
 public:
  struct Options {
    bool server = false;
    std::vector<std::string> alpns;
    Settings settings;
    std::string certificate_pem;  // server: its certificate and chain
    std::string private_key_pem;
    std::string ca_file;    // client: trusts only these, when not empty
    bool insecure = false;  // client: accepts any certificate
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
