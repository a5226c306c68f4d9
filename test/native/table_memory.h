#pragma once

#include <gtest/gtest.h>

#include <cstddef>
#include <cstdint>
#include <vector>

#include "native/session/session_directory.h"
#include "native/session/session_table.h"

namespace millrace {

// Some session's.
inline constexpr SessionIdentity kIdentity{.transport = 1, .connection = 2, .id = {3, 4, 5, 6}};

// Closes an open session, and gives its slot back.
inline bool Release(SessionTable& table, SessionHandle handle, SessionClaim claim) {
  return table.StartClose(handle) && table.FinishClose(handle, claim) && table.Release(handle, claim);
}

// What createTableMemory of src/session/table_memory.ts makes. An exact allocation, so that ASan sees any
// access outside.
class TableMemory {
 public:
  explicit TableMemory(uint32_t slots)
      : words_(TableBytesOf(slots) / 8), directory_(SessionDirectory::Create(slots, kTableMaxEnvironments)) {
    auto& header = *reinterpret_cast<TableHeader*>(bytes());
    header.magic = kTableMagic;
    header.version = kTableVersion;
    header.slot_count = slots;
    header.cell_count = CellCountOf(slots);
    auto* const entries = reinterpret_cast<TableSlot*>(bytes() + kTableHeaderBytes);
    const FreeRing ring(&header.head, &header.tail, reinterpret_cast<uint32_t*>(entries + slots),
                        header.cell_count, slots);
    for (uint32_t slot = 0; slot < slots; ++slot) {
      entries[slot].state = 1u << kSlotStateBits;
      EXPECT_TRUE(ring.Put(slot));
    }
  }

  ~TableMemory() { directory_->Detach(); }
  TableMemory(const TableMemory&) = delete;
  TableMemory& operator=(const TableMemory&) = delete;

  uint8_t* bytes() { return reinterpret_cast<uint8_t*>(words_.data()); }
  size_t size() const { return words_.size() * 8; }
  SessionDirectory* directory() { return directory_.get(); }
  SessionTable Table() { return *SessionTable::Open(bytes(), size(), directory()); }
  // A claim of one more environment.
  SessionClaim Join() { return directory_->Join({}); }

 private:
  std::vector<uint64_t> words_;
  Ref<SessionDirectory> directory_;
};

}  // namespace millrace
