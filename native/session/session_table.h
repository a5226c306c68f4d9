#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>

#include "native/session/free_ring.h"
#include "native/session/table_layout.h"

// The session table for C++: what src/session/table.ts does, over the same memory, at the same time. That
// file says how the steps of each operation follow each other, and why a thread that stops between two of
// them does no harm.
//
// Any thread may call anything. Nothing waits. All shared words are accessed seq_cst, as JavaScript accesses
// them.

namespace millrace {

// Slot and generation in one number, as in JavaScript: below 2^49.
using SessionHandle = uint64_t;

// Epoch and environment; never 0.
using SessionClaim = uint32_t;

struct SessionIdentity {
  uint32_t transport;
  uint32_t connection;
  std::array<uint32_t, 4> id;
};

class SessionDirectory;

class SessionTable {
 public:
  // Empty when the memory is not a well-formed table of as many slots as the directory has. The caller keeps
  // both alive. Claims are the directory's.
  [[nodiscard]] static std::optional<SessionTable> Open(uint8_t* memory, size_t bytes,
                                                        SessionDirectory* directory) noexcept;

  // Empty when the table is full.
  [[nodiscard]] std::optional<SessionHandle> Allocate(SessionClaim claim) noexcept;
  [[nodiscard]] bool Open(SessionHandle handle, const SessionIdentity& identity, uint32_t tick) noexcept;
  bool Touch(SessionHandle handle, uint32_t tick) noexcept;
  // Empty when the handle is stale.
  [[nodiscard]] std::optional<SlotState> Lookup(SessionHandle handle) const noexcept;
  bool StartClose(SessionHandle handle) noexcept;
  bool FinishClose(SessionHandle handle, SessionClaim claim) noexcept;
  bool Release(SessionHandle handle, SessionClaim claim) noexcept;

  [[nodiscard]] uint32_t slot_count() const noexcept { return slot_count_; }
  // A slot below that, for session_numbers.h and session_walk.h.
  [[nodiscard]] TableSlot& At(uint32_t slot) const noexcept { return slots_[slot]; }

 private:
  SessionTable(uint8_t* memory, uint32_t slot_count, SessionDirectory* directory) noexcept;

  [[nodiscard]] TableSlot* Find(SessionHandle handle) const noexcept;
  // By the ring alone.
  [[nodiscard]] std::optional<SessionHandle> TakeFree(SessionClaim claim) noexcept;
  [[nodiscard]] std::optional<SessionHandle> Claim(uint32_t slot, SessionClaim claim) noexcept;
  // Of those that environments of JavaScript keep.
  [[nodiscard]] std::optional<SessionHandle> TakeKept(SessionClaim claim) noexcept;
  SessionHandle Begin(uint32_t slot, uint32_t generation, SessionClaim claim) noexcept;
  [[nodiscard]] bool IsFull() const noexcept;
  [[nodiscard]] std::optional<SessionHandle> Scan(SessionClaim claim) noexcept;
  void Suspect() noexcept;
  [[nodiscard]] bool Step(SessionHandle handle, SlotState from, SlotState to) noexcept;

  TableHeader* header_;
  TableSlot* slots_;
  uint32_t slot_count_;
  FreeRing free_ring_;
  SessionDirectory* directory_;  // (non-owning)
};

}  // namespace millrace
