#pragma once

#include <algorithm>
#include <atomic>
#include <chrono>
#include <compare>
#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <span>
#include <thread>
#include <vector>

#include "native/quic/connection.h"
#include "native/quic/environment.h"
#include "native/quic/listener.h"
#include "native/quic/outbox.h"
#include "native/quic/stream.h"
#include "test/native/quic/kit.h"

namespace millrace::kit {

struct Handle {
  uint32_t slot = 0;
  uint32_t generation = 0;
  auto operator<=>(const Handle&) const = default;
};

struct HostEvent {
  EventKind kind;
  uint16_t flags;
  uint32_t stream;  // of kFrame: the lane
  Handle handle;
  std::span<const uint8_t> payload;  // valid during the call

  template <typename T>
  [[nodiscard]] T As() const;
};

// Stands in for a JavaScript thread: memory, environment, pump and outbox, as src/native/engine.ts has them.
// All methods are called on one thread, but Nudge.
class Host {
 public:
  struct Options {
    uint32_t ring_capacity = 1u << 20;
    size_t rings = 1;
    uint32_t slots = 1024;
  };

  explicit Host(const Options& options);
  Host() : Host(Options{}) {}
  Host(const Host&) = delete;
  Host& operator=(const Host&) = delete;
  // Closes, and expects that nothing of it is left.
  ~Host();

  // What happens, in order. Connections and streams are released after their last event.
  std::function<void(const HostEvent&)> on_event = [](const HostEvent&) {};
  // Whether received bytes are given back as consumed after on_event.
  bool returns_credit = true;

  // Handles events until it is done; sleeps while there are none. False when nothing came for too long, or
  // the host was closed.
  [[nodiscard]] bool RunUntil(const std::function<bool()>& done);
  // Makes a sleeping RunUntil look again. Any thread.
  void Nudge() { signal_->Raise(); }

  // Listens on a free port of the loopback.
  [[nodiscard]] uint16_t Listen(const Ref<ConnectionOptions>& options,
                                const Configuration::Options& settings = ServerSettings());
  [[nodiscard]] Handle Dial(uint16_t port, const Ref<ConnectionOptions>& options);
  [[nodiscard]] Connection* connection(Handle handle);
  [[nodiscard]] Stream* stream(Handle handle);
  [[nodiscard]] Handle OpenStream(Handle connection, bool unidirectional = false);

  // Queued for the next flush, which comes at the end of a batch of events by itself.
  void SendFrame(Handle connection, uint16_t lane, std::span<const uint8_t> frame);
  void WriteStream(Handle stream, std::span<const uint8_t> bytes, bool fin);
  void SendDatagram(Handle connection, std::span<const uint8_t> bytes, uint16_t flags = 0);
  void ReturnCredit(Handle handle, uint32_t bytes);
  void Flush();

  // What the cleanup of a JavaScript environment does; then its memory is gone.
  void Close();

  [[nodiscard]] Outbox& outbox() { return outbox_; }
  [[nodiscard]] Environment& environment() { return *environment_; }
  [[nodiscard]] std::atomic_ref<int32_t> Word(Handle handle, SlotWord word) {
    return std::atomic_ref<int32_t>(slot_words_.words()[handle.slot * kSlotWords + word]);
  }

 private:
  void Drain();
  void DrainPort(size_t port);
  void Dispatch(const RingReader& reader);
  [[nodiscard]] bool TrySleep();
  void Command(CommandKind kind, uint16_t flags, Handle handle, std::span<const uint8_t> payload);

  std::shared_ptr<Signal> signal_ = std::make_shared<Signal>();
  std::deque<Pages> rings_;
  Pages slot_words_;
  std::vector<uint8_t> slab_ = std::vector<uint8_t>(256u << 10);
  uint32_t slab_used_ = 0;
  std::vector<RingReader> readers_;
  Ref<Environment> environment_;
  Outbox outbox_;
  Ref<Configuration> client_;
  std::vector<Ref<Listener>> listeners_;
  uint32_t events_ = 0;
  bool closed_ = false;
};

// Runs a host on a thread of its own until this goes; then the host is the caller's again.
class HostThread {
 public:
  explicit HostThread(Host& host);
  HostThread(const HostThread&) = delete;
  HostThread& operator=(const HostThread&) = delete;
  ~HostThread();

 private:
  Host& host_;
  std::atomic<bool> stop_{false};
  std::thread thread_;
};

[[nodiscard]] Ref<ConnectionOptions> FramedOptions(
    std::chrono::milliseconds lane_idle = std::chrono::milliseconds(250));
[[nodiscard]] Ref<ConnectionOptions> RawOptions();

// Sends frames, streams' bytes and datagrams back where they came from.
void Echo(Host& host, const HostEvent& event);

// Bytes that follow from a number.
[[nodiscard]] std::vector<uint8_t> BytesFrom(uint32_t number, size_t count);
// A frame whose header holds the number and whose payload follows from it.
[[nodiscard]] std::vector<uint8_t> FrameOf(uint32_t number, uint32_t payload_bytes);
[[nodiscard]] bool IsFrame(std::span<const uint8_t> bytes, uint32_t number, uint32_t payload_bytes);

// Streams of framed connections in the whole process, both ends.
[[nodiscard]] uint64_t OpenStreams();

template <typename T>
T HostEvent::As() const {
  T value{};
  if (payload.size() >= sizeof(T)) std::copy_n(payload.data(), sizeof(T), reinterpret_cast<uint8_t*>(&value));
  return value;
}

}  // namespace millrace::kit
