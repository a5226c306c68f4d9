#include <gtest/gtest.h>

#include <algorithm>
#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <span>
#include <vector>

#include "native/quic/counters.h"
#include "test/native/quic/host.h"

namespace millrace {
namespace {

using kit::Handle;
using kit::Host;
using kit::HostEvent;

// One raw client of a server that keeps what each stream brought; what the client is told of its sends.
class RawSendsTest : public testing::Test {
 protected:
  void Start() {
    server_.on_event = [this](const HostEvent& event) {
      if (event.kind == EventKind::kDatagram) datagrams_ += 1;
      if (event.kind != EventKind::kStreamData) return;
      std::vector<uint8_t>& bytes = received_[event.handle];
      bytes.insert(bytes.end(), event.payload.begin(), event.payload.end());
    };
    client_.on_event = [this](const HostEvent& event) {
      if (event.kind == EventKind::kConnectionOpened) opened_ = true;
      if (event.kind == EventKind::kStreamAccepted) accepted_.insert(event.handle);
      if (event.kind == EventKind::kDatagramState) max_datagram_bytes_ = event.As<uint32_t>();
      if (event.kind != EventKind::kDatagramOutcome) return;
      const auto told = event.As<DatagramOutcomeEvent>();
      outcomes_[told.tag].push_back(static_cast<DatagramOutcome>(told.outcome));
    };
    connection_ = client_.Dial(server_.Listen(kit::RawOptions()), kit::RawOptions());
    server_thread_ = std::make_unique<kit::HostThread>(server_);
    ASSERT_TRUE(client_.RunUntil([this] { return opened_; }));
  }

  // The server is the test's own again, and goes on until this holds.
  [[nodiscard]] bool ServerUntil(const std::function<bool()>& done) {
    server_thread_ = {};
    return server_.RunUntil(done);
  }

  [[nodiscard]] static uint64_t Sends() { return ProcessCounters::Get().sends.load(); }

