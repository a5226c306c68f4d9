#include <gtest/gtest.h>

#include <cstdint>
#include <optional>
#include <vector>

#include "test/native/quic/host.h"

namespace millrace {
namespace {

using kit::Handle;
using kit::Host;
using kit::HostEvent;

// What a framed server does with the bytes of a client that is wrong.
class RefusalTest : public testing::Test {
 protected:
  // How the client's connection ends after it has sent this frame.
  std::optional<ClosedEvent> EndAfter(const std::vector<uint8_t>& frame, uint32_t ring_capacity = 1u << 20) {
    Host server({.ring_capacity = ring_capacity});
    uint32_t frames = 0;
    server.on_event = [&](const HostEvent& event) { frames += event.kind == EventKind::kFrame ? 1 : 0; };
    const uint16_t port = server.Listen(kit::FramedOptions());
    Host client;
    std::optional<ClosedEvent> closed;
    client.on_event = [&](const HostEvent& event) {
      if (event.kind == EventKind::kConnectionOpened) client.SendFrame(event.handle, 0, frame);
      if (event.kind == EventKind::kConnectionClosed) closed = event.As<ClosedEvent>();
    };
    {
      const kit::HostThread thread(server);
      (void)client.Dial(port, kit::FramedOptions());
      EXPECT_TRUE(client.RunUntil([&closed] { return closed.has_value(); }));
    }
    EXPECT_EQ(frames, 0u);
    return closed;
  }

  static void ExpectCode(const std::optional<ClosedEvent>& closed, uint64_t code) {
    ASSERT_TRUE(closed);
    EXPECT_EQ(closed->by, static_cast<uint32_t>(ClosedBy::kPeer));
    EXPECT_EQ(closed->code, code);
  }
};

TEST_F(RefusalTest, ClosesOnAFrameAboveTheLimit) {
  ExpectCode(EndAfter(kit::FrameOf(1, 256u << 10)), kCloseFrameTooLarge);
}

TEST_F(RefusalTest, ClosesOnAFrameThatDoesNotPassTheVerifier) {
  std::vector<uint8_t> frame = kit::FrameOf(1, 100);
  frame[4] = 0xff;  // the root is elsewhere
  ExpectCode(EndAfter(frame), kCloseFrameMalformed);
}

// A record takes at most half of the ring, whatever the limit says: such a frame would never find room.
TEST_F(RefusalTest, ClosesOnAFrameThatNoEmptyRingCouldTake) {
  ExpectCode(EndAfter(kit::FrameOf(1, 32u << 10), 64u << 10), kCloseFrameTooLarge);
  ExpectCode(EndAfter(kit::FrameOf(1, 64u << 10), 128u << 10), kCloseFrameTooLarge);
}

}  // namespace
}  // namespace millrace
