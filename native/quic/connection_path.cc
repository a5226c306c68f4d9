// Where a connection goes from and to, and how that changes: the peer's move, and our own.

#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <utility>

#include "native/quic/connection.h"
#include "native/quic/library.h"

namespace millrace {
namespace {

// msquic has no event for the handshake's confirmation (RFC 9001 section 4.1.2), before which it does not
// move: ask again after so long. Confirmation follows the handshake after half a round trip.
constexpr std::chrono::milliseconds kHandshakeConfirmationPoll{5};

// Whether a UDP socket can be had there. A failure inside msquic would leave the connection without a way.
QUIC_STATUS TryAddress(const QUIC_ADDR& address) noexcept {
  const bool is_ipv4 = QuicAddrGetFamily(&address) == QUIC_ADDRESS_FAMILY_INET;
  const int fd = ::socket(is_ipv4 ? AF_INET : AF_INET6, SOCK_DGRAM | SOCK_CLOEXEC, IPPROTO_UDP);
  if (fd < 0) return static_cast<QUIC_STATUS>(errno);
  const socklen_t bytes = is_ipv4 ? sizeof(sockaddr_in) : sizeof(sockaddr_in6);
  const bool failed = ::bind(fd, reinterpret_cast<const sockaddr*>(&address), bytes) != 0;
  const int error = errno;
  ::close(fd);
  return failed ? static_cast<QUIC_STATUS>(error) : QUIC_STATUS_SUCCESS;
}

}  // namespace

void Connection::set_addresses(const QUIC_ADDR& local, const QUIC_ADDR& remote) noexcept {
  const std::lock_guard lock(mutex_);
  local_address_ = local;
  remote_address_ = remote;
}

Connection::Path Connection::path() noexcept {
  const std::lock_guard lock(mutex_);
  return {local_address_, remote_address_};
}

void Connection::ReadAddresses() noexcept {
  QUIC_ADDR local{};
  QUIC_ADDR remote{};
  uint32_t bytes = sizeof(QUIC_ADDR);
  (void)Api().GetParam(handle(), QUIC_PARAM_CONN_LOCAL_ADDRESS, &bytes, &local);
  bytes = sizeof(QUIC_ADDR);
  (void)Api().GetParam(handle(), QUIC_PARAM_CONN_REMOTE_ADDRESS, &bytes, &remote);
  set_addresses(local, remote);
}

// A peer may move as often as it likes, so at most one event is under way for a connection: what happens
// until JavaScript takes it is one change.
void Connection::OnPeerMoved(const QUIC_ADDR& remote) noexcept {
  QUIC_ADDR local{};
  uint32_t bytes = sizeof(local);
  // Inside the connection's own callback this is answered at once.
  const bool has_local =
      QUIC_SUCCEEDED(Api().GetParam(handle(), QUIC_PARAM_CONN_LOCAL_ADDRESS, &bytes, &local));
  bool tell = false;
  {
    const std::lock_guard lock(mutex_);
    if (opened_ && moved_from_ == nullptr) {
      moved_from_ = std::make_unique<QUIC_ADDR>(remote_address_);
      tell = true;
    }
    remote_address_ = remote;
    if (has_local) local_address_ = local;
  }
  if (!tell) return;
  port().Write({.kind = EventKind::kPathChanged, .slot = slot(), .generation = generation()});
}

std::unique_ptr<Connection::PathChange> Connection::TakePathChange() noexcept {
  const std::lock_guard lock(mutex_);
  const std::unique_ptr<QUIC_ADDR> before = std::move(moved_from_);
  if (before == nullptr || QuicAddrCompare(before.get(), &remote_address_)) return nullptr;
  return std::make_unique<PathChange>(PathChange{local_address_, *before, remote_address_});
}

void Connection::Rebind(const QUIC_ADDR& local, std::chrono::milliseconds timeout, Done done) noexcept {
  Library::Get().control().Post([self = Ref<Connection>(this), local,
                                 deadline = ControlThread::Clock::now() + timeout,
                                 done = std::move(done)] { self->TryRebind(local, deadline, done); });
}

// Control thread.
void Connection::TryRebind(const QUIC_ADDR& local, ControlThread::Clock::time_point deadline,
                           const Done& done) noexcept {
  if (listener_ != 0) return done(QUIC_STATUS_NOT_SUPPORTED);
  const HQUIC handle = this->handle();
  bool closing = false;
  {
    const std::lock_guard lock(mutex_);
    closing = closing_ || end_ != nullptr;
  }
  if (handle == nullptr || closing) return done(QUIC_STATUS_ABORTED);
  QUIC_ADDR before = path().local;
  QUIC_ADDR wanted = local;
  if (QuicAddrGetFamily(&wanted) == QUIC_ADDRESS_FAMILY_UNSPEC) {
    const uint16_t port = QuicAddrGetPort(&wanted);
    wanted = before;
    QuicAddrSetPort(&wanted, port);
  }
  const QUIC_STATUS possible = TryAddress(wanted);
  if (QUIC_FAILED(possible)) return done(possible);

  // Refused before the handshake is confirmed, and while the peer has not given us another connection id: who
  // watches both addresses shall not see one id at both (RFC 9000 section 9.5; cmake/msquic-patches.cmake).
  const QUIC_STATUS status = Api().SetParam(handle, QUIC_PARAM_CONN_LOCAL_ADDRESS, sizeof(wanted), &wanted);
  if (status == QUIC_STATUS_INVALID_STATE) {
    if (ControlThread::Clock::now() >= deadline) return done(QUIC_STATUS_CONNECTION_TIMEOUT);
    Library::Get().control().PostAfter(
        kHandshakeConfirmationPoll,
        [self = Ref<Connection>(this), local, deadline, done] { self->TryRebind(local, deadline, done); });
    return;
  }
  if (QUIC_FAILED(status)) {
    // Somebody took the address in this moment. msquic has the wrong one by now: go on from any port of the
    // last.
    QuicAddrSetPort(&before, 0);
    (void)Api().SetParam(handle, QUIC_PARAM_CONN_LOCAL_ADDRESS, sizeof(before), &before);
  }
  ReadAddresses();
  done(status);
}

}  // namespace millrace
