#pragma once

#include <chrono>
#include <compare>
#include <condition_variable>
#include <cstdint>
#include <functional>
#include <map>
#include <mutex>
#include <vector>

namespace millrace {

// The one thread on which blocking msquic calls run (Close, Get/SetParam, LoadCredential, ListenerStart), and
// the engine's only timer. Tasks run in order. It lives as long as the process and is never joined.
class ControlThread {
 public:
  using Clock = std::chrono::steady_clock;
  using Task = std::function<void()>;

  ControlThread();
  ControlThread(const ControlThread&) = delete;
  ControlThread& operator=(const ControlThread&) = delete;

  // Names a task that waits for its time; the default names none.
  struct Timer {
    Clock::time_point due{};
    uint64_t id = 0;
    auto operator<=>(const Timer&) const = default;
  };

  // Any thread.
  void Post(Task task);
  Timer PostAfter(std::chrono::milliseconds delay, Task task);
  // Does nothing when the task has begun. The task is destroyed on the calling thread.
  void Cancel(const Timer& timer);

 private:
  [[noreturn]] void Run();

  std::mutex mutex_;
  std::condition_variable wake_;
  std::vector<Task> tasks_;
  std::map<Timer, Task> timers_;
  uint64_t last_timer_id_ = 0;
};

}  // namespace millrace
