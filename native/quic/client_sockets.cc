#include "native/quic/client_sockets.h"

#include <algorithm>
#include <cstring>

#include "native/quic/library.h"

namespace millrace {
namespace {

bool Unused(const Ref<SharedSocket>& socket) noexcept {
  return socket->users.load() == 0;
}

}  // namespace

void SharedSocket::Learn(HQUIC connection) noexcept {
  uint32_t bytes = sizeof(local);
  known = QUIC_SUCCEEDED(Api().GetParam(connection, QUIC_PARAM_CONN_LOCAL_ADDRESS, &bytes, &local));
}

Ref<SharedSocket> ClientSockets::Choose(const QUIC_ADDR& server) noexcept {
  Server key{};
  std::memcpy(key.data(), &server, key.size());
  if (!servers_.contains(key) && servers_.size() >= next_sweep_) ForgetUnused();
  Sockets& sockets = servers_[key];
  // Without users msquic has closed it, or is about to; and one that could not be opened stays unknown.
  std::erase_if(sockets, Unused);
  Ref<SharedSocket> best;
  for (const Ref<SharedSocket>& socket : sockets) {
    if (!socket->known) continue;
    if (!best || socket->users.load() < best->users.load()) best = socket;
  }
  const bool all_have_many = !best || best->users.load() >= kUsersPerSocket;
  if (all_have_many && sockets.size() < kSocketsPerServer) {
    best = MakeRef<SharedSocket>();
    sockets.push_back(best);
  }
  return best ? best : MakeRef<SharedSocket>();
}

void ClientSockets::ForgetUnused() noexcept {
  for (auto& [server, sockets] : servers_) std::erase_if(sockets, Unused);
  std::erase_if(servers_, [](const auto& entry) { return entry.second.empty(); });
  next_sweep_ = std::max<size_t>(64, servers_.size() * 2);
}

ClientSockets& ClientSockets::Get() noexcept {
  static auto* sockets = new ClientSockets;
  return *sockets;
}

}  // namespace millrace
