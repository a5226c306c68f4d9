#include "native/quic/environment.h"

#include <cstdlib>
#include <utility>

namespace millrace {

// calloc: the pages of slots that were never used are never touched. All zero is a valid empty Slot.
Environment::Environment(const std::vector<std::span<uint8_t>>& rings, std::span<int32_t> slot_words,
                         std::unique_ptr<Waker> waker) noexcept
    : slot_count_(static_cast<uint32_t>(slot_words.size() / kSlotWords)),
      waker_(std::move(waker)),
      slots_(static_cast<Slot*>(std::calloc(slot_count_, sizeof(Slot))), &std::free) {
  for (const std::span<uint8_t> ring : rings)
    ports_.push_back(EventPort::Open(ring, slot_words, waker_.get()));
}

Environment::~Environment() = default;

bool Environment::valid() const noexcept {
  if (slots_ == nullptr || ports_.empty()) return false;
  for (const Ref<EventPort>& port : ports_) {
    if (!port) return false;
  }
  return true;
}

Ref<EventPort> Environment::NextPort() noexcept {
  return ports_[next_port_.fetch_add(1, std::memory_order_relaxed) % ports_.size()];
}

bool Environment::Insert(Resource* resource) noexcept {
  const std::lock_guard lock(mutex_);
  if (closed_.load(std::memory_order_relaxed)) return false;
  uint32_t index = 0;
  // A few slots are always left to rest, so that a generation does not come round quickly.
  if (unused_slot_ < slot_count_ && free_slots_.size() < 64) {
    index = unused_slot_++;
  } else if (!free_slots_.empty()) {
    index = free_slots_.front();
    free_slots_.pop_front();
  } else {
    return false;
  }
  Slot& slot = slots_[index];
  slot.generation += 1;
  resource->set_handle(index, slot.generation);
  resource->port().ResetSlot(index);
  resource->AddRef();
  slot.resource.store(resource, std::memory_order_release);
  return true;
}

Resource* Environment::Find(uint32_t slot, uint32_t generation) const noexcept {
  if (slot >= slot_count_) return nullptr;
  Resource* resource = slots_[slot].resource.load(std::memory_order_acquire);
  return resource != nullptr && resource->generation() == generation ? resource : nullptr;
}

void Environment::Remove(Resource* resource) noexcept {
  const Ref<Resource> lease = Ref<Resource>::Adopt(resource);
  const std::lock_guard lock(mutex_);
  slots_[resource->slot()].resource.store(nullptr, std::memory_order_release);
  free_slots_.push_back(resource->slot());
}

void Environment::Close() noexcept {
  uint32_t used = 0;
  {
    const std::lock_guard lock(mutex_);
    closed_.store(true, std::memory_order_release);
    used = unused_slot_;
  }
  for (const Ref<EventPort>& port : ports_) port->Close();
  for (uint32_t index = 1; index < used; ++index) {
    Resource* resource = slots_[index].resource.exchange(nullptr, std::memory_order_acq_rel);
    if (resource == nullptr) continue;
    const Ref<Resource> lease = Ref<Resource>::Adopt(resource);
    resource->Abandon();
  }
}

}  // namespace millrace
