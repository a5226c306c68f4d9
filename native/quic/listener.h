#pragma once

#include <msquic.h>

#include <cstdint>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "native/quic/admission.h"
#include "native/quic/connection_options.h"
#include "native/quic/environment.h"
#include "native/quic/resumption.h"
#include "native/quic/server_configurations.h"

namespace millrace {

// Accepts connections on an endpoint for one environment or, when shared, several: a new connection goes to
// the one with the fewest. Opened, joined, left and closed on the control thread; msquic's workers call back
// in parallel.
class Listener : public RefCounted<Listener> {
 public:
  // For whom it accepts; `id` is the environment's own name for the listener.
  struct Member {
    Ref<Environment> environment;
    Ref<ConnectionOptions> options;
    uint32_t id;
  };
  struct Endpoint {
    QUIC_ADDR address;
    std::vector<std::string> alpns;
    bool shared = false;  // another environment of this process may join
    AdmissionLimits limits{};
    // What else those that share it must have in common beside the configurations' credential.
    std::string terms{};
    std::optional<Resumption::Options> resumption{};  // the first one's
  };

  // Opens, or joins what another environment has opened with the same endpoint. Null on failure, with the
  // status.
  [[nodiscard]] static Ref<Listener> Open(const Endpoint& endpoint, Ref<ServerConfigurations> configurations,
                                          Member member, QUIC_STATUS* status) noexcept;

  // From now on handshakes begin with these; open connections keep theirs. For all that share it.
  [[nodiscard]] QUIC_STATUS SetConfigurations(Ref<ServerConfigurations> configurations) noexcept;

  // Stops accepting for this environment; the last to leave frees the port before this returns.
  void Leave(const Environment* environment, uint32_t id) noexcept;

  // Where it gives tickets; control thread. See ticket.h.
  [[nodiscard]] QUIC_STATUS SetTicketKeys(std::vector<uint8_t> keys) noexcept;

  // The bound address, with the port that the operating system chose.
  [[nodiscard]] const QUIC_ADDR& address() const noexcept { return address_; }

  [[nodiscard]] const Admissions::Refused& refused() const noexcept { return admissions_->refused(); }

  Listener(const Endpoint& endpoint, Ref<ServerConfigurations> configurations) noexcept;
  ~Listener();

 private:
  static QUIC_STATUS QUIC_API Callback(HQUIC handle, void* context, QUIC_LISTENER_EVENT* event) noexcept;
  QUIC_STATUS OnNewConnection(HQUIC connection, const QUIC_NEW_CONNECTION_INFO& info) noexcept;
  [[nodiscard]] QUIC_STATUS Start() noexcept;
  [[nodiscard]] QUIC_STATUS StartOnce() noexcept;
  void Stop() noexcept;

  const Endpoint endpoint_;
  const Ref<Admissions> admissions_;
  const Ref<Resumption> resumption_;  // null when it gives no tickets
  HQUIC handle_ = nullptr;
  QUIC_ADDR address_{};
  std::mutex mutex_;
  Ref<ServerConfigurations> configurations_;
  std::vector<Member> members_;
  std::vector<uint8_t> ticket_keys_;  // control thread
};

}  // namespace millrace
