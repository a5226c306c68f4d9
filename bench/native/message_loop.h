#pragma once

#include <sys/epoll.h>
#include <unistd.h>

#include <cstdint>

#include "bench/native/histogram.h"

namespace millrace::bench {

/**
 * Serves many connections from one thread. A Connection has Socket(), Write(), WantsToWrite() and
 * OnReadable(), which answer false where it is broken.
 */
template <typename Connection>
class MessageLoop {
 public:
  MessageLoop() : epoll_(epoll_create1(EPOLL_CLOEXEC)) {}
  ~MessageLoop() { close(epoll_); }
  MessageLoop(const MessageLoop&) = delete;
  MessageLoop& operator=(const MessageLoop&) = delete;

  void Watch(Connection* connection) { Control(EPOLL_CTL_ADD, connection, EPOLLIN); }

  /** Serves what is ready, and waits at most so long for it. @returns false when a connection broke. */
  bool Turn(uint64_t until_ns) {
    epoll_event events[256];
    const uint64_t now = NowNs();
    const uint64_t wait_ns = until_ns > now ? until_ns - now : 0;
    const timespec wait = {static_cast<time_t>(wait_ns / kSecondNs), static_cast<long>(wait_ns % kSecondNs)};
    const int count = epoll_pwait2(epoll_, events, 256, &wait, nullptr);
    for (int i = 0; i < count; i += 1) {
      if (!Serve(static_cast<Connection*>(events[i].data.ptr), events[i].events)) return false;
    }
    return true;
  }

  /** Serves the connections until then. @returns false when one broke. */
  bool Run(uint64_t until_ns) {
    while (NowNs() < until_ns) {
      if (!Turn(until_ns)) return false;
    }
    return true;
  }

  /** Somebody has queued something outside of a turn. */
  bool Flush(Connection* connection) {
    if (!connection->Write()) return false;
    if (connection->WantsToWrite()) Control(EPOLL_CTL_MOD, connection, EPOLLIN | EPOLLOUT);
    return true;
  }

 private:
  static constexpr uint64_t kSecondNs = 1'000'000'000;

  bool Serve(Connection* connection, uint32_t events) {
    const bool wanted_to_write = (events & EPOLLOUT) != 0;
    if (wanted_to_write && !connection->Write()) return false;
    if ((events & ~EPOLLOUT) != 0 && !connection->OnReadable()) return false;
    if (connection->WantsToWrite() || wanted_to_write) {
      Control(EPOLL_CTL_MOD, connection, connection->WantsToWrite() ? EPOLLIN | EPOLLOUT : EPOLLIN);
    }
    return true;
  }

  void Control(int operation, Connection* connection, uint32_t events) {
    epoll_event event{};
    event.events = events;
    event.data.ptr = connection;
    epoll_ctl(epoll_, operation, connection->Socket(), &event);
  }

  const int epoll_;
};

}  // namespace millrace::bench
