#include "native/quic/control_thread.h"

#include <gtest/gtest.h>

#include <atomic>
#include <chrono>
#include <memory>
#include <semaphore>
#include <thread>
#include <utility>
#include <vector>

namespace millrace {
namespace {

using std::chrono::milliseconds;

// Never joined, so never destroyed.
ControlThread& Control() {
  static auto* control = new ControlThread;
  return *control;
}

// Returns when everything posted before has run.
void Settle() {
  std::binary_semaphore done{0};
  Control().Post([&done] { done.release(); });
  done.acquire();
}

void SettleAfter(milliseconds delay) {
  std::binary_semaphore done{0};
  Control().PostAfter(delay, [&done] { done.release(); });
  done.acquire();
}

TEST(ControlThread, RunsTasksInTheOrderInWhichTheyWerePosted) {
  std::vector<int> ran;
  for (int i = 0; i < 1000; ++i) Control().Post([&ran, i] { ran.push_back(i); });
  Settle();
  ASSERT_EQ(ran.size(), 1000u);
  for (int i = 0; i < 1000; ++i) ASSERT_EQ(ran[static_cast<size_t>(i)], i);
}

TEST(ControlThread, RunsEverythingOnOneThreadThatIsNotTheCallers) {
  std::vector<std::thread::id> threads;
  Control().Post([&threads] { threads.push_back(std::this_thread::get_id()); });
  Control().PostAfter(milliseconds(0), [&threads] { threads.push_back(std::this_thread::get_id()); });
  SettleAfter(milliseconds(1));
  ASSERT_EQ(threads.size(), 2u);
  EXPECT_EQ(threads[0], threads[1]);
  EXPECT_NE(threads[0], std::this_thread::get_id());
}

TEST(ControlThread, KeepsEachThreadsOrderWhenManyPost) {
  constexpr int kThreads = 4;
  constexpr int kTasks = 5000;
  std::vector<int> next(kThreads, 0);
  int misplaced = 0;
  std::vector<std::thread> posters;
  for (int thread = 0; thread < kThreads; ++thread) {
    posters.emplace_back([&, thread] {
      for (int i = 0; i < kTasks; ++i) {
        Control().Post([&, thread, i] { misplaced += next[static_cast<size_t>(thread)]++ == i ? 0 : 1; });
      }
    });
  }
  for (std::thread& poster : posters) poster.join();
  Settle();
  EXPECT_EQ(misplaced, 0);
  EXPECT_EQ(next, std::vector<int>(kThreads, kTasks));
}

TEST(ControlThread, TakesTasksFromItsOwnTasks) {
  std::binary_semaphore done{0};
  Control().Post([&done] { Control().Post([&done] { done.release(); }); });
  done.acquire();
}

TEST(ControlThread, RunsTimersWhenTheyAreDueAndNotBefore) {
  std::vector<int> ran;
  const auto start = ControlThread::Clock::now();
  ControlThread::Clock::time_point at{};
  Control().PostAfter(milliseconds(9), [&ran] { ran.push_back(3); });
  Control().PostAfter(milliseconds(3), [&] {
    ran.push_back(1);
    at = ControlThread::Clock::now();
  });
  Control().PostAfter(milliseconds(6), [&ran] { ran.push_back(2); });
  SettleAfter(milliseconds(12));
  EXPECT_EQ(ran, (std::vector<int>{1, 2, 3}));
  EXPECT_GE(at - start, milliseconds(3));
}

TEST(ControlThread, RunsATimerThoughALaterOneWasThereFirst) {
  const ControlThread::Timer late = Control().PostAfter(std::chrono::hours(1), [] { FAIL(); });
  SettleAfter(milliseconds(1));
  Control().Cancel(late);
}

TEST(ControlThread, NeverRunsWhatWasCancelledAndLetsGoOfItAtOnce) {
  auto lease = std::make_shared<int>(1);
  bool ran = false;
  const ControlThread::Timer timer = Control().PostAfter(milliseconds(2), [lease, &ran] { ran = true; });
  const ControlThread::Timer other = Control().PostAfter(milliseconds(2), [lease] {});
  EXPECT_NE(timer, other);
  Control().Cancel(timer);
  EXPECT_LE(lease.use_count(), 2);
  SettleAfter(milliseconds(4));
  EXPECT_FALSE(ran);
  EXPECT_EQ(lease.use_count(), 1);
}

TEST(ControlThread, ForgivesTheCancellationOfWhatRanOrNeverWas) {
  std::atomic<int> runs{0};
  const ControlThread::Timer timer = Control().PostAfter(milliseconds(0), [&runs] { ++runs; });
  SettleAfter(milliseconds(1));
  Control().Cancel(timer);
  Control().Cancel({});
  SettleAfter(milliseconds(1));
  EXPECT_EQ(runs, 1);
}

// What a task owns may post when it goes: a connection's last lease posts its close.
TEST(ControlThread, HoldsNoLockWhenATaskIsDestroyed) {
  struct PostsWhenItGoes {
    explicit PostsWhenItGoes(std::binary_semaphore& s) : done(s) {}
    PostsWhenItGoes(const PostsWhenItGoes&) = delete;
    PostsWhenItGoes& operator=(const PostsWhenItGoes&) = delete;
    ~PostsWhenItGoes() {
      Control().Post([&d = done] { d.release(); });
    }
    std::binary_semaphore& done;
  };
  std::binary_semaphore done{0};
  auto lease = std::make_shared<PostsWhenItGoes>(done);
  Control().Post([lease = std::move(lease)] {});
  done.acquire();

  lease = std::make_shared<PostsWhenItGoes>(done);
  const ControlThread::Timer timer =
      Control().PostAfter(std::chrono::hours(1), [lease = std::move(lease)] {});
  Control().Cancel(timer);
  done.acquire();
}

}  // namespace
}  // namespace millrace
