#pragma once

#include <msquic.h>
#include <napi.h>

namespace millrace {

// An address as src/transport writes it: numeric, an IPv6 one perhaps with its zone behind a % (RFC 4007
// section 11). False when it is none, or names an interface that this machine does not have.
[[nodiscard]] bool ReadAddress(const Napi::Value& address, const Napi::Value& port, QUIC_ADDR* out);

}  // namespace millrace
