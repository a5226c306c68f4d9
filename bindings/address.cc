#include "bindings/address.h"

#include <net/if.h>

#include <charconv>
#include <string>

#include "bindings/arguments.h"

namespace millrace {
namespace {

// The interface of a zone: its name, or its number. 0 = there is none.
uint32_t InterfaceOf(const std::string& zone) {
  uint32_t index = 0;
  const char* end = zone.data() + zone.size();
  const auto [stop, error] = std::from_chars(zone.data(), end, index);
  if (error == std::errc() && stop == end) return index;
  return if_nametoindex(zone.c_str());
}

}  // namespace

bool ReadAddress(const Napi::Value& address, const Napi::Value& port, QUIC_ADDR* out) {
  std::string text = Text(address);
  std::string zone;
  const size_t percent = text.find('%');
  if (percent != std::string::npos) {
    zone = text.substr(percent + 1);
    text.resize(percent);
  }
  if (QuicAddrFromString(text.c_str(), static_cast<uint16_t>(Uint(port)), out) == FALSE) return false;
  if (percent == std::string::npos) return true;
  if (QuicAddrGetFamily(out) != QUIC_ADDRESS_FAMILY_INET6) return false;
  out->Ipv6.sin6_scope_id = InterfaceOf(zone);
  return out->Ipv6.sin6_scope_id != 0;
}

}  // namespace millrace
