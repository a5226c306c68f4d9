#include <gtest/gtest.h>

#include <atomic>
#include <chrono>
#include <cstdint>
#include <vector>

#include "test/native/quic/host.h"

namespace millrace {
namespace {

using kit::Handle;
using kit::Host;
using kit::HostEvent;

constexpr std::chrono::seconds kPatience{10};

// A client that moves while it sends, and the server's view of it.
TEST(Migration, AClientMovesUnderTrafficAndTheServerFollows) {
  Host server;
  Host client;
  std::atomic<int> moves{0};
  std::atomic<uint16_t> seen_port{0};
  server.on_event = [&](const HostEvent& event) {
    Echo(server, event);
    if (event.kind != EventKind::kPathChanged) return;
    const auto change = server.connection(event.handle)->TakePathChange();
    if (change == nullptr) return;
    EXPECT_FALSE(QuicAddrCompare(&change->remote_before, &change->remote_after));
    moves += 1;
    seen_port = QuicAddrGetPort(&change->remote_after);
    client.Nudge();
  };
  const uint16_t port = server.Listen(kit::RawOptions());
  const kit::HostThread server_thread(server);

  bool opened = false;
  size_t echoed = 0;
  int fins = 0;
  client.on_event = [&](const HostEvent& event) {
    opened |= event.kind == EventKind::kConnectionOpened;
    if (event.kind != EventKind::kStreamData) return;
    echoed += event.payload.size();
    fins += (event.flags & kReceiveFin) != 0 ? 1 : 0;
  };
  const Handle connection = client.Dial(port, kit::RawOptions());
  ASSERT_TRUE(client.RunUntil([&] { return opened; }));

  constexpr int kMoves = 10;
  constexpr size_t kPiece = 60'000;
  const std::vector<uint8_t> piece = kit::BytesFrom(1, kPiece);
  const Handle stream = client.OpenStream(connection);
  std::atomic<int> moved{0};
  std::atomic<QUIC_STATUS> status{QUIC_STATUS_SUCCESS};
  for (int i = 0; i < kMoves; ++i) {
    client.WriteStream(stream, piece, false);
    client.Flush();
    const QUIC_ADDR any{};
    client.connection(connection)->Rebind(any, kPatience, [&](QUIC_STATUS result) {
      if (QUIC_FAILED(result)) status = result;
      moved += 1;
      client.Nudge();
    });
    ASSERT_TRUE(client.RunUntil([&] { return moved > i && echoed >= static_cast<size_t>(i) * kPiece; }));
  }
  // The server goes to where the client is when something comes from there, and tells of it in its own time.
  client.WriteStream(stream, piece, true);
  client.Flush();
  const QUIC_ADDR now = client.connection(connection)->path().local;
  ASSERT_TRUE(client.RunUntil([&] { return fins == 1 && seen_port == QuicAddrGetPort(&now); }));
  EXPECT_EQ(echoed, (kMoves + 1) * kPiece);
  EXPECT_EQ(status, QUIC_STATUS_SUCCESS);
  EXPECT_GT(moves, 0);
}

TEST(Migration, TheSideThatAcceptedCannotMove) {
  Host server;
  std::atomic<bool> answered{false};
  std::atomic<QUIC_STATUS> status{QUIC_STATUS_SUCCESS};
  server.on_event = [&](const HostEvent& event) {
    if (event.kind != EventKind::kConnectionOpened) return;
    server.connection(event.handle)->Rebind(QUIC_ADDR{}, kPatience, [&](QUIC_STATUS result) {
      status = result;
      answered = true;
      server.Nudge();
    });
  };
  const uint16_t port = server.Listen(kit::RawOptions());
  Host client;
  (void)client.Dial(port, kit::RawOptions());
  ASSERT_TRUE(server.RunUntil([&] { return answered.load(); }));
  EXPECT_EQ(status, QUIC_STATUS_NOT_SUPPORTED);
}

TEST(Migration, AConnectionThatEndedWhileItWaitedSaysSo) {
  Host client;
  bool closed = false;
  client.on_event = [&](const HostEvent& event) { closed |= event.kind == EventKind::kConnectionClosed; };
  Host server;
  const uint16_t port = server.Listen(kit::RawOptions());
  const Handle connection = client.Dial(port, kit::RawOptions());
  std::atomic<bool> answered{false};
  std::atomic<QUIC_STATUS> status{QUIC_STATUS_SUCCESS};
  Ref<Connection> held(client.connection(connection));
  held->Close(Closing{});
  held->Rebind(QUIC_ADDR{}, kPatience, [&](QUIC_STATUS result) {
    status = result;
    answered = true;
    client.Nudge();
  });
  ASSERT_TRUE(client.RunUntil([&] { return answered.load() && closed; }));
  EXPECT_EQ(status, QUIC_STATUS_ABORTED);
}

}  // namespace
}  // namespace millrace
