#include "native/session/session_table.h"

#include <array>
#include <atomic>
#include <bit>

#include "native/session/session_directory.h"

namespace millrace {
namespace {

static_assert(std::endian::native == std::endian::little, "the table is little-endian");
static_assert(std::atomic_ref<uint32_t>::is_always_lock_free);

constexpr uint32_t kStateMask = (1u << kSlotStateBits) - 1;

uint32_t Load(uint32_t& word) noexcept {
  return std::atomic_ref<uint32_t>(word).load();
}
void Store(uint32_t& word, uint32_t value) noexcept {
  std::atomic_ref<uint32_t>(word).store(value);
}
bool Exchange(uint32_t& word, uint32_t from, uint32_t to) noexcept {
  return std::atomic_ref<uint32_t>(word).compare_exchange_strong(from, to);
}
void Count(uint32_t& word) noexcept {
  std::atomic_ref<uint32_t>(word).fetch_add(1);
}

uint32_t GenerationOf(SessionHandle handle) noexcept {
  return static_cast<uint32_t>(handle >> kHandleSlotBits);
}
uint32_t StateWord(uint32_t generation, SlotState state) noexcept {
  return (generation << kSlotStateBits) | static_cast<uint32_t>(state);
}
SlotState StateIn(uint32_t word) noexcept {
  return static_cast<SlotState>(word & kStateMask);
}
uint32_t GenerationIn(uint32_t word) noexcept {
  return word >> kSlotStateBits;
}
uint32_t NextGeneration(uint32_t generation) noexcept {
  return generation == kGenerationMask ? 1 : generation + 1;
}
// Of the words that do not change while a session is open, as src/session/table.ts has it.
uint32_t CheckOf(TableSlot& slot, uint32_t generation) noexcept {
  constexpr std::array<uint32_t, 6> kFactors{0x85ebca6b, 0xc2b2ae35, 0x27d4eb2f,
                                             0x165667b1, 0x9e3779b9, 0x85ebca77};
  uint32_t check = generation * 0x9e3779b1u;
  uint32_t* const words = &slot.transport;
  for (uint32_t word = 0; word < kFactors.size(); ++word) check += Load(words[word]) * kFactors[word];
  return check;
}

}  // namespace

std::optional<SessionTable> SessionTable::Open(uint8_t* memory, size_t bytes,
                                               SessionDirectory* directory) noexcept {
  if (memory == nullptr || reinterpret_cast<uintptr_t>(memory) % 8 != 0 || bytes < kTableHeaderBytes) {
    return std::nullopt;
  }
  auto& header = *reinterpret_cast<TableHeader*>(memory);
  const uint32_t slots = Load(header.slot_count);
  if (Load(header.magic) != kTableMagic || Load(header.version) != kTableVersion) return std::nullopt;
  if (slots < kTableMinSlots || slots > kTableMaxSlots || bytes != TableBytesOf(slots)) return std::nullopt;
  if (Load(header.cell_count) != CellCountOf(slots)) return std::nullopt;
  if (directory == nullptr || directory->slot_count() != slots) return std::nullopt;
  return SessionTable(memory, slots, directory);
}

SessionTable::SessionTable(uint8_t* memory, uint32_t slot_count, SessionDirectory* directory) noexcept
    : header_(reinterpret_cast<TableHeader*>(memory)),
      slots_(reinterpret_cast<TableSlot*>(memory + kTableHeaderBytes)),
      slot_count_(slot_count),
      free_ring_(&header_->head, &header_->tail, reinterpret_cast<uint32_t*>(slots_ + slot_count),
                 CellCountOf(slot_count), slot_count),
      directory_(directory) {}

std::optional<SessionHandle> SessionTable::Allocate(SessionClaim claim) noexcept {
  // Twice, because a recovery that fills the ring anew empties it first, and may be over when the mark is
  // looked at; and because what others let go of may move into it behind this one's look.
  for (uint32_t attempt = 0; attempt < 2; ++attempt) {
    if (const std::optional<SessionHandle> handle = TakeFree(claim)) return handle;
    if (const std::optional<SessionHandle> handle = TakeKept(claim)) return handle;
    if (Load(header_->suspect) != 0) return Scan(claim);
    if (IsFull()) return std::nullopt;
  }
  return std::nullopt;
}

bool SessionTable::Open(SessionHandle handle, const SessionIdentity& identity, uint32_t tick) noexcept {
  TableSlot* const slot = Find(handle);
  const uint32_t generation = GenerationOf(handle);
  if (slot == nullptr || Load(slot->state) != StateWord(generation, SlotState::kOpening)) return false;
  Store(slot->transport, identity.transport);
  Store(slot->connection, identity.connection);
  for (uint32_t word = 0; word < identity.id.size(); ++word) Store(slot->session_id[word], identity.id[word]);
  Store(slot->last_activity, tick);
  Store(slot->check, CheckOf(*slot, generation));
  return Step(handle, SlotState::kOpening, SlotState::kOpen);
}

bool SessionTable::Touch(SessionHandle handle, uint32_t tick) noexcept {
  TableSlot* const slot = Find(handle);
  if (slot == nullptr || Load(slot->state) != StateWord(GenerationOf(handle), SlotState::kOpen)) return false;
  Store(slot->last_activity, tick);
  return true;
}

std::optional<SlotState> SessionTable::Lookup(SessionHandle handle) const noexcept {
  TableSlot* const slot = Find(handle);
  if (slot == nullptr) return std::nullopt;
  const uint32_t word = Load(slot->state);
  const SlotState state = StateIn(word);
  if (GenerationIn(word) != GenerationOf(handle) || state == SlotState::kFree || state > SlotState::kClosed) {
    return std::nullopt;
  }
  return state;
}

bool SessionTable::StartClose(SessionHandle handle) noexcept {
  return Step(handle, SlotState::kOpen, SlotState::kClosing) ||
         Step(handle, SlotState::kOpening, SlotState::kClosing);
}

bool SessionTable::FinishClose(SessionHandle handle, SessionClaim claim) noexcept {
  TableSlot* const slot = Find(handle);
  return slot != nullptr && Load(slot->claim) == claim &&
         Step(handle, SlotState::kClosing, SlotState::kClosed);
}

bool SessionTable::Release(SessionHandle handle, SessionClaim claim) noexcept {
  TableSlot* const slot = Find(handle);
  if (slot == nullptr || Load(slot->claim) != claim) return false;
  const uint32_t generation = GenerationOf(handle);
  const uint32_t free = StateWord(NextGeneration(generation), SlotState::kFree);
  if (!Exchange(slot->state, StateWord(generation, SlotState::kClosed), free)) return false;
  const auto index = static_cast<uint32_t>(handle & kSlotMask);
  if (!directory_->Unbind(index, generation, claim & kEnvironmentMask)) return false;
  // The claim first: a hint of a slot that is still claimed is lost.
  if (!Exchange(slot->claim, claim, 0)) return true;
  if (!free_ring_.Put(index)) Suspect();
  return true;
}

TableSlot* SessionTable::Find(SessionHandle handle) const noexcept {
  if (handle >> (kHandleSlotBits + kGenerationBits) != 0 || GenerationOf(handle) == 0) return nullptr;
  const auto slot = static_cast<uint32_t>(handle & kSlotMask);
  return slot < slot_count_ ? &slots_[slot] : nullptr;
}

std::optional<SessionHandle> SessionTable::TakeFree(SessionClaim claim) noexcept {
  for (uint32_t looks = 0; looks < slot_count_ * 2; ++looks) {
    const FreeRing::Taken taken = free_ring_.Take();
    if (taken.outcome == FreeRing::Outcome::kDamaged) Suspect();
    if (taken.outcome != FreeRing::Outcome::kSlot) return std::nullopt;
    if (const std::optional<SessionHandle> handle = Claim(taken.slot, claim)) return handle;
  }
  return std::nullopt;
}

std::optional<SessionHandle> SessionTable::TakeKept(SessionClaim claim) noexcept {
  const SessionHandle handle = directory_->Steal(claim & kEnvironmentMask);
  if (handle == 0) return std::nullopt;
  return Begin(static_cast<uint32_t>(handle & kSlotMask), GenerationOf(handle), claim);
}

// By the directory, which counts right whatever was written over.
bool SessionTable::IsFull() const noexcept {
  return directory_->held_count() >= slot_count_;
}

std::optional<SessionHandle> SessionTable::Claim(uint32_t slot, SessionClaim claim) noexcept {
  TableSlot& entry = slots_[slot];
  if (!Exchange(entry.claim, 0, claim)) return std::nullopt;
  if (const uint32_t generation = directory_->Bind(slot, claim & kEnvironmentMask)) {
    return Begin(slot, generation, claim);
  }
  static_cast<void>(Exchange(entry.claim, claim, 0));
  return std::nullopt;
}

// The directory says that the slot is this environment's: whatever stands there is written over.
SessionHandle SessionTable::Begin(uint32_t slot, uint32_t generation, SessionClaim claim) noexcept {
  TableSlot& entry = slots_[slot];
  Store(entry.claim, claim);
  uint32_t* const words = &entry.state;
  for (uint32_t i = offsetof(TableSlot, last_activity) / 4; i < offsetof(TableSlot, check) / 4; ++i) {
    Store(words[i], 0);
  }
  Store(entry.state, StateWord(generation, SlotState::kOpening));
  return (SessionHandle{generation} << kHandleSlotBits) | slot;
}

std::optional<SessionHandle> SessionTable::Scan(SessionClaim claim) noexcept {
  for (uint32_t slot = 0; slot < slot_count_; ++slot) {
    if (Load(slots_[slot].claim) != 0 || StateIn(Load(slots_[slot].state)) != SlotState::kFree) continue;
    if (const std::optional<SessionHandle> handle = Claim(slot, claim)) return handle;
  }
  return std::nullopt;
}

void SessionTable::Suspect() noexcept {
  Count(header_->suspect);
  Count(header_->damaged);
}

bool SessionTable::Step(SessionHandle handle, SlotState from, SlotState to) noexcept {
  TableSlot* const slot = Find(handle);
  if (slot == nullptr) return false;
  const uint32_t generation = GenerationOf(handle);
  return Exchange(slot->state, StateWord(generation, from), StateWord(generation, to));
}

}  // namespace millrace
