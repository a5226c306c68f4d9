#include "native/quic/event_port.h"

#include <gtest/gtest.h>

#include <atomic>
#include <chrono>
#include <cstdint>
#include <cstring>
#include <memory>
#include <thread>
#include <vector>

#include "test/native/quic/kit.h"

namespace millrace {
namespace {

class EventPortTest : public testing::Test {
 protected:
  static constexpr uint32_t kSlot = 3;

  EventPortTest() { probe_->set_handle(kSlot, 1); }
  ~EventPortTest() override { port_->Close(); }

  static Event Numbered(const uint32_t& number, EventKind kind = EventKind::kFrame) {
    return {.kind = kind, .slot = kSlot, .generation = 1, .stream = number, .head = BytesOf(number)};
  }
  // A record that takes a large part of the ring.
  Event Large(const uint32_t& number) const {
    Event event = Numbered(number);
    event.body = {filler_.data(), filler_.size()};
    return event;
  }
  // Writes numbered records until there is no room; how many.
  uint32_t Fill() {
    EventPort::Batch batch(*port_);
    uint32_t written = 0;
    while (batch.TryWrite(Large(written))) ++written;
    return written;
  }
  // The number of the next record, which is given back.
  uint32_t ReadNext() {
    if (!reader_.Next()) return UINT32_MAX;
    uint32_t number = 0;
    std::memcpy(&number, reader_.payload(), sizeof(number));
    EXPECT_EQ(number, reader_.header().stream);
    reader_.Release();
    return number;
  }
  std::atomic_ref<int32_t> Word(SlotWord word) {
    return std::atomic_ref<int32_t>(memory_.slot_words.words()[kSlot * kSlotWords + word]);
  }

