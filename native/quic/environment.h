#pragma once

#include <atomic>
#include <cstdint>
#include <deque>
#include <memory>
#include <mutex>
#include <span>
#include <vector>

#include "native/memory/ref_counted.h"
#include "native/quic/event_port.h"
#include "native/quic/resource.h"

namespace millrace {

// What one JavaScript thread owns of the engine: its event ports, and the table of resources that it may
// address. msquic's threads hold leases on it and may find it closed.
class Environment : public RefCounted<Environment> {
 public:
  // `rings` and `slot_words` are JavaScript's memory, pinned by the caller until Close has returned.
  Environment(const std::vector<std::span<uint8_t>>& rings, std::span<int32_t> slot_words,
              std::unique_ptr<Waker> waker) noexcept;
  ~Environment();

  [[nodiscard]] bool valid() const noexcept;
  [[nodiscard]] const std::vector<Ref<EventPort>>& ports() const noexcept { return ports_; }

  // The port for the next connection: ports take turns. Any thread.
  [[nodiscard]] Ref<EventPort> NextPort() noexcept;

  // Gives the resource a slot; the table holds a lease from then on. False when closed or full. Any thread.
  [[nodiscard]] bool Insert(Resource* resource) noexcept;
  // The resource, or null when the handle is stale. JS thread, the only one that removes: the pointer stays
  // good until it calls Remove.
  [[nodiscard]] Resource* Find(uint32_t slot, uint32_t generation) const noexcept;
  // Frees the slot and drops the table's lease. JS thread.
  void Remove(Resource* resource) noexcept;

  // Connections that this environment has or is about to have: what a shared listener balances by.
  [[nodiscard]] uint32_t connections() const noexcept { return connections_.load(std::memory_order_relaxed); }
  void CountConnection(int delta) noexcept {
    connections_.fetch_add(static_cast<uint32_t>(delta), std::memory_order_relaxed);
  }

  // JS thread, once, from the environment's cleanup hook: ends all access to JavaScript's memory, then every
  // resource. What msquic still does afterwards finds closed ports.
  void Close() noexcept;
  [[nodiscard]] bool closed() const noexcept { return closed_.load(std::memory_order_acquire); }

 private:
  struct Slot {
    std::atomic<Resource*> resource{nullptr};  // the table's lease
    uint32_t generation = 0;                   // written under mutex_, by Insert
  };

  const uint32_t slot_count_;
  std::unique_ptr<Waker> waker_;
  std::vector<Ref<EventPort>> ports_;
  std::unique_ptr<Slot[], void (*)(void*)> slots_;
  std::mutex mutex_;
  uint32_t unused_slot_ = 1;         // slot 0 names nothing
  std::deque<uint32_t> free_slots_;  // first in, first out: a slot rests as long as possible
  std::atomic<uint32_t> next_port_{0};
  std::atomic<uint32_t> connections_{0};
  std::atomic<bool> closed_{false};
};

}  // namespace millrace
