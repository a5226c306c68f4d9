#include "native/quic/send_request.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cstdint>
#include <numeric>
#include <vector>

#include "test/native/quic/kit.h"

namespace millrace {
namespace {

class SendRequestTest : public testing::Test {
 protected:
  void SetUp() override {
    kit::OpenLibrary();
    // What earlier tests sent is acknowledged or cancelled a little later.
    ASSERT_TRUE(kit::Eventually([] { return Stats().live_slabs == 0; }));
  }
  void TearDown() override {
    target_ = {};
    EXPECT_EQ(Stats().live_slabs, 0u);
    EXPECT_EQ(record_.destroyed, 1);
  }

  static SlabPool::Stats Stats() { return Library::Get().slabs().stats(); }
  Resource* target() { return target_.get(); }

  kit::PortMemory memory_;
  kit::Record record_;
  Ref<EventPort> port_ = EventPort::Open(memory_.ring.bytes(), memory_.slot_words.words(), nullptr);
  Ref<kit::Probe> target_ = MakeRef<kit::Probe>(port_, record_);
};

std::vector<uint8_t> Numbers(size_t n) {
  std::vector<uint8_t> bytes(n);
  std::iota(bytes.begin(), bytes.end(), uint8_t{0});
  return bytes;
}

std::vector<uint8_t> BytesOf(const QUIC_BUFFER& buffer) {
  return {buffer.Buffer, buffer.Buffer + buffer.Length};
}

TEST_F(SendRequestTest, HoldsWhatWasAppendedInOrder) {
  SendRequest* request = SendRequest::New(target(), 8);
  ASSERT_NE(request, nullptr);
  EXPECT_EQ(request->bytes(), 0u);
  const std::vector<uint8_t> bytes = Numbers(8);
  EXPECT_TRUE(request->Append({bytes.data(), 3}));
  EXPECT_TRUE(request->Append({}));
  EXPECT_TRUE(request->Append({bytes.data() + 3, 5}));
  ASSERT_EQ(request->buffer_count(), 1u);
  EXPECT_EQ(BytesOf(request->buffers()[0]), bytes);
  SendRequest::Complete(request);
}

TEST_F(SendRequestTest, RefusesWhatDoesNotFitAndKeepsTheRest) {
  SendRequest* request = SendRequest::New(target(), 100);
  ASSERT_GE(request->capacity(), 100u);
  const std::vector<uint8_t> bytes = Numbers(request->capacity());
  EXPECT_TRUE(request->Append({bytes.data(), bytes.size() - 1}));
  EXPECT_FALSE(request->Append({bytes.data(), 2}));
  EXPECT_TRUE(request->Append({bytes.data() + bytes.size() - 1, 1}));
  EXPECT_FALSE(request->Append({bytes.data(), 1}));
  EXPECT_EQ(BytesOf(request->buffers()[0]), bytes);
  SendRequest::Complete(request);
}

TEST_F(SendRequestTest, LiesInOneSlabThatIsGivenBackOnce) {
  SendRequest* request = SendRequest::New(target(), 64);
  EXPECT_EQ(Stats().live_slabs, 1u);
  EXPECT_EQ(Stats().live_bytes, SlabPool::kClassBytes[0]);
  SendRequest::Complete(request);
  EXPECT_EQ(Stats().live_slabs, 0u);

  request = SendRequest::New(target(), 100'000);
  EXPECT_EQ(Stats().live_slabs, 1u);
  SendRequest::Discard(request);
  EXPECT_EQ(Stats().live_slabs, 0u);
}

TEST_F(SendRequestTest, GrowsIntoALargerSlabWithTheSameBytes) {
  SendRequest* request = SendRequest::New(target(), 96);
  const std::vector<uint8_t> bytes = Numbers(96);
  ASSERT_TRUE(request->Append(bytes));
  request = request->Grow(5000);
  ASSERT_NE(request, nullptr);
  EXPECT_GE(request->capacity(), 5000u);
  EXPECT_EQ(BytesOf(request->buffers()[0]), bytes);
  EXPECT_EQ(Stats().live_slabs, 1u);
  EXPECT_EQ(record_.completed, 0);
  SendRequest::Complete(request);
  EXPECT_EQ(record_.completed_bytes, 96u);
}

TEST_F(SendRequestTest, TellsItsTargetTheBytesWithoutThePrefix) {
  SendRequest* request = SendRequest::New(target(), 16);
  ASSERT_TRUE(request->Append(Numbers(16)));
  request->SetPrefix(0x0807060504030201);
  ASSERT_EQ(request->buffer_count(), 2u);
  EXPECT_EQ(BytesOf(request->buffers()[0]), (std::vector<uint8_t>{1, 2, 3, 4, 5, 6, 7, 8}));
  EXPECT_EQ(BytesOf(request->buffers()[1]), Numbers(16));
  EXPECT_EQ(request->bytes(), 16u);
  SendRequest::Complete(request);
  EXPECT_EQ(record_.completed, 1);
  EXPECT_EQ(record_.completed_bytes, 16u);
}

TEST_F(SendRequestTest, TellsNobodyWhenItIsDiscarded) {
  SendRequest* request = SendRequest::New(target(), 16);
  ASSERT_TRUE(request->Append(Numbers(16)));
  SendRequest::Discard(request);
  EXPECT_EQ(record_.completed, 0);
}

TEST_F(SendRequestTest, KeepsItsTargetAliveUntilItIsCompleted) {
  SendRequest* request = SendRequest::New(target(), 16);
  target_ = {};
  EXPECT_EQ(record_.destroyed, 0);
  SendRequest::Complete(request);
  EXPECT_EQ(record_.completed, 1);
  EXPECT_EQ(record_.destroyed, 1);
}

TEST_F(SendRequestTest, SharesOneCopyOfAPayloadAmongManySends) {
  constexpr size_t kSends = 100;
  const std::vector<uint8_t> head = Numbers(48);
  const std::vector<uint8_t> body = Numbers(10'000);
  auto payload = MakeRef<SharedPayload>(head, body);
  ASSERT_TRUE(payload->valid());
  std::vector<SendRequest*> requests;
  for (size_t i = 0; i < kSends; ++i) requests.push_back(SendRequest::NewShared(target(), payload));

  // One block holds the payload, and each request is in one of the smallest.
  EXPECT_EQ(Stats().live_slabs, kSends + 1);
  EXPECT_EQ(Stats().live_bytes, 16384 + kSends * SlabPool::kClassBytes[0]);
  for (SendRequest* request : requests) {
    ASSERT_EQ(request->buffers()[0].Buffer, payload->data());
    ASSERT_EQ(request->bytes(), head.size() + body.size());
  }
  std::vector<uint8_t> expected = head;
  expected.insert(expected.end(), body.begin(), body.end());
  EXPECT_EQ(BytesOf(requests.back()->buffers()[0]), expected);

  payload = {};
  while (requests.size() > 1) {
    SendRequest::Complete(requests.back());
    requests.pop_back();
  }
  EXPECT_EQ(Stats().live_slabs, 2u);
  EXPECT_EQ(BytesOf(requests.front()->buffers()[0]), expected);
  SendRequest::Complete(requests.front());
  EXPECT_EQ(Stats().live_slabs, 0u);
  EXPECT_EQ(record_.completed_bytes, kSends * expected.size());
}

TEST_F(SendRequestTest, NeverAppendsToWhatIsShared) {
  const auto payload = MakeRef<SharedPayload>(Numbers(8), Numbers(8));
  SendRequest* request = SendRequest::NewShared(target(), payload);
  EXPECT_FALSE(request->Append(Numbers(1)));
  EXPECT_EQ(request->bytes(), 16u);
  SendRequest::Complete(request);
}

}  // namespace
}  // namespace millrace
