#pragma once

#include <msquic.h>

#include <array>
#include <cstdint>
#include <span>

namespace millrace {

// One number of a connection's statistics: its name for JavaScript, and where msquic has it.
struct StatisticField {
  const char* name;
  uint64_t (*of)(const QUIC_STATISTICS_V2& statistics);
};

inline constexpr size_t kStatisticCount = 32;

// The order of the numbers in kConnectionStatistics; bindings/constants.cc exports it.
[[nodiscard]] std::span<const StatisticField, kStatisticCount> StatisticFields() noexcept;

using Statistics = std::array<uint64_t, kStatisticCount>;

// Reads them from msquic: inside the connection's own callback, or on the control thread, for elsewhere it
// blocks. False when msquic refuses.
[[nodiscard]] bool ReadStatistics(HQUIC connection, Statistics* statistics) noexcept;

}  // namespace millrace
