#include <gtest/gtest.h>

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <vector>

#include "test/native/quic/host.h"

namespace millrace {
namespace {

using kit::Handle;
using kit::Host;
using kit::HostEvent;

// A raw server that echoes, and one client's connection to it.
class RawStreamTest : public testing::Test {
 protected:
  struct Received {
    std::vector<uint8_t> bytes;
    int fins = 0;
    bool closed = false;
  };

  void Start(const Host::Options& server = {}, const Host::Options& client = {}) {
    server_.emplace(server);
    server_->on_event = [this](const HostEvent& event) { Echo(*server_, event); };
    const uint16_t port = server_->Listen(kit::RawOptions());
    server_thread_ = std::make_unique<kit::HostThread>(*server_);
    client_.emplace(client);
    client_->on_event = [this](const HostEvent& event) { OnEvent(event); };
    connection_ = client_->Dial(port, kit::RawOptions());
    ASSERT_TRUE(client_->RunUntil([this] { return opened_; }));
  }

  void OnEvent(const HostEvent& event) {
    if (event.kind == EventKind::kConnectionOpened) opened_ = true;
    if (event.kind == EventKind::kDatagramState) max_datagram_bytes_ = event.As<uint32_t>();
    if (event.kind == EventKind::kDatagram)
      datagrams_.emplace_back(event.payload.begin(), event.payload.end());
    if (event.kind == EventKind::kStreamStopped) stopped_ = event.As<uint64_t>();
    if (event.kind != EventKind::kStreamData && event.kind != EventKind::kStreamClosed) return;
    Received& received = received_[event.handle];
    if (event.kind == EventKind::kStreamClosed) {
      received.closed = true;
      return;
    }
    received.bytes.insert(received.bytes.end(), event.payload.begin(), event.payload.end());
    received.fins += (event.flags & kReceiveFin) != 0 ? 1 : 0;
  }

  // Opens a stream and sends these bytes with FIN, in pieces.
  Handle Send(const std::vector<uint8_t>& bytes) {
    constexpr size_t kPiece = 20'000;
    const Handle stream = client_->OpenStream(connection_);
    EXPECT_NE(stream.slot, 0u);
    size_t at = 0;
    for (; bytes.size() - at > kPiece; at += kPiece)
      client_->WriteStream(stream, {bytes.data() + at, kPiece}, false);
    client_->WriteStream(stream, {bytes.data() + at, bytes.size() - at}, true);
    client_->Flush();
    return stream;
  }
  [[nodiscard]] bool AllClosed(size_t streams) {
    return client_->RunUntil([this, streams] {
      size_t closed = 0;
      for (const auto& [handle, received] : received_) closed += received.closed ? 1 : 0;
      return closed == streams;
    });
  }

  std::optional<Host> server_;
  std::optional<Host> client_;
  std::unique_ptr<kit::HostThread> server_thread_;
  Handle connection_;
  bool opened_ = false;
  std::map<Handle, Received> received_;
  std::vector<std::vector<uint8_t>> datagrams_;
  uint32_t max_datagram_bytes_ = 0;
  std::optional<uint64_t> stopped_;
};

TEST_F(RawStreamTest, EchoesAStreamWholeWithItsFin) {
  Start();
  const std::vector<uint8_t> bytes = kit::BytesFrom(1, 3'000'000);
  const Handle stream = Send(bytes);
  ASSERT_TRUE(AllClosed(1));
  EXPECT_TRUE(received_[stream].bytes == bytes);
  EXPECT_EQ(received_[stream].fins, 1);
}

TEST_F(RawStreamTest, EchoesManyStreamsAtOnceThroughTwoRings) {
  Start({.ring_capacity = 256u << 10, .rings = 2}, {.ring_capacity = 256u << 10, .rings = 2});
  constexpr uint32_t kStreams = 300;  // more than the peer allows at a time
  std::map<Handle, uint32_t> sizes;
  for (uint32_t i = 0; i < kStreams; ++i) sizes[Send(kit::BytesFrom(i * 331, i * 331))] = i * 331;
  ASSERT_TRUE(AllClosed(kStreams));
  for (const auto& [handle, size] : sizes) {
    ASSERT_TRUE(received_[handle].bytes == kit::BytesFrom(size, size)) << size;
    ASSERT_EQ(received_[handle].fins, 1);
  }
}

TEST_F(RawStreamTest, FitsItsPiecesToASmallRing) {
  Start({.ring_capacity = 64u << 10}, {.ring_capacity = 128u << 10});
  const std::vector<uint8_t> bytes = kit::BytesFrom(1, 2'000'000);
  const Handle stream = Send(bytes);
  ASSERT_TRUE(AllClosed(1));
  EXPECT_TRUE(received_[stream].bytes == bytes);
}

TEST_F(RawStreamTest, ReportsThePeersCodeWhenItStopsReading) {
  Start();
  server_thread_ = {};
  server_->on_event = [this](const HostEvent& event) {
    if (event.kind == EventKind::kStreamOpened) server_->stream(event.handle)->StopSending(77);
  };
  server_thread_ = std::make_unique<kit::HostThread>(*server_);
  const Handle stream = client_->OpenStream(connection_);
  client_->WriteStream(stream, kit::BytesFrom(1, 100), false);
  client_->Flush();
  ASSERT_TRUE(client_->RunUntil([this] { return stopped_.has_value(); }));
  EXPECT_EQ(stopped_, 77u);
}

TEST_F(RawStreamTest, FailsToOpenAStreamWhenTheTableIsFull) {
  Start({}, {.slots = 4});  // slot 0 names nothing, and the connection has one
  EXPECT_NE(client_->OpenStream(connection_).slot, 0u);
  EXPECT_NE(client_->OpenStream(connection_).slot, 0u);
  for (int i = 0; i < 20; ++i) EXPECT_EQ(client_->OpenStream(connection_).slot, 0u);
}

TEST_F(RawStreamTest, EchoesADatagram) {
  Start();
  ASSERT_TRUE(client_->RunUntil([this] { return max_datagram_bytes_ != 0; }));
  const std::vector<uint8_t> bytes = kit::BytesFrom(1, 1000);
  client_->SendDatagram(connection_, bytes);
  client_->Flush();
  ASSERT_TRUE(client_->RunUntil([this] { return !datagrams_.empty(); }));
  EXPECT_EQ(datagrams_, (std::vector<std::vector<uint8_t>>{bytes}));
}

}  // namespace
}  // namespace millrace
