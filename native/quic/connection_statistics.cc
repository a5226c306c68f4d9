// What is known of a connection's traffic.

#include <algorithm>

#include "native/quic/connection.h"
#include "native/quic/library.h"
#include "native/quic/statistics.h"

namespace millrace {

// Inside this connection's callback, or on the control thread: elsewhere it would block.
void Connection::ReadRoundTrip() noexcept {
  QUIC_STATISTICS_V2 statistics{};
  uint32_t bytes = sizeof(statistics);
  if (QUIC_FAILED(Api().GetParam(handle(), QUIC_PARAM_CONN_STATISTICS_V2, &bytes, &statistics))) return;
  port().StoreRoundTrip(*this, std::max<uint32_t>(1, statistics.Rtt));
}

// Inside this connection's callback, or on the control thread.
void Connection::PostStatistics() noexcept {
  Statistics statistics;
  if (!ReadStatistics(handle(), &statistics)) return;
  port().Write({.kind = EventKind::kStatistics,
                .slot = slot(),
                .generation = generation(),
                .head = BytesOf(statistics)});
}

void Connection::RequestStatistics() noexcept {
  Library::Get().control().Post([self = Ref<Connection>(this)] {
    // Where it was never started, kConnectionClosed is the answer.
    if (self->handle() != nullptr) self->PostStatistics();
  });
}

void Connection::RefreshStatistics() noexcept {
  Library::Get().control().Post([self = Ref<Connection>(this)] {
    if (self->handle() != nullptr) self->ReadRoundTrip();
  });
}

}  // namespace millrace
