#pragma once

#include <msquic.h>

#include <array>
#include <cstdint>
#include <optional>

namespace millrace {

// What holds for the whole process. What is not given stays as it is.
struct EngineSettings {
  struct LoadBalancing {
    QUIC_LOAD_BALANCING_MODE mode = QUIC_LOAD_BALANCING_DISABLED;
    uint32_t server_id = 0;
  };
  // Handshakes that take more of the machine's memory, in 65,535ths, must prove their address first: 0 = all
  // must.
  std::optional<uint16_t> retry_memory_limit;
  std::optional<LoadBalancing> load_balancing;
  // What seals the tokens of Retry packets, and for how long: a token holds for one to two rotations. Those
  // who share a secret and a clock take each other's tokens.
  struct RetryTokens {
    std::array<uint8_t, 32> secret{};
    uint32_t rotation_ms = 0;
  };
  std::optional<RetryTokens> retry_tokens;
};

// Blocking; control thread. QUIC_STATUS_INVALID_STATE, and nothing is set, where connection ids would have to
// change while listeners or connections have some.
[[nodiscard]] QUIC_STATUS ApplyEngineSettings(const EngineSettings& settings) noexcept;

}  // namespace millrace
