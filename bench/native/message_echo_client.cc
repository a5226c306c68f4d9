// Loads any server that answers each message with its payload, over WebSocket or TCP, from one thread: so
// many connections, so many messages outstanding on each; or with --rate so many messages a second, whatever
// comes back when. What comes back is compared with what was sent; one line of JSON says how long it took.

#include <algorithm>
#include <cstdio>
#include <deque>
#include <vector>

#include "bench/native/load.h"
#include "bench/native/message_connection.h"
#include "bench/native/message_loop.h"

namespace millrace::bench {
namespace {

constexpr uint32_t kReadAhead = 64 * 1024;

/** One connection under load; everything happens on the one thread. */
class EchoConnection {
 public:
  EchoConnection(const MessageFormat& format, Recorder& recorder, bool closed_loop)
      : recorder_(recorder),
        connection_(format, kReadAhead),
        answers_each_(format.answers),
        closed_loop_(closed_loop) {}

  bool Open(const Endpoint& endpoint) { return connection_.Open(endpoint); }
  int Socket() const { return connection_.Socket(); }
  bool Write() { return connection_.Write(); }
  bool WantsToWrite() const { return connection_.WantsToWrite(); }

  /** Queues messages, whose time counts from then. */
  void Send(uint32_t messages, uint64_t at_ns) {
    for (uint32_t i = 0; i < messages * answers_each_; i += 1) sent_at_ns_.push_back(at_ns);
    connection_.Queue(messages);
  }

  bool OnReadable() {
    const uint64_t now = NowNs();
    const bool unbroken = connection_.Read([&](bool right) {
      answers_ += 1;
      if (!right || sent_at_ns_.empty()) {
        recorder_.Error();
        return;
      }
      recorder_.RoundTrip(now > sent_at_ns_.front() ? now - sent_at_ns_.front() : 0);
      sent_at_ns_.pop_front();
    });
    if (closed_loop_) Send(answers_ / answers_each_, now);
    answers_ %= answers_each_;
    return unbroken && Write();
  }

 private:
  Recorder& recorder_;
  MessageConnection connection_;
  const uint32_t answers_each_;  // to a message
  const bool closed_loop_;
  uint32_t answers_ = 0;             // to messages that have not all of theirs
  std::deque<uint64_t> sent_at_ns_;  // of the messages outstanding, first sent first answered
};

/** How messages are given to connections. */
class Pace {
 public:
  Pace(std::deque<EchoConnection>& connections, MessageLoop<EchoConnection>& loop, uint32_t depth,
       uint32_t per_second)
      : connections_(connections), loop_(loop), depth_(depth), per_second_(per_second) {}

  /** Puts all that is outstanding in a closed loop on its way. */
  bool Begin() {
    next_ns_ = NowNs();
    for (EchoConnection& connection : connections_) {
      if (per_second_ == 0) connection.Send(depth_, next_ns_);
      if (!loop_.Flush(&connection)) return false;
    }
    return true;
  }

  bool Run(uint64_t until_ns) {
    if (per_second_ == 0) return loop_.Run(until_ns);
    const uint64_t step_ns = 1'000'000'000 / per_second_;
    while (NowNs() < until_ns) {
      // What has become due of one connection goes in one write: who wrote each by itself would be late for
      // good where it is once, and all that is measured then is this side's lateness.
      const size_t first = next_connection_;
      for (const uint64_t now = NowNs(); next_ns_ <= now; next_ns_ += step_ns) {
        connections_[next_connection_++ % connections_.size()].Send(1, next_ns_);
      }
      const size_t due = std::min(next_connection_ - first, connections_.size());
      for (size_t i = 0; i < due; i += 1) {
        if (!loop_.Flush(&connections_[(first + i) % connections_.size()])) return false;
      }
      if (!loop_.Turn(next_ns_)) return false;
    }
    return true;
  }

 private:
  std::deque<EchoConnection>& connections_;
  MessageLoop<EchoConnection>& loop_;
  const uint32_t depth_;
  const uint32_t per_second_;
  uint64_t next_ns_ = 0;
  size_t next_connection_ = 0;
};

int Run(Options options) {
  const Load load(options);
  const MessageFormat format(options, load.size);
  const uint32_t per_second = options.Number("rate", 0, 0, 10'000'000);
  options.RefuseOthers();

  Recorder recorder;
  MessageLoop<EchoConnection> loop;
  std::deque<EchoConnection> connections;
  for (uint32_t i = 0; i < load.connections; i += 1) {
    EchoConnection& connection = connections.emplace_back(format, recorder, per_second == 0);
    if (!connection.Open({load.host, load.port, ""})) return 1;
    loop.Watch(&connection);
  }
  Pace pace(connections, loop, load.depth, per_second);
  bool unbroken = pace.Begin();
  unbroken = unbroken && pace.Run(NowNs() + uint64_t{load.warmup_ms} * 1'000'000);
  recorder.Begin();
  unbroken = unbroken && pace.Run(NowNs() + uint64_t{load.duration_ms} * 1'000'000);
  recorder.End();
  if (!unbroken) {
    std::fprintf(stderr, "the server broke a connection\n");
    return 1;
  }
  return recorder.Print(load);
}

}  // namespace
}  // namespace millrace::bench

int main(int argc, char** argv) {
  return millrace::bench::Run(millrace::bench::Options(argc, argv));
}
