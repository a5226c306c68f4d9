#include "native/quic/outbox.h"

#include <algorithm>
#include <cstring>
#include <optional>
#include <utility>

#include "native/quic/connection.h"
#include "native/quic/datagram_batch.h"
#include "native/quic/stream.h"
#include "native/quic/wake_hold.h"

namespace millrace {
namespace {

// The most that one send collects; beyond, msquic gets a first one while the next is filled.
constexpr uint32_t kMaxCollectedBytes = 60u << 10;
// Leaves the request and its bytes in the smallest slab class.
constexpr uint32_t kFirstCapacity = 96;

// A publication wakes msquic's workers after so many (two numbers each): they send while it goes on.
constexpr size_t kHandlesPerWake = 256;

size_t Padded(size_t bytes) noexcept {
  return (bytes + 7) & ~size_t{7};
}

}  // namespace

bool Outbox::Flush(uint32_t bytes) noexcept {
  const WakeHold hold;
  size_t at = 0;
  const size_t end = std::min<size_t>(bytes, slab_.size());
  bool well_formed = end == bytes;
  while (at < end) {
    CommandHeader header;
    if (end - at < sizeof(header)) {
      well_formed = false;
      break;
    }
    std::memcpy(&header, slab_.data() + at, sizeof(header));
    at += sizeof(header);
    if (header.bytes > end - at) {
      well_formed = false;
      break;
    }
    Run(header, slab_.subspan(at, header.bytes));
    at += Padded(header.bytes);
  }
  FinishDatagrams();
  SubmitAll();
  return well_formed;
}

void Outbox::Run(const CommandHeader& header, std::span<const uint8_t> payload) noexcept {
  Resource* resource = environment_.Find(header.slot, header.generation);
  if (resource == nullptr) return;  // it has ended, and JavaScript knows by now or soon
  const bool is_connection = resource->kind() == Resource::Kind::kConnection;
  switch (static_cast<CommandKind>(header.kind)) {
    case CommandKind::kSendFrame:
      if (is_connection) Collect(header, resource, payload);
      break;
    case CommandKind::kWriteStream:
      if (!is_connection) Collect(header, resource, payload);
      break;
    case CommandKind::kSendDatagram:
      if (is_connection) SendDatagram(header, static_cast<Connection*>(resource), payload);
      break;
    case CommandKind::kCredit: {
      uint32_t consumed = 0;
      if (payload.size() < sizeof(consumed)) break;
      std::memcpy(&consumed, payload.data(), sizeof(consumed));
      resource->ReturnCredit(consumed);
      break;
    }
    case CommandKind::kRelease:
      FinishDatagrams();  // while the slot is its own
      for (uint32_t at = resource->outbox_index; at != Resource::kNotInOutbox; at = pending_[at].next) {
        Submit(pending_[at], false);
        pending_[at].resource = nullptr;
      }
      environment_.Remove(resource);
      break;
  }
}

void Outbox::SendDatagram(const CommandHeader& header, Connection* connection,
                          std::span<const uint8_t> payload) noexcept {
  std::optional<uint32_t> tag;
  if ((header.flags & kSendTagged) != 0 && payload.size() >= sizeof(*tag)) {
    std::memcpy(&tag.emplace(), payload.data(), sizeof(*tag));
    payload = payload.subspan(sizeof(*tag));
  }
  if (datagrams_ != nullptr && datagrams_->target() != connection) FinishDatagrams();
  OutboundDatagram* datagram = datagrams_ != nullptr ? datagrams_->Add(payload, tag) : nullptr;
  if (datagram == nullptr) {
    const bool another = datagrams_ != nullptr;  // where there was a second, there are likely to be more
    FinishDatagrams();
    datagrams_ = DatagramBatch::New(connection, payload.size(), another);
    if (datagrams_ == nullptr) return connection->OnOutOfMemory();
    datagram = datagrams_->Add(payload, tag);
  }
  connection->SendDatagram(datagram);
}

void Outbox::FinishDatagrams() noexcept {
  DatagramBatch* batch = std::exchange(datagrams_, nullptr);
  if (batch != nullptr) static_cast<Connection*>(batch->target())->FinishDatagrams(batch);
}

void Outbox::Collect(const CommandHeader& header, Resource* resource,
                     std::span<const uint8_t> payload) noexcept {
  const bool to_stream = resource->kind() == Resource::Kind::kStream;
  Pending& pending = PendingOf(resource, to_stream ? uint16_t{0} : header.flags);
  if (!Append(pending, payload)) {
    Submit(pending, false);
    pending.request =
        SendRequest::New(resource, std::max(static_cast<uint32_t>(payload.size()), kFirstCapacity));
    if (pending.request == nullptr) return resource->OnOutOfMemory();
    (void)pending.request->Append(payload);
  }
  if (to_stream && (header.flags & kSendFin) != 0) Submit(pending, true);
}

Outbox::Pending& Outbox::PendingOf(Resource* resource, uint16_t lane) noexcept {
  for (uint32_t at = resource->outbox_index; at != Resource::kNotInOutbox; at = pending_[at].next) {
    if (pending_[at].lane == lane) return pending_[at];
  }
  pending_.push_back({resource, nullptr, lane, resource->outbox_index});
  resource->outbox_index = static_cast<uint32_t>(pending_.size() - 1);
  return pending_.back();
}

// False when there is no request yet, or it is as large as one may become.
bool Outbox::Append(Pending& pending, std::span<const uint8_t> payload) noexcept {
  if (pending.request == nullptr) return false;
  if (pending.request->Append(payload)) return true;
  const size_t total = pending.request->bytes() + payload.size();
  if (total > kMaxCollectedBytes) return false;
  SendRequest* larger = pending.request->Grow(static_cast<uint32_t>(total));
  if (larger == nullptr) return false;
  pending.request = larger;
  return larger->Append(payload);
}

void Outbox::Submit(Pending& pending, bool fin) noexcept {
  SendRequest* request = std::exchange(pending.request, nullptr);
  if (request == nullptr) return;
  if (pending.resource->kind() == Resource::Kind::kStream) {
    static_cast<Stream*>(pending.resource)->Send(request, fin);
  } else {
    static_cast<Connection*>(pending.resource)->SendFrames(pending.lane, request);
  }
}

void Outbox::SubmitAll() noexcept {
  for (Pending& pending : pending_) {
    Submit(pending, false);
    if (pending.resource != nullptr) pending.resource->outbox_index = Resource::kNotInOutbox;
  }
  pending_.clear();
}

void Outbox::Send(CommandHeader header, std::span<const uint8_t> head,
                  std::span<const uint8_t> body) noexcept {
  Resource* resource = environment_.Find(header.slot, header.generation);
  if (resource == nullptr) return;
  SendRequest* request = SendRequest::New(resource, static_cast<uint32_t>(head.size() + body.size()));
  if (request == nullptr) return resource->OnOutOfMemory();
  (void)request->Append(head);
  (void)request->Append(body);
  if (resource->kind() == Resource::Kind::kStream) {
    static_cast<Stream*>(resource)->Send(request, (header.flags & kSendFin) != 0);
  } else {
    static_cast<Connection*>(resource)->SendFrames(header.flags, request);
  }
}

void Outbox::Writev(uint32_t slot, uint32_t generation,
                    std::span<const std::span<const uint8_t>> pieces) noexcept {
  Resource* resource = environment_.Find(slot, generation);
  if (resource == nullptr || resource->kind() != Resource::Kind::kStream) return;
  size_t bytes = 0;
  for (const std::span<const uint8_t> piece : pieces) bytes += piece.size();
  SendRequest* request = SendRequest::New(resource, static_cast<uint32_t>(bytes));
  if (request == nullptr) return resource->OnOutOfMemory();
  for (const std::span<const uint8_t> piece : pieces) (void)request->Append(piece);
  static_cast<Stream*>(resource)->Send(request, false);
}

uint32_t Outbox::Publish(CommandKind kind, uint16_t lane, std::span<const uint32_t> handles,
                         std::span<const uint8_t> head, std::span<const uint8_t> body) noexcept {
  const auto wanted =
      kind == CommandKind::kWriteStream ? Resource::Kind::kStream : Resource::Kind::kConnection;
  const Ref<SharedPayload> payload = MakeRef<SharedPayload>(head, body);
  if (!payload->valid()) return 0;
  uint32_t reached = 0;
  for (size_t begin = 0; begin + 1 < handles.size(); begin += kHandlesPerWake) {
    const WakeHold hold;
    const size_t end = std::min(handles.size(), begin + kHandlesPerWake);
    for (size_t i = begin; i + 1 < end; i += 2) {
      Resource* resource = environment_.Find(handles[i], handles[i + 1]);
      if (resource == nullptr || resource->kind() != wanted) continue;
      if (PublishTo(resource, kind, lane, payload)) reached += 1;
    }
  }
  return reached;
}

bool Outbox::PublishTo(Resource* resource, CommandKind kind, uint16_t lane,
                       const Ref<SharedPayload>& payload) noexcept {
  if (kind == CommandKind::kSendDatagram) return PublishTo(static_cast<Connection*>(resource), payload);
  SendRequest* request = SendRequest::NewShared(resource, payload);
  if (request == nullptr) {
    resource->OnOutOfMemory();
    return false;
  }
  if (kind == CommandKind::kWriteStream) {
    static_cast<Stream*>(resource)->Send(request, false);
  } else {
    static_cast<Connection*>(resource)->SendFrames(lane, request);
  }
  return true;
}

bool Outbox::PublishTo(Connection* connection, const Ref<SharedPayload>& payload) noexcept {
  DatagramBatch* batch = DatagramBatch::New(connection, 0, false);
  OutboundDatagram* datagram = batch != nullptr ? batch->AddShared(payload) : nullptr;
  if (datagram == nullptr) {
    connection->OnOutOfMemory();
    return false;
  }
  connection->SendDatagram(datagram);
  connection->FinishDatagrams(batch);
  return true;
}

}  // namespace millrace
