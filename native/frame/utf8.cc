#include "native/frame/utf8.h"

namespace millrace {

namespace {

// What may follow a lead byte: how many bytes, and the range of the first of them. The others are 80..BF.
struct Tail {
  uint8_t bytes;
  uint8_t first_min;
  uint8_t first_max;
};

Tail TailOf(uint8_t lead) noexcept {
  if (lead >= 0xc2 && lead <= 0xdf) return {1, 0x80, 0xbf};
  if (lead == 0xe0) return {2, 0xa0, 0xbf};
  if (lead == 0xed) return {2, 0x80, 0x9f};
  if (lead >= 0xe1 && lead <= 0xef) return {2, 0x80, 0xbf};
  if (lead == 0xf0) return {3, 0x90, 0xbf};
  if (lead >= 0xf1 && lead <= 0xf3) return {3, 0x80, 0xbf};
  if (lead == 0xf4) return {3, 0x80, 0x8f};
  return {0, 0, 0};
}

}  // namespace

bool IsUtf8(const uint8_t* text, size_t bytes) noexcept {
  size_t at = 0;
  while (at < bytes) {
    const uint8_t lead = text[at++];
    if (lead < 0x80) continue;
    const Tail tail = TailOf(lead);
    if (tail.bytes == 0 || bytes - at < tail.bytes) return false;
    if (text[at] < tail.first_min || text[at] > tail.first_max) return false;
    for (size_t i = 1; i < tail.bytes; ++i) {
      if ((text[at + i] & 0xc0) != 0x80) return false;
    }
    at += tail.bytes;
  }
  return true;
}

}  // namespace millrace
