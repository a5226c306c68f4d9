#pragma once

#include <gtest/gtest.h>

#include <cstddef>
#include <cstdint>
#include <vector>

#include "native/session/session_directory.h"
#include "native/session/session_table.h"

namespace millrace {

// What createTableMemory of src/session/table_memory.ts makes. An exact allocation, so that ASan sees any
// access outside.
class TableMemory {
 public:
  explicit TableMemory(uint32_t slots) : words_(TableBytesOf(slots) / 8) {
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

  uint8_t* bytes() { return reinterpret_cast<uint8_t*>(words_.data()); }
  size_t size() const { return words_.size() * 8; }
  SessionTable Table(SessionDirectory* directory = nullptr) {
    return *SessionTable::Open(bytes(), size(), directory);
  }

 private:
  std::vector<uint64_t> words_;
};

}  // namespace millrace
