#pragma once

#include <msquic.h>

#include <cstdint>
#include <span>

namespace millrace {

// How long the server takes a ticket (RFC 8446 section 4.6.1), in seconds; 0 when it does not say. `ticket`
// is what msquic gives a client: its own header, then OpenSSL's session as PEM.
[[nodiscard]] uint32_t TicketLifetimeSeconds(std::span<const uint8_t> ticket) noexcept;

// A key that protects a server's tickets: 16 bytes of name, which the ticket shows, then 32 of secret.
constexpr size_t kTicketKeyBytes = 48;

// `keys` is one or more of them, the newest first: it makes tickets, all read them. Also for a configuration
// that is in use. Blocking; control thread.
[[nodiscard]] QUIC_STATUS SetTicketKeys(HQUIC configuration, std::span<const uint8_t> keys) noexcept;

}  // namespace millrace
