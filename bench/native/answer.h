#pragma once

#include <cstdint>

// What clients and servers of the bulk, request, handshake and datagram benchmarks agree on. A client's
// bidirectional stream begins with eight bytes, little-endian: how long an answer it wants after its FIN. An
// answer is that many times kAnswerByte, and FIN. A datagram comes back as it is.
namespace millrace::bench {

constexpr char kAnswerAlpn[] = "millrace-bench";
constexpr uint8_t kAnswerByte = 0x61;
constexpr uint32_t kAnswerHeadBytes = 8;
constexpr uint32_t kMaxAnswerBytes = 1u << 16;
/** Every server gives so much, where it can be told. */
constexpr uint32_t kAnswerStreams = 128;
constexpr uint32_t kAnswerWindowBytes = 256 * 1024;

}  // namespace millrace::bench
