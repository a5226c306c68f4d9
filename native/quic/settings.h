#pragma once

#include <msquic.h>

#include <cstdint>

namespace millrace {

enum class CongestionControl : uint8_t { kCubic, kBbr };

// How connections behave on the wire: the options of listen and connect, each with a value.
// src/quic/options/settings.ts validates them and has the defaults.
struct Settings {
  uint32_t idle_timeout_ms = 0;  // 0 = never
  uint32_t handshake_timeout_ms = 0;
  uint32_t disconnect_timeout_ms = 16'000;
  uint32_t keep_alive_ms = 0;  // 0 = off
  uint32_t initial_rtt_ms = 333;
  uint16_t peer_bidi_streams = 0;
  uint16_t peer_uni_streams = 0;
  uint32_t stream_window_bytes = 0;  // a power of two
  uint32_t connection_window_bytes = 0;
  uint16_t minimum_mtu = 1248;
  uint16_t maximum_mtu = 1500;
  CongestionControl congestion_control = CongestionControl::kCubic;
  bool datagrams = false;
  // Off: we own the bytes until they are acknowledged, so msquic need not copy them, and completion means
  // more.
  bool send_buffering = false;
};

[[nodiscard]] QUIC_SETTINGS ToMsquic(const Settings& settings) noexcept;

}  // namespace millrace
