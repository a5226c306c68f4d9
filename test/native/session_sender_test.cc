#include "native/session/session_sender.h"

#include <gtest/gtest.h>

#include <atomic>
#include <cstdint>
#include <cstring>
#include <semaphore>
#include <span>
#include <thread>
#include <vector>

#include "native/session/session_directory.h"
#include "native/session/session_table.h"
#include "test/native/table_memory.h"

namespace millrace {
namespace {

class CountingWaker final : public SessionWaker {
 public:
  void Wake() noexcept override {
    ++wakes;
    woken.release();
  }
  std::atomic<uint32_t> wakes{0};
  std::counting_semaphore<> woken{0};
};

// A receiver and a sender, with the ring from the second to each of the two.
class Inboxes {
 public:
  Inboxes() {
    for (std::vector<uint64_t>& ring : rings_) {
      ring.resize((kRingHeaderBytes + kRingMinCapacity) / 8);
      EXPECT_TRUE(FormatRing(BytesOf(ring).data(), BytesOf(ring).size()));
    }
  }
  ~Inboxes() {
    directory->Leave(sender_claim);
    directory->Detach();
  }

  SessionSender Sender() {
    const std::vector<std::span<uint8_t>> inboxes{BytesOf(rings_[0]), BytesOf(rings_[1])};
    return SessionSender::Open(directory.get(), sender_claim, inboxes).value();
  }
  RingReader Reader() {
    return RingReader::Open(BytesOf(rings_[0]).data(), BytesOf(rings_[0]).size()).value();
  }

  Ref<SessionDirectory> directory = SessionDirectory::Create(4, 2);
  CountingWaker* const receiver = new CountingWaker;
  CountingWaker* const sender = new CountingWaker;
  const Ref<SessionWaker> receiver_lease{receiver};
  const Ref<SessionWaker> sender_lease{sender};
  const SessionClaim receiver_claim = directory->Join(receiver_lease);
  const SessionClaim sender_claim = directory->Join(sender_lease);
  TableMemory memory{4};
  SessionTable table = *SessionTable::Open(memory.bytes(), memory.size(), directory.get());

 private:
  static std::span<uint8_t> BytesOf(std::vector<uint64_t>& words) {
    return {reinterpret_cast<uint8_t*>(words.data()), words.size() * 8};
  }
  std::vector<uint64_t> rings_[2];
};

TEST(SessionSender, SaysSentThenBlockedThenDroppedAndThatThereIsRoom) {
  Inboxes scene;
  SessionSender sender = scene.Sender();
  RingReader reader = scene.Reader();
  ASSERT_TRUE(reader.TrySleep());
  const SessionHandle handle = scene.table.Allocate(scene.receiver_claim).value();
  // With their headers 1024 bytes: 64 of them fill an inbox of 64 KiB, 32 half of it.
  const std::vector<uint8_t> bytes(1'000, 7);
  for (uint32_t i = 0; i < 70; ++i) {
    const InboxResult expected = i < 31   ? InboxResult::kSent
                                 : i < 64 ? InboxResult::kBlocked
                                          : InboxResult::kDropped;
    ASSERT_EQ(sender.SendTo(handle, static_cast<uint16_t>(i + 1), bytes), expected) << i;
  }
  EXPECT_EQ(scene.receiver->wakes.load(), 1u) << "once, however much there is";
  EXPECT_TRUE(sender.IsBlocked(0));
  uint32_t received = 0;
  while (reader.Next()) {
    ++received;
    EXPECT_EQ(reader.header().kind, received);
    EXPECT_EQ(reader.header().slot, handle % kTableMaxSlots);
    EXPECT_EQ(reader.header().generation, handle >> kHandleSlotBits);
    ASSERT_EQ(reader.header().length, bytes.size());
    EXPECT_EQ(std::memcmp(reader.payload(), bytes.data(), bytes.size()), 0);
    reader.Release();
    // A quarter of the ring is what may be left.
    EXPECT_EQ(sender.IsBlocked(0), received < 48) << received;
  }
  EXPECT_EQ(received, 64u);
  EXPECT_EQ(sender.SendTo(handle, 1, {}), InboxResult::kSent);
}

TEST(SessionSender, RefusesWhatIsNoMessageAndKnowsWhoIsGone) {
  Inboxes scene;
  SessionSender sender = scene.Sender();
  const SessionHandle handle = scene.table.Allocate(scene.receiver_claim).value();
  EXPECT_EQ(sender.SendTo(handle, 0, {}), InboxResult::kRefused);
  EXPECT_EQ(sender.SendTo(handle, 1, std::vector<uint8_t>(kRingMinCapacity / 2)), InboxResult::kRefused);
  EXPECT_EQ(sender.SendTo(handle + (SessionHandle{1} << kHandleSlotBits), 1, {}), InboxResult::kGone);
  EXPECT_EQ(sender.SendTo(~SessionHandle{0}, 1, {}), InboxResult::kGone);
  while (sender.SendTo(handle, 1, std::vector<uint8_t>(1'000)) != InboxResult::kDropped) {
  }
  EXPECT_TRUE(sender.IsBlocked(0));
  scene.directory->Leave(scene.receiver_claim);
  EXPECT_FALSE(sender.IsBlocked(0)) << "nobody waits for one that has ended";
  EXPECT_EQ(sender.SendTo(handle, 1, {}), InboxResult::kGone);

  const std::vector<uint8_t> no_ring(1'024);
  const std::vector<std::span<uint8_t>> inboxes{{const_cast<uint8_t*>(no_ring.data()), no_ring.size()}};
  EXPECT_FALSE(SessionSender::Open(scene.directory.get(), scene.sender_claim, inboxes).has_value());
}

#if defined(__SANITIZE_THREAD__) || defined(__SANITIZE_ADDRESS__)
constexpr uint32_t kMessages = 20'000;
#else
constexpr uint32_t kMessages = 100'000;
#endif

// Both sleep whenever they have nothing to do, so a wake that is lost is a test that does not end.
TEST(SessionSenderThreads, LoseNothingAndNoWake) {
  Inboxes scene;
  const SessionHandle handle = scene.table.Allocate(scene.receiver_claim).value();
  std::thread receiver([&] {
    RingReader reader = scene.Reader();
    uint32_t received = 0;
    while (received < kMessages) {
      while (reader.Next()) {
        uint32_t number = 0;
        ASSERT_GE(reader.header().length, sizeof(number));
        std::memcpy(&number, reader.payload(), sizeof(number));
        ASSERT_EQ(number, received);
        ++received;
      }
      ASSERT_FALSE(reader.corrupt());
      reader.Release();
      if (reader.TakeStarved()) scene.sender->Wake();
      if (received < kMessages && reader.TrySleep()) scene.receiver->woken.acquire();
    }
  });
  SessionSender sender = scene.Sender();
  std::vector<uint8_t> bytes(20'000);
  for (uint32_t number = 0; number < kMessages;) {
    std::memcpy(bytes.data(), &number, sizeof(number));
    const size_t length = number % 64 == 0 ? bytes.size() : 8 + number % 200;
    const InboxResult result = sender.SendTo(handle, 1, {bytes.data(), length});
    if (result == InboxResult::kSent || result == InboxResult::kBlocked) ++number;
    if (result == InboxResult::kSent) continue;
    // Whoever does not wait when blocked meets dropped.
    if (result == InboxResult::kBlocked && number % 16 != 0) continue;
    while (sender.IsBlocked(0)) scene.sender->woken.acquire();
  }
  receiver.join();
}

}  // namespace
}  // namespace millrace
