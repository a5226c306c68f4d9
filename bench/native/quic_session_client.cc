// Loads a server of sessions over QUIC: so many of them, so many messages outstanding on each. What comes
// back is compared with what was sent; one line of JSON says how long it took. The flags are those of
// message_format.h.

#include <algorithm>
#include <atomic>
#include <cstdio>
#include <cstring>
#include <memory>
#include <string>
#include <vector>

#include "bench/native/hold.h"
#include "bench/native/load_client.h"
#include "bench/native/message_format.h"

namespace millrace::bench {
namespace {

constexpr uint32_t kStreamWindowBytes = 256 * 1024;
/** A lane's stream begins with these: lane, zero, ordinal (docs/wire.md section 2). */
constexpr uint32_t kPrefixBytes = 8;
constexpr uint16_t kServersStreams = 64;

QUIC_SETTINGS Settings() {
  QUIC_SETTINGS settings = CommonSettings(kStreamWindowBytes);
  settings.PeerUnidiStreamCount = kServersStreams;
  settings.IsSet.PeerUnidiStreamCount = 1;
  return settings;
}

/** What all connections share. */
struct SessionClient : LoadClient {
  SessionClient(const Load& the_load, const std::string& alpn, const MessageFormat& the_format, bool holds)
      : LoadClient(the_load, alpn, Settings()), format(the_format), hold(holds) {
    for (const MessageFormat::Step& step : format.opening) {
      if (step.what == MessageFormat::Step::Do::kSend) opening.push_back(step.bytes);
    }
  }

  const MessageFormat& format;
  const bool hold;
  std::counting_semaphore<> resting{0};       // one for each session that has all its answers
  std::vector<std::vector<uint8_t>> opening;  // what the session is asked for with, and what confirms it
};

/** Bytes on their way. */
struct Sending {
  std::vector<uint8_t> bytes;
  QUIC_BUFFER buffer{};
};

class SessionConnection;

/** A stream of the server's. */
struct Incoming {
  SessionConnection* connection;
  uint32_t prefix_left = kPrefixBytes;
  std::vector<uint8_t> rest = {};  // of a frame that is not whole
};

/** One session: everything after its beginning happens on its connection's worker. */
class SessionConnection final : public LoadConnection {
 public:
  explicit SessionConnection(LoadClient& client)
      : LoadConnection(client),
        sessions_(static_cast<SessionClient&>(client)),
        sent_at_ns_(client.load.depth) {}
  ~SessionConnection() override {
    if (stream_) library()->StreamClose(stream_);
  }

  void Begin() override {
    if (stream_ && !sessions_.hold) Greet();
  }

 private:
  void Greet() {
    auto sending = std::make_unique<Sending>();
    sending->bytes.assign(kPrefixBytes, 0);
    Append(*sending, sessions_.opening.at(0));
    Send(std::move(sending));
  }

  static QUIC_STATUS OnOwnStream(HQUIC, void* context, QUIC_STREAM_EVENT* event) {
    if (event->Type == QUIC_STREAM_EVENT_SEND_COMPLETE) {
      delete static_cast<Sending*>(event->SEND_COMPLETE.ClientContext);
    }
    static_cast<void>(context);
    return QUIC_STATUS_SUCCESS;
  }

  static QUIC_STATUS OnServersStream(HQUIC stream, void* context, QUIC_STREAM_EVENT* event) {
    auto* incoming = static_cast<Incoming*>(context);
    SessionConnection* self = incoming->connection;
    if (event->Type == QUIC_STREAM_EVENT_RECEIVE) {
      for (uint32_t i = 0; i < event->RECEIVE.BufferCount; i += 1) {
        self->Receive(*incoming, event->RECEIVE.Buffers[i]);
      }
      self->Answer();
    } else if (event->Type == QUIC_STREAM_EVENT_SHUTDOWN_COMPLETE) {
      if (!event->SHUTDOWN_COMPLETE.AppCloseInProgress) self->library()->StreamClose(stream);
      delete incoming;
    }
    return QUIC_STATUS_SUCCESS;
  }

  void OnConnected() override {
    Require(
        library()->StreamOpen(handle(), QUIC_STREAM_OPEN_FLAG_UNIDIRECTIONAL, OnOwnStream, this, &stream_),
        "StreamOpen");
    Require(library()->StreamStart(stream_, QUIC_STREAM_START_FLAG_NONE), "StreamStart");
    if (sessions_.hold) Greet();  // a server waits only so long for who is one of many
  }

  void OnOther(QUIC_CONNECTION_EVENT& event) override {
    if (event.Type != QUIC_CONNECTION_EVENT_PEER_STREAM_STARTED) return;
    library()->SetCallbackHandler(event.PEER_STREAM_STARTED.Stream, reinterpret_cast<void*>(OnServersStream),
                                  new Incoming{this});
  }