  Host server_;
  Host client_;
  std::unique_ptr<kit::HostThread> server_thread_;
  Handle connection_;
  bool opened_ = false;
  uint32_t max_datagram_bytes_ = 0;
  std::set<Handle> accepted_;
  std::map<uint32_t, std::vector<DatagramOutcome>> outcomes_;
  std::map<Handle, std::vector<uint8_t>> received_;
  uint32_t datagrams_ = 0;
};

TEST_F(RawSendsTest, WritesManyPiecesAsOneSend) {
  Start();
  const Handle stream = client_.OpenStream(connection_, true);
  const std::vector<uint8_t> bytes = kit::BytesFrom(1, 100'000);
  std::vector<std::span<const uint8_t>> pieces;
  for (size_t at = 0; at < bytes.size(); at += 1'000) pieces.emplace_back(bytes.data() + at, 1'000);
  const uint64_t before = Sends();
  client_.outbox().Writev(stream.slot, stream.generation, pieces);
  EXPECT_EQ(Sends() - before, 1u);
  client_.outbox().Writev(stream.slot, stream.generation + 1, pieces);        // stale
  client_.outbox().Writev(connection_.slot, connection_.generation, pieces);  // no stream
  client_.outbox().Writev(stream.slot, stream.generation, {});                // nothing, as a send
  EXPECT_EQ(Sends() - before, 2u);
  ASSERT_TRUE(
      ServerUntil([&] { return !received_.empty() && received_.begin()->second.size() >= bytes.size(); }));
  EXPECT_TRUE(received_.begin()->second == bytes);
}

TEST_F(RawSendsTest, PublishesToStreamsWithOneCopy) {
  Start();
  constexpr uint32_t kStreams = 30;
  std::vector<uint32_t> handles{connection_.slot, connection_.generation};  // no stream: passed over
  for (uint32_t i = 0; i < kStreams; ++i) {
    const Handle stream = client_.OpenStream(connection_, true);
    handles.insert(handles.end(), {stream.slot, stream.generation});
  }
  const std::vector<uint8_t> bytes = kit::BytesFrom(1, 50'000);
  const uint64_t before = ProcessCounters::Get().copied_bytes.load();
  EXPECT_EQ(client_.outbox().Publish(CommandKind::kWriteStream, 0, handles, bytes, {}), kStreams);
  EXPECT_EQ(ProcessCounters::Get().copied_bytes.load() - before, bytes.size());
  ASSERT_TRUE(ServerUntil([&] {
    return received_.size() == kStreams &&
           std::all_of(received_.begin(), received_.end(),
                       [&](const auto& each) { return each.second.size() >= bytes.size(); });
  }));
  for (const auto& [stream, all] : received_) EXPECT_TRUE(all == bytes);
}

TEST_F(RawSendsTest, TellsWhatBecameOfEachDatagramWithATag) {
  Start();
  ASSERT_TRUE(client_.RunUntil([this] { return max_datagram_bytes_ != 0; }));
  constexpr uint32_t kDatagrams = 500;
  for (uint32_t tag = 0; tag < kDatagrams; ++tag) {
    std::vector<uint8_t> payload(sizeof(tag) + 100);
    std::copy_n(reinterpret_cast<const uint8_t*>(&tag), sizeof(tag), payload.data());
    client_.SendDatagram(connection_, payload, kSendTagged);
    if (tag % 50 == 0) client_.SendDatagram(connection_, {});  // without a tag, and empty
  }
  client_.Flush();
  const auto last_words = [this] {
    uint32_t count = 0;
    for (const auto& [tag, all] : outcomes_) count += all.back() != DatagramOutcome::kSent ? 1 : 0;
    return count;
  };
  ASSERT_TRUE(client_.RunUntil([&] { return last_words() == kDatagrams; }));
  for (const auto& [tag, all] : outcomes_) EXPECT_LE(all.size(), 2u);
  EXPECT_TRUE(kit::Eventually([] { return Library::Get().slabs().stats().live_slabs == 0; }));
}

TEST_F(RawSendsTest, CountsADatagramAsQueuedWithItsOverhead) {
  Start();
  ASSERT_TRUE(client_.RunUntil([this] { return max_datagram_bytes_ != 0; }));
  client_.SendDatagram(connection_, kit::BytesFrom(1, 10));
  client_.SendDatagram(connection_, {});
  client_.Flush();
  const int32_t expected = 10 + 2 * static_cast<int32_t>(kDatagramOverheadBytes);
  EXPECT_TRUE(
      kit::Eventually([&] { return client_.Word(connection_, kSlotCompletedBytes).load() == expected; }));
}

TEST_F(RawSendsTest, TellsThatThePeerAllowsAStreamOnlyWhereSomebodyWaits) {
  Start();
  const Handle silent = client_.OpenStream(connection_);
  EXPECT_TRUE(kit::Eventually([&] { return client_.Word(silent, kSlotAccepted).load() == kAccepted; }));
  // The peer allows 64 (kit.cc); the last waits for a place.
  std::vector<Handle> streams;
  for (int i = 0; i < 64; ++i) streams.push_back(client_.OpenStream(connection_));
  const Handle last = streams.back();
  int32_t waiting = kWaiting;
  EXPECT_TRUE(client_.Word(last, kSlotAccepted).compare_exchange_strong(waiting, kAwaited));
  client_.stream(silent)->Reset(0);
  client_.stream(silent)->StopSending(0);
  server_thread_ = {};
  server_.on_event = [this](const HostEvent& event) {
    if (event.kind == EventKind::kStreamReset) server_.stream(event.handle)->Reset(0);
  };
  server_thread_ = std::make_unique<kit::HostThread>(server_);
  ASSERT_TRUE(client_.RunUntil([&] { return accepted_.contains(last); }));
  EXPECT_EQ(accepted_.size(), 1u);
}

TEST_F(RawSendsTest, TakesManyChangesOfPriorityWhileItSends) {
  Start();
  const Handle stream = client_.OpenStream(connection_, true);
  const std::vector<uint8_t> bytes = kit::BytesFrom(1, 10'000);
  for (uint16_t i = 0; i < 100; ++i) {
    client_.stream(stream)->SetPriority(static_cast<uint16_t>(i * 600));
    client_.WriteStream(stream, bytes, i == 99);
    client_.Flush();
  }
  ASSERT_TRUE(ServerUntil(
      [&] { return !received_.empty() && received_.begin()->second.size() == 100 * bytes.size(); }));
}

}  // namespace
}  // namespace millrace
