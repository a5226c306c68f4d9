#pragma once

#include <msquic.h>

#include <atomic>
#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "native/quic/admission.h"
#include "native/quic/churn_budget.h"
#include "native/quic/client_sockets.h"
#include "native/quic/configuration.h"
#include "native/quic/connection_options.h"
#include "native/quic/control_thread.h"
#include "native/quic/counters.h"
#include "native/quic/environment.h"
#include "native/quic/handshake.h"
#include "native/quic/inbound_lanes.h"
#include "native/quic/outbound_lanes.h"
#include "native/quic/peer_certificate.h"
#include "native/quic/receive_credit.h"
#include "native/quic/resource.h"

namespace millrace {

class DatagramBatch;
class Stream;
struct OutboundDatagram;

// How a connection is ended.
struct Closing {
  uint64_t code = 0;
  std::string reason;
  bool graceful = false;
  std::chrono::milliseconds deadline{0};
};

// One QUIC connection, ours or a peer's. msquic holds one lease from its start until SHUTDOWN_COMPLETE; the
// environment's table another, from CONNECTED (or from Dial) until JavaScript releases it.
//
// Threads: msquic calls back on one worker at a time. The methods under "JS thread" are called by the owning
// environment only. `mutex_` guards the lanes and how it is closing; no event is posted while it is held.
class Connection final : public Resource {
 public:
  // Takes over a connection that a listener was offered; listener callback. The caller sets the handler.
  Connection(Ref<Environment> environment, Ref<ConnectionOptions> options, uint32_t listener,
             HQUIC handle) noexcept;
  void set_addresses(const QUIC_ADDR& local, const QUIC_ADDR& remote) noexcept;
  // Its place among those that the listener admits; listener callback.
  void set_place(Admissions::Place place) noexcept { place_.emplace(std::move(place)); }
  // For one that a listener was offered; ours make their own.
  void set_handshake(std::unique_ptr<Handshake> handshake) noexcept { handshake_ = std::move(handshake); }
  ~Connection() override;

  // Both ends, as we see them.
  struct Path {
    QUIC_ADDR local;
    QUIC_ADDR remote;
  };
  struct PathChange {
    QUIC_ADDR local;
    QUIC_ADDR remote_before;
    QUIC_ADDR remote_after;
  };

  // Where to connect to. `server_name` is for SNI and the certificate.
  struct Target {
    QUIC_ADDR address;
    std::string server_name;
    bool shared_socket = false;   // with other connections to the same server
    std::vector<uint8_t> ticket;  // of an earlier connection to the same server, or empty
    bool waits_to_start = false;  // kConnectionReady is posted, and Launch starts it: for early data
  };
  // Opens a connection on the control thread; JS thread. Null when the environment is full. How it went is an
  // event.
  [[nodiscard]] static Ref<Connection> Dial(const Ref<Environment>& environment,
                                            Ref<ConnectionOptions> options, Ref<Configuration> configuration,
                                            Target target) noexcept;

  static QUIC_STATUS QUIC_API Callback(HQUIC handle, void* context, QUIC_CONNECTION_EVENT* event) noexcept;

  // JS thread. Starts what `waits_to_start`.
  void Launch() noexcept;
  // `lane` may have the bit kLaneEarly.
  void SendFrames(uint16_t lane, SendRequest* request) noexcept;
  void SendDatagram(OutboundDatagram* datagram) noexcept;
  // After the last of a batch.
  void FinishDatagrams(DatagramBatch* batch) noexcept;
  void Close(const Closing& closing) noexcept;
  void RefreshStatistics() noexcept;
  // Answers with kStatistics.
  void RequestStatistics() noexcept;
  // Sends with new keys from now on, once the peer has confirmed the handshake and the keys before; waits for
  // that up to the timeout. `done` is called once, on the control thread; ABORTED says that the connection
  // has ended.
  using Done = std::function<void(QUIC_STATUS)>;
  void UpdateKeys(std::chrono::milliseconds timeout, Done done) noexcept;
  // What the peer's moves since the last call come to; null when it is where it was. Each kPathChanged event
  // is answered by one call.
  [[nodiscard]] std::unique_ptr<PathChange> TakePathChange() noexcept;
  // A client goes on from another local address: one of family UNSPEC keeps the address and changes the port.
  // Waits up to the timeout for the handshake's confirmation, and for a connection id of the peer to go on
  // with. `done` is called once, on the control thread; ABORTED says that the connection ended first.
  void Rebind(const QUIC_ADDR& local, std::chrono::milliseconds timeout, Done done) noexcept;