  void Receive(Incoming& stream, const QUIC_BUFFER& chunk) {
    const uint32_t skipped = std::min(stream.prefix_left, chunk.Length);
    stream.prefix_left -= skipped;
    const uint8_t* bytes = chunk.Buffer + skipped;
    size_t count = chunk.Length - skipped;
    if (!stream.rest.empty()) {
      stream.rest.insert(stream.rest.end(), bytes, bytes + count);
      bytes = stream.rest.data();
      count = stream.rest.size();
    }
    const size_t taken = TakeWhole(bytes, count);
    const std::vector<uint8_t> left(bytes + taken, bytes + count);
    stream.rest = left;
  }

  /** @returns how many bytes the whole frames have. */
  size_t TakeWhole(const uint8_t* bytes, size_t count) {
    size_t at = 0;
    for (uint32_t size; at + sizeof(size) <= count; at += size) {
      std::memcpy(&size, bytes + at, sizeof(size));
      size += sizeof(size);
      if (at + size > count) break;
      Take(bytes + at, size);
    }
    return at;
  }

  void Take(const uint8_t* bytes, uint32_t length) {
    if (!welcomed_) {
      welcomed_ = true;
      confirming_ = true;
      due_ = sessions_.load.depth;
      return;
    }
    FrameHeader frame;
    const bool known = frame.Read(bytes, length);
    if (known && frame.kind == FrameKind::kAck) return;
    if (!known || frame.kind != sessions_.format.answer_kind || frame.sequence == 0 ||
        !sessions_.format.IsAnswer(bytes, length)) {
      sessions_.recorder.Error();
      return;
    }
    // Streams of a lane may overtake each other on their way; all up to a sequence are here when so many are.
    newest_ = std::max(newest_, frame.sequence);
    received_ += 1;
    if (received_ == newest_) handled_ = newest_;
    sessions_.recorder.RoundTrip(NowNs() - sent_at_ns_[frame.sequence % sent_at_ns_.size()]);
    due_ += 1;
  }

  /** Sends what is due after all that came at once. */
  void Answer() {
    if (due_ == 0 || sessions_.Stopping()) return;
    if (sessions_.hold && !confirming_) {
      if (received_ == sessions_.load.depth) Rest();
      return;
    }
    auto sending = std::make_unique<Sending>();
    if (confirming_) Append(*sending, sessions_.opening.at(1));
    confirming_ = false;
    const uint64_t now = NowNs();
    for (; due_ > 0; due_ -= 1) {
      sent_ += 1;
      sent_at_ns_[sent_ % sent_at_ns_.size()] = now;
      sessions_.format.Append(sending->bytes, sent_, handled_);
    }
    Send(std::move(sending));
  }

  /** An idle session has no stream, and owes no acknowledgement. */
  void Rest() {
    auto sending = std::make_unique<Sending>();
    sessions_.format.AppendAcknowledgement(sending->bytes, handled_);
    Send(std::move(sending), QUIC_SEND_FLAG_FIN);
    sessions_.resting.release();
  }

  static void Append(Sending& sending, const std::vector<uint8_t>& bytes) {
    sending.bytes.insert(sending.bytes.end(), bytes.begin(), bytes.end());
  }

  void Send(std::unique_ptr<Sending> sending, QUIC_SEND_FLAGS flags = QUIC_SEND_FLAG_NONE) {
    sending->buffer = {static_cast<uint32_t>(sending->bytes.size()), sending->bytes.data()};
    const QUIC_STATUS status = library()->StreamSend(stream_, &sending->buffer, 1, flags, sending.get());
    if (QUIC_SUCCEEDED(status)) {
      static_cast<void>(sending.release());  // until SEND_COMPLETE
    } else if (!sessions_.Stopping()) {
      sessions_.recorder.Error();
    }
  }

  SessionClient& sessions_;
  HQUIC stream_ = nullptr;
  bool welcomed_ = false;
  bool confirming_ = false;
  uint32_t due_ = 0;                  // messages to be sent
  uint32_t sent_ = 0;                 // sequence of the newest of ours
  uint32_t newest_ = 0;               // and of the server's
  uint32_t received_ = 0;             // how many of the server's
  uint32_t handled_ = 0;              // all up to this sequence
  std::vector<uint64_t> sent_at_ns_;  // by sequence, of the messages outstanding
};

int Run(Options options) {
  const Load load(options);
  const std::string alpn = options.Text("alpn", "millrace/1");
  const MessageFormat format(options, load.size);
  const bool hold = options.Number("hold", 0, 0, 1) == 1;
  options.RefuseOthers();
  SessionClient client(load, alpn, format, hold);
  if (!format.session || client.opening.size() != 2) {
    std::fprintf(stderr, "--header-at and an --opening of two messages are what a session is made of\n");
    return 2;
  }
  if (!hold) return client.Run<SessionConnection>();
  client.Open<SessionConnection>();
  for (uint32_t i = 0; i < load.connections; i += 1) client.resting.acquire();
  HoldUntilInputEnds(load.connections);
  std::_Exit(0);  // closing them one by one would take seconds, and the server ends next
}

}  // namespace
}  // namespace millrace::bench

int main(int argc, char** argv) {
  return millrace::bench::Run(millrace::bench::Options(argc, argv));
}
