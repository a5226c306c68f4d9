#pragma once

#include <chrono>
#include <cstdint>

#include "native/memory/ref_counted.h"
#include "native/quic/failure_notice.h"
#include "native/quic/resumption.h"

namespace millrace {

// What the connections of one listener, or of one connect call, have in common. Immutable once shared.
struct ConnectionOptions : RefCounted<ConnectionOptions> {
  bool framed = false;                       // frames, on lanes and as datagrams; otherwise raw ones
  bool authenticates = false;                // the application is asked about each peer's certificate
  uint32_t max_frame_bytes = 0;              // framed only
  uint32_t high_water_bytes = 0;             // kDrain is posted below half of it
  uint32_t receive_credit_bytes = 0;         // a connection's (framed) or a stream's (raw) share of the ring
  std::chrono::milliseconds lane_idle{250};  // an unused lane's stream is finished after that
  // Framed only: a frame whose rest does not come for so long ends the connection; 0 waits for ever.
  std::chrono::milliseconds frame_timeout{0};
  // Raw only: a peer that aborts more streams a second ends its connection (churn_budget.h); 0 is no limit.
  uint32_t peer_aborts_per_second = 0;
  bool wants_tickets = false;   // of a server: JavaScript is given its tickets
  Ref<FailureNotice> failures;  // raw only, of a listener
  Ref<Resumption> resumption;   // of a listener that gives tickets; it sets this itself
};

// Close codes that the engine itself sends; src/transport/close.ts has the same.
enum CloseCode : uint64_t {
  kCloseNormal = 0,
  kCloseGoingAway = 1,
  kCloseProtocolViolation = 2,
  kCloseFrameTooLarge = 3,
  kCloseFrameMalformed = 4,
  kClosePolicy = 5,
  kCloseExhausted = 7,
};

}  // namespace millrace
