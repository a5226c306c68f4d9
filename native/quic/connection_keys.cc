#include "native/quic/connection.h"
#include "native/quic/library.h"

namespace millrace {
namespace {

constexpr uint32_t kParamForceKeyUpdate = 0x85000000;  // msquicp.h, which is not installed
// The peer's word for the handshake, or for the keys before, comes within a round trip.
constexpr std::chrono::milliseconds kConfirmationPoll{5};

}  // namespace

void Connection::UpdateKeys(std::chrono::milliseconds timeout, Done done) noexcept {
  const auto deadline = ControlThread::Clock::now() + timeout;
  Library::Get().control().Post([self = Ref<Connection>(this), deadline, done = std::move(done)] {
    self->TryUpdateKeys(deadline, done);
  });
}

void Connection::TryUpdateKeys(ControlThread::Clock::time_point deadline, const Done& done) noexcept {
  bool ending = false;
  {
    const std::lock_guard lock(mutex_);
    ending = closing_ || end_ != nullptr;
  }
  if (handle() == nullptr || ending) return done(QUIC_STATUS_ABORTED);
  const QUIC_STATUS status = Api().SetParam(handle(), kParamForceKeyUpdate, 0, nullptr);
  if (status != QUIC_STATUS_INVALID_STATE) return done(status);
  if (ControlThread::Clock::now() >= deadline) return done(QUIC_STATUS_CONNECTION_TIMEOUT);
  Library::Get().control().PostAfter(kConfirmationPoll, [self = Ref<Connection>(this), deadline, done] {
    self->TryUpdateKeys(deadline, done);
  });
}

}  // namespace millrace
