#pragma once

#include <msquic.h>

#include <atomic>
#include <cstdint>
#include <semaphore>
#include <string>
#include <utility>

#include "bench/native/quic_library.h"

namespace millrace::bench {

/** Where a server listens: an IPv4 address. */
struct Server {
  std::string host;
  uint16_t port;
};

/**
 * One connection of ours. Its events come from one msquic worker at a time. The handle lives as long as the
 * object, so that a connection that broke early may still be shut down.
 */
class ClientConnection {
 public:
  explicit ClientConnection(QuicLibrary& library) : library_(library) {}
  /** Only after its SHUTDOWN_COMPLETE: no event may come any more. Waits for the worker: not inside a
   * callback. */
  virtual ~ClientConnection();
  ClientConnection(const ClientConnection&) = delete;
  ClientConnection& operator=(const ClientConnection&) = delete;

  void Start(HQUIC configuration, const Server& server);
  /**
   * The same on a UDP socket that connections share.
   * @param socket the local address of the connection whose socket it is; null opens one to be shared.
   */
  void StartShared(HQUIC configuration, const Server& server, const QUIC_ADDR* socket);
  void Shutdown() { library_->ConnectionShutdown(handle_, QUIC_CONNECTION_SHUTDOWN_FLAG_NONE, 0); }

  /** Waits for the worker. Only once the connection is open. */
  QUIC_ADDR LocalAddress() const;

 protected:
  /** Inside of SHUTDOWN_COMPLETE: it may be started again afterwards. */
  void Close() { library_->ConnectionClose(std::exchange(handle_, nullptr)); }

  virtual void OnEvent(QUIC_CONNECTION_EVENT& event) = 0;

  QuicLibrary& library() const { return library_; }
  HQUIC handle() const { return handle_; }

 private:
  static QUIC_STATUS Callback(HQUIC, void* context, QUIC_CONNECTION_EVENT* event) {
    static_cast<ClientConnection*>(context)->OnEvent(*event);
    return QUIC_STATUS_SUCCESS;
  }
  void Open();

  QuicLibrary& library_;
  HQUIC handle_ = nullptr;
};

/** One that the main thread waits for. */
class AwaitedConnection : public ClientConnection {
 public:
  using ClientConnection::ClientConnection;

  /** Ends the process where it does not open. */
  void AwaitOpen();
  void ShutdownAndWait();

 private:
  void OnEvent(QUIC_CONNECTION_EVENT& event) override;

  std::atomic<bool> closed_{false};
  std::counting_semaphore<> opened_or_closed_{0};
};

}  // namespace millrace::bench
