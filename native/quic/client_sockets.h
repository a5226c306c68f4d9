#pragma once

#include <msquic.h>

#include <array>
#include <atomic>
#include <cstdint>
#include <map>
#include <utility>
#include <vector>

#include "native/memory/ref_counted.h"

namespace millrace {

// A UDP socket that connections to one server share. msquic opens it with the first of them and closes it
// with the last; we know it by its local address.
struct SharedSocket : RefCounted<SharedSocket> {
  ~SharedSocket() = default;
  std::atomic<uint32_t> users{0};
  // Reads where the worker has bound it, which waits for that; control thread, behind the start of the
  // connection that opens it.
  void Learn(HQUIC connection) noexcept;

  // Control thread.
  bool known = false;
  QUIC_ADDR local{};
};

// One connection's use of a shared socket. Let go of on any thread.
class SocketUse {
 public:
  SocketUse() noexcept = default;
  explicit SocketUse(Ref<SharedSocket> socket) noexcept : socket_(std::move(socket)) {
    socket_->users.fetch_add(1);
  }
  SocketUse(SocketUse&& other) noexcept = default;
  SocketUse& operator=(SocketUse&& other) noexcept {
    std::swap(socket_, other.socket_);
    return *this;
  }
  ~SocketUse() {
    if (socket_) socket_->users.fetch_sub(1);
  }

 private:
  Ref<SharedSocket> socket_;
};

// Which socket the next connection to a server uses: the one with the fewest users, or a new one while all
// have many. The sockets are connected, so servers do not share any. Control thread.
class ClientSockets {
 public:
  static constexpr uint32_t kUsersPerSocket = 64;  // before another one is opened
  static constexpr size_t kSocketsPerServer = 8;

  // One whose `known` is false is opened by the connection that uses it first, which is the caller's.
  [[nodiscard]] Ref<SharedSocket> Choose(const QUIC_ADDR& server) noexcept;

  // Servers that it remembers.
  [[nodiscard]] size_t servers() const noexcept { return servers_.size(); }
  // The process's.
  [[nodiscard]] static ClientSockets& Get() noexcept;

 private:
  using Server = std::array<uint8_t, sizeof(sockaddr_in6)>;
  using Sockets = std::vector<Ref<SharedSocket>>;

  void ForgetUnused() noexcept;

  std::map<Server, Sockets> servers_;
  size_t next_sweep_ = 64;
};

}  // namespace millrace
