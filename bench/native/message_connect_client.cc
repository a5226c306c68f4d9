// Connects to a server of messages over WebSocket or TCP again and again: connect, do what the format's
// opening says, send one message, await its answer, close; so many at once. One line of JSON says how long
// each took.

#include <atomic>
#include <cstdio>
#include <string>
#include <thread>
#include <vector>

#include "bench/native/load.h"
#include "bench/native/message_connection.h"

namespace millrace::bench {
namespace {

constexpr uint32_t kReadAhead = 4 * 1024;

int Run(Options options) {
  const Load load(options);  // --connections is how many are in flight
  const MessageFormat format(options, load.size);
  options.RefuseOthers();

  Recorder recorder;
  std::atomic<bool> stopping{false};
  const auto come_and_go = [&](uint32_t number) {
    // A source address of its own for each, so that none runs out of ports.
    const Endpoint endpoint = {load.host, load.port, "127.0.2." + std::to_string(1 + number % 250)};
    while (!stopping) {
      const uint64_t begin = NowNs();
      MessageConnection connection(format, kReadAhead);
      if (!connection.Open(endpoint)) {
        recorder.Error();
        return;
      }
      connection.Block(true);
      connection.CutOnClose();
      connection.Queue(1);
      if (!connection.Write() || !connection.AwaitAnswer()) {
        recorder.Error();
        return;
      }
      recorder.RoundTrip(NowNs() - begin);
    }
  };
  std::vector<std::thread> threads;
  for (uint32_t i = 0; i < load.connections; i += 1) threads.emplace_back(come_and_go, i);
  std::this_thread::sleep_for(std::chrono::milliseconds(load.warmup_ms));
  recorder.Begin();
  std::this_thread::sleep_for(std::chrono::milliseconds(load.duration_ms));
  recorder.End();
  stopping = true;
  for (std::thread& thread : threads) thread.join();
  return recorder.Print(load);
}

}  // namespace
}  // namespace millrace::bench

int main(int argc, char** argv) {
  return millrace::bench::Run(millrace::bench::Options(argc, argv));
}
