#include <gtest/gtest.h>

#include <atomic>
#include <chrono>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "test/native/quic/host.h"

namespace millrace {
namespace {

using kit::Handle;
using kit::Host;
using kit::HostEvent;

struct End {
  ClosedEvent closed;
  std::string reason;
};

std::optional<End> EndOf(const HostEvent& event) {
  if (event.kind != EventKind::kConnectionClosed) return std::nullopt;
  const auto rest = event.payload.subspan(sizeof(ClosedEvent));
  return End{event.As<ClosedEvent>(), std::string(rest.begin(), rest.end())};
}

Closing Gracefully(uint64_t code, const std::string& reason) {
  return {.code = code, .reason = reason, .graceful = true, .deadline = kit::kDeadline};
}

void ExpectEnd(const std::optional<End>& end, ClosedBy by, uint64_t code, const std::string& reason) {
  ASSERT_TRUE(end);
  EXPECT_EQ(end->closed.by, static_cast<uint32_t>(by));
  EXPECT_EQ(end->closed.code, code);
  EXPECT_EQ(end->reason, reason);
}

// One side sends frames and closes in the same breath; the other counts.
class GracefulCloseTest : public testing::Test {
 protected:
  static constexpr uint32_t kFrames = 400;
  static constexpr uint32_t kPayloadBytes = 4000;

  void SendAllAndClose(Host& host, Handle connection) {
    for (uint32_t i = 0; i < kFrames; ++i) {
      host.SendFrame(connection, 0, kit::FrameOf(i, kPayloadBytes));
      host.SendFrame(connection, 5, kit::FrameOf(i, 0));
    }
    host.Flush();
    host.connection(connection)->Close(Gracefully(4242, "that was all"));
  }

  // Handles the events of the side that receives.
  void Receive(const HostEvent& event) {
    if (event.kind == EventKind::kFrame) {
      uint32_t& next = event.stream == 0 ? received_ : received_aside_;
      misplaced_ += kit::IsFrame(event.payload, next, event.stream == 0 ? kPayloadBytes : 0) ? 0 : 1;
      next += 1;
      late_ += peer_end_ ? 1 : 0;
    } else if (event.kind == EventKind::kConnectionClosed) {
      peer_end_ = EndOf(event);
    }
  }

  void ExpectAllThenTheEnd() {
    EXPECT_EQ(received_, kFrames);
    EXPECT_EQ(received_aside_, kFrames);
    EXPECT_EQ(misplaced_, 0u);
    EXPECT_EQ(late_, 0u);
    ExpectEnd(peer_end_, ClosedBy::kPeer, 4242, "that was all");
    ExpectEnd(own_end_, ClosedBy::kLocal, 4242, "that was all");
  }

