#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>

#include "native/session/session_table.h"
#include "native/session/table_layout.h"

// The numbers of a session: its owner keeps them, any thread reads them at any time. As `get`, `set`, `add`
// and `identity` of src/session/table.ts.

namespace millrace {

// Which, by its word in the slot. All are modulo 2^32.
enum class SessionNumber : uint32_t {
  kLastActivity = offsetof(TableSlot, last_activity) / 4,  // of the table's clock
  kRoundTripUs = offsetof(TableSlot, round_trip_us) / 4,   // smoothed
  kQueuedBytes = offsetof(TableSlot, queued_bytes) / 4,
  kSendSequence = offsetof(TableSlot, send_sequence) / 4,
  kReceiveSequence = offsetof(TableSlot, receive_sequence) / 4,
  kAckSequence = offsetof(TableSlot, ack_sequence) / 4,
  kMessages = offsetof(TableSlot, messages) / 4,
};

// False when the handle is stale.
bool SetNumber(const SessionTable& table, SessionHandle handle, SessionNumber number,
               uint32_t value) noexcept;
bool AddNumber(const SessionTable& table, SessionHandle handle, SessionNumber number,
               uint32_t value) noexcept;

// Empty when the handle is stale, also when it became so meanwhile.
[[nodiscard]] std::optional<uint32_t> GetNumber(const SessionTable& table, SessionHandle handle,
                                                SessionNumber number) noexcept;

// What the session was opened as. Empty when it was not yet, and as for GetNumber.
[[nodiscard]] std::optional<SessionIdentity> IdentityOf(const SessionTable& table,
                                                        SessionHandle handle) noexcept;

}  // namespace millrace
