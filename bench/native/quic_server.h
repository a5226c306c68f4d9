#pragma once

#include <msquic.h>

#include <cstdint>
#include <string>

#include "bench/native/options.h"
#include "bench/native/quic_library.h"

namespace millrace::bench {

/** What a server proves who it is with: PEM files. */
struct ServerFiles {
  explicit ServerFiles(Options& options)
      : certificate(options.Text("cert", "")), private_key(options.Text("key", "")) {}

  std::string certificate;
  std::string private_key;
};

/** A QUIC server on a free port of all IPv4 addresses: msquic and nothing else. One a process. */
class QuicServer {
 public:
  /** @param on_connection gets all events of all connections. */
  QuicServer(const std::string& alpn, const QUIC_SETTINGS& settings, const ServerFiles& files,
             QUIC_CONNECTION_CALLBACK_HANDLER on_connection);
  ~QuicServer();
  QuicServer(const QuicServer&) = delete;
  QuicServer& operator=(const QuicServer&) = delete;

  /** Says on its standard output where it listens, once, and returns when its standard input ends. */
  void ServeUntilInputEnds() const;

  static const QUIC_API_TABLE& api() { return *api_; }
  /** Gives back a stream that has ended, and ends one whose peer has given it up. Other events it leaves
   * alone. */
  static void OnStreamEnd(HQUIC stream, const QUIC_STREAM_EVENT& event);
  /** Gives back a connection that has ended. */
  static void OnConnectionEnd(HQUIC connection, const QUIC_CONNECTION_EVENT& event);

 private:
  static inline const QUIC_API_TABLE* api_ = nullptr;

  static QUIC_STATUS OnListener(HQUIC, void* context, QUIC_LISTENER_EVENT* event);
  void Listen(const std::string& alpn);

  QuicLibrary library_;
  HQUIC configuration_ = nullptr;
  HQUIC listener_ = nullptr;
  QUIC_CONNECTION_CALLBACK_HANDLER on_connection_;
};

}  // namespace millrace::bench
