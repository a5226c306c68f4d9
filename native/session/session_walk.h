#pragma once

#include <algorithm>
#include <cstdint>
#include <optional>

#include "native/session/session_table.h"

// Going through a table a slice at a time, while any thread changes it. As src/session/walk.ts.

namespace millrace {

// The session that has a slot now; `slot` is below the table's slot_count.
[[nodiscard]] std::optional<SessionHandle> SessionAt(const SessionTable& table, uint32_t slot) noexcept;

// For how long an open session that has this claim had no traffic, in ticks modulo 2^32; empty where there is
// none such. A tick that lies ahead counts as now.
[[nodiscard]] std::optional<uint32_t> IdleTicksAt(const SessionTable& table, uint32_t slot,
                                                  SessionClaim claim, uint32_t tick) noexcept;

// Visits the sessions of at most `budget` slots from `cursor` on: 0, or what the last call returned. One that
// lasts for the whole round is visited exactly once, one that does not, at most once for each time that it
// came. Returns where to go on, 0 after the last slot.
template <typename Visit>
uint32_t Walk(const SessionTable& table, uint32_t cursor, uint32_t budget, Visit&& visit) {
  const uint32_t from = cursor < table.slot_count() ? cursor : 0;
  const uint32_t end = from + std::min(std::max(budget, 1u), table.slot_count() - from);
  for (uint32_t slot = from; slot < end; ++slot) {
    if (const std::optional<SessionHandle> handle = SessionAt(table, slot)) visit(*handle);
  }
  return end < table.slot_count() ? end : 0;
}

}  // namespace millrace
