#include "native/session/session_directory.h"

#include <algorithm>
#include <map>
#include <utility>

#include "native/memory/random_seed.h"

namespace millrace {
namespace {

constexpr uint32_t kHolderBits = 8;
constexpr uint64_t kHolderMask = (1u << kHolderBits) - 1;

uint32_t GenerationIn(uint64_t word) noexcept {
  return static_cast<uint32_t>(word >> kHolderBits);
}

// Generations run over: later is what is at most half of them ahead.
bool IsLater(uint32_t generation, uint32_t than) noexcept {
  const uint32_t ahead = (generation - than) & kGenerationMask;
  return ahead != 0 && ahead <= kGenerationMask / 2;
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
      slots_(slot_count),
      index_(seed),
      places_(std::clamp(max_environments, 1u, kTableMaxEnvironments)) {}

bool SessionDirectory::Bind(uint32_t slot, uint32_t generation, uint32_t environment) noexcept {
  if (slot >= slots_.size() || generation > kGenerationMask || environment >= kTableMaxEnvironments)
    return false;
  uint64_t word = slots_[slot].load();
  const uint64_t bound = (uint64_t{generation} << kHolderBits) | (environment + 1);
  // Before its first session a slot has generation 0, which every other is later than.
  const bool is_later = word == 0 ? generation != 0 : IsLater(generation, GenerationIn(word));
  if ((word & kHolderMask) != 0 || !is_later || !slots_[slot].compare_exchange_strong(word, bound))
    return false;
  CountBound(environment, 1);
  return true;
}

bool SessionDirectory::Unbind(uint32_t slot, uint32_t generation, uint32_t environment) noexcept {
  if (slot >= slots_.size()) return false;
  const uint64_t word = slots_[slot].load();
  if ((word & kHolderMask) != environment + 1 || GenerationIn(word) != generation) return false;
  // Nobody but its environment changes the word of a slot that somebody has.
  slots_[slot].store(word & ~kHolderMask, std::memory_order_release);
  CountBound(environment, -1);
  return true;
}

// Each environment counts its own, so nobody waits for another's line.
void SessionDirectory::CountBound(uint32_t environment, int32_t more) noexcept {
  std::atomic<int32_t>& count = bound_counts_[environment].count;
  count.store(count.load(std::memory_order_relaxed) + more, std::memory_order_release);
}

uint32_t SessionDirectory::bound_count() const noexcept {
  int32_t sum = 0;
  for (const BoundCount& each : bound_counts_) sum += each.count.load();
  return static_cast<uint32_t>(std::max(sum, 0));
}

uint32_t SessionDirectory::BoundGeneration(uint32_t slot) const noexcept {
  if (slot >= slots_.size()) return 0;
  const uint64_t word = slots_[slot].load();
  return (word & kHolderMask) == 0 ? 0 : GenerationIn(word);
}

uint32_t SessionDirectory::LastGeneration(uint32_t slot) const noexcept {
  return slot < slots_.size() ? GenerationIn(slots_[slot].load()) : 0;
}

int32_t SessionDirectory::OwnerOf(SessionHandle handle) const noexcept {
  const auto slot = static_cast<uint32_t>(handle & kSlotMask);
  if (slot >= slots_.size()) return -1;
  const uint64_t word = slots_[slot].load();
  if ((word & kHolderMask) == 0 || GenerationIn(word) != handle >> kHandleSlotBits) return -1;
  return static_cast<int32_t>(word & kHolderMask) - 1;
}

void SessionDirectory::Assign(const SessionKey& key, SessionHandle handle) {
  if (IsLive(handle)) index_.Assign(key, handle, [this](SessionHandle each) { return IsLive(each); });
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
    place.claim = (place.epoch << kClaimEnvironmentBits) | index;
    place.waker = std::move(waker);
    place.changes = changes;
    return place.claim;
  }
  return 0;
}

void SessionDirectory::Leave(SessionClaim claim) noexcept {
  if (!IsAlive(claim)) return;
  const uint32_t index = claim & kEnvironmentMask;
  // First its slots: nobody finds a session of an environment that can no longer be woken, and none is left
  // when the place is another's.
  for (std::atomic<uint64_t>& slot : slots_) {
    const uint64_t word = slot.load();
    if ((word & kHolderMask) == index + 1) slot.store(word & ~kHolderMask, std::memory_order_release);
  }
  bound_counts_[index].count.store(0);
  Ref<SessionWaker> waker;  // let go of behind the lock
  const std::lock_guard lock(mutex_);
  places_[index].claim = 0;
  waker = std::exchange(places_[index].waker, {});
  places_[index].changes = nullptr;
  for (const Place& place : places_) {
    if (place.changes != nullptr) ++std::atomic_ref<uint32_t>(*place.changes);
  }
  ended_.push_back(claim);
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

std::vector<SessionClaim> SessionDirectory::Ended() const {
  const std::lock_guard lock(mutex_);
  return ended_;
}

void SessionDirectory::Bury(SessionClaim claim) noexcept {
  const std::lock_guard lock(mutex_);
  std::erase(ended_, claim);
}

}  // namespace millrace
