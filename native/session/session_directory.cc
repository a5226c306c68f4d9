#include "native/session/session_directory.h"

#include <map>
#include <utility>

#include "native/memory/random_seed.h"

namespace millrace {
namespace {

constexpr uint32_t kHolderBits = 8;
constexpr uint64_t kHolderMask = (1u << kHolderBits) - 1;
constexpr uint32_t kGenerationMask = (1u << kGenerationBits) - 1;
constexpr uint32_t kEnvironmentMask = (1u << kClaimEnvironmentBits) - 1;
constexpr uint32_t kSlotMask = (1u << kHandleSlotBits) - 1;

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

Ref<SessionDirectory> SessionDirectory::Create(uint32_t slot_count) {
  Registry& registry = TheRegistry();
  const std::lock_guard lock(registry.mutex);
  Ref<SessionDirectory> directory = MakeRef<SessionDirectory>(++registry.last_id, slot_count, RandomSeed());
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

SessionDirectory::SessionDirectory(uint32_t id, uint32_t slot_count, uint64_t seed)
    : id_(id), slots_(slot_count), index_(seed) {}

bool SessionDirectory::Bind(uint32_t slot, uint32_t generation, uint32_t environment) noexcept {
  if (slot >= slots_.size() || generation > kGenerationMask || environment >= kTableMaxEnvironments)
    return false;
  uint64_t word = slots_[slot].load();
  const uint64_t bound = (uint64_t{generation} << kHolderBits) | (environment + 1);
  // Before its first session a slot has generation 0, which every other is later than.
  const bool is_later = word == 0 ? generation != 0 : IsLater(generation, GenerationIn(word));
  return (word & kHolderMask) == 0 && is_later && slots_[slot].compare_exchange_strong(word, bound);
}

bool SessionDirectory::Unbind(uint32_t slot, uint32_t generation) noexcept {
  if (slot >= slots_.size()) return false;
  uint64_t word = slots_[slot].load();
  if ((word & kHolderMask) == 0 || GenerationIn(word) != generation) return false;
  return slots_[slot].compare_exchange_strong(word, word & ~kHolderMask);
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

bool SessionDirectory::Join(SessionClaim claim, Ref<SessionWaker> waker) {
  const uint32_t index = claim & kEnvironmentMask;
  if (claim == 0 || index >= kTableMaxEnvironments) return false;
  const std::lock_guard lock(mutex_);
  if (environments_[index].claim != 0) return false;
  environments_[index] = {claim, false, std::move(waker)};
  return true;
}

void SessionDirectory::Leave(SessionClaim claim) noexcept {
  const uint32_t index = claim & kEnvironmentMask;
  if (index >= kTableMaxEnvironments) return;
  // First its slots, so that nobody finds a session of an environment that can no longer be woken.
  for (std::atomic<uint64_t>& slot : slots_) {
    uint64_t word = slot.load();
    if ((word & kHolderMask) == index + 1) slot.compare_exchange_strong(word, word & ~kHolderMask);
  }
  Ref<SessionWaker> waker;  // let go of behind the lock
  const std::lock_guard lock(mutex_);
  Environment& environment = environments_[index];
  if (environment.claim != claim) return;
  environment.ended = true;
  waker = std::exchange(environment.waker, {});
}

bool SessionDirectory::Wake(uint32_t environment) noexcept {
  Ref<SessionWaker> waker;
  {
    const std::lock_guard lock(mutex_);
    if (environment >= kTableMaxEnvironments) return false;
    waker = environments_[environment].waker;
  }
  if (!waker) return false;
  waker->Wake();
  return true;
}

std::vector<SessionClaim> SessionDirectory::Ended() const {
  const std::lock_guard lock(mutex_);
  std::vector<SessionClaim> claims;
  for (const Environment& environment : environments_) {
    if (environment.ended) claims.push_back(environment.claim);
  }
  return claims;
}

void SessionDirectory::Bury(SessionClaim claim) noexcept {
  const uint32_t index = claim & kEnvironmentMask;
  if (index >= kTableMaxEnvironments) return;
  const std::lock_guard lock(mutex_);
  if (environments_[index].claim == claim && environments_[index].ended) environments_[index] = {};
}

}  // namespace millrace
