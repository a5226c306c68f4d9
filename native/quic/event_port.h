#pragma once

#include <cstddef>
#include <cstdint>
#include <deque>
#include <mutex>
#include <span>
#include <vector>

#include "native/memory/ref_counted.h"
#include "native/quic/events.h"
#include "native/quic/resource.h"
#include "native/ring/ring.h"

namespace millrace {

// Wakes the JavaScript thread of one environment. Wake is called from any thread, also after the environment
// has gone, when it must do nothing.
class Waker {
 public:
  virtual ~Waker() = default;
  virtual void Wake() noexcept = 0;
};

// One event: whose, which, and up to two parts of payload that are copied before the call returns.
struct Event {
  EventKind kind;
  uint16_t flags = 0;
  uint32_t slot = 0;
  uint32_t generation = 0;
  uint32_t stream = 0;
  std::span<const uint8_t> head{};
  std::span<const uint8_t> body{};
};

// The producing end of one event ring: msquic's threads come together here, under a lock that is rarely
// contended. It also holds what may not be lost while the ring is full: lifecycle events, and the readers to
// resume.
//
// The ring and the slot words are memory of the environment; Close ends all access to them before they go.
class EventPort : public RefCounted<EventPort> {
 public:
  // Empty when the memory is not a well-formed ring. `waker` is the environment's,
  // which every producer holds.
  [[nodiscard]] static Ref<EventPort> Open(std::span<uint8_t> ring, std::span<int32_t> slot_words,
                                           Waker* waker) noexcept;
  EventPort(const RingWriter& writer, std::span<int32_t> slot_words, Waker* waker) noexcept;
  ~EventPort() = default;

  // Holds the lock over several writes; publishes them, and wakes the consumer at most once, at the end.
  class Batch {
   public:
    explicit Batch(EventPort& port) noexcept : port_(port), lock_(port.mutex_) {}
    Batch(const Batch&) = delete;
    Batch& operator=(const Batch&) = delete;
    ~Batch();

    // False when there is no room, or lifecycle events wait for some: the caller keeps its bytes.
    [[nodiscard]] bool TryWrite(const Event& event) noexcept;
    // Never lost: waits outside of the ring when that is full. What waits is bounded by the peer's stream
    // limits.
    void Write(const Event& event) noexcept;
    // Lists a reader that found no room. False when there is room after all: the consumer may have drained in
    // between, and will not look at the list again.
    [[nodiscard]] bool Starve(Resource* reader, uint32_t wanted_bytes) noexcept;
    // Payload bytes that fit now in one record.
    [[nodiscard]] uint32_t Room() const noexcept;
    // True when the ring is fuller than datagrams may make it.
    [[nodiscard]] bool Crowded() const noexcept;

   private:
    friend class EventPort;
    [[nodiscard]] bool Put(const Event& event) noexcept;
    void Publish() noexcept;

    EventPort& port_;
    std::unique_lock<std::mutex> lock_;
    bool staged_ = false;
    bool wake_ = false;
  };

  void Write(const Event& event) noexcept { Batch(*this).Write(event); }

  // The largest payload that the ring takes when it is empty: more than this would wait for ever. Any thread.
  [[nodiscard]] uint32_t MaxPayload() const noexcept { return writer_.MaxPayload(); }

  // Adds to a slot's completed bytes; when JavaScript waits for it and `drained`, posts kDrain. Any thread.
  void Complete(const Resource& resource, uint32_t bytes, bool drained) noexcept;
  void StoreRoundTrip(const Resource& resource, uint32_t microseconds) noexcept;
  void CountDroppedDatagram(const Resource& resource) noexcept;
  // The peer allows a stream of ours; posts kStreamAccepted where JavaScript waits for that.
  void MarkAccepted(const Resource& stream) noexcept;
  void ResetSlot(uint32_t slot) noexcept;

  // JS thread, after it drained the ring: moves waiting events into it, then lets paused readers go on, first
  // come first served, at most `max_readers` of them. True when it should be called again.
  [[nodiscard]] bool Resume(size_t max_readers) noexcept;

  // JS thread, from the environment's cleanup: nobody touches the ring or the slot words afterwards.
  void Close() noexcept;

 private:
  struct Waiting {
    RecordHeader header;
    std::vector<uint8_t> payload;
  };

  [[nodiscard]] int32_t* Word(uint32_t slot, SlotWord word) noexcept;

  std::mutex mutex_;
  RingWriter writer_;
  std::span<int32_t> slot_words_;
  Waker* waker_;
  std::deque<Waiting> waiting_;
  std::deque<Ref<Resource>> starved_;
  bool closed_ = false;
};

template <typename T>
[[nodiscard]] std::span<const uint8_t> BytesOf(const T& value) noexcept {
  return {reinterpret_cast<const uint8_t*>(&value), sizeof(T)};
}

}  // namespace millrace
