#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <semaphore>
#include <string>
#include <vector>

#include "bench/native/quic_client.h"

namespace millrace::bench {

class CrowdConnection;

/** Many connections to one server, on a few shared sockets, so many of them becoming ready at once. */
class Crowd {
 public:
  Crowd(const std::string& alpn, const QUIC_SETTINGS& settings, Server server)
      : server_(std::move(server)),
        configuration_(library.OpenConfiguration(alpn, settings, InsecureClientCredential())) {}
  Crowd(const Crowd&) = delete;
  Crowd& operator=(const Crowd&) = delete;

  /**
   * Opens so many and waits until all are ready. Ends the process where that fails. A server that is late
   * answers some with CONNECTION_REFUSED (RFC 9000 section 20.1): they are replaced.
   */
  void Open(uint32_t connections, const std::function<std::unique_ptr<CrowdConnection>()>& make);

  size_t ready() const { return ready_; }

  QuicLibrary library;

 private:
  friend class CrowdConnection;

  /** More of them cost the server memory that it keeps. */
  static constexpr uint32_t kInFlight = 24;

  void Start(std::unique_ptr<CrowdConnection> connection, const QUIC_ADDR* socket);
  size_t AwaitSettled(size_t connections);
  void Explain(const char* what, uint64_t code);

  const Server server_;
  const HQUIC configuration_;
  std::vector<std::unique_ptr<CrowdConnection>> held_;  // the refused ones too
  size_t ready_ = 0;
  std::atomic<uint32_t> failed_{0};
  std::atomic<uint32_t> refused_{0};
  std::atomic<bool> explained_{false};
  std::counting_semaphore<> in_flight_{kInFlight};
  std::counting_semaphore<> settled_{0};  // one for each connection that became ready, or failed
};

/** One of a crowd. It calls Settle once it is ready. */
class CrowdConnection : public ClientConnection {
 public:
  explicit CrowdConnection(Crowd& crowd) : ClientConnection(crowd.library), crowd_(crowd) {}

  bool refused() const { return refused_; }

 protected:
  virtual void OnConnected() = 0;
  virtual void OnOther(QUIC_CONNECTION_EVENT&) {}

  /** Lets the next connection begin: this one only waits. */
  void MakeWay();
  void Settle();

 private:
  void OnEvent(QUIC_CONNECTION_EVENT& event) override;

  Crowd& crowd_;
  bool refused_ = false;
  bool made_way_ = false;
  bool settled_ = false;
};

/** Ends the process: a benchmark without its load measures nothing. */
[[noreturn]] void GiveUp(const std::string& why);

}  // namespace millrace::bench
