#pragma once

#include <time.h>

#include <array>
#include <bit>
#include <cstdint>

namespace millrace::bench {

inline uint64_t NowNs() {
  timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  return static_cast<uint64_t>(now.tv_sec) * 1'000'000'000 + static_cast<uint64_t>(now.tv_nsec);
}

/**
 * Counts latencies in logarithmic buckets of 128 linear steps each (as HdrHistogram does), so a percentile is
 * off by less than 0.8 %. One thread writes; others may read once it stopped.
 */
class Histogram {
 public:
  void Record(uint64_t value_ns) {
    counts_[Bucket(value_ns)] += 1;
    total_ += 1;
  }

  void Add(const Histogram& other) {
    for (size_t i = 0; i < counts_.size(); i += 1) counts_[i] += other.counts_[i];
    total_ += other.total_;
  }

  uint64_t Total() const { return total_; }

  /** The upper bound of the bucket below which `fraction` of the values lie; 0 when there are none. */
  uint64_t Percentile(double fraction) const {
    if (total_ == 0) return 0;
    const auto wanted = static_cast<uint64_t>(fraction * static_cast<double>(total_ - 1)) + 1;
    uint64_t seen = 0;
    for (size_t i = 0; i < counts_.size(); i += 1) {
      seen += counts_[i];
      if (seen >= wanted) return UpperBound(i);
    }
    return UpperBound(counts_.size() - 1);
  }

 private:
  static constexpr unsigned kStepBits = 7;
  static constexpr size_t kSteps = size_t{1} << kStepBits;
  static constexpr unsigned kValueBits = 40;  // 2^40 ns is 18 minutes; what is longer counts as that

  static size_t Bucket(uint64_t value) {
    constexpr uint64_t kLargest = (uint64_t{1} << kValueBits) - 1;
    if (value > kLargest) value = kLargest;
    if (value < kSteps) return value;
    const unsigned shift = static_cast<unsigned>(std::bit_width(value)) - 1 - kStepBits;
    return (shift + 1) * kSteps + ((value >> shift) & (kSteps - 1));
  }

  static uint64_t UpperBound(size_t bucket) {
    if (bucket < kSteps) return bucket;
    const size_t shift = bucket / kSteps - 1;
    return ((kSteps + bucket % kSteps + 1) << shift) - 1;
  }

  std::array<uint64_t, (kValueBits - kStepBits + 1) * kSteps> counts_{};
  uint64_t total_ = 0;
};

}  // namespace millrace::bench
