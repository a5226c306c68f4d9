#include "native/quic/datagram_batch.h"

#include <gtest/gtest.h>

#include <array>
#include <cstdint>
#include <optional>
#include <span>
#include <thread>
#include <vector>

#include "native/quic/events.h"
#include "native/quic/library.h"
#include "test/native/quic/kit.h"

namespace millrace {
namespace {

class DatagramBatchTest : public testing::Test {
 protected:
  void SetUp() override {
    kit::OpenLibrary();
    // What earlier tests sent is acknowledged or cancelled a little later.
    ASSERT_TRUE(kit::Eventually([] { return LiveSlabs() == 0; }));
  }
  void TearDown() override {
    target_ = {};
    EXPECT_EQ(LiveSlabs(), 0u);
    EXPECT_EQ(record_.destroyed, 1);
  }

  static size_t LiveSlabs() { return Library::Get().slabs().stats().live_slabs; }
  Resource* target() { return target_.get(); }

  kit::PortMemory memory_;
  kit::Record record_;
  Ref<EventPort> port_ = EventPort::Open(memory_.ring.bytes(), memory_.slot_words.words(), nullptr);
  Ref<kit::Probe> target_ = MakeRef<kit::Probe>(port_, record_);
};

std::vector<uint8_t> BytesOf(const OutboundDatagram& datagram) {
  return {datagram.buffer.Buffer, datagram.buffer.Buffer + datagram.buffer.Length};
}

TEST_F(DatagramBatchTest, KeepsEachDatagramApartInOneSlab) {
  DatagramBatch* batch = DatagramBatch::New(target(), 64, true);
  std::vector<OutboundDatagram*> datagrams;
  for (uint8_t i = 0;; ++i) {
    OutboundDatagram* datagram = batch->Add(std::vector<uint8_t>(i % 67, i), i);
    if (datagram == nullptr) break;
    datagrams.push_back(datagram);
  }
  EXPECT_GT(datagrams.size(), 30u);
  EXPECT_EQ(LiveSlabs(), 1u);
  for (uint8_t i = 0; i < datagrams.size(); ++i) {
    EXPECT_EQ(BytesOf(*datagrams[i]), std::vector<uint8_t>(i % 67, i));
    EXPECT_EQ(datagrams[i]->tag, std::optional<uint32_t>(i));
  }
  batch->Close();
  for (OutboundDatagram* datagram : datagrams) DatagramBatch::Complete(datagram);
}

TEST_F(DatagramBatchTest, TellsItsTargetOnceWhenTheLastIsDone) {
  DatagramBatch* batch = DatagramBatch::New(target(), 10, true);
  const std::array<uint8_t, 10> bytes{};
  OutboundDatagram* first = batch->Add(bytes, std::nullopt);
  OutboundDatagram* second = batch->Add({}, std::nullopt);
  EXPECT_EQ(batch->charged(), 10 + 2 * kDatagramOverheadBytes);
  DatagramBatch::Complete(first);  // while it is built
  batch->Close();
  EXPECT_EQ(record_.completed, 0);
  DatagramBatch::Complete(second);
  EXPECT_EQ(record_.completed, 1);
  EXPECT_EQ(record_.completed_bytes, 10 + 2 * kDatagramOverheadBytes);
}

TEST_F(DatagramBatchTest, IsThereUntilItIsClosedWhateverIsDone) {
  DatagramBatch* batch = DatagramBatch::New(target(), 0, false);
  DatagramBatch::Complete(batch->Add({}, std::nullopt));
  EXPECT_EQ(record_.completed, 0);
  EXPECT_EQ(LiveSlabs(), 1u);
  batch->Close();
  EXPECT_EQ(record_.completed, 1);
  EXPECT_EQ(LiveSlabs(), 0u);
}

TEST_F(DatagramBatchTest, HoldsOneThatFillsAPacketWhereItIsAlone) {
  DatagramBatch* batch = DatagramBatch::New(target(), 65'527, false);
  const std::vector<uint8_t> bytes(65'527, 7);
  OutboundDatagram* datagram = batch->Add(bytes, std::nullopt);
  ASSERT_NE(datagram, nullptr);
  EXPECT_EQ(BytesOf(*datagram), bytes);
  DatagramBatch::Complete(datagram);
  batch->Close();
}

TEST_F(DatagramBatchTest, RefersToASharedPayload) {
  const std::vector<uint8_t> bytes(500, 3);
  auto payload = MakeRef<SharedPayload>(bytes, std::span<const uint8_t>());
  DatagramBatch* batch = DatagramBatch::New(target(), 0, false);
  OutboundDatagram* datagram = batch->AddShared(payload);
  EXPECT_EQ(datagram->buffer.Buffer, payload->data());
  EXPECT_EQ(batch->charged(), 500 + kDatagramOverheadBytes);
  payload = {};
  EXPECT_EQ(BytesOf(*datagram), bytes);
  batch->Close();
  DatagramBatch::Complete(datagram);
}

TEST_F(DatagramBatchTest, IsCompletedByAnotherThreadWhileItIsBuilt) {
  constexpr int kRounds = 500;
  for (int round = 0; round < kRounds; ++round) {
    DatagramBatch* batch = DatagramBatch::New(target(), 8, true);
    std::array<OutboundDatagram*, 8> datagrams{};
    for (OutboundDatagram*& datagram : datagrams) datagram = batch->Add({}, std::nullopt);
    std::thread worker([&datagrams] {
      for (OutboundDatagram* datagram : datagrams) DatagramBatch::Complete(datagram);
    });
    batch->Close();
    worker.join();
  }
  EXPECT_EQ(record_.completed, kRounds);
}

}  // namespace
}  // namespace millrace
