#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "native/quic/environment.h"
#include "native/quic/events.h"
#include "native/quic/send_request.h"

namespace millrace {

class Connection;
class DatagramBatch;

// Turns what JavaScript queued in a tick into as few sends as possible: the bytes of one lane or stream
// become one StreamSend. JS thread.
class Outbox {
 public:
  // `slab` is JavaScript's memory, pinned by the caller.
  Outbox(Environment& environment, std::span<const uint8_t> slab) noexcept
      : environment_(environment), slab_(slab) {}

  // Carries out the commands in the slab's first `bytes`. False when they are not well formed: the rest is
  // skipped.
  [[nodiscard]] bool Flush(uint32_t bytes) noexcept;
  // One command that is too large for the slab, its payload in two parts.
  void Send(CommandHeader header, std::span<const uint8_t> head, std::span<const uint8_t> body) noexcept;
  // Many pieces for one stream, as one send.
  void Writev(uint32_t slot, uint32_t generation, std::span<const std::span<const uint8_t>> pieces) noexcept;
  // One payload for many, given as pairs of slot and generation: one buffer, a reference each. `kind` says
  // what they are: framed connections (with `lane`), streams, or connections that get it as a datagram.
  // Returns to how many it went.
  [[nodiscard]] uint32_t Publish(CommandKind kind, uint16_t lane, std::span<const uint32_t> handles,
                                 std::span<const uint8_t> head, std::span<const uint8_t> body) noexcept;

 private:
  // The bytes of one lane, or of a stream. A connection's lanes are chained: few are used in one flush.
  struct Pending {
    Resource* resource;
    SendRequest* request;
    uint16_t lane;
    uint32_t next;  // its resource's other one, or Resource::kNotInOutbox
  };

  void Run(const CommandHeader& header, std::span<const uint8_t> payload) noexcept;
  void SendDatagram(const CommandHeader& header, Connection* connection,
                    std::span<const uint8_t> payload) noexcept;
  // The batch under construction: every datagram of it is sent.
  void FinishDatagrams() noexcept;
  void Collect(const CommandHeader& header, Resource* resource, std::span<const uint8_t> payload) noexcept;
  [[nodiscard]] Pending& PendingOf(Resource* resource, uint16_t lane) noexcept;
  [[nodiscard]] static bool Append(Pending& pending, std::span<const uint8_t> payload) noexcept;
  void Submit(Pending& pending, bool fin) noexcept;
  void SubmitAll() noexcept;
  // False when memory is short.
  [[nodiscard]] static bool PublishTo(Resource* resource, CommandKind kind, uint16_t lane,
                                      const Ref<SharedPayload>& payload) noexcept;
  [[nodiscard]] static bool PublishTo(Connection* connection, const Ref<SharedPayload>& payload) noexcept;

  Environment& environment_;
  const std::span<const uint8_t> slab_;
  std::vector<Pending> pending_;
  DatagramBatch* datagrams_ = nullptr;  // of one flush, and the connection whose datagrams come one by one
};

}  // namespace millrace
