#include <gtest/gtest.h>

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <map>
#include <set>
#include <vector>

#include "test/native/quic/host.h"

namespace millrace {
namespace {

using kit::Handle;
using kit::Host;
using kit::HostEvent;

// A server with the smallest ring there is, which its thread drains only when the test says so.
class RingPressureTest : public testing::Test {
 protected:
  RingPressureTest() {
    client_.on_event = [this](const HostEvent& event) {
      if (event.kind == EventKind::kConnectionOpened) opened_.push_back(event.handle);
    };
  }

  // Connects while the server does not look; the handshakes need no JavaScript.
  void Connect(uint16_t port, const Ref<ConnectionOptions>& options, size_t connections) {
    for (size_t i = 0; i < connections; ++i) (void)client_.Dial(port, options);
    ASSERT_TRUE(client_.RunUntil([this, connections] { return opened_.size() == connections; }));
  }

  // True when the ring's free bytes are less than that: what comes now finds no room.
  [[nodiscard]] bool ServerRingIsFull(uint32_t free_bytes) {
    return kit::Eventually([this, free_bytes] {
      EventPort::Batch batch(*server_.environment().ports().front());
      return batch.Room() < free_bytes;
    });
  }

  Host server_{Host::Options{.ring_capacity = 64u << 10}};
  Host client_;
  std::vector<Handle> opened_;
};

TEST_F(RingPressureTest, HoldsBackFramesThatFindNoRoomAndLosesNone) {
  constexpr uint32_t kFrames = 1000;
  const auto payload_bytes = [](uint32_t number) { return number * 7919 % 30'000; };
  uint32_t received = 0;
  uint32_t misplaced = 0;
  server_.on_event = [&](const HostEvent& event) {
    if (event.kind != EventKind::kFrame) return;
    misplaced += kit::IsFrame(event.payload, received, payload_bytes(received)) ? 0 : 1;
    received += 1;
  };
  const uint16_t port = server_.Listen(kit::FramedOptions());
  Connect(port, kit::FramedOptions(), 1);
  for (uint32_t i = 0; i < kFrames; ++i) client_.SendFrame(opened_[0], 0, kit::FrameOf(i, payload_bytes(i)));
  client_.Flush();
  ASSERT_TRUE(ServerRingIsFull(30'000));
  EXPECT_EQ(received, 0u);
  ASSERT_TRUE(server_.RunUntil([&received] { return received == kFrames; }));
  EXPECT_EQ(misplaced, 0u);
}

TEST_F(RingPressureTest, ReadsALanesStreamsInOrderThoughManyAreThereAtOnce) {
  constexpr uint32_t kStreams = 20;
  constexpr uint32_t kFramesAStream = 2;  // the ring takes these, and one send holds them
  constexpr uint32_t kPayloadBytes = 28'000;
  uint32_t received = 0;
  uint32_t misplaced = 0;
  server_.on_event = [&](const HostEvent& event) {
    if (event.kind != EventKind::kFrame) return;
    misplaced += kit::IsFrame(event.payload, received++, kPayloadBytes) ? 0 : 1;
  };
  const auto options = kit::FramedOptions(std::chrono::milliseconds(1));
  const uint16_t port = server_.Listen(options);
  Connect(port, options, 1);
  int32_t sent_bytes = 0;
  for (uint32_t stream = 0; stream < kStreams; ++stream) {
    for (uint32_t i = 0; i < kFramesAStream; ++i) {
      const std::vector<uint8_t> frame = kit::FrameOf(stream * kFramesAStream + i, kPayloadBytes);
      client_.SendFrame(opened_[0], 7, frame);
      sent_bytes += static_cast<int32_t>(frame.size());
    }
    client_.Flush();
    ASSERT_TRUE(
        kit::Eventually([&] { return client_.Word(opened_[0], kSlotCompletedBytes).load() == sent_bytes; }));
    // All has arrived. The client's end goes when the lane has been idle; the server's only when it is read,
    // and but for the first there is no room.
    ASSERT_TRUE(kit::Eventually([stream] { return kit::OpenStreams() == stream; }));
  }
  ASSERT_TRUE(server_.RunUntil([&received] { return received == kStreams * kFramesAStream; }));
  EXPECT_EQ(misplaced, 0u);
}

TEST_F(RingPressureTest, SharesARingThatIsFullAmongManyConnections) {
  constexpr uint32_t kConnections = 12;
  constexpr uint32_t kFrames = 100;
  std::map<Handle, uint32_t> received;
  uint32_t done = 0;
  uint32_t misplaced = 0;
  server_.on_event = [&](const HostEvent& event) {
    if (event.kind != EventKind::kFrame) return;
    uint32_t& next = received[event.handle];
    misplaced += kit::IsFrame(event.payload, next, 3000) ? 0 : 1;
    done += ++next == kFrames ? 1 : 0;
  };
  const uint16_t port = server_.Listen(kit::FramedOptions());
  Connect(port, kit::FramedOptions(), kConnections);
  for (uint32_t i = 0; i < kFrames; ++i) {
    for (const Handle connection : opened_) client_.SendFrame(connection, 0, kit::FrameOf(i, 3000));
  }
  client_.Flush();
  ASSERT_TRUE(ServerRingIsFull(3048));
  ASSERT_TRUE(server_.RunUntil([&done] { return done == kConnections; }));
  EXPECT_EQ(misplaced, 0u);
}

TEST_F(RingPressureTest, LosesNoLifecycleEventWhileTheRingIsFull) {
  constexpr uint32_t kConnections = 20;
  constexpr uint32_t kStreams = 30;
  std::set<Handle> connections;
  std::set<Handle> streams;
  uint32_t ended_streams = 0;
  uint32_t ended = 0;
  uint32_t misplaced = 0;
  uint64_t bytes = 0;
  server_.on_event = [&](const HostEvent& event) {
    if (event.kind == EventKind::kConnectionOpened) connections.insert(event.handle);
    if (event.kind == EventKind::kStreamOpened) streams.insert(event.handle);
    if (event.kind == EventKind::kStreamData) {
      misplaced += streams.contains(event.handle) ? 0 : 1;
      bytes += event.payload.size();
    }
    ended_streams += event.kind == EventKind::kStreamClosed ? 1 : 0;
    ended += event.kind == EventKind::kConnectionClosed ? 1 : 0;
  };
  const uint16_t port = server_.Listen(kit::RawOptions());
  Connect(port, kit::RawOptions(), kConnections);
  const std::vector<uint8_t> piece = kit::BytesFrom(1, 1500);
  for (const Handle connection : opened_) {
    for (uint32_t i = 0; i < kStreams; ++i)
      client_.WriteStream(client_.OpenStream(connection, true), piece, true);
  }
  client_.Flush();
  ASSERT_TRUE(ServerRingIsFull(1500));
  ASSERT_TRUE(server_.RunUntil([&] { return bytes == uint64_t{kConnections} * kStreams * piece.size(); }));
  client_.Close();
  ASSERT_TRUE(server_.RunUntil([&] { return ended == kConnections; }));
  EXPECT_EQ(connections.size(), kConnections);
  EXPECT_EQ(streams.size(), kConnections * kStreams);
  EXPECT_EQ(ended_streams, kConnections * kStreams);
  EXPECT_EQ(misplaced, 0u);
}

TEST_F(RingPressureTest, StopsAReaderWithoutCreditAloneAndLetsItGoOnWithIt) {
  constexpr uint32_t kFrames = 60;
  constexpr uint32_t kPayloadBytes = 20'000;  // altogether more than the credit
  std::map<Handle, uint32_t> received;
  std::map<Handle, uint32_t> owed;
  Handle stopped;
  server_.returns_credit = false;
  server_.on_event = [&](const HostEvent& event) {
    if (event.kind != EventKind::kFrame) return;
    if (stopped == Handle{}) stopped = event.handle;
    received[event.handle] += 1;
    if (event.handle == stopped) {
      owed[event.handle] += static_cast<uint32_t>(event.payload.size());
    } else {
      server_.ReturnCredit(event.handle, static_cast<uint32_t>(event.payload.size()));
    }
  };
  const uint16_t port = server_.Listen(kit::FramedOptions());
  Connect(port, kit::FramedOptions(), 3);
  for (uint32_t i = 0; i < kFrames; ++i) {
    for (const Handle connection : opened_) client_.SendFrame(connection, 0, kit::FrameOf(i, kPayloadBytes));
  }
  client_.Flush();
  ASSERT_TRUE(server_.RunUntil([&received] {
    return std::count_if(received.begin(), received.end(),
                         [](const auto& r) { return r.second == kFrames; }) == 2;
  }));
  EXPECT_LT(received[stopped], kFrames);
  EXPECT_LE(owed[stopped], (512u << 10) + kPayloadBytes + 48);

  server_.returns_credit = true;
  server_.ReturnCredit(stopped, owed[stopped]);
  server_.Flush();
  server_.on_event = [&](const HostEvent& event) {
    received[event.handle] += event.kind == EventKind::kFrame ? 1 : 0;
  };
  ASSERT_TRUE(server_.RunUntil([&] { return received[stopped] == kFrames; }));
}

// A lane that has more than the credit would take all of it each time, were it always the first to go on.
TEST_F(RingPressureTest, LetsALaneOfHigherPriorityGoOnBeforeAnother) {
  constexpr uint32_t kPayloadBytes = 20'000;
  const Ref<ConnectionOptions> options = kit::FramedOptions();
  uint32_t received_bytes = 0;
  uint32_t bulk = 0;
  bool control = false;
  Handle receiver;
  server_.returns_credit = false;
  server_.on_event = [&](const HostEvent& event) {
    if (event.kind != EventKind::kFrame) return;
    receiver = event.handle;
    received_bytes += static_cast<uint32_t>(event.payload.size());
    if (event.stream == kLaneControl) control = true;
    bulk += event.stream == kLaneBulk && !control ? 1 : 0;
  };
  const uint16_t port = server_.Listen(options);
  Connect(port, options, 1);
  const uint32_t frames = options->receive_credit_bytes / kPayloadBytes * 2;
  for (uint32_t i = 0; i < frames; ++i) {
    client_.SendFrame(opened_[0], kLaneBulk, kit::FrameOf(i, kPayloadBytes));
  }
  client_.Flush();
  ASSERT_TRUE(server_.RunUntil([&] { return received_bytes >= options->receive_credit_bytes; }));
  const uint32_t bulk_before = bulk;
  client_.SendFrame(opened_[0], kLaneControl, kit::FrameOf(0, 8));
  client_.Flush();
  ASSERT_TRUE(kit::Eventually([] { return kit::OpenStreams() == 4; }));  // it has come, and waits as well

  server_.returns_credit = true;
  server_.ReturnCredit(receiver, received_bytes);
  server_.Flush();
  ASSERT_TRUE(server_.RunUntil([&] { return control; }));
  EXPECT_EQ(bulk, bulk_before);
}

TEST_F(RingPressureTest, DropsFramesOfDatagramsBeforeTheyTakeWhatLanesNeed) {
  constexpr uint32_t kFrames = 100;
  const Ref<ConnectionOptions> options = kit::FramedOptions();
  const uint32_t half = options->receive_credit_bytes / 2;
  const std::vector<uint8_t> datagram = kit::FrameOf(0, 1000);
  uint32_t datagram_bytes = 0;
  uint32_t received = 0;
  uint32_t misplaced = 0;
  Handle receiver;
  server_.returns_credit = false;
  server_.on_event = [&](const HostEvent& event) {
    receiver = event.handle;
    if (event.kind != EventKind::kFrame) return;
    if (event.stream == kNoLane) {
      datagram_bytes += static_cast<uint32_t>(event.payload.size());
      misplaced += kit::IsFrame(event.payload, 0, 1000) ? 0 : 1;
    } else {
      misplaced += kit::IsFrame(event.payload, received++, 1000) ? 0 : 1;
    }
  };
  const uint16_t port = server_.Listen(options);
  Connect(port, options, 1);
  const auto send = [&] {
    for (int i = 0; i < 20; ++i) client_.SendDatagram(opened_[0], datagram);
    client_.Flush();
  };
  ASSERT_TRUE(server_.RunUntil([&] {
    send();
    return datagram_bytes >= half;
  }));
  ASSERT_TRUE(kit::Eventually([&] {
    send();
    return server_.Word(receiver, kSlotDroppedDatagrams).load() > 0;
  }));
  EXPECT_LT(datagram_bytes, half + datagram.size());
  for (uint32_t i = 0; i < kFrames; ++i) client_.SendFrame(opened_[0], 0, kit::FrameOf(i, 1000));
  client_.Flush();
  ASSERT_TRUE(server_.RunUntil([&received] { return received == kFrames; }));
  EXPECT_EQ(misplaced, 0u);
}

TEST_F(RingPressureTest, SaysOnceWhenABlockedQueueHasDrained) {
  constexpr uint32_t kFrames = 200;
  uint32_t received = 0;
  server_.on_event = [&](const HostEvent& event) { received += event.kind == EventKind::kFrame ? 1 : 0; };
  const uint16_t port = server_.Listen(kit::FramedOptions());
  Connect(port, kit::FramedOptions(), 1);
  uint32_t sent_bytes = 0;
  for (uint32_t i = 0; i < kFrames; ++i) {
    const std::vector<uint8_t> frame = kit::FrameOf(i, 20'000);
    client_.SendFrame(opened_[0], 0, frame);
    sent_bytes += static_cast<uint32_t>(frame.size());
  }
  client_.Word(opened_[0], kSlotWantsDrain) = 1;
  client_.Flush();
  ASSERT_TRUE(ServerRingIsFull(20'048));
  uint32_t drains = 0;
  int32_t completed_at_drain = 0;
  client_.on_event = [&](const HostEvent& event) {
    if (event.kind != EventKind::kDrain) return;
    drains += 1;
    completed_at_drain = client_.Word(event.handle, kSlotCompletedBytes).load();
  };
  {
    const kit::HostThread thread(server_);
    // Completions wake nobody but for the one that drains.
    ASSERT_TRUE(client_.RunUntil([&drains] { return drains == 1; }));
    ASSERT_TRUE(kit::Eventually([&] {
      return client_.Word(opened_[0], kSlotCompletedBytes).load() == static_cast<int32_t>(sent_bytes);
    }));
  }
  ASSERT_TRUE(client_.RunUntil([] { return true; }));
  EXPECT_EQ(drains, 1u);
  EXPECT_GT(completed_at_drain, static_cast<int32_t>(sent_bytes - (512u << 10)));
  ASSERT_TRUE(server_.RunUntil([&received] { return received == kFrames; }));
}

}  // namespace
}  // namespace millrace
