#include "native/quic/send_request.h"

#include <cstring>
#include <new>
#include <utility>

#include "native/quic/counters.h"
#include "native/quic/library.h"

namespace millrace {

SharedPayload::SharedPayload(std::span<const uint8_t> head, std::span<const uint8_t> body) noexcept
    : slab_(Library::Get().slabs().Acquire(head.size() + body.size())),
      bytes_(static_cast<uint32_t>(head.size() + body.size())) {
  if (!slab_) return;
  ProcessCounters::Get().copied_bytes.fetch_add(bytes_, std::memory_order_relaxed);
  if (!head.empty()) std::memcpy(slab_.data(), head.data(), head.size());
  if (!body.empty()) std::memcpy(slab_.data() + head.size(), body.data(), body.size());
}

SendRequest::SendRequest(Resource* target, Slab slab) noexcept
    : buffers_{{sizeof(prefix_), reinterpret_cast<uint8_t*>(&prefix_)}, {0, nullptr}},
      target_(target),
      slab_(std::move(slab)),
      capacity_(static_cast<uint32_t>(slab_.capacity() - sizeof(SendRequest))) {
  buffers_[1].Buffer = slab_.data() + sizeof(SendRequest);
}

SendRequest* SendRequest::New(Resource* target, uint32_t capacity) noexcept {
  Slab slab = Library::Get().slabs().Acquire(sizeof(SendRequest) + capacity);
  if (!slab) return nullptr;
  uint8_t* memory = slab.data();
  return new (memory) SendRequest(target, std::move(slab));
}

SendRequest* SendRequest::NewShared(Resource* target, const Ref<SharedPayload>& payload) noexcept {
  SendRequest* request = New(target, 0);
  if (request == nullptr) return nullptr;
  request->shared_ = payload;
  request->capacity_ = payload->bytes();  // full: nobody appends to what others send
  request->buffers_[1] = {payload->bytes(), payload->data()};
  return request;
}

bool SendRequest::Append(std::span<const uint8_t> bytes) noexcept {
  QUIC_BUFFER& buffer = buffers_[1];
  if (bytes.size() > capacity_ - buffer.Length) return false;
  if (!bytes.empty()) std::memcpy(buffer.Buffer + buffer.Length, bytes.data(), bytes.size());
  buffer.Length += static_cast<uint32_t>(bytes.size());
  return true;
}

SendRequest* SendRequest::Grow(uint32_t capacity) noexcept {
  SendRequest* larger = New(target_.get(), capacity);
  if (larger == nullptr) return nullptr;
  (void)larger->Append({buffers_[1].Buffer, buffers_[1].Length});
  Discard(this);
  return larger;
}

void SendRequest::CountSent() const noexcept {
  ProcessCounters& counters = ProcessCounters::Get();
  counters.sends.fetch_add(1, std::memory_order_relaxed);
  if (!shared_) counters.copied_bytes.fetch_add(bytes(), std::memory_order_relaxed);
}

void SendRequest::SetPrefix(uint64_t prefix) noexcept {
  prefix_ = prefix;
  has_prefix_ = true;
}

void SendRequest::Complete(SendRequest* request) noexcept {
  const Ref<Resource> target = request->target_;
  const uint32_t bytes = request->bytes();
  Discard(request);
  target->OnSendComplete(bytes);
}

void SendRequest::Discard(SendRequest* request) noexcept {
  const Slab slab = std::move(request->slab_);  // outlives the destructor of what lies in it
  request->~SendRequest();
}

}  // namespace millrace
