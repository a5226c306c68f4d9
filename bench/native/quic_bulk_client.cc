// Sends to a server over one stream, as fast as it takes it, and stops the clock when its answer (answer.h)
// says that it has read everything up to FIN. One line of JSON says how many bytes a second that was.

#include <chrono>
#include <cstdio>
#include <semaphore>
#include <vector>

#include "bench/native/answer.h"
#include "bench/native/histogram.h"
#include "bench/native/options.h"
#include "bench/native/quic_client.h"

namespace millrace::bench {
namespace {

constexpr uint32_t kChunkBytes = 64 * 1024;
/** Far more than the server's window, so that it is never the client who has nothing to send. */
constexpr uint32_t kChunksInFlight = 32;
constexpr std::chrono::seconds kDeadline{30};

class BulkConnection final : public AwaitedConnection {
 public:
  using AwaitedConnection::AwaitedConnection;

  /** Sends for so long. Returns bytes a second, or 0 where it failed. */
  double SendFor(std::chrono::milliseconds duration) {
    const uint64_t sent_before = sent_bytes_;
    answered_ns_ = 0;
    finished_ = false;
    const uint64_t begin = NowNs();
    end_ns_ = begin + static_cast<uint64_t>(std::chrono::nanoseconds(duration).count());
    HQUIC stream = nullptr;
    Require(library()->StreamOpen(handle(), QUIC_STREAM_OPEN_FLAG_NONE, OnStream, this, &stream),
            "StreamOpen");
    Require(library()->StreamStart(stream, QUIC_STREAM_START_FLAG_NONE), "StreamStart");
    if (!ended_.try_acquire_for(duration + kDeadline) || answered_ns_ == 0) return 0;
    return static_cast<double>(sent_bytes_ - sent_before) / (static_cast<double>(answered_ns_ - begin) / 1e9);
  }

  /** All in all, while nothing is being sent. */
  uint64_t sent_bytes() const { return sent_bytes_; }

 private:
  static QUIC_STATUS OnStream(HQUIC stream, void* context, QUIC_STREAM_EVENT* event) {
    auto* self = static_cast<BulkConnection*>(context);
    switch (event->Type) {
      case QUIC_STREAM_EVENT_START_COMPLETE:
        for (uint32_t i = 0; i < kChunksInFlight; i += 1) self->Send(stream);
        break;
      case QUIC_STREAM_EVENT_SEND_COMPLETE:
        if (event->SEND_COMPLETE.Canceled == 0) self->Send(stream);
        break;
      case QUIC_STREAM_EVENT_PEER_SEND_SHUTDOWN:
        self->answered_ns_ = NowNs();
        break;
      case QUIC_STREAM_EVENT_SHUTDOWN_COMPLETE:
        self->library()->StreamClose(stream);
        self->ended_.release();
        break;
      default:
        break;
    }
    return QUIC_STATUS_SUCCESS;
  }

  void Send(HQUIC stream) {
    if (finished_) return;
    finished_ = NowNs() >= end_ns_;
    sent_bytes_ += kChunkBytes;
    const QUIC_SEND_FLAGS flags = finished_ ? QUIC_SEND_FLAG_FIN : QUIC_SEND_FLAG_NONE;
    Require(library()->StreamSend(stream, &buffer_, 1, flags, nullptr), "StreamSend");
  }

  std::vector<uint8_t> bytes_ = std::vector<uint8_t>(kChunkBytes);  // it begins with a zero: an empty answer
  const QUIC_BUFFER buffer_{kChunkBytes, bytes_.data()};
  // The worker's while a stream is open, the main thread's in between.
  bool finished_ = false;
  uint64_t end_ns_ = 0;
  uint64_t sent_bytes_ = 0;
  uint64_t answered_ns_ = 0;
  std::counting_semaphore<> ended_{0};
};

int Run(Options options) {
  const Server server{options.Text("host", "127.0.0.1"),
                      static_cast<uint16_t>(options.Number("port", 0, 1, 65535))};
  const std::chrono::milliseconds warmup(options.Number("warmup-ms", 500, 1, 60'000));
  const std::chrono::milliseconds duration(options.Number("duration-ms", 2'000, 1, 600'000));
  options.RefuseOthers();

  QuicLibrary library;
  HQUIC configuration =
      library.OpenConfiguration(kAnswerAlpn, CommonSettings(kAnswerWindowBytes), InsecureClientCredential());
  double per_second = 0;
  uint64_t bytes = 0;
  {
    BulkConnection connection(library);
    connection.Start(configuration, server);
    connection.AwaitOpen();
    if (connection.SendFor(warmup) > 0) per_second = connection.SendFor(duration);
    bytes = connection.sent_bytes();
    connection.ShutdownAndWait();
  }
  library.CloseConfiguration(configuration);
  if (per_second > 0) {
    std::printf("{\"operations\":%llu,\"perSecond\":%.0f}\n", static_cast<unsigned long long>(bytes),
                per_second);
  }
  return per_second > 0 ? 0 : 1;
}

}  // namespace
}  // namespace millrace::bench

int main(int argc, char** argv) {
  return millrace::bench::Run(millrace::bench::Options(argc, argv));
}
