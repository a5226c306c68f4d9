#include "native/quic/server_configurations.h"

#include <utility>

#include "native/quic/ticket.h"

namespace millrace {

ServerConfigurations::ServerConfigurations(std::string credential) noexcept
    : credential_(std::move(credential)) {}

void ServerConfigurations::Add(std::string name, Ref<Configuration> configuration) noexcept {
  by_name_.insert_or_assign(std::move(name), std::move(configuration));
}

Ref<Configuration> ServerConfigurations::Find(const std::string& name) const noexcept {
  const auto found = by_name_.find(name);
  return found == by_name_.end() ? Ref<Configuration>() : found->second;
}

Ref<Configuration> ServerConfigurations::For(std::string_view server_name) const noexcept {
  if (server_name.ends_with('.')) server_name.remove_suffix(1);
  if (by_name_.size() > 1 && !server_name.empty()) {
    std::string name;
    for (const char letter : server_name) {
      name += letter >= 'A' && letter <= 'Z' ? static_cast<char>(letter - 'A' + 'a') : letter;
    }
    if (Ref<Configuration> exact = Find(name)) return exact;
    const size_t dot = name.find('.');
    if (dot != std::string::npos) {
      if (Ref<Configuration> wildcard = Find('*' + name.substr(dot))) return wildcard;
    }
  }
  return Find({});
}

QUIC_STATUS ServerConfigurations::SetTicketKeys(std::span<const uint8_t> keys) const noexcept {
  for (const auto& [name, configuration] : by_name_) {
    const QUIC_STATUS status = millrace::SetTicketKeys(configuration->handle(), keys);
    if (QUIC_FAILED(status)) return status;
  }
  return QUIC_STATUS_SUCCESS;
}

}  // namespace millrace
