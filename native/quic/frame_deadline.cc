#include "native/quic/frame_deadline.h"

#include <algorithm>
#include <mutex>
#include <utility>

#include "native/quic/connection.h"
#include "native/quic/inbound_lanes.h"
#include "native/quic/library.h"

namespace millrace {

void FrameDeadline::Watch(const InboundLanes& lanes) noexcept {
  const std::chrono::milliseconds timeout = connection_.options().frame_timeout;
  if (timeout.count() == 0 || watching_.exchange(true)) return;
  const std::lock_guard lock(connection_.mutex());
  CheckAfter(lanes, timeout);
}

// The connection's mutex is held. The task's lease keeps the connection, and with it the lanes.
void FrameDeadline::CheckAfter(const InboundLanes& lanes, std::chrono::milliseconds delay) noexcept {
  if (stopped_) return;
  timer_ = Library::Get().control().PostAfter(
      delay, [this, &lanes, lease = Ref<Connection>(&connection_)] { Check(lanes); });
}

void FrameDeadline::Check(const InboundLanes& lanes) noexcept {
  using std::chrono::milliseconds;
  const milliseconds timeout = connection_.options().frame_timeout;
  bool late = false;
  {
    const std::lock_guard lock(connection_.mutex());
    // Before the look: a stream that begins to wait behind it starts the watch anew.
    watching_.store(false);
    const FrameWait::Clock::time_point oldest = lanes.OldestWait();
    if (oldest == FrameWait::Clock::time_point::max()) return;
    // While we take no bytes of one stream, flow control may hold the others: nobody is late then.
    const auto left = lanes.HoldsPeerBack()
                          ? timeout
                          : timeout - std::chrono::floor<milliseconds>(FrameWait::Clock::now() - oldest);
    late = left.count() <= 0;
    if (!late && !watching_.exchange(true)) CheckAfter(lanes, left);
  }
  if (late) connection_.Fail(kClosePolicy);
}

void FrameDeadline::Stop() noexcept {
  ControlThread::Timer timer;
  {
    const std::lock_guard lock(connection_.mutex());
    stopped_ = true;
    timer = std::exchange(timer_, {});
  }
  if (timer.id != 0) Library::Get().control().Cancel(timer);
}

}  // namespace millrace
