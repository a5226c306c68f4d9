#include "native/quic/datagram_batch.h"

#include <algorithm>
#include <cstring>
#include <new>
#include <utility>

#include "native/quic/counters.h"
#include "native/quic/events.h"
#include "native/quic/library.h"

namespace millrace {
namespace {

// A block that is shared takes one of the pool's pages.
constexpr size_t kBytesForMany = 4096;

size_t BytesNeeded(size_t payload_bytes) noexcept {
  constexpr size_t kAlignment = alignof(OutboundDatagram);
  return sizeof(OutboundDatagram) + (payload_bytes + kAlignment - 1) / kAlignment * kAlignment;
}

}  // namespace

DatagramBatch::DatagramBatch(Resource* target, Slab slab) noexcept
    : target_(target), slab_(std::move(slab)), used_bytes_(sizeof(DatagramBatch)) {}

DatagramBatch* DatagramBatch::New(Resource* target, size_t bytes, bool for_many) noexcept {
  static_assert(sizeof(DatagramBatch) % alignof(OutboundDatagram) == 0);
  const size_t needed = sizeof(DatagramBatch) + BytesNeeded(bytes);
  Slab slab = Library::Get().slabs().Acquire(for_many ? std::max(needed, kBytesForMany) : needed);
  if (!slab) return nullptr;
  uint8_t* memory = slab.data();
  return new (memory) DatagramBatch(target, std::move(slab));
}

OutboundDatagram* DatagramBatch::Add(std::span<const uint8_t> bytes, std::optional<uint32_t> tag) noexcept {
  const size_t needed = BytesNeeded(bytes.size());
  if (needed > slab_.capacity() - used_bytes_) return nullptr;
  uint8_t* at = slab_.data() + std::exchange(used_bytes_, used_bytes_ + needed);
  uint8_t* copy = at + sizeof(OutboundDatagram);
  if (!bytes.empty()) std::memcpy(copy, bytes.data(), bytes.size());
  datagrams_ += 1;
  payload_bytes_ += static_cast<uint32_t>(bytes.size());
  return new (at) OutboundDatagram{{static_cast<uint32_t>(bytes.size()), copy}, this, tag};
}

OutboundDatagram* DatagramBatch::AddShared(const Ref<SharedPayload>& payload) noexcept {
  OutboundDatagram* datagram = Add({}, std::nullopt);
  if (datagram == nullptr) return nullptr;
  shared_ = payload;
  datagram->buffer = {payload->bytes(), payload->data()};
  payload_bytes_ = payload->bytes();
  return datagram;
}

uint32_t DatagramBatch::charged() const noexcept {
  return payload_bytes_ + datagrams_ * kDatagramOverheadBytes;
}

void DatagramBatch::Close() noexcept {
  ProcessCounters& counters = ProcessCounters::Get();
  counters.sends.fetch_add(datagrams_, std::memory_order_relaxed);
  if (!shared_) counters.copied_bytes.fetch_add(payload_bytes_, std::memory_order_relaxed);
  LetGo(kBuilding - datagrams_);
}

void DatagramBatch::Complete(OutboundDatagram* datagram) noexcept {
  datagram->batch->LetGo(1);
}

void DatagramBatch::LetGo(uint32_t leases) noexcept {
  // acq_rel: what was done under any lease happens before the end.
  if (leases_.fetch_sub(leases, std::memory_order_acq_rel) != leases) return;
  const Ref<Resource> target = std::move(target_);
  const uint32_t bytes = charged();
  {
    const Slab slab = std::move(slab_);  // outlives the destructor of what lies in it
    this->~DatagramBatch();
  }
  target->OnSendComplete(bytes);
}

}  // namespace millrace
