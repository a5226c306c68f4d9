#pragma once

#include <cstddef>
#include <cstdint>

namespace millrace {

// Well-formed UTF-8 by the Unicode Standard, table 3-7: no surrogates, no overlong forms, at most U+10FFFF.
[[nodiscard]] bool IsUtf8(const uint8_t* text, size_t bytes) noexcept;

}  // namespace millrace
