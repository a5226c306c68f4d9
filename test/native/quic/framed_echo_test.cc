#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <chrono>
#include <cstdint>
#include <memory>
#include <vector>

#include "test/native/quic/host.h"

namespace millrace {
namespace {

using kit::Handle;
using kit::Host;
using kit::HostEvent;
using std::chrono::milliseconds;

// Mostly small, at times empty, at times larger than any window's share of a packet.
uint32_t PayloadBytes(uint32_t number) {
  if (number % 50 == 49) return 60'000 + number % 7;
  return number % 11 == 0 ? 0 : number * 37 % 3000;
}

// A server that echoes, a client that counts what comes back on each of its lanes.
class FramedEchoTest : public testing::Test {
 protected:
  static constexpr std::array<uint16_t, 3> kLanes{0, 1, 9};

  void Start(milliseconds lane_idle, const Configuration::Options& settings = kit::ServerSettings()) {
    server_.on_event = [this](const HostEvent& event) { Echo(server_, event); };
    const uint16_t port = server_.Listen(kit::FramedOptions(lane_idle), settings);
    server_thread_ = std::make_unique<kit::HostThread>(server_);
    client_.on_event = [this](const HostEvent& event) { OnEvent(event); };
    connection_ = client_.Dial(port, kit::FramedOptions(lane_idle));
    ASSERT_TRUE(client_.RunUntil([this] { return opened_; }));
  }

  void OnEvent(const HostEvent& event) {
    if (event.kind == EventKind::kConnectionOpened) opened_ = true;
    if (event.kind != EventKind::kFrame) return;
    const size_t lane =
        static_cast<size_t>(std::find(kLanes.begin(), kLanes.end(), event.stream) - kLanes.begin());
    ASSERT_LT(lane, kLanes.size());
    const uint32_t number = static_cast<uint32_t>(received_[lane]++ * kLanes.size() + lane);
    misplaced_ += kit::IsFrame(event.payload, number, PayloadBytes(number)) ? 0 : 1;
    echoed_ += 1;
  }

  // Sends the next frames, each on the lane that its number says.
  void Burst(uint32_t frames) {
    for (const uint32_t end = sent_ + frames; sent_ < end; ++sent_) {
      client_.SendFrame(connection_, kLanes[sent_ % kLanes.size()], kit::FrameOf(sent_, PayloadBytes(sent_)));
    }
    client_.Flush();
  }
  [[nodiscard]] bool AllEchoed() {
    return client_.RunUntil([this] { return echoed_ == sent_; });
  }

  Host server_;
  Host client_;
  std::unique_ptr<kit::HostThread> server_thread_;
  Handle connection_;
  bool opened_ = false;
  std::array<uint32_t, kLanes.size()> received_{};
  uint32_t sent_ = 0;
  uint32_t echoed_ = 0;
  uint32_t misplaced_ = 0;
};

TEST_F(FramedEchoTest, KeepsOrderAndContentOverManyBurstsAndHoldsNoStreamBetweenThem) {
  Start(milliseconds(2));
  for (int burst = 0; burst < 15; ++burst) {
    Burst(120);
    ASSERT_TRUE(AllEchoed());
    ASSERT_EQ(misplaced_, 0u);
    ASSERT_TRUE(kit::Eventually([] { return kit::OpenStreams() == 0; }));
  }
}

// The lanes' streams end while the next frames are on their way.
TEST_F(FramedEchoTest, KeepsOrderWhenFramesComeAsTheLanesFallIdle) {
  Start(milliseconds(1));
  for (int burst = 0; burst < 150; ++burst) {
    Burst(6);
    std::atomic<bool> pause_over{false};
    Library::Get().control().PostAfter(milliseconds(1), [&] {
      pause_over = true;
      client_.Nudge();
    });
    ASSERT_TRUE(client_.RunUntil([&pause_over] { return pause_over.load(); }));
  }
  ASSERT_TRUE(AllEchoed());
  EXPECT_EQ(misplaced_, 0u);
}

// The streams of the lanes take turns at the one that the server allows.
TEST_F(FramedEchoTest, KeepsOrderWhereThePeerAllowsFewerStreamsThanThereAreLanes) {
  Configuration::Options settings = kit::ServerSettings();
  settings.settings.peer_uni_streams = 1;
  Start(milliseconds(250), settings);
  for (int burst = 0; burst < 20; ++burst) {
    Burst(30);
    ASSERT_TRUE(AllEchoed());
    ASSERT_EQ(misplaced_, 0u);
  }
}

TEST_F(FramedEchoTest, CarriesOneLongBurst) {
  Start(milliseconds(250));
  Burst(6000);
  EXPECT_GT(kit::OpenStreams(), 0u);  // so the count of the other test can tell
  ASSERT_TRUE(AllEchoed());
  EXPECT_EQ(misplaced_, 0u);
}

}  // namespace
}  // namespace millrace