  uint32_t received_ = 0;
  uint32_t received_aside_ = 0;
  uint32_t misplaced_ = 0;
  uint32_t late_ = 0;
  std::optional<End> peer_end_;
  std::optional<End> own_end_;
};

TEST_F(GracefulCloseTest, DeliversAllThatAClientSentBefore) {
  Host server({.ring_capacity = 64u << 10});
  server.on_event = [this](const HostEvent& event) { Receive(event); };
  const uint16_t port = server.Listen(kit::FramedOptions());
  {
    Host client;
    client.on_event = [&](const HostEvent& event) {
      if (event.kind == EventKind::kConnectionOpened) SendAllAndClose(client, event.handle);
      if (event.kind == EventKind::kConnectionClosed) own_end_ = EndOf(event);
    };
    const kit::HostThread thread(server);
    (void)client.Dial(port, kit::FramedOptions());
    ASSERT_TRUE(client.RunUntil([this] { return own_end_.has_value(); }));
  }
  ASSERT_TRUE(server.RunUntil([this] { return peer_end_.has_value(); }));
  ExpectAllThenTheEnd();
}

TEST_F(GracefulCloseTest, DeliversAllThatAServerSentBefore) {
  Host server;
  server.on_event = [&](const HostEvent& event) {
    if (event.kind == EventKind::kConnectionOpened) SendAllAndClose(server, event.handle);
    if (event.kind == EventKind::kConnectionClosed) own_end_ = EndOf(event);
  };
  const uint16_t port = server.Listen(kit::FramedOptions());
  Host client({.ring_capacity = 64u << 10});
  client.on_event = [this](const HostEvent& event) { Receive(event); };
  {
    const kit::HostThread thread(server);
    (void)client.Dial(port, kit::FramedOptions());
    ASSERT_TRUE(client.RunUntil([this] { return peer_end_.has_value(); }));
  }
  ASSERT_TRUE(server.RunUntil([this] { return own_end_.has_value(); }));
  ExpectAllThenTheEnd();
}

TEST(RawClose, WaitsForTheBytesOnTheirWayWhenItIsGraceful) {
  const std::vector<uint8_t> bytes = kit::BytesFrom(1, 200'000);
  Host server;
  std::vector<uint8_t> received;
  std::optional<End> end;
  server.on_event = [&](const HostEvent& event) {
    if (event.kind == EventKind::kStreamData)
      received.insert(received.end(), event.payload.begin(), event.payload.end());
    if (event.kind == EventKind::kConnectionClosed) end = EndOf(event);
  };
  const uint16_t port = server.Listen(kit::RawOptions());
  bool closed = false;
  {
    const kit::HostThread thread(server);
    Host client;
    client.on_event = [&](const HostEvent& event) {
      closed = closed || event.kind == EventKind::kConnectionClosed;
      if (event.kind != EventKind::kConnectionOpened) return;
      client.WriteStream(client.OpenStream(event.handle, true), bytes, true);
      client.Flush();
      client.connection(event.handle)->Close(Gracefully(7, ""));
    };
    (void)client.Dial(port, kit::RawOptions());
    ASSERT_TRUE(client.RunUntil([&closed] { return closed; }));
  }
  ASSERT_TRUE(server.RunUntil([&end] { return end.has_value(); }));
  EXPECT_TRUE(received == bytes);
  ExpectEnd(end, ClosedBy::kPeer, 7, "");
}

TEST(Close, GivesUpAGracefulOneAtItsDeadline) {
  Host server;
  server.returns_credit = false;  // never finishes reading
  const uint16_t port = server.Listen(kit::FramedOptions());
  const kit::HostThread thread(server);
  Host client;
  std::optional<End> end;
  client.on_event = [&](const HostEvent& event) {
    if (event.kind == EventKind::kConnectionClosed) end = EndOf(event);
    if (event.kind != EventKind::kConnectionOpened) return;
    for (uint32_t i = 0; i < 50; ++i) client.SendFrame(event.handle, 0, kit::FrameOf(i, 30'000));
    client.Flush();
    Closing closing = Gracefully(9, "");
    closing.deadline = std::chrono::milliseconds(20);
    client.connection(event.handle)->Close(closing);
  };
  (void)client.Dial(port, kit::FramedOptions());
  ASSERT_TRUE(client.RunUntil([&end] { return end.has_value(); }));
  ExpectEnd(end, ClosedBy::kLocal, 9, "");
}

TEST(Close, EndsAConnectionThatHasNotBegun) {
  Host client;
  std::optional<End> end;
  client.on_event = [&end](const HostEvent& event) { end = EndOf(event); };
  const Handle connection = client.Dial(1, kit::RawOptions());  // nobody is there
  client.connection(connection)->Close({.code = 3, .reason = {}, .graceful = false, .deadline = {}});
  ASSERT_TRUE(client.RunUntil([&end] { return end.has_value(); }));
  ExpectEnd(end, ClosedBy::kLocal, 3, "");
}

// One client floods an echoing server over a few connections; in the midst of it one side's environment goes,
// and its memory with it.
class EnvironmentCloseTest : public testing::Test {
 protected:
  static constexpr uint32_t kConnections = 4;

  static void Flood(Host& host, Handle connection) {
    for (uint32_t i = 0; i < 40; ++i) {
      host.SendFrame(connection, static_cast<uint16_t>(i % 3), kit::FrameOf(i, i * 97));
    }
  }

  // Closes the server after so many frames, or the client.
  static void Run(uint32_t frames_before_close, bool server_goes) {
    Host server({.ring_capacity = 128u << 10, .rings = 2});
    const Ref<ConnectionOptions> options = kit::FramedOptions(std::chrono::milliseconds(1));
    const uint16_t port = server.Listen(options);
    uint32_t opened = 0;
    uint32_t served = 0;
    server.on_event = [&](const HostEvent& event) {
      Echo(server, event);
      opened += event.kind == EventKind::kConnectionOpened ? 1 : 0;
      served += event.kind == EventKind::kFrame ? 1 : 0;
      // Every client is to hear of it, so none may be in its handshake.
      if (server_goes && opened == kConnections && served >= frames_before_close) server.Close();
    };
    Host client({.ring_capacity = 128u << 10, .rings = 2});
    uint32_t received = 0;
    uint32_t ended = 0;
    client.on_event = [&](const HostEvent& event) {
      if (event.kind == EventKind::kConnectionOpened) Flood(client, event.handle);
      if (event.kind == EventKind::kConnectionClosed) {
        const auto closed = event.As<ClosedEvent>();
        EXPECT_EQ(closed.by, static_cast<uint32_t>(ClosedBy::kPeer));
        EXPECT_EQ(closed.code, kCloseGoingAway);
        ended += 1;
      }
      if (event.kind != EventKind::kFrame) return;
      client.SendFrame(event.handle, static_cast<uint16_t>(event.stream), event.payload);
      if (!server_goes && ++received == frames_before_close) client.Close();
    };
    const kit::HostThread thread(server);
    for (uint32_t i = 0; i < kConnections; ++i) (void)client.Dial(port, options);
    const bool all_ended = client.RunUntil([&ended] { return ended == kConnections; });
    EXPECT_EQ(all_ended, server_goes);
  }
};

TEST_F(EnvironmentCloseTest, LeavesItsMemoryAloneUnderTraffic) {
  for (uint32_t round = 0; round < 50; ++round) {
    Run(1 + round * 13, round % 2 == 0);
    if (HasFailure()) return;
  }
}

}  // namespace
}  // namespace millrace
