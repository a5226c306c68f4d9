#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <semaphore>
#include <string>
#include <vector>

#include "bench/native/load.h"
#include "bench/native/quic_client.h"

namespace millrace::bench {

class LoadConnection;

/** Loads a server with a few connections for a while, and prints one line of JSON that says how it went. */
class LoadClient {
 public:
  LoadClient(const Load& the_load, const std::string& alpn, const QUIC_SETTINGS& settings)
      : load(the_load),
        configuration_(library.OpenConfiguration(alpn, settings, InsecureClientCredential())) {}
  ~LoadClient() { library.CloseConfiguration(configuration_); }
  LoadClient(const LoadClient&) = delete;
  LoadClient& operator=(const LoadClient&) = delete;

  /** Opens all connections, begins, warms up, measures, closes. Returns the program's exit status. */
  template <typename Connection>
  int Run() {
    Open<Connection>();
    return Measure();
  }

  /** Opens all connections, and begins. Ends the process where one does not open. */
  template <typename Connection>
  void Open() {
    for (uint32_t i = 0; i < load.connections; i += 1) Start(std::make_unique<Connection>(*this));
    Begin();
  }

  bool Stopping() const { return stopping_.load(std::memory_order_relaxed); }

  const Load load;
  QuicLibrary library;
  Recorder recorder;

 private:
  friend class LoadConnection;

  static constexpr uint32_t kHandshakesInFlight = 24;

  void Start(std::unique_ptr<LoadConnection> connection);
  void Begin();
  int Measure();

  const HQUIC configuration_;
  std::vector<std::unique_ptr<LoadConnection>> connections_;
  std::atomic<bool> stopping_{false};
  std::atomic<uint32_t> opened_{0};
  std::counting_semaphore<> handshakes_{kHandshakesInFlight};
  std::counting_semaphore<> settled_{0};  // a connection is ready to begin, or failed
  std::counting_semaphore<> closed_{0};
};

/** One connection of a load. */
class LoadConnection : public ClientConnection {
 public:
  explicit LoadConnection(LoadClient& client) : ClientConnection(client.library), client_(client) {}

  /** Puts the first messages on their way; the answers keep it going. Not called for one that failed. */
  virtual void Begin() = 0;

 protected:
  virtual void OnConnected() = 0;
  virtual void OnOther(QUIC_CONNECTION_EVENT&) {}

  LoadClient& client() const { return client_; }

 private:
  void OnEvent(QUIC_CONNECTION_EVENT& event) override;
  void Settle();

  LoadClient& client_;
  bool settled_ = false;
};

}  // namespace millrace::bench
