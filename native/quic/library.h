#pragma once

#include <msquic.h>

#include <array>
#include <cstdint>

#include "native/memory/memory_budget.h"
#include "native/memory/slab_pool.h"
#include "native/quic/control_thread.h"

namespace millrace {

// msquic, opened once for the process and shared by every environment; never closed, because its threads may
// outlive any of them (the addon is linked -z nodelete for the same reason).
class Library {
 public:
  // Opens on first use; any thread. Null when msquic refuses, with its status.
  [[nodiscard]] static Library* Open(QUIC_STATUS* status) noexcept;

  // The opened library. Only for code that holds an object made by it.
  [[nodiscard]] static Library& Get() noexcept;

  // What msquic has counted for this process, by QUIC_PERFORMANCE_COUNTERS; zeros before it was opened. Any
  // thread: no worker is waited for.
  using Counters = std::array<uint64_t, QUIC_PERF_COUNTER_MAX>;
  [[nodiscard]] static Counters ReadCounters() noexcept;

  [[nodiscard]] const QUIC_API_TABLE& api() const noexcept { return *api_; }
  [[nodiscard]] HQUIC registration() const noexcept { return registration_; }
  [[nodiscard]] ControlThread& control() noexcept { return control_; }
  [[nodiscard]] MemoryBudget& assembly_budget() noexcept { return assembly_budget_; }
  [[nodiscard]] SlabPool& slabs() noexcept { return slabs_; }

 private:
  Library(const QUIC_API_TABLE* api, HQUIC registration) noexcept : api_(api), registration_(registration) {}

  const QUIC_API_TABLE* api_;
  HQUIC registration_;
  ControlThread control_;
  // Caps the bytes of frames that wait for their end, over all connections of the process.
  MemoryBudget assembly_budget_{256u << 20};
  SlabPool slabs_;
};

// The table, for brevity: `Api().StreamSend(...)`.
[[nodiscard]] inline const QUIC_API_TABLE& Api() noexcept {
  return Library::Get().api();
}

}  // namespace millrace
