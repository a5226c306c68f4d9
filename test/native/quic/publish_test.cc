#include <gtest/gtest.h>

#include <cstdint>
#include <span>
#include <vector>

#include "test/native/quic/host.h"

namespace millrace {
namespace {

using kit::Handle;
using kit::Host;
using kit::HostEvent;

TEST(Publish, ReachesEveryConnectionWithOneCopyOfTheBytes) {
  constexpr uint32_t kConnections = 40;
  const std::vector<uint8_t> frame = kit::FrameOf(1, 20'000);
  const std::span<const uint8_t> bytes = frame;
  Host server;
  std::vector<uint32_t> handles;
  server.on_event = [&](const HostEvent& event) {
    if (event.kind != EventKind::kConnectionOpened) return;
    handles.push_back(event.handle.slot);
    handles.push_back(event.handle.generation);
  };
  const uint16_t port = server.Listen(kit::FramedOptions());
  Host client;
  uint32_t received = 0;
  uint32_t spoiled = 0;
  client.on_event = [&](const HostEvent& event) {
    if (event.kind != EventKind::kFrame) return;
    received += 1;
    spoiled += kit::IsFrame(event.payload, 1, 20'000) && event.stream == 6 ? 0 : 1;
  };
  for (uint32_t i = 0; i < kConnections; ++i) (void)client.Dial(port, kit::FramedOptions());
  ASSERT_TRUE(server.RunUntil([&handles] { return handles.size() == 2 * kConnections; }));

  SlabPool& slabs = Library::Get().slabs();
  const SlabPool::Stats before = slabs.stats();
  handles.insert(handles.end(), {handles[0], handles[1] + 1});  // a stale one is passed over
  EXPECT_EQ(server.outbox().Publish(CommandKind::kSendFrame, 6, handles, bytes.first(48), bytes.subspan(48)),
            kConnections);
  const SlabPool::Stats after = slabs.stats();
  // The payload once, and a request of the smallest class for each.
  EXPECT_EQ(after.acquired - before.acquired, kConnections + 1);
  EXPECT_LE(after.live_bytes, 65536 + kConnections * SlabPool::kClassBytes[0]);

  ASSERT_TRUE(client.RunUntil([&received] { return received == kConnections; }));
  EXPECT_EQ(spoiled, 0u);
  EXPECT_TRUE(kit::Eventually([&slabs] { return slabs.stats().live_slabs == 0; }));
}

}  // namespace
}  // namespace millrace
