// The floor for publishing: a loop over StreamSend with one buffer that all sends share (publish.h), on a
// thread of its own as a JavaScript thread is. It prints one line of JSON when ready, and ends with its
// standard input.

#include <atomic>
#include <cstdlib>
#include <cstring>
#include <mutex>
#include <semaphore>
#include <string>
#include <thread>
#include <vector>

#include "bench/native/options.h"
#include "bench/native/publish.h"
#include "bench/native/quic_server.h"

namespace millrace::bench {
namespace {

/** One payload; every send in flight has a reference. */
class Payload {
 public:
  explicit Payload(size_t references) : references_(references) {
    std::memset(bytes_, kPublish, sizeof(bytes_));
  }

  const QUIC_BUFFER* buffer() const { return &buffer_; }
  void Release() {
    if (references_.fetch_sub(1, std::memory_order_acq_rel) == 1) delete this;
  }

 private:
  ~Payload() = default;

  std::atomic<size_t> references_;
  uint8_t bytes_[kPublishBytes];
  const QUIC_BUFFER buffer_{kPublishBytes, bytes_};
};

/** The streams to publish to, and the thread that does. Streams live as long as the process. */
class Publisher {
 public:
  void Add(HQUIC stream) {
    const std::lock_guard lock(mutex_);
    streams_.push_back(stream);
  }
  void Ask() { asked_.release(); }

  [[noreturn]] void Run() {
    for (;;) {
      asked_.acquire();
      const std::lock_guard lock(mutex_);
      auto* payload = new Payload(streams_.size());
      for (HQUIC stream : streams_) {
        const QUIC_STATUS status =
            QuicServer::api().StreamSend(stream, payload->buffer(), 1, QUIC_SEND_FLAG_NONE, payload);
        if (QUIC_FAILED(status)) payload->Release();
      }
    }
  }

 private:
  std::counting_semaphore<> asked_{0};
  std::mutex mutex_;
  std::vector<HQUIC> streams_;  // guarded by mutex_
};

Publisher publisher;
uint8_t subscribe_byte = kSubscribe;
const QUIC_BUFFER subscribe{1, &subscribe_byte};

QUIC_STATUS OnStream(HQUIC stream, void*, QUIC_STREAM_EVENT* event) {
  if (event->Type == QUIC_STREAM_EVENT_SEND_COMPLETE && event->SEND_COMPLETE.ClientContext) {
    static_cast<Payload*>(event->SEND_COMPLETE.ClientContext)->Release();
  }
  if (event->Type != QUIC_STREAM_EVENT_RECEIVE || event->RECEIVE.TotalBufferLength != 1) {
    return QUIC_STATUS_SUCCESS;
  }
  if (event->RECEIVE.Buffers[0].Buffer[0] == kPublish) {
    publisher.Ask();
  } else {
    publisher.Add(stream);
    (void)QuicServer::api().StreamSend(stream, &subscribe, 1, QUIC_SEND_FLAG_NONE, nullptr);
  }
  return QUIC_STATUS_SUCCESS;
}

QUIC_STATUS OnConnection(HQUIC, void*, QUIC_CONNECTION_EVENT* event) {
  if (event->Type == QUIC_CONNECTION_EVENT_PEER_STREAM_STARTED) {
    QuicServer::api().SetCallbackHandler(event->PEER_STREAM_STARTED.Stream, reinterpret_cast<void*>(OnStream),
                                         nullptr);
  }
  return QUIC_STATUS_SUCCESS;
}

int Serve(Options options) {
  const ServerFiles files(options);
  options.RefuseOthers();
  QUIC_SETTINGS settings = PublishSettings();
  settings.PeerBidiStreamCount = 1;
  settings.IsSet.PeerBidiStreamCount = 1;
  QuicServer opened(kPublishAlpn, settings, files, OnConnection);
  std::thread([] { publisher.Run(); }).detach();
  opened.ServeUntilInputEnds();
  std::_Exit(0);  // closing connections one by one would take seconds, and nobody needs it
}

}  // namespace
}  // namespace millrace::bench

int main(int argc, char** argv) {
  return millrace::bench::Serve(millrace::bench::Options(argc, argv));
}
