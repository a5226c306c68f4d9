#include "native/session/session_directory.h"

#include <algorithm>
#include <map>
#include <utility>

#include "native/memory/random_seed.h"

namespace millrace {
namespace {

// A slot's word in its environment's own memory.
constexpr uint32_t WordOfSession(uint32_t generation) noexcept {
  return (generation << 1) | 1;
}
constexpr bool HasSession(uint32_t word) noexcept {
  return (word & 1) != 0;
}
constexpr uint32_t GenerationOfOwn(uint32_t word) noexcept {
  return (word >> 1) & kGenerationMask;
}
constexpr uint32_t GenerationAfter(uint32_t generation) noexcept {
  return generation == kGenerationMask ? 1 : generation + 1;
}

// Those that somebody is attached to.
struct Registry {
  std::mutex mutex;
  std::map<uint32_t, Ref<SessionDirectory>> directories;
  uint32_t last_id = 0;
};

// Never destroyed: threads outlive static objects.
Registry& TheRegistry() {
  static Registry& registry = *new Registry;
  return registry;
}

}  // namespace

Ref<SessionDirectory> SessionDirectory::Create(uint32_t slot_count, uint32_t max_environments) {
  Registry& registry = TheRegistry();
  const std::lock_guard lock(registry.mutex);
  Ref<SessionDirectory> directory =
      MakeRef<SessionDirectory>(++registry.last_id, slot_count, max_environments, RandomSeed());
  registry.directories.emplace(directory->id(), directory);
  return directory;
}

Ref<SessionDirectory> SessionDirectory::Attach(uint32_t id) {
  Registry& registry = TheRegistry();
  const std::lock_guard lock(registry.mutex);
  const auto found = registry.directories.find(id);
  if (found == registry.directories.end()) return {};
  ++found->second->attached_;
  return found->second;
}

void SessionDirectory::Detach() noexcept {
  Ref<SessionDirectory> last;  // let go of behind the lock
  Registry& registry = TheRegistry();
  const std::lock_guard lock(registry.mutex);
  if (--attached_ != 0) return;
  const auto found = registry.directories.find(id_);
  last = std::move(found->second);
  registry.directories.erase(found);
}

SessionDirectory::SessionDirectory(uint32_t id, uint32_t slot_count, uint32_t max_environments, uint64_t seed)
    : id_(id),
      slot_count_(slot_count),
      holders_(slot_count),
      last_(slot_count),
      index_(seed),
      slots_{},
      places_(std::clamp(max_environments, 1u, kTableMaxEnvironments)) {}

SessionDirectory::Word& SessionDirectory::OwnSlot(uint32_t environment, uint32_t slot) const noexcept {
  return slots_[environment].load(std::memory_order_acquire)[slot];
}

uint32_t SessionDirectory::Bind(uint32_t slot, uint32_t environment) noexcept {
  if (slot >= slot_count_ || environment >= places_.size()) return 0;
  uint8_t nobody = 0;
  if (!holders_[slot].compare_exchange_strong(nobody, static_cast<uint8_t>(environment + 1))) return 0;
  const uint32_t generation = GenerationAfter(last_[slot].load(std::memory_order_relaxed));
  OwnSlot(environment, slot).store(WordOfSession(generation), std::memory_order_release);
  held_counts_[environment].count.fetch_add(1);
  return generation;
}

bool SessionDirectory::Unbind(uint32_t slot, uint32_t generation, uint32_t environment) noexcept {
  if (slot >= slot_count_ || holders_[slot].load() != environment + 1) return false;
  Word& own = OwnSlot(environment, slot);
  if (own.load() != WordOfSession(generation)) return false;
  own.store(0);
  last_[slot].store(generation, std::memory_order_relaxed);
  held_counts_[environment].count.fetch_sub(1);
  holders_[slot].store(0);  // from here on it may be another's
  return true;
}

SessionHandle SessionDirectory::Steal(uint32_t environment) noexcept {
  const std::lock_guard lock(mutex_);
  if (environment >= places_.size()) return 0;
  for (uint32_t place = 0; place < places_.size(); ++place) {
    if (places_[place].claim == 0) continue;
    if (const SessionHandle handle = StealFrom(place, environment)) return handle;
  }
  return 0;
}

// The exchange decides between this thread and the one that keeps the slot. Whatever else a script may have
// written there is no slot that it keeps.
SessionHandle SessionDirectory::StealFrom(uint32_t place, uint32_t environment) noexcept {
  for (uint32_t at = kOwnHeaderWords; at < OwnSlotsOffset(slot_count_); ++at) {
    Word& kept = own_[place][at];
    if (kept.load(std::memory_order_relaxed) == 0) continue;
    const uint32_t slot = kept.exchange(0) - 1;
    if (slot >= slot_count_ || holders_[slot].load() != place + 1) continue;
    const uint32_t word = OwnSlot(place, slot).load();
    if (HasSession(word)) continue;
    OwnSlot(place, slot).store(0);
    held_counts_[place].count.fetch_sub(1);
    held_counts_[environment].count.fetch_add(1);
    const uint32_t generation = GenerationAfter(GenerationOfOwn(word));
    holders_[slot].store(static_cast<uint8_t>(environment + 1));
    OwnSlot(environment, slot).store(WordOfSession(generation));
    return (SessionHandle{generation} << kHandleSlotBits) | slot;
  }
  return 0;
}

bool SessionDirectory::IsHeld(uint32_t slot) const noexcept {
  return slot < slot_count_ && holders_[slot].load() != 0;
}

uint32_t SessionDirectory::held_count() const noexcept {
  int32_t sum = 0;
  for (const HeldCount& each : held_counts_) sum += each.count.load();
  return static_cast<uint32_t>(std::max(sum, 0));
}

uint32_t SessionDirectory::BoundGeneration(uint32_t slot) const noexcept {
  if (slot >= slot_count_) return 0;
  const uint32_t holder = holders_[slot].load();
  if (holder == 0) return 0;
  const uint32_t word = OwnSlot(holder - 1, slot).load();
  return HasSession(word) ? GenerationOfOwn(word) : 0;
}

uint32_t SessionDirectory::LastGeneration(uint32_t slot) const noexcept {
  if (slot >= slot_count_) return 0;
  const uint32_t holder = holders_[slot].load();
  return holder == 0 ? last_[slot].load() : GenerationOfOwn(OwnSlot(holder - 1, slot).load());
}

int32_t SessionDirectory::OwnerOf(SessionHandle handle) const noexcept {
  const auto slot = static_cast<uint32_t>(handle & kSlotMask);
  const uint64_t generation = handle >> kHandleSlotBits;
  if (slot >= slot_count_ || generation == 0 || generation > kGenerationMask) return -1;
  const uint32_t holder = holders_[slot].load();
  if (holder == 0) return -1;
  if (OwnSlot(holder - 1, slot).load() != WordOfSession(static_cast<uint32_t>(generation))) return -1;
  return static_cast<int32_t>(holder) - 1;
}

std::span<std::atomic<uint32_t>> SessionDirectory::OwnWords(SessionClaim claim) noexcept {
  if (!IsAlive(claim)) return {};
  return own_[claim & kEnvironmentMask];
}

SessionHandle SessionDirectory::Assign(const SessionKey& key, SessionHandle handle, bool keeps) {
  if (!IsLive(handle)) return 0;
  return index_.Assign(
      key, handle, [this](SessionHandle each) { return IsLive(each); }, keeps);
}

SessionHandle SessionDirectory::Find(const SessionKey& key) const {
  const SessionHandle handle = index_.Find(key);
  return handle != 0 && IsLive(handle) ? handle : 0;
}

bool SessionDirectory::Erase(const SessionKey& key, SessionHandle handle) {
  return handle != 0 && index_.Erase(key, handle);
}

SessionClaim SessionDirectory::Join(Ref<SessionWaker> waker, uint32_t* changes) {
  const std::lock_guard lock(mutex_);
  for (uint32_t index = 0; index < places_.size(); ++index) {
    Place& place = places_[index];
    if (place.claim != 0) continue;
    place.epoch = (place.epoch + 1) & kEpochMask;
    if (place.epoch == 0) place.epoch = 1;
    if (own_[index].empty()) {
      own_[index] = Words(OwnWordsOf(slot_count_));
      slots_[index].store(own_[index].data() + OwnSlotsOffset(slot_count_), std::memory_order_release);
    }
    place.claim = (place.epoch << kClaimEnvironmentBits) | index;
    place.waker = std::move(waker);
    CountChange();
    place.changes = changes;
    return place.claim;
  }
  return 0;
}

void SessionDirectory::Leave(SessionClaim claim) noexcept {
  if (!IsAlive(claim)) return;
  const uint32_t index = claim & kEnvironmentMask;
  Ref<SessionWaker> waker;             // let go of behind the lock
  const std::lock_guard lock(mutex_);  // nobody steals from it now
  // First its slots: nobody finds a session of an environment that can no longer be woken, and none is left
  // when the place is another's.
  for (uint32_t slot = 0; slot < slot_count_; ++slot) {
    if (holders_[slot].load() != index + 1) continue;
    last_[slot].store(GenerationOfOwn(OwnSlot(index, slot).load()), std::memory_order_relaxed);
    holders_[slot].store(0);
  }
  for (Word& word : own_[index]) word.store(0, std::memory_order_relaxed);
  held_counts_[index].count.store(0);
  places_[index].claim = 0;
  waker = std::exchange(places_[index].waker, {});
  places_[index].changes = nullptr;
  CountChange();
  ended_.push_back(claim);
}

void SessionDirectory::CountChange() noexcept {
  for (const Place& place : places_) {
    if (place.changes != nullptr) ++std::atomic_ref<uint32_t>(*place.changes);
  }
}

bool SessionDirectory::IsAlive(SessionClaim claim) const noexcept {
  const uint32_t index = claim & kEnvironmentMask;
  const std::lock_guard lock(mutex_);
  return claim != 0 && index < places_.size() && places_[index].claim == claim;
}

bool SessionDirectory::Wake(uint32_t environment) noexcept {
  Ref<SessionWaker> waker;
  {
    const std::lock_guard lock(mutex_);
    if (environment >= places_.size()) return false;
    waker = places_[environment].waker;
  }
  if (!waker) return false;
  waker->Wake();
  return true;
}

std::vector<SessionClaim> SessionDirectory::Living() const {
  const std::lock_guard lock(mutex_);
  std::vector<SessionClaim> living;
  for (const Place& place : places_) {
    if (place.claim != 0) living.push_back(place.claim);
  }
  return living;
}

std::vector<SessionClaim> SessionDirectory::Ended() const {
  const std::lock_guard lock(mutex_);
  return ended_;
}

void SessionDirectory::Bury(SessionClaim claim) noexcept {
  const std::lock_guard lock(mutex_);
  std::erase(ended_, claim);
}

}  // namespace millrace
