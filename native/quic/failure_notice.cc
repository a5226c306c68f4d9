#include "native/quic/failure_notice.h"

#include <cstring>

namespace millrace {

void FailureNotice::Tell(EventPort& port, const HandshakeFailedEvent& failure,
                         const QUIC_ADDR& remote) noexcept {
  if (told_.exchange(true, std::memory_order_acq_rel)) {
    missed_.fetch_add(1, std::memory_order_relaxed);
    return;
  }
  QUIC_ADDR_STR text{};
  if (!QuicAddrToString(&remote, &text)) text.Address[0] = '\0';
  port.Write({.kind = EventKind::kHandshakeFailed,
              .head = BytesOf(failure),
              .body = {reinterpret_cast<const uint8_t*>(text.Address), std::strlen(text.Address)}});
}

uint32_t FailureNotice::Heed() noexcept {
  told_.store(false, std::memory_order_release);
  return missed_.exchange(0, std::memory_order_relaxed);
}

}  // namespace millrace
