#pragma once

#include <msquic.h>

#include <cstddef>
#include <cstdint>
#include <span>

#include "native/memory/ref_counted.h"
#include "native/memory/slab_pool.h"
#include "native/quic/resource.h"

namespace millrace {

// Bytes that many sends share: published once, referenced by each recipient's request.
class SharedPayload : public RefCounted<SharedPayload> {
 public:
  SharedPayload(std::span<const uint8_t> head, std::span<const uint8_t> body) noexcept;
  ~SharedPayload() = default;

  [[nodiscard]] bool valid() const noexcept { return static_cast<bool>(slab_); }
  [[nodiscard]] uint8_t* data() const noexcept { return slab_.data(); }
  [[nodiscard]] uint32_t bytes() const noexcept { return bytes_; }

 private:
  Slab slab_;
  uint32_t bytes_;
};

// One StreamSend: the bytes and the QUIC_BUFFER array, which msquic owns until it says
// SEND_COMPLETE, and a lease on whose queue they are in. It lies at the front of the slab that holds its
// bytes.
class SendRequest {
 public:
  // Room for `capacity` bytes, at the least. Null when memory is short.
  [[nodiscard]] static SendRequest* New(Resource* target, uint32_t capacity) noexcept;
  // References the payload and copies nothing.
  [[nodiscard]] static SendRequest* NewShared(Resource* target, const Ref<SharedPayload>& payload) noexcept;

  SendRequest(const SendRequest&) = delete;
  SendRequest& operator=(const SendRequest&) = delete;

  // Appends a copy. False when it does not fit; then nothing was appended.
  [[nodiscard]] bool Append(std::span<const uint8_t> bytes) noexcept;
  // The same bytes in a request with more room; this one is gone. Null, and this one kept, when memory is
  // short.
  [[nodiscard]] SendRequest* Grow(uint32_t capacity) noexcept;

  // Eight bytes before the others, not counted as queued: what a lane's stream begins with.
  void SetPrefix(uint64_t prefix) noexcept;

  // Adds it to the process's counters.
  void CountSent() const noexcept;

  [[nodiscard]] uint32_t bytes() const noexcept { return buffers_[1].Length; }
  [[nodiscard]] uint32_t capacity() const noexcept { return capacity_; }
  [[nodiscard]] const QUIC_BUFFER* buffers() const noexcept { return &buffers_[has_prefix_ ? 0 : 1]; }
  [[nodiscard]] uint32_t buffer_count() const noexcept { return has_prefix_ ? 2 : 1; }

  // The end of its life: msquic has completed it, or never took it. Tells the target.
  static void Complete(SendRequest* request) noexcept;
  // The end of one that was never counted as queued.
  static void Discard(SendRequest* request) noexcept;

 private:
  SendRequest(Resource* target, Slab slab) noexcept;
  ~SendRequest() = default;

  QUIC_BUFFER buffers_[2];  // the prefix, the bytes
  uint64_t prefix_ = 0;
  Ref<Resource> target_;
  Ref<SharedPayload> shared_;
  Slab slab_;  // holds this object
  uint32_t capacity_;
  bool has_prefix_ = false;
};

}  // namespace millrace
