#pragma once

#include <algorithm>
#include <bit>
#include <cstddef>
#include <cstdint>

// The session table as it lies in memory that JavaScript allocated (one SharedArrayBuffer), little-endian.
// src/session/table_layout.ts has the same numbers; a test compares them.
//
//     0        64        128       192        256           + 64 * slots
//     +--------+---------+---------+----------+-------------+-------------+
//     | format | head    | tail    | faults   | slots       | cells of    |
//     |        | of the free slots |          | 64 bytes    | free slots  |
//     +--------+---------+---------+----------+-------------+-------------+
//
// A slot takes one cache line:
//
//     0       4       8           12           16               32              36
//     +-------+-------+-----------+------------+----------------+---------------+----------
//     | state | claim | transport | connection | session id (4) | last activity | numbers …
//     +-------+-------+-----------+------------+----------------+---------------+----------
//
//   state   generation (29 bits) above SlotState (3 bits)
//   claim   who has the slot: epoch (24 bits) above environment (8 bits); 0 when nobody has
//   check   of what does not change while a session is open: found wrong, somebody wrote over it
//
// A cell is a lap, the high bits of a position, above 0 or slot + 1.
//
// What an environment has lies in memory of its own, which no other thread's script can reach:
//
//     0                   64            + 4 * kept        + 4 * slots
//     +-------------------+-------------+-----------------+
//     | two positions     | kept slots  | slots           |
//     | of the kept slots | 0 or slot+1 | a word each     |
//     +-------------------+-------------+-----------------+
//
// A slot's word is the generation of its last session there, above 1 while that lives. Kept slots are those
// that the environment let go of last: they are its own still, for its next sessions, until somebody who
// finds no other slot takes one out by an exchange of that word.

namespace millrace {

enum class SlotState : uint32_t {
  kFree = 0,
  kOpening = 1,
  kOpen = 2,
  kClosing = 3,
  kClosed = 4,
  kQuarantined = 5,
};

inline constexpr uint32_t kTableMagic = 0x4253524d;  // "MRSB"
inline constexpr uint32_t kTableVersion = 3;
inline constexpr uint32_t kTableHeaderBytes = 256;
inline constexpr uint32_t kTableMinSlots = 2;
inline constexpr uint32_t kTableMaxSlots = 1u << 20;
inline constexpr uint32_t kTableMaxEnvironments = 64;

inline constexpr uint32_t kSlotStateBits = 3;
inline constexpr uint32_t kGenerationBits = 29;
inline constexpr uint32_t kClaimEnvironmentBits = 8;
inline constexpr uint32_t kEpochBits = 24;
inline constexpr uint32_t kHandleSlotBits = 20;
inline constexpr uint32_t kGenerationMask = (1u << kGenerationBits) - 1;
inline constexpr uint32_t kEnvironmentMask = (1u << kClaimEnvironmentBits) - 1;
inline constexpr uint32_t kEpochMask = (1u << kEpochBits) - 1;
inline constexpr uint32_t kSlotMask = (1u << kHandleSlotBits) - 1;
inline constexpr uint32_t kOwnHeaderWords = 16;
inline constexpr uint32_t kMaxKeptSlots = 1024;

struct TableHeader {
  uint32_t magic;
  uint32_t version;
  uint32_t slot_count;
  uint32_t cell_count;
  uint32_t unused_line_0[12];
  uint32_t head;
  uint32_t unused_line_1[15];
  uint32_t tail;
  uint32_t unused_line_2[15];
  uint32_t suspect;      // Not 0: the free slots' ring may miss some, and is to be filled anew.
  uint32_t rebuilder;    // The claim of who does that.
  uint32_t damaged;      // Words found that no operation writes.
  uint32_t quarantined;  // Slots taken out of use for that.
  uint32_t recovered;    // Slots taken back from environments that had ended.
  uint32_t unused_line_3[11];
};

struct TableSlot {
  uint32_t state;
  uint32_t claim;
  uint32_t transport;
  uint32_t connection;
  uint32_t session_id[4];
  uint32_t last_activity;
  uint32_t round_trip_us;
  uint32_t queued_bytes;
  uint32_t send_sequence;
  uint32_t receive_sequence;
  uint32_t ack_sequence;
  uint32_t messages;
  uint32_t check;
};

inline constexpr uint32_t kSlotBytes = 64;

static_assert(sizeof(TableHeader) == kTableHeaderBytes);
static_assert(offsetof(TableHeader, magic) == 0);
static_assert(offsetof(TableHeader, version) == 4);
static_assert(offsetof(TableHeader, slot_count) == 8);
static_assert(offsetof(TableHeader, cell_count) == 12);
static_assert(offsetof(TableHeader, head) == 64);
static_assert(offsetof(TableHeader, tail) == 128);
static_assert(offsetof(TableHeader, suspect) == 192);
static_assert(offsetof(TableHeader, rebuilder) == 196);
static_assert(offsetof(TableHeader, damaged) == 200);
static_assert(offsetof(TableHeader, quarantined) == 204);
static_assert(offsetof(TableHeader, recovered) == 208);

static_assert(sizeof(TableSlot) == kSlotBytes);
static_assert(offsetof(TableSlot, state) == 0);
static_assert(offsetof(TableSlot, claim) == 4);
static_assert(offsetof(TableSlot, transport) == 8);
static_assert(offsetof(TableSlot, connection) == 12);
static_assert(offsetof(TableSlot, session_id) == 16);
static_assert(offsetof(TableSlot, last_activity) == 32);
static_assert(offsetof(TableSlot, round_trip_us) == 36);
static_assert(offsetof(TableSlot, queued_bytes) == 40);
static_assert(offsetof(TableSlot, send_sequence) == 44);
static_assert(offsetof(TableSlot, receive_sequence) == 48);
static_assert(offsetof(TableSlot, ack_sequence) == 52);
static_assert(offsetof(TableSlot, messages) == 56);
static_assert(offsetof(TableSlot, check) == 60);

static_assert(kSlotStateBits + kGenerationBits == 32);
static_assert(kClaimEnvironmentBits + kEpochBits == 32);
static_assert(kTableMaxSlots == 1u << kHandleSlotBits);

// At least twice as many as slots, and a power of two.
[[nodiscard]] constexpr uint32_t CellCountOf(uint32_t slot_count) noexcept {
  uint32_t cells = 4;
  while (cells < 2 * slot_count) cells *= 2;
  return cells;
}

// How many slots that it let go of an environment keeps: a power of two, and of all environments together no
// more than there are slots; 0 where that is less than one each.
[[nodiscard]] constexpr uint32_t KeptSlotsOf(uint32_t slot_count) noexcept {
  const uint32_t share = slot_count / kTableMaxEnvironments;
  return share == 0 ? 0 : std::min(kMaxKeptSlots, std::bit_floor(share));
}

// Where the slots begin in an environment's own memory.
[[nodiscard]] constexpr uint32_t OwnSlotsOffset(uint32_t slot_count) noexcept {
  return kOwnHeaderWords + KeptSlotsOf(slot_count);
}

[[nodiscard]] constexpr uint32_t OwnWordsOf(uint32_t slot_count) noexcept {
  return OwnSlotsOffset(slot_count) + slot_count;
}

[[nodiscard]] constexpr size_t TableBytesOf(uint32_t slot_count) noexcept {
  return kTableHeaderBytes + size_t{slot_count} * kSlotBytes + size_t{CellCountOf(slot_count)} * 4;
}

}  // namespace millrace
