#include "native/quic/event_port.h"

#include <atomic>
#include <cstring>
#include <optional>
#include <utility>

#include "native/quic/counters.h"

namespace millrace {
namespace {

RecordHeader HeaderOf(const Event& event) noexcept {
  RecordHeader header{};
  header.length = static_cast<uint32_t>(event.head.size() + event.body.size());
  header.kind = static_cast<uint16_t>(event.kind);
  header.flags = event.flags;
  header.slot = event.slot;
  header.generation = event.generation;
  header.stream = event.stream;
  return header;
}

void CopyParts(uint8_t* to, const Event& event) noexcept {
  if (!event.head.empty()) std::memcpy(to, event.head.data(), event.head.size());
  if (!event.body.empty()) std::memcpy(to + event.head.size(), event.body.data(), event.body.size());
}

}  // namespace

Ref<EventPort> EventPort::Open(std::span<uint8_t> ring, std::span<int32_t> slot_words,
                               Waker* waker) noexcept {
  const std::optional<RingWriter> writer = RingWriter::Open(ring.data(), ring.size());
  return writer ? MakeRef<EventPort>(*writer, slot_words, waker) : Ref<EventPort>();
}

EventPort::EventPort(const RingWriter& writer, std::span<int32_t> slot_words, Waker* waker) noexcept
    : writer_(writer), slot_words_(slot_words), waker_(waker) {}

EventPort::Batch::~Batch() {
  Publish();
  if (!wake_) return;
  ProcessCounters::Get().wakes.fetch_add(1, std::memory_order_relaxed);
  Waker* const waker = port_.waker_;
  // The woken thread may run at once, on this core: it should not find the port locked.
  lock_.unlock();
  waker->Wake();
}

void EventPort::Batch::Publish() noexcept {
  if (std::exchange(staged_, false)) wake_ |= port_.writer_.Publish();
}

bool EventPort::Batch::Put(const Event& event) noexcept {
  const RecordHeader header = HeaderOf(event);
  uint8_t* payload = port_.writer_.Reserve(header.length);
  if (payload == nullptr) return false;
  CopyParts(payload, event);
  port_.writer_.Stage(header);
  staged_ = true;
  return true;
}

bool EventPort::Batch::TryWrite(const Event& event) noexcept {
  if (port_.closed_) return true;  // nobody is left to read it
  if (!port_.waiting_.empty()) return false;
  return Put(event);
}

void EventPort::Batch::Write(const Event& event) noexcept {
  if (port_.closed_) return;
  if (port_.waiting_.empty() && Put(event)) return;
  Waiting waiting{HeaderOf(event), std::vector<uint8_t>(event.head.size() + event.body.size())};
  CopyParts(waiting.payload.data(), event);
  port_.waiting_.push_back(std::move(waiting));
  Publish();
  port_.writer_.MarkStarved();
  // As in Starve: the consumer may have drained and gone to sleep before it could see the mark.
  if (port_.writer_.HasRoom(port_.waiting_.front().header.length)) wake_ = true;
}

bool EventPort::Batch::Starve(Resource* reader, uint32_t wanted_bytes) noexcept {
  if (port_.closed_) return false;
  Publish();
  port_.writer_.MarkStarved();
  if (port_.waiting_.empty() && port_.writer_.HasRoom(wanted_bytes)) return false;
  port_.starved_.push_back(Ref<Resource>(reader));
  if (port_.writer_.HasRoom(wanted_bytes)) wake_ = true;
  return true;
}

uint32_t EventPort::Batch::Room() const noexcept {
  if (port_.closed_) return UINT32_MAX;
  return port_.waiting_.empty() ? port_.writer_.FreeBytes() : 0;
}

bool EventPort::Batch::Crowded() const noexcept {
  return port_.closed_ || !port_.waiting_.empty() || port_.writer_.FreeBytes() < port_.writer_.capacity() / 4;
}

int32_t* EventPort::Word(uint32_t slot, SlotWord word) noexcept {
  const size_t index = static_cast<size_t>(slot) * kSlotWords + word;
  return closed_ || index >= slot_words_.size() ? nullptr : &slot_words_[index];
}

void EventPort::Complete(const Resource& resource, uint32_t bytes, bool drained) noexcept {
  Batch batch(*this);
  int32_t* completed = Word(resource.slot(), kSlotCompletedBytes);
  if (completed == nullptr) return;
  // seq_cst: JavaScript sets kSlotWantsDrain, then re-reads the completed bytes; we add, then read the wish.
  std::atomic_ref<int32_t>(*completed).fetch_add(static_cast<int32_t>(bytes));
  if (!drained) return;
  std::atomic_ref<int32_t> wants_drain(*Word(resource.slot(), kSlotWantsDrain));
  if (wants_drain.load() == 0 || wants_drain.exchange(0) == 0) return;
  batch.Write({.kind = EventKind::kDrain, .slot = resource.slot(), .generation = resource.generation()});
}

void EventPort::StoreRoundTrip(const Resource& resource, uint32_t microseconds) noexcept {
  const std::lock_guard lock(mutex_);
  int32_t* word = Word(resource.slot(), kSlotRoundTripUs);
  if (word != nullptr) std::atomic_ref<int32_t>(*word).store(static_cast<int32_t>(microseconds));
}

void EventPort::CountDroppedDatagram(const Resource& resource) noexcept {
  const std::lock_guard lock(mutex_);
  int32_t* word = Word(resource.slot(), kSlotDroppedDatagrams);
  if (word != nullptr) std::atomic_ref<int32_t>(*word).fetch_add(1);
}

void EventPort::MarkAccepted(const Resource& stream) noexcept {
  Batch batch(*this);
  int32_t* word = Word(stream.slot(), kSlotAccepted);
  // One exchange on each side: either we see the wish, or JavaScript sees that it has come true.
  if (word == nullptr || std::atomic_ref<int32_t>(*word).exchange(kAccepted) != kAwaited) return;
  batch.Write({.kind = EventKind::kStreamAccepted, .slot = stream.slot(), .generation = stream.generation()});
}

void EventPort::ResetSlot(uint32_t slot) noexcept {
  const std::lock_guard lock(mutex_);
  for (uint32_t word = 0; word < kSlotWords; ++word) {
    int32_t* at = Word(slot, static_cast<SlotWord>(word));
    if (at != nullptr) std::atomic_ref<int32_t>(*at).store(0);
  }
}

bool EventPort::Resume(size_t max_readers) noexcept {
  std::vector<Ref<Resource>> readers;
  bool more = false;
  {
    Batch batch(*this);
    if (closed_) return false;
    while (!waiting_.empty()) {
      const Waiting& first = waiting_.front();
      uint8_t* payload = writer_.Reserve(first.header.length);
      if (payload == nullptr) break;
      if (!first.payload.empty()) std::memcpy(payload, first.payload.data(), first.payload.size());
      writer_.Stage(first.header);
      batch.staged_ = true;
      waiting_.pop_front();
    }
    while (waiting_.empty() && !starved_.empty() && readers.size() < max_readers) {
      readers.push_back(std::move(starved_.front()));
      starved_.pop_front();
    }
    more = !waiting_.empty() || !starved_.empty();
    if (more) {
      batch.Publish();
      writer_.MarkStarved();
    }
  }
  for (const Ref<Resource>& reader : readers) reader->ResumeReceive();
  return more;
}

void EventPort::Close() noexcept {
  std::deque<Ref<Resource>> starved;  // released outside of the lock: it may be the last lease
  {
    const std::lock_guard lock(mutex_);
    closed_ = true;
    waiting_.clear();
    starved.swap(starved_);
  }
}

}  // namespace millrace
