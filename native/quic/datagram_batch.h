#pragma once

#include <msquic.h>

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>

#include "native/memory/ref_counted.h"
#include "native/memory/slab_pool.h"
#include "native/quic/resource.h"
#include "native/quic/send_request.h"

namespace millrace {

class DatagramBatch;

// One datagram on its way: what DatagramSend takes, and msquic's context for it until its last state.
struct OutboundDatagram {
  QUIC_BUFFER buffer;
  DatagramBatch* batch;
  std::optional<uint32_t> tag;  // by which JavaScript is told what became of it
};

// Datagrams of one connection in one block of memory: as many as a flush has for it in a row, and the block
// has room for. They count as queued until msquic is done with the last of them; then their target is told,
// and the block goes. It lies at the front of the block.
//
// Threads: built by the JS thread, which sends each datagram at once; msquic's complete them meanwhile.
class DatagramBatch {
 public:
  // With room for one of `bytes`, and for more where there are likely to be some. Null when memory is short.
  [[nodiscard]] static DatagramBatch* New(Resource* target, size_t bytes, bool for_many) noexcept;
  DatagramBatch(const DatagramBatch&) = delete;
  DatagramBatch& operator=(const DatagramBatch&) = delete;

  // A copy. Null when there is no room for it.
  [[nodiscard]] OutboundDatagram* Add(std::span<const uint8_t> bytes, std::optional<uint32_t> tag) noexcept;
  // References the payload; only into an empty one.
  [[nodiscard]] OutboundDatagram* AddShared(const Ref<SharedPayload>& payload) noexcept;

  [[nodiscard]] Resource* target() const noexcept { return target_.get(); }
  // What they count in the target's queue.
  [[nodiscard]] uint32_t charged() const noexcept;
  // No more are added, and the target has counted them as queued.
  void Close() noexcept;

  // msquic is done with it, or never took it.
  static void Complete(OutboundDatagram* datagram) noexcept;

 private:
  DatagramBatch(Resource* target, Slab slab) noexcept;
  ~DatagramBatch() = default;

  void LetGo(uint32_t leases) noexcept;

  // While it is built it holds more leases than there can be datagrams; the last lease frees it.
  static constexpr uint32_t kBuilding = 1u << 31;

  Ref<Resource> target_;
  Ref<SharedPayload> shared_;
  Slab slab_;  // holds this object, and then each datagram and its bytes
  size_t used_bytes_;
  uint32_t datagrams_ = 0;
  uint32_t payload_bytes_ = 0;
  std::atomic<uint32_t> leases_{kBuilding};
};

}  // namespace millrace
