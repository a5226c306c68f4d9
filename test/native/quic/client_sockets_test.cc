#include "native/quic/client_sockets.h"

#include <gtest/gtest.h>

#include <cstdint>
#include <set>
#include <utility>
#include <vector>

namespace millrace {
namespace {

QUIC_ADDR Server(uint16_t port) {
  QUIC_ADDR address{};
  EXPECT_TRUE(QuicAddrFromString("127.0.0.1", port, &address));
  return address;
}

// What a connection does: chooses, uses, and, where it is the first, learns.
SocketUse Use(ClientSockets& sockets, const QUIC_ADDR& server, std::set<SharedSocket*>* seen) {
  Ref<SharedSocket> socket = sockets.Choose(server);
  socket->known = true;
  seen->insert(socket.get());
  return SocketUse(std::move(socket));
}

TEST(ClientSockets, OpenAnotherWhenEachHasManyAndThenSpreadEvenly) {
  ClientSockets sockets;
  std::set<SharedSocket*> seen;
  std::vector<SocketUse> uses;
  for (uint32_t i = 0; i < ClientSockets::kUsersPerSocket; ++i)
    uses.push_back(Use(sockets, Server(1), &seen));
  EXPECT_EQ(seen.size(), 1u);
  uses.push_back(Use(sockets, Server(1), &seen));
  EXPECT_EQ(seen.size(), 2u);
  while (uses.size() < 1'000) uses.push_back(Use(sockets, Server(1), &seen));
  EXPECT_EQ(seen.size(), ClientSockets::kSocketsPerServer);
  for (SharedSocket* socket : seen) EXPECT_EQ(socket->users.load(), 125u);
}

TEST(ClientSockets, AreOfOneServer) {
  ClientSockets sockets;
  std::set<SharedSocket*> seen;
  const SocketUse one = Use(sockets, Server(1), &seen);
  const SocketUse two = Use(sockets, Server(2), &seen);
  EXPECT_EQ(seen.size(), 2u);
}

TEST(ClientSockets, AreNotChosenAgainWithoutUsers) {
  ClientSockets sockets;
  Ref<SharedSocket> first = sockets.Choose(Server(1));
  first->known = true;
  { const SocketUse use(first); }
  EXPECT_NE(sockets.Choose(Server(1)).get(), first.get());
}

TEST(ClientSockets, AreNotChosenWhereTheirAddressIsNotKnown) {
  ClientSockets sockets;
  const SocketUse failed(sockets.Choose(Server(1)));  // its first connection could not be started
  const Ref<SharedSocket> next = sockets.Choose(Server(1));
  EXPECT_FALSE(next->known);
  EXPECT_EQ(next->users.load(), 0u);
}

TEST(ClientSockets, OfServersThatNobodyUsesAreForgotten) {
  ClientSockets sockets;
  std::set<SharedSocket*> seen;
  for (uint16_t port = 1; port < 10'000; ++port) (void)Use(sockets, Server(port), &seen);
  EXPECT_LE(sockets.servers(), 64u);
}

}  // namespace
}  // namespace millrace