  // Any thread.
  [[nodiscard]] Path path() noexcept;

  // The application's word on the certificate of kPeerCertificate; `alert` is for one that is refused.
  void Authenticate(bool accepted, QUIC_TLS_ALERT_CODES alert) noexcept;
  // Null before the peer's certificate was verified, and where there is none. It may be for another name.
  [[nodiscard]] Ref<PeerCertificate> peer_certificate() noexcept;

  // Any thread. Ends it at once with a code of ours; the first caller's word counts.
  void Fail(uint64_t code) noexcept;

  void ResumeReceive() noexcept override;
  void ReturnCredit(uint32_t bytes) noexcept override;
  void OnSendComplete(uint32_t bytes) noexcept override;
  void OnOutOfMemory() noexcept override { Fail(kCloseExhausted); }
  void Abandon() noexcept override;
  // Sends begun and ended on this connection's streams: a graceful close of a raw connection waits for them.
  void SendBegins() noexcept { sends_in_flight_.fetch_add(1); }
  void SendEnds() noexcept;

  // For the lanes and streams of this connection.
  [[nodiscard]] HQUIC handle() const noexcept { return handle_.load(std::memory_order_acquire); }
  [[nodiscard]] std::mutex& mutex() noexcept { return mutex_; }
  [[nodiscard]] const ConnectionOptions& options() const noexcept { return *options_; }
  [[nodiscard]] Environment& environment() const noexcept { return *environment_; }
  [[nodiscard]] ReceiveCredit& credit() noexcept { return credit_; }
  // The peer has aborted one more stream, ours or its own. msquic's thread.
  void OnPeerAbortedStream() noexcept;
  // A stream that never started has ended. msquic's thread.
  void OnStreamGivenUp() noexcept;
  // True when the stream has to wait for the handshake, and is started then.
  [[nodiscard]] bool DefersStart(Stream& stream) noexcept;
  [[nodiscard]] bool allows_early_data() const noexcept { return allows_early_data_; }
  void set_early_data_status(int status) noexcept { early_data_status_ = static_cast<uint8_t>(status); }
  // The peer has asked for a graceful end, and all that it sent was delivered. msquic's thread.
  void FinishForPeer(uint64_t code, std::string reason) noexcept;

 private:
  [[nodiscard]] QUIC_STATUS Aim(HQUIC handle, const Target& target, Ref<SharedSocket>* opens) noexcept;
  // Where it is started, and what waits for that: ours, until the handshake is complete.
  struct Takeoff {
    Ref<Configuration> configuration;
    Target target;
    Ref<SharedSocket> opens{};
    std::vector<Ref<Stream>> streams{};                       // not idempotent, so not started yet
    std::vector<std::pair<uint16_t, SendRequest*>> frames{};  // not early, by their lanes
  };

