#pragma once

#include <array>
#include <chrono>
#include <cstdint>
#include <span>
#include <vector>

#include "native/memory/ref_counted.h"
#include "native/quic/nonce_store.h"

namespace millrace {

// A listener's tickets (RFC 8446 section 4.6.1): what goes into them, and what one is worth that comes back.
// TLS encrypts and authenticates the content, so only who holds the ticket key can make one.
//
// A first flight can be replayed, so early data is taken from each ticket once, and only by the listener that
// issued it: its epoch is random, so that a restarted process, another node and another listener, which do
// not know what was taken, refuse. Refused early data costs a round trip; the session is resumed all the
// same.
//
//   version:u8  epoch:u8[16]  nonce:u64  expires:u64 (ms since 1970)      native byte order
class Resumption : public RefCounted<Resumption> {
 public:
  using Clock = std::chrono::system_clock;  // tickets of other nodes are compared with it
  static constexpr size_t kTicketBytes = 33;
  using Ticket = std::array<uint8_t, kTicketBytes>;

  struct Options {
    bool early_data = false;
    std::chrono::milliseconds lifetime{0};
    uint32_t max_tickets = 0;            // whose early data is taken; older ones still resume
    std::vector<uint8_t> ticket_keys{};  // what the listener begins with; see ticket.h
  };
  struct Verdict {
    bool resume = false;
    bool early_data = false;
  };

  explicit Resumption(const Options& options);
  ~Resumption() = default;

  // Any thread.
  [[nodiscard]] Ticket Issue(Clock::time_point now) noexcept;
  // Uses up the ticket's early data. Any thread.
  [[nodiscard]] Verdict Redeem(std::span<const uint8_t> ticket, Clock::time_point now) noexcept;

 private:
  const Options options_;
  std::array<uint8_t, 16> epoch_{};
  bool has_epoch_ = false;  // without randomness no early data is taken
  NonceStore nonces_;
};

}  // namespace millrace
