#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <unordered_map>

#include "native/memory/ref_counted.h"
#include "native/quic/configuration.h"

namespace millrace {

// The configurations of a listener, by the name that a client asks for (SNI, RFC 6066 section 3). Immutable
// once shared.
class ServerConfigurations : public RefCounted<ServerConfigurations> {
 public:
  // `credential` tells whether another one serves the same TLS, however JavaScript writes it.
  explicit ServerConfigurations(std::string credential = {}) noexcept;

  // `name` is lower-case ASCII: a host, or `*.` and a domain, which stands for one label; empty names the
  // default.
  void Add(std::string name, Ref<Configuration> configuration) noexcept;

  // The name itself, else the wildcard of its domain, else the default. Any case. Null when there is none.
  [[nodiscard]] Ref<Configuration> For(std::string_view server_name) const noexcept;

  // Of all of them; see ticket.h. Blocking; control thread.
  [[nodiscard]] QUIC_STATUS SetTicketKeys(std::span<const uint8_t> keys) const noexcept;

  [[nodiscard]] const std::string& credential() const noexcept { return credential_; }

  ~ServerConfigurations() = default;

 private:
  [[nodiscard]] Ref<Configuration> Find(const std::string& name) const noexcept;

  const std::string credential_;
  std::unordered_map<std::string, Ref<Configuration>> by_name_;
};

}  // namespace millrace