  void Start(const Configuration& configuration, const Target& target) noexcept;
  [[nodiscard]] QUIC_STATUS OpenHandle(const Target& target, HQUIC* handle,
                                       Ref<SharedSocket>* opens) noexcept;
  [[nodiscard]] QUIC_STATUS OpenHandle(const Target& target, std::span<const uint8_t> ticket, HQUIC* handle,
                                       Ref<SharedSocket>* opens) noexcept;
  void Prepare() noexcept;
  void Fly() noexcept;
  QUIC_STATUS OnEvent(QUIC_CONNECTION_EVENT* event) noexcept;
  void OnConnected(const QUIC_CONNECTION_EVENT& event) noexcept;
  QUIC_STATUS OnPeerCertificate(const QUIC_CONNECTION_EVENT& event) noexcept;
  void PostPeerCertificate(const PeerCertificate* certificate) noexcept;
  void EndHandshake() noexcept;
  void OnPeerMoved(const QUIC_ADDR& remote) noexcept;
  void ReadAddresses() noexcept;
  void TryRebind(const QUIC_ADDR& local, ControlThread::Clock::time_point deadline,
                 const Done& done) noexcept;
  // Tells JavaScript of a peer's connection that is not open yet. False when the environment is full.
  [[nodiscard]] bool AnnounceEarly() noexcept;
  [[nodiscard]] QUIC_STATUS OnResumed(std::span<const uint8_t> ticket) noexcept;
  void OnTicket(std::span<const uint8_t> ticket) noexcept;
  void SendTicket() noexcept;
  [[nodiscard]] std::unique_ptr<Takeoff> TakeTakeoff() noexcept;
  void Land() noexcept;
  void SendWaiting() noexcept;
  QUIC_STATUS OnPeerStream(HQUIC stream, QUIC_STREAM_OPEN_FLAGS* flags) noexcept;
  void ReadPeerReason() noexcept;
  void OnShutdownComplete() noexcept;
  void OnEnded() noexcept;
  void OnDatagramState(uint32_t max_bytes) noexcept;
  void OnDatagram(const QUIC_BUFFER& buffer) noexcept;
  // False when there is no room for it.
  [[nodiscard]] bool PostDatagram(std::span<const uint8_t> bytes) noexcept;
  [[nodiscard]] bool PostFrame(std::span<const uint8_t> frame) noexcept;
  void OnDatagramSendState(QUIC_DATAGRAM_SEND_STATE state, void** context) noexcept;
  void PostOutcome(const OutboundDatagram& datagram, DatagramOutcome outcome) noexcept;
  void PostClosed() noexcept;
  void PostHandshakeFailed() noexcept;
  void ReadRoundTrip() noexcept;
  void PostStatistics() noexcept;
  // Control thread.
  void TryUpdateKeys(ControlThread::Clock::time_point deadline, const Done& done) noexcept;
  // Sets how it ends; false where somebody has. mutex_ is not held.
  bool SetEnd(ClosedBy by, int32_t status, uint64_t code, std::string reason) noexcept;
  // Ends it as SetEnd said. Blocking; control thread.
  void ShutDown() noexcept;

  const LiveCount live_{ProcessCounters::Get().connections};
  const Ref<Environment> environment_;
  const Ref<ConnectionOptions> options_;
  std::atomic<HQUIC> handle_;
  const uint32_t listener_;
  SocketUse socket_;                        // of ours that shares one; set before its start
  std::optional<Admissions::Place> place_;  // of a peer's connection; msquic's thread
  std::atomic<uint32_t> queued_bytes_{0};
  std::atomic<uint32_t> sends_in_flight_{0};
  std::atomic<uint32_t> max_datagram_bytes_{0};
  std::atomic<bool> ends_when_sent_{false};  // raw and graceful: shut down when no send is in flight
  // msquic's thread:
  bool announced_ = false;                // JavaScript knows of it
  bool closes_async_ = false;             // ConnectionClose does not wait; msquic's thread
  bool opened_ = false;                   // and that the handshake is complete
  std::unique_ptr<Handshake> handshake_;  // until that is
  bool allows_early_data_ = false;
  uint8_t early_data_status_ = 0;  // SSL_EARLY_DATA_…
  uint32_t streams_to_end_ = 0;    // given up, and to end before the connection does
  ReceiveCredit credit_;
  ChurnBudget churn_;  // msquic's thread

  std::mutex mutex_;
  QUIC_ADDR local_address_{};
  QUIC_ADDR remote_address_{};
  std::unique_ptr<QUIC_ADDR> moved_from_;  // where the peer was when the event under way was written
  // How it ends, by whoever spoke first; `ended_` says that somebody did.
  struct End {
    ClosedBy by = ClosedBy::kTransport;
    int32_t status = 0;
    uint64_t code = 0;
    std::string reason;
  };
  std::unique_ptr<End> end_;
  [[nodiscard]] End ReadEnd() noexcept;
  ControlThread::Timer close_deadline_;
  Ref<PeerCertificate> peer_certificate_;
  std::unique_ptr<Takeoff> takeoff_;         // ours and early only, until the handshake is complete
  std::unique_ptr<InboundLanes> inbound_;    // framed only
  std::unique_ptr<OutboundLanes> outbound_;  // framed only
  bool closing_ = false;                     // nothing more is sent
};

}  // namespace millrace
