#include "native/quic/counters.h"

#include <functional>
#include <mutex>
#include <thread>

namespace millrace {
namespace {

struct Registry {
  std::mutex mutex;
  std::vector<const ThreadCounters*> all;
};

Registry& TheRegistry() noexcept {
  static Registry* registry = new Registry;  // msquic's threads may outlive static destruction
  return *registry;
}

}  // namespace

uint64_t CurrentThreadId() noexcept {
  constexpr uint64_t kExactInDouble = (uint64_t{1} << 53) - 1;
  return std::hash<std::thread::id>{}(std::this_thread::get_id()) & kExactInDouble;
}

ThreadCounters& ThreadCounters::Mine() noexcept {
  thread_local ThreadCounters* mine = [] {
    auto* counters = new ThreadCounters;
    counters->thread_id = CurrentThreadId();
    const std::lock_guard lock(TheRegistry().mutex);
    TheRegistry().all.push_back(counters);
    return counters;
  }();
  return *mine;
}

ProcessCounters& ProcessCounters::Get() noexcept {
  static auto* counters = new ProcessCounters;  // as the registry
  return *counters;
}

std::vector<const ThreadCounters*> ThreadCounters::All() noexcept {
  const std::lock_guard lock(TheRegistry().mutex);
  return TheRegistry().all;
}

}  // namespace millrace
