#include "bench/native/load.h"

#include <cstdio>

namespace millrace::bench {

Recorder::Thread& Recorder::Mine() {
  thread_local Thread* mine = nullptr;
  if (!mine) {
    const std::lock_guard lock(mutex_);
    mine = &threads_.emplace_back();
  }
  return *mine;
}

int Recorder::Print(const Load& load) {
  Histogram all;
  uint64_t round_trips = 0;
  for (const Thread& thread : threads_) {
    all.Add(thread.histogram);
    round_trips += thread.round_trips;
  }
  const double seconds = static_cast<double>(end_ns_ - begin_ns_) / 1e9;
  const auto micros = [&](double fraction) { return static_cast<double>(all.Percentile(fraction)) / 1e3; };
  std::printf(
      "{\"connections\":%u,\"depth\":%u,\"size\":%u,\"seconds\":%.3f,\"messages\":%llu,\"errors\":%llu,"
      "\"operations\":%llu,\"perSecond\":%.0f,\"p50Us\":%.1f,\"p99Us\":%.1f,\"p999Us\":%.1f}\n",
      load.connections, load.depth, load.size, seconds, static_cast<unsigned long long>(all.Total()),
      static_cast<unsigned long long>(errors_.load()), static_cast<unsigned long long>(round_trips),
      static_cast<double>(all.Total()) / seconds, micros(0.5), micros(0.99), micros(0.999));
  return errors_.load() == 0 && all.Total() > 0 ? 0 : 1;
}

}  // namespace millrace::bench
