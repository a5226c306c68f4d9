#include "native/quic/control_thread.h"

#include <thread>
#include <utility>

namespace millrace {

ControlThread::ControlThread() {
  std::thread([this] { Run(); }).detach();
}

void ControlThread::Post(Task task) {
  {
    const std::lock_guard lock(mutex_);
    tasks_.push_back(std::move(task));
  }
  wake_.notify_one();
}

ControlThread::Timer ControlThread::PostAfter(std::chrono::milliseconds delay, Task task) {
  Timer timer{Clock::now() + delay};
  {
    const std::lock_guard lock(mutex_);
    timer.id = ++last_timer_id_;
    timers_.emplace(timer, std::move(task));
  }
  wake_.notify_one();
  return timer;
}

void ControlThread::Cancel(const Timer& timer) {
  std::map<Timer, Task>::node_type cancelled;  // destroyed after the lock is gone
  const std::lock_guard lock(mutex_);
  cancelled = timers_.extract(timer);
}

void ControlThread::Run() {
  std::vector<Task> due;
  std::unique_lock lock(mutex_);
  for (;;) {
    due.swap(tasks_);
    const auto now = Clock::now();
    while (!timers_.empty() && timers_.begin()->first.due <= now) {
      due.push_back(std::move(timers_.begin()->second));
      timers_.erase(timers_.begin());
    }
    if (due.empty()) {
      if (timers_.empty()) {
        wake_.wait(lock);
      } else {
        // A copy: wait_until reads it again after the wait, in which Cancel may free the timer.
        const Clock::time_point due_next = timers_.begin()->first.due;
        wake_.wait_until(lock, due_next);
      }
      continue;
    }
    lock.unlock();
    for (Task& task : due) task();
    due.clear();  // outside of the lock: a task may own the last lease of something
    lock.lock();
  }
}

}  // namespace millrace
