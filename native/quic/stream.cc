#include "native/quic/stream.h"

#include <algorithm>
#include <utility>

#include "native/quic/library.h"
#include "native/quic/send_request.h"

namespace millrace {
namespace {

// The largest piece of a raw stream in one record: small enough to fit a ring that is nearly full.
constexpr size_t kMaxChunkBytes = 64u << 10;
// Less room than this is not worth a record while more comes.
constexpr uint32_t kMinChunkBytes = 4096;

}  // namespace

Stream::Stream(Connection& connection) noexcept
    : Resource(Kind::kStream, Ref<EventPort>(&connection.port())),
      connection_(&connection),
      credit_(connection.options().receive_credit_bytes) {}

// Without a handler the close is only queued for msquic's worker, or, on that very worker, done: it never
// waits. (One that never started would be told SHUTDOWN_COMPLETE: that is not for us any more.)
Stream::~Stream() {
  if (handle_ == nullptr) return;
  Api().SetCallbackHandler(handle_, nullptr, nullptr);
  Api().StreamClose(handle_);
}

bool Stream::Accept(Connection& connection, HQUIC handle, bool unidirectional, bool early) noexcept {
  Ref<Stream> stream = MakeRef<Stream>(connection);
  if (!connection.environment().Insert(stream.get())) return false;
  stream->handle_ = handle;
  const StreamOpenedEvent opened{connection.slot(), connection.generation(), unidirectional ? 1u : 0u, 0};
  stream->port().Write({.kind = EventKind::kStreamOpened,
                        .flags = static_cast<uint16_t>(early ? kStreamEarly : 0),
                        .slot = stream->slot(),
                        .generation = stream->generation(),
                        .head = BytesOf(opened)});
  Api().SetCallbackHandler(handle, reinterpret_cast<void*>(Callback), stream.Leak());
  return true;
}

Ref<Stream> Stream::Open(Connection& connection, const Opening& opening, QUIC_STATUS* status) noexcept {
  Ref<Stream> stream = MakeRef<Stream>(connection);
  stream->priority_.store(opening.priority, std::memory_order_relaxed);
  stream->idempotent_ = opening.idempotent;
  const auto open_flags =
      opening.unidirectional ? QUIC_STREAM_OPEN_FLAG_UNIDIRECTIONAL : QUIC_STREAM_OPEN_FLAG_NONE;
  *status = Api().StreamOpen(connection.handle(), open_flags, Callback, stream.get(), &stream->handle_);
  if (QUIC_FAILED(*status)) return {};
  if (!connection.environment().Insert(stream.get())) {
    *status = QUIC_STATUS_OUT_OF_MEMORY;
    return {};
  }
  stream->AddRef();  // msquic's lease, until SHUTDOWN_COMPLETE
  stream->start_flags_ =
      QUIC_STREAM_START_FLAG_SHUTDOWN_ON_FAIL | QUIC_STREAM_START_FLAG_INDICATE_PEER_ACCEPT;
  if (opening.fail_blocked) stream->start_flags_ |= QUIC_STREAM_START_FLAG_FAIL_BLOCKED;
  // msquic would send a stream's control frames and FIN, and what lies behind them, in 0-RTT whatever the
  // flags of its sends say, so such a stream is not started at all.
  if (!opening.idempotent && connection.DefersStart(*stream)) return stream;
  *status = Api().StreamStart(stream->handle_, stream->start_flags_);
  if (QUIC_SUCCEEDED(*status)) return stream;
  stream->Release();
  connection.environment().Remove(stream.get());
  return {};
}

void Stream::StartDeferred() noexcept {
  if (QUIC_FAILED(Api().StreamStart(handle_, start_flags_))) GiveUp();
}

void Stream::GiveUp() noexcept {
  given_up_ = true;
  start_status_ = static_cast<int32_t>(QUIC_STATUS_ABORTED);
  (void)Api().StreamShutdown(handle_, QUIC_STREAM_SHUTDOWN_FLAG_ABORT | QUIC_STREAM_SHUTDOWN_FLAG_IMMEDIATE,
                             0);
}

QUIC_STATUS Stream::Callback(HQUIC, void* context, QUIC_STREAM_EVENT* event) noexcept {
  auto* stream = static_cast<Stream*>(context);
  switch (event->Type) {
    case QUIC_STREAM_EVENT_START_COMPLETE:
      stream->OnStartComplete(event->START_COMPLETE.Status, event->START_COMPLETE.PeerAccepted != FALSE);
      break;
    case QUIC_STREAM_EVENT_PEER_ACCEPTED:
      stream->port().MarkAccepted(*stream);
      break;
    case QUIC_STREAM_EVENT_RECEIVE:
      return stream->OnReceive(event);
    case QUIC_STREAM_EVENT_SEND_COMPLETE:
      SendRequest::Complete(static_cast<SendRequest*>(event->SEND_COMPLETE.ClientContext));
      break;
    case QUIC_STREAM_EVENT_PEER_SEND_SHUTDOWN:
      stream->port().Write({.kind = EventKind::kStreamData,
                            .flags = kReceiveFin,
                            .slot = stream->slot(),
                            .generation = stream->generation()});
      break;
    case QUIC_STREAM_EVENT_PEER_SEND_ABORTED:
      stream->OnPeerAborted();
      stream->PostCode(EventKind::kStreamReset, event->PEER_SEND_ABORTED.ErrorCode);
      break;
    case QUIC_STREAM_EVENT_PEER_RECEIVE_ABORTED:
      stream->OnPeerAborted();
      stream->PostCode(EventKind::kStreamStopped, event->PEER_RECEIVE_ABORTED.ErrorCode);
      break;
    case QUIC_STREAM_EVENT_SHUTDOWN_COMPLETE:
      stream->OnShutdownComplete(event->SHUTDOWN_COMPLETE.ConnectionShutdown != FALSE);
      break;
    default:
      break;
  }
  return QUIC_STATUS_SUCCESS;
}

QUIC_STATUS Stream::OnReceive(QUIC_STREAM_EVENT* event) noexcept {
  const bool early = (event->RECEIVE.Flags & QUIC_RECEIVE_FLAG_0_RTT) != 0;
  const auto flags = static_cast<uint16_t>(early ? kReceiveEarly : 0);
  size_t consumed = 0;
  {
    EventPort::Batch batch(port());
    for (uint32_t i = 0; i < event->RECEIVE.BufferCount; ++i) {
      const QUIC_BUFFER& buffer = event->RECEIVE.Buffers[i];
      const size_t taken = Deliver(batch, {buffer.Buffer, buffer.Length}, flags);
      consumed += taken;
      if (taken < buffer.Length) break;
    }
  }
  // Fewer than we were given pauses the stream; flow control then holds the peer.
  event->RECEIVE.TotalBufferLength = consumed;
  return QUIC_STATUS_SUCCESS;
}

size_t Stream::Deliver(EventPort::Batch& batch, std::span<const uint8_t> bytes, uint16_t flags) noexcept {
  const size_t max_chunk = std::min<size_t>(kMaxChunkBytes, port().MaxPayload());
  size_t done = 0;
  while (done < bytes.size()) {
    // Marked paused before each second look, as in InboundLaneStream::Deliver.
    uint32_t credit = credit_.Left();
    if (credit == 0) {
      paused_.store(true);
      credit = credit_.Left();
      if (credit == 0) return done;
      paused_.store(false);
    }
    const size_t wanted = std::min({bytes.size() - done, max_chunk, static_cast<size_t>(credit)});
    const Event event{.kind = EventKind::kStreamData,
                      .flags = flags,
                      .slot = slot(),
                      .generation = generation(),
                      .body = bytes.subspan(done, wanted)};
    if (batch.TryWrite(event)) {
      credit_.Charge(static_cast<uint32_t>(wanted));
      done += wanted;
      continue;
    }
    paused_.store(true);
    const auto needed = static_cast<uint32_t>(std::max<size_t>(wanted, kMinChunkBytes));
    if (batch.Starve(this, needed)) return done;
    paused_.store(false);
  }
  return done;
}

// Counted once a stream, and not where the peer's reset is the answer to our STOP_SENDING.
void Stream::OnPeerAborted() noexcept {
  if (!aborted_.exchange(true)) connection_->OnPeerAbortedStream();
}

void Stream::PostCode(EventKind kind, uint64_t code) noexcept {
  port().Write({.kind = kind, .slot = slot(), .generation = generation(), .head = BytesOf(code)});
}

void Stream::OnStartComplete(QUIC_STATUS status, bool accepted) noexcept {
  start_status_ = static_cast<int32_t>(status);
  if (QUIC_FAILED(status)) return;
  if (priority_.load(std::memory_order_relaxed) != kDefaultPriority) ApplyPriority();
  if (accepted) port().MarkAccepted(*this);
}

void Stream::OnShutdownComplete(bool connection_ended) noexcept {
  const StreamClosedEvent closed{start_status_, connection_ended ? 1u : 0u};
  port().Write({.kind = EventKind::kStreamClosed,
                .slot = slot(),
                .generation = generation(),
                .head = BytesOf(closed)});
  if (given_up_) connection_->OnStreamGivenUp();
  Release();  // msquic's lease
}

void Stream::Send(SendRequest* request, bool fin) noexcept {
  queued_bytes_.fetch_add(request->bytes());
  request->CountSent();
  connection_->SendBegins();
  QUIC_SEND_FLAGS flags = fin ? QUIC_SEND_FLAG_FIN : QUIC_SEND_FLAG_NONE;
  if (idempotent_) flags |= QUIC_SEND_FLAG_ALLOW_0_RTT;
  if (QUIC_FAILED(Api().StreamSend(handle_, request->buffers(), request->buffer_count(), flags, request))) {
    SendRequest::Complete(request);
  }
}

void Stream::OnSendComplete(uint32_t bytes) noexcept {
  const uint32_t left = queued_bytes_.fetch_sub(bytes) - bytes;
  port().Complete(*this, bytes, left < connection_->options().high_water_bytes / 2);
  connection_->SendEnds();
}

void Stream::Reset(uint64_t code) noexcept {
  (void)Api().StreamShutdown(handle_, QUIC_STREAM_SHUTDOWN_FLAG_ABORT_SEND, code);
}

void Stream::StopSending(uint64_t code) noexcept {
  aborted_.store(true);
  (void)Api().StreamShutdown(handle_, QUIC_STREAM_SHUTDOWN_FLAG_ABORT_RECEIVE, code);
}

void Stream::SetPriority(uint16_t priority) noexcept {
  priority_.store(priority);
  if (priority_posted_.exchange(true)) return;
  Library::Get().control().Post([self = Ref<Stream>(this)] {
    self->priority_posted_.store(false);
    self->ApplyPriority();
  });
}

void Stream::ApplyPriority() noexcept {
  const uint16_t priority = priority_.load();
  (void)Api().SetParam(handle_, QUIC_PARAM_STREAM_PRIORITY, sizeof(priority), &priority);
}

void Stream::ResumeReceive() noexcept {
  // What fails here is a stream that is ending; it needs no resume.
  if (paused_.exchange(false)) (void)Api().StreamReceiveSetEnabled(handle_, TRUE);
}

void Stream::ReturnCredit(uint32_t bytes) noexcept {
  if (credit_.Return(bytes)) ResumeReceive();
}

}  // namespace millrace
