#pragma once

#include <atomic>
#include <cstdint>

#include "native/session/session_table.h"
#include "native/session/table_layout.h"

// The words of a slot as threads see them that did not put them there: read and written seq_cst, as
// JavaScript does.

namespace millrace {

inline uint32_t LoadWord(uint32_t& word) noexcept {
  return std::atomic_ref<uint32_t>(word).load();
}

inline SlotState StateOfWord(uint32_t word) noexcept {
  return static_cast<SlotState>(word & ((1u << kSlotStateBits) - 1));
}

inline bool IsInUse(uint32_t word) noexcept {
  const SlotState state = StateOfWord(word);
  return state != SlotState::kFree && state <= SlotState::kClosed;
}

inline SessionHandle HandleOf(uint32_t slot, uint32_t word) noexcept {
  return (SessionHandle{word >> kSlotStateBits} << kHandleSlotBits) | slot;
}

inline uint32_t SlotOfHandle(SessionHandle handle) noexcept {
  return static_cast<uint32_t>(handle & (kTableMaxSlots - 1));
}

}  // namespace millrace
