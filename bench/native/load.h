#pragma once

#include <atomic>
#include <cstdint>
#include <list>
#include <mutex>
#include <string>

#include "bench/native/histogram.h"
#include "bench/native/options.h"

namespace millrace::bench {

/** What both echo clients do: `connections` × `depth` outstanding messages of `size` bytes. */
struct Load {
  explicit Load(Options& options)
      : host(options.Text("host", "127.0.0.1")),
        port(static_cast<uint16_t>(options.Number("port", 0, 1, 65535))),
        connections(options.Number("connections", 1, 1, 20'000)),
        depth(options.Number("depth", 1, 1, 1024)),
        size(options.Number("size", 64, 1, 65'536)),
        warmup_ms(options.Number("warmup-ms", 500, 0, 60'000)),
        duration_ms(options.Number("duration-ms", 2'000, 1, 600'000)) {}

  std::string host;  // an IPv4 address
  uint16_t port;
  uint32_t connections;
  uint32_t depth;
  uint32_t size;
  uint32_t warmup_ms;
  uint32_t duration_ms;
};

/** Collects round trips from any number of threads, each into a histogram of its own. */
class Recorder {
 public:
  void Begin() {
    begin_ns_ = NowNs();
    measuring_.store(true, std::memory_order_relaxed);
  }
  void End() {
    measuring_.store(false, std::memory_order_relaxed);
    end_ns_ = NowNs();
  }

  void RoundTrip(uint64_t ns) {
    Thread& mine = Mine();
    mine.round_trips += 1;
    if (measuring_.load(std::memory_order_relaxed)) mine.histogram.Record(ns);
  }
  void Error() { errors_.fetch_add(1, std::memory_order_relaxed); }

  /** One line of JSON. Call once no thread records any more. Returns the program's exit status. */
  int Print(const Load& load);

 private:
  /** What one thread has recorded. */
  struct Thread {
    Histogram histogram;
    uint64_t round_trips = 0;  // those before and after measuring, too
  };

  Thread& Mine();

  std::atomic<bool> measuring_{false};
  std::atomic<uint64_t> errors_{0};
  uint64_t begin_ns_ = 0;
  uint64_t end_ns_ = 0;
  std::mutex mutex_;
  std::list<Thread> threads_;  // guarded by mutex_; the elements belong to one thread each
};

}  // namespace millrace::bench
