#include "native/session/session_walk.h"

#include "native/session/slot_words.h"

namespace millrace {

std::optional<SessionHandle> SessionAt(const SessionTable& table, uint32_t slot) noexcept {
  const uint32_t word = LoadWord(table.At(slot).state);
  if (!IsInUse(word)) return std::nullopt;
  return HandleOf(slot, word);
}

std::optional<uint32_t> IdleTicksAt(const SessionTable& table, uint32_t slot, SessionClaim claim,
                                    uint32_t tick) noexcept {
  TableSlot& entry = table.At(slot);
  const bool is_own = LoadWord(entry.claim) == claim;
  if (!is_own || StateOfWord(LoadWord(entry.state)) != SlotState::kOpen) return std::nullopt;
  const uint32_t idle = tick - LoadWord(entry.last_activity);
  return idle < 1u << 31 ? idle : 0;
}

}  // namespace millrace
