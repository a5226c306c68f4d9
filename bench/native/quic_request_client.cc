// Loads a server with requests: so many streams at once on each connection, each with one request and its
// answer (answer.h), and the next one as soon as it has ended. One line of JSON says how long an answer took.

#include <algorithm>
#include <cstring>
#include <memory>
#include <vector>

#include "bench/native/answer.h"
#include "bench/native/load_client.h"

namespace millrace::bench {
namespace {

/** What all connections share. */
struct RequestClient : LoadClient {
  RequestClient(const Load& the_load, uint32_t answer_bytes)
      : LoadClient(the_load, kAnswerAlpn, CommonSettings(kAnswerWindowBytes)),
        request(std::max(load.size, kAnswerHeadBytes), kAnswerByte),
        answer(answer_bytes, kAnswerByte),
        buffer{static_cast<uint32_t>(request.size()), request.data()} {
    for (uint32_t i = 0; i < kAnswerHeadBytes; i += 1) {
      request[i] = static_cast<uint8_t>(uint64_t{answer_bytes} >> (8 * i));
    }
  }

  std::vector<uint8_t> request;
  const std::vector<uint8_t> answer;
  const QUIC_BUFFER buffer;
};

/** One connection, and the requests on it. */
class RequestConnection final : public LoadConnection {
 public:
  explicit RequestConnection(LoadClient& client)
      : LoadConnection(client), requests_(client.load.depth), shared_(static_cast<RequestClient&>(client)) {}

  void Begin() override {
    for (Request& request : requests_) Ask(request);
  }

 private:
  /** A place for one request after the other. */
  struct Request {
    RequestConnection* connection = nullptr;
    uint64_t sent_at_ns = 0;
    uint64_t answer_bytes = 0;
  };

  static QUIC_STATUS OnStream(HQUIC stream, void* context, QUIC_STREAM_EVENT* event) {
    auto* request = static_cast<Request*>(context);
    RequestConnection& self = *request->connection;
    switch (event->Type) {
      case QUIC_STREAM_EVENT_RECEIVE:
        self.Check(*request, event->RECEIVE.Buffers, event->RECEIVE.BufferCount);
        break;
      case QUIC_STREAM_EVENT_PEER_SEND_SHUTDOWN:
        self.Answered(*request);
        break;
      case QUIC_STREAM_EVENT_PEER_SEND_ABORTED:
        if (!self.shared_.Stopping()) self.shared_.recorder.Error();
        break;
      case QUIC_STREAM_EVENT_SHUTDOWN_COMPLETE:
        if (!event->SHUTDOWN_COMPLETE.AppCloseInProgress) self.library()->StreamClose(stream);
        if (!self.shared_.Stopping() && !event->SHUTDOWN_COMPLETE.ConnectionShutdown) self.Ask(*request);
        break;
      default:
        break;
    }
    return QUIC_STATUS_SUCCESS;
  }

  void OnConnected() override {}

  void Ask(Request& request) {
    request = {this, NowNs(), 0};
    HQUIC stream = nullptr;
    Require(library()->StreamOpen(handle(), QUIC_STREAM_OPEN_FLAG_NONE, OnStream, &request, &stream),
            "StreamOpen");
    const auto flags = QUIC_SEND_FLAG_START | QUIC_SEND_FLAG_FIN;
    Require(library()->StreamSend(stream, &shared_.buffer, 1, flags, nullptr), "StreamSend");
  }

  void Check(Request& request, const QUIC_BUFFER* chunks, uint32_t count) const {
    for (uint32_t i = 0; i < count; i += 1) {
      const uint64_t left = shared_.answer.size() - std::min(request.answer_bytes, shared_.answer.size());
      const bool fits = chunks[i].Length <= left;
      if (!fits || std::memcmp(chunks[i].Buffer, shared_.answer.data(), chunks[i].Length) != 0) {
        shared_.recorder.Error();
      }
      request.answer_bytes += chunks[i].Length;
    }
  }

  void Answered(const Request& request) const {
    if (request.answer_bytes != shared_.answer.size()) shared_.recorder.Error();
    shared_.recorder.RoundTrip(NowNs() - request.sent_at_ns);
  }

  std::vector<Request> requests_;
  RequestClient& shared_;
};

int Run(Options options) {
  const Load load(options);
  const uint32_t answer = options.Number("answer", 4096, 0, kMaxAnswerBytes);
  options.RefuseOthers();
  RequestClient client(load, answer);
  return client.Run<RequestConnection>();
}

}  // namespace
}  // namespace millrace::bench

int main(int argc, char** argv) {
  return millrace::bench::Run(millrace::bench::Options(argc, argv));
}