  kit::PortMemory memory_;
  RingReader reader_ = memory_.Reader();
  std::shared_ptr<kit::Signal> signal_ = std::make_shared<kit::Signal>();
  kit::SignalWaker waker_{signal_};
  Ref<EventPort> port_ = EventPort::Open(memory_.ring.bytes(), memory_.slot_words.words(), &waker_);
  kit::Record record_;
  Ref<kit::Probe> probe_ = MakeRef<kit::Probe>(port_, record_);
  const std::vector<uint8_t> filler_ = std::vector<uint8_t>(8000, 0xab);
};

TEST_F(EventPortTest, OpensOnlyWhatIsARing) {
  kit::Pages memory(kRingHeaderBytes + kRingMinCapacity);
  EXPECT_FALSE(EventPort::Open(memory.bytes(), {}, &waker_));
}

TEST_F(EventPortTest, CarriesAnEventWhole) {
  const std::vector<uint8_t> head{1, 2, 3};
  const std::vector<uint8_t> body{4, 5};
  port_->Write({.kind = EventKind::kStreamData,
                .flags = kReceiveFin,
                .slot = 5,
                .generation = 6,
                .stream = 7,
                .head = head,
                .body = body});
  ASSERT_TRUE(reader_.Next());
  const RecordHeader& header = reader_.header();
  EXPECT_EQ(header.kind, static_cast<uint16_t>(EventKind::kStreamData));
  EXPECT_EQ(header.flags, kReceiveFin);
  EXPECT_EQ(header.slot, 5u);
  EXPECT_EQ(header.generation, 6u);
  EXPECT_EQ(header.stream, 7u);
  EXPECT_EQ(std::vector<uint8_t>(reader_.payload(), reader_.payload() + header.length),
            (std::vector<uint8_t>{1, 2, 3, 4, 5}));
}

TEST_F(EventPortTest, WakesASleepingConsumerOnceABatch) {
  ASSERT_TRUE(reader_.TrySleep());
  {
    EventPort::Batch batch(*port_);
    for (uint32_t i = 0; i < 5; ++i) ASSERT_TRUE(batch.TryWrite(Numbered(i)));
    for (uint32_t i = 5; i < 10; ++i) batch.Write(Numbered(i));
    EXPECT_EQ(signal_->raised(), 0u);
  }
  EXPECT_EQ(signal_->raised(), 1u);
  for (uint32_t i = 0; i < 10; ++i) EXPECT_EQ(ReadNext(), i);
}

TEST_F(EventPortTest, WakesNobodyWhoIsAwake) {
  for (uint32_t i = 0; i < 5; ++i) port_->Write(Numbered(i));
  EXPECT_EQ(signal_->raised(), 0u);
  ASSERT_FALSE(reader_.TrySleep());
}

TEST_F(EventPortTest, KeepsWhatFoundNoRoomBeforeWhatComesLater) {
  const uint32_t fit = Fill();
  for (uint32_t i = fit; i < fit + 3; ++i) port_->Write(Large(i));
  for (uint32_t i = 0; i < fit; ++i) ASSERT_EQ(ReadNext(), i);
  EXPECT_EQ(ReadNext(), UINT32_MAX);
  {
    // There is room, but not before those who wait.
    EventPort::Batch batch(*port_);
    EXPECT_FALSE(batch.TryWrite(Numbered(fit + 3)));
    EXPECT_EQ(batch.Room(), 0u);
    EXPECT_TRUE(batch.Crowded());
    batch.Write(Numbered(fit + 3));
  }
  ASSERT_TRUE(reader_.TakeStarved());
  EXPECT_FALSE(port_->Resume(1));
  {
    EventPort::Batch batch(*port_);
    EXPECT_TRUE(batch.TryWrite(Numbered(fit + 4)));
  }
  for (uint32_t i = fit; i < fit + 5; ++i) ASSERT_EQ(ReadNext(), i);
}

TEST_F(EventPortTest, MovesInAsMuchAsFitsAndAsksToBeCalledAgain) {
  const uint32_t fit = Fill();
  for (uint32_t i = fit; i < 3 * fit; ++i) port_->Write(Large(i));
  uint32_t expected = 0;
  for (int calls = 0; calls < 3; ++calls) {
    while (true) {
      const uint32_t number = ReadNext();
      if (number == UINT32_MAX) break;
      ASSERT_EQ(number, expected++);
    }
    if (expected == 3 * fit) break;
    ASSERT_TRUE(reader_.TakeStarved());
    EXPECT_EQ(port_->Resume(1), calls == 0);
  }
  EXPECT_EQ(expected, 3 * fit);
  EXPECT_FALSE(reader_.TakeStarved());
}

TEST_F(EventPortTest, WakesAConsumerThatSleptBeforeTheRingWasFull) {
  ASSERT_TRUE(reader_.TrySleep());
  const uint32_t fit = Fill();
  port_->Write(Large(fit));
  EXPECT_EQ(signal_->raised(), 1u);
  EXPECT_FALSE(reader_.TrySleep());
}

TEST_F(EventPortTest, ListsNoReaderWhenThereIsRoomAfterAll) {
  EventPort::Batch batch(*port_);
  EXPECT_FALSE(batch.Starve(probe_.get(), 100));
}

TEST_F(EventPortTest, ResumesReadersInTheOrderInWhichTheyStarved) {
  constexpr size_t kReaders = 5;
  std::vector<kit::Record> records(kReaders);
  Fill();
  for (kit::Record& record : records) {
    const auto reader = MakeRef<kit::Probe>(port_, record);
    EventPort::Batch batch(*port_);
    ASSERT_TRUE(batch.Starve(reader.get(), 8000));
  }
  const auto resumed = [&records] {
    std::vector<int> counts;
    for (const kit::Record& record : records) counts.push_back(record.resumed);
    return counts;
  };
  EXPECT_TRUE(port_->Resume(2));
  EXPECT_EQ(resumed(), (std::vector<int>{1, 1, 0, 0, 0}));
  EXPECT_TRUE(port_->Resume(2));
  EXPECT_FALSE(port_->Resume(2));
  EXPECT_EQ(resumed(), (std::vector<int>{1, 1, 1, 1, 1}));
  for (const kit::Record& record : records) EXPECT_EQ(record.destroyed, 1);
}

TEST_F(EventPortTest, ResumesNoReaderBeforeTheEventsThatWait) {
  const uint32_t fit = Fill();
  port_->Write(Large(fit));
  {
    EventPort::Batch batch(*port_);
    ASSERT_TRUE(batch.Starve(probe_.get(), 8000));
  }
  EXPECT_TRUE(port_->Resume(10));
  EXPECT_EQ(record_.resumed, 0);
  ASSERT_EQ(ReadNext(), 0u);
  EXPECT_FALSE(port_->Resume(10));
  EXPECT_EQ(record_.resumed, 1);
}

// The producer waits when it has starved and the consumer sleeps when the ring is empty, each on the other
// alone: a wake that is lost ends in the deadline.
TEST_F(EventPortTest, LosesNeitherARecordNorAWakeBetweenTwoThreads) {
  constexpr uint32_t kRecords = 100'000;
  const auto deadline = std::chrono::steady_clock::now() + kit::kDeadline;
  std::atomic<bool> gave_up{false};
  std::thread producer([&] {
    const std::vector<uint8_t> body(6000, 0x5a);
    for (uint32_t i = 0; i < kRecords;) {
      Event event = Numbered(i);
      event.body = {body.data(), i * 7919 % body.size()};
      if (i % 64 == 0) {
        port_->Write(event);
        ++i;
        continue;
      }
      bool starved = false;
      {
        EventPort::Batch batch(*port_);
        while (!starved && !batch.TryWrite(event)) starved = batch.Starve(probe_.get(), 6004);
      }
      if (!starved) {
        ++i;
      } else if (!record_.resume.Wait(deadline)) {
        gave_up = true;
        return;
      }
    }
  });

  uint32_t expected = 0;
  while (expected < kRecords && !gave_up) {
    uint32_t number = 0;
    while ((number = ReadNext()) != UINT32_MAX) ASSERT_EQ(number, expected++);
    if (reader_.TakeStarved() && port_->Resume(1)) continue;
    if (expected < kRecords && reader_.TrySleep() && !signal_->Wait(deadline)) break;
  }
  EXPECT_EQ(expected, kRecords);
  producer.join();
  EXPECT_FALSE(gave_up);
}

TEST_F(EventPortTest, TouchesNothingAfterItWasClosedUnderItsWriters) {
  for (int round = 0; round < 50; ++round) {
    kit::PortMemory memory;
    const Ref<EventPort> port = EventPort::Open(memory.ring.bytes(), memory.slot_words.words(), &waker_);
    std::atomic<uint32_t> written{0};
    std::atomic<bool> stop{false};
    std::vector<std::thread> writers;
    for (int thread = 0; thread < 3; ++thread) {
      writers.emplace_back([&] {
        kit::Record record;
        const auto probe = MakeRef<kit::Probe>(port, record);
        probe->set_handle(kSlot, 1);
        for (uint32_t i = 0; !stop; ++i) {
          {
            EventPort::Batch batch(*port);
            (void)batch.TryWrite(Large(i));
            batch.Write(Numbered(i));
            if (!batch.TryWrite(Large(i))) (void)batch.Starve(probe.get(), 8004);
            (void)batch.Room();
            (void)batch.Crowded();
          }
          port->Complete(*probe, 1, true);
          port->StoreRoundTrip(*probe, i);
          port->CountDroppedDatagram(*probe);
          port->ResetSlot(kSlot);
          written += 1;
        }
        (void)port->Resume(100);
      });
    }
    while (written < 20) std::this_thread::yield();
    port->Close();
    memory.TakeAway();
    const uint32_t before = written;
    while (written < before + 20) std::this_thread::yield();
    stop = true;
    for (std::thread& writer : writers) writer.join();
  }
}

TEST_F(EventPortTest, LetsGoOfStarvedReadersWhenItCloses) {
  Fill();
  {
    EventPort::Batch batch(*port_);
    ASSERT_TRUE(batch.Starve(probe_.get(), 8000));
  }
  probe_ = {};
  EXPECT_EQ(record_.destroyed, 0);
  port_->Close();
  EXPECT_EQ(record_.destroyed, 1);
  EXPECT_FALSE(port_->Resume(1));
  // A reader that goes on after the end is not held up.
  EventPort::Batch batch(*port_);
  EXPECT_TRUE(batch.TryWrite(Large(1)));
}

TEST_F(EventPortTest, CountsCompletedBytesAndDrainsOnlyWhomWishesIt) {
  port_->Complete(*probe_, 100, true);
  EXPECT_EQ(Word(kSlotCompletedBytes).load(), 100);
  EXPECT_EQ(ReadNext(), UINT32_MAX);

  Word(kSlotWantsDrain) = 1;
  port_->Complete(*probe_, 50, false);
  EXPECT_FALSE(reader_.Next());
  EXPECT_EQ(Word(kSlotWantsDrain).load(), 1);

  port_->Complete(*probe_, 7, true);
  port_->Complete(*probe_, 7, true);
  ASSERT_TRUE(reader_.Next());
  EXPECT_EQ(reader_.header().kind, static_cast<uint16_t>(EventKind::kDrain));
  EXPECT_EQ(reader_.header().slot, kSlot);
  EXPECT_FALSE(reader_.Next());
  EXPECT_EQ(Word(kSlotCompletedBytes).load(), 164);
  EXPECT_EQ(Word(kSlotWantsDrain).load(), 0);
}

TEST_F(EventPortTest, DrainsOnceForEachWishOfAnotherThread) {
  constexpr int kWishes = 2000;
  std::atomic<bool> stop{false};
  std::vector<std::thread> completers;
  for (int i = 0; i < 2; ++i) {
    completers.emplace_back([&] {
      while (!stop) {
        port_->Complete(*probe_, 1, true);
        std::this_thread::yield();
      }
    });
  }
  const auto deadline = std::chrono::steady_clock::now() + kit::kDeadline;
  int drains = 0;
  for (int wish = 1; wish <= kWishes; ++wish) {
    Word(kSlotWantsDrain) = 1;
    while (drains < wish && std::chrono::steady_clock::now() < deadline) {
      while (reader_.Next()) drains += 1;
      if (drains < wish && reader_.TrySleep() && !signal_->Wait(deadline)) break;
    }
    ASSERT_EQ(drains, wish);
  }
  stop = true;
  for (std::thread& completer : completers) completer.join();
  reader_.Release();
  EXPECT_FALSE(reader_.Next());
}

}  // namespace
}  // namespace millrace
