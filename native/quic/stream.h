#pragma once

#include <msquic.h>

#include <atomic>
#include <cstdint>

#include "native/quic/connection.h"
#include "native/quic/counters.h"
#include "native/quic/receive_credit.h"
#include "native/quic/resource.h"

namespace millrace {

// One stream of a raw connection, addressed by JavaScript. msquic holds a lease from its start until
// SHUTDOWN_COMPLETE, the environment's table one until JavaScript releases it.
class Stream final : public Resource {
 public:
  static constexpr uint16_t kDefaultPriority = 0x7fff;  // msquic's

  // A stream of the peer; msquic's thread, inside PEER_STREAM_STARTED. False when the environment is full or
  // closed. `early` when the handshake is not complete yet.
  [[nodiscard]] static bool Accept(Connection& connection, HQUIC handle, bool unidirectional,
                                   bool early) noexcept;
  // A stream of ours; JS thread. When the peer gives no credit it waits, or with `fail_blocked` fails: its
  // kStreamClosed says so.
  struct Opening {
    bool unidirectional = false;
    bool fail_blocked = false;
    uint16_t priority = kDefaultPriority;
    bool idempotent = false;  // it may go out before the handshake is complete; others wait for that
  };
  [[nodiscard]] static Ref<Stream> Open(Connection& connection, const Opening& opening,
                                        QUIC_STATUS* status) noexcept;

  explicit Stream(Connection& connection) noexcept;
  ~Stream() override;

  // msquic's thread, for a stream that had to wait for the handshake: it is complete; or it never will be.
  void StartDeferred() noexcept;
  void GiveUp() noexcept;

  // JS thread.
  void Send(SendRequest* request, bool fin) noexcept;
  void Reset(uint64_t code) noexcept;
  void StopSending(uint64_t code) noexcept;
  // Takes effect a little later, on the control thread: msquic's call waits.
  void SetPriority(uint16_t priority) noexcept;

  void ResumeReceive() noexcept override;
  void ReturnCredit(uint32_t bytes) noexcept override;
  void OnSendComplete(uint32_t bytes) noexcept override;
  void OnOutOfMemory() noexcept override { Reset(kCloseExhausted); }
  void Abandon() noexcept override {}  // its connection's end is its own

 private:
  static QUIC_STATUS QUIC_API Callback(HQUIC handle, void* context, QUIC_STREAM_EVENT* event) noexcept;
  QUIC_STATUS OnReceive(QUIC_STREAM_EVENT* event) noexcept;
  // Writes what fits of the bytes; fewer than given means paused.
  [[nodiscard]] size_t Deliver(EventPort::Batch& batch, std::span<const uint8_t> bytes,
                               uint16_t flags) noexcept;
  void OnPeerAborted() noexcept;
  void PostCode(EventKind kind, uint64_t code) noexcept;
  void OnStartComplete(QUIC_STATUS status, bool accepted) noexcept;
  void OnShutdownComplete(bool connection_ended) noexcept;
  // Inside this stream's callback, or on the control thread.
  void ApplyPriority() noexcept;

  const LiveCount live_{ProcessCounters::Get().streams};
  const Ref<Connection> connection_;
  HQUIC handle_ = nullptr;
  ReceiveCredit credit_;
  std::atomic<uint32_t> queued_bytes_{0};
  std::atomic<bool> paused_{false};
  std::atomic<uint16_t> priority_{kDefaultPriority};
  std::atomic<bool> priority_posted_{false};  // several changes make one call
  std::atomic<bool> aborted_{false};          // by the peer, or by it because we asked
  int32_t start_status_ = 0;
  QUIC_STREAM_START_FLAGS start_flags_ = QUIC_STREAM_START_FLAG_NONE;
  bool idempotent_ = false;
  bool given_up_ = false;  // msquic's thread
};

}  // namespace millrace
