// How a connection ends, by whose word, and what is told of it. Whoever speaks first is believed.

#include <memory>
#include <string>
#include <utility>

#include "native/quic/connection.h"
#include "native/quic/library.h"
#include "native/quic/send_request.h"
#include "native/quic/stream.h"

namespace millrace {

void Connection::Close(const Closing& closing) noexcept {
  SetEnd(ClosedBy::kLocal, 0, closing.code, closing.reason);
  bool waits = false;
  if (closing.graceful && handle() != nullptr) {
    const std::lock_guard lock(mutex_);
    if (options_->framed) {
      if (!closing_ && outbound_ == nullptr) outbound_ = std::make_unique<OutboundLanes>(*this);
      // Before the handshake there is nobody to ask for a gentle end.
      waits = !closing_ && takeoff_ == nullptr &&
              outbound_->SendClose(static_cast<uint32_t>(closing.code), closing.reason);
    } else {
      ends_when_sent_.store(true);
      waits = sends_in_flight_.load() != 0;
    }
    closing_ = true;
    if (waits) {
      close_deadline_ = Library::Get().control().PostAfter(
          closing.deadline, [self = Ref<Connection>(this)] { self->ShutDown(); });
    }
  }
  if (!waits) Library::Get().control().Post([self = Ref<Connection>(this)] { self->ShutDown(); });
}

void Connection::Fail(uint64_t code) noexcept {
  if (SetEnd(ClosedBy::kLocal, 0, code, {})) {
    ProcessCounters::Get().peers_failed.fetch_add(1, std::memory_order_relaxed);
  }
  Api().ConnectionShutdown(handle(), QUIC_CONNECTION_SHUTDOWN_FLAG_NONE, code);
}

void Connection::FinishForPeer(uint64_t code, std::string reason) noexcept {
  SetEnd(ClosedBy::kPeer, 0, code, std::move(reason));
  Api().ConnectionShutdown(handle(), QUIC_CONNECTION_SHUTDOWN_FLAG_NONE, code);
}

void Connection::Abandon() noexcept {
  Closing closing;
  closing.code = kCloseGoingAway;
  Close(closing);
}

bool Connection::SetEnd(ClosedBy by, int32_t status, uint64_t code, std::string reason) noexcept {
  const std::lock_guard lock(mutex_);
  if (end_ != nullptr) return false;
  end_ = std::make_unique<End>(End{by, status, code, std::move(reason)});
  return true;
}

void Connection::SendEnds() noexcept {
  // seq_cst on both: Close sets the flag, then reads the count; here the other way round.
  if (sends_in_flight_.fetch_sub(1) != 1 || !ends_when_sent_.load()) return;
  Library::Get().control().Post([self = Ref<Connection>(this)] { self->ShutDown(); });
}

void Connection::ShutDown() noexcept {
  const HQUIC handle = this->handle();
  if (handle == nullptr) return;  // never started: Start reports the end
  End end;
  {
    const std::lock_guard lock(mutex_);
    closing_ = true;
    if (end_ != nullptr) end = *end_;
  }
  // A graceful close of a framed connection carries its reason on a stream as well.
  if (!end.reason.empty()) {
    (void)Api().SetParam(handle, QUIC_PARAM_CONN_CLOSE_REASON_PHRASE,
                         static_cast<uint32_t>(end.reason.size() + 1), end.reason.c_str());
  }
  Api().ConnectionShutdown(handle, QUIC_CONNECTION_SHUTDOWN_FLAG_NONE, end.code);
}

void Connection::OnShutdownComplete() noexcept {
  ControlThread::Timer deadline;
  {
    const std::lock_guard lock(mutex_);
    closing_ = true;
    deadline = std::exchange(close_deadline_, {});
  }
  if (deadline.id != 0) Library::Get().control().Cancel(deadline);
  if (inbound_ != nullptr) inbound_->Stop();
  ReadPeerReason();
  EndHandshake();
  const auto takeoff = TakeTakeoff();
  if (takeoff == nullptr) return OnEnded();
  for (const auto& [lane, request] : takeoff->frames) SendRequest::Complete(request);
  if (takeoff->streams.empty()) return OnEnded();
  streams_to_end_ = static_cast<uint32_t>(takeoff->streams.size());
  for (const Ref<Stream>& stream : takeoff->streams) stream->GiveUp();
}

void Connection::OnStreamGivenUp() noexcept {
  if (streams_to_end_ != 0 && --streams_to_end_ == 0) OnEnded();
}

void Connection::OnEnded() noexcept {
  if (announced_ || listener_ == 0) {
    // The last that can be read; a server has too many connections for it.
    if (!options_->framed || listener_ == 0) PostStatistics();
    PostClosed();
  } else {
    PostHandshakeFailed();
  }
  socket_ = SocketUse();  // msquic closes it with its last connection
  Release();              // msquic's lease
}

// msquic has the reason only after SHUTDOWN_INITIATED_BY_PEER.
void Connection::ReadPeerReason() noexcept {
  char reason[512] = {};
  uint32_t bytes = sizeof(reason) - 1;
  const std::lock_guard lock(mutex_);
  if (end_ == nullptr || end_->by != ClosedBy::kPeer || !end_->reason.empty()) return;
  // Inside the connection's own callback this is answered at once.
  if (QUIC_SUCCEEDED(Api().GetParam(handle(), QUIC_PARAM_CONN_CLOSE_REASON_PHRASE, &bytes, reason))) {
    end_->reason = reason;
  }
}

Connection::End Connection::ReadEnd() noexcept {
  const std::lock_guard lock(mutex_);
  return end_ == nullptr ? End{} : *end_;
}

void Connection::PostHandshakeFailed() noexcept {
  if (!options_->failures) return;
  const End end = ReadEnd();
  const HandshakeFailedEvent failure{
      .listener = listener_, .by = static_cast<uint32_t>(end.by), .status = end.status, .code = end.code};
  options_->failures->Tell(port(), failure, path().remote);
}

void Connection::PostClosed() noexcept {
  const End end = ReadEnd();
  const ClosedEvent closed{static_cast<uint32_t>(end.by), end.status, end.code};
  port().Write({.kind = EventKind::kConnectionClosed,
                .slot = slot(),
                .generation = generation(),
                .head = BytesOf(closed),
                .body = {reinterpret_cast<const uint8_t*>(end.reason.data()), end.reason.size()}});
}

}  // namespace millrace
