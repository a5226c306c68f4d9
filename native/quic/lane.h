#pragma once

#include <cstddef>
#include <cstdint>

#include "native/quic/events.h"

namespace millrace {

// A lane's stream begins with eight bytes: {u16 lane, u16 zero, u32 ordinal}, little-endian.
inline constexpr uint32_t kLanePrefixBytes = 8;
// The lane that is none: its stream asks for a graceful close. Its ordinal is the close code; its payload
// {u32 count, count × {u32 lane, u32 streams}} says how many streams each lane had, then the reason follows.
inline constexpr uint16_t kCloseLane = 0xffff;

[[nodiscard]] constexpr uint64_t LanePrefix(uint16_t lane, uint32_t ordinal) noexcept {
  return static_cast<uint64_t>(ordinal) << 32 | lane;
}

// msquic's for streams that are given none.
inline constexpr uint16_t kDefaultLanePriority = 0x7fff;

// Of the lanes that have something to send, or to deliver, those of the highest go first.
[[nodiscard]] constexpr uint16_t PriorityOf(uint16_t lane) noexcept {
  switch (lane) {
    case kLaneControl:
      return 0xffff;
    case kLaneHigh:
      return 0xbfff;
    case kLaneBulk:
      return 0x3fff;
    default:
      return kDefaultLanePriority;
  }
}

}  // namespace millrace
