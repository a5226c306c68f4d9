#include "test/native/quic/host.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cstring>
#include <utility>

#include "native/frame/hot_frame.h"
#include "native/quic/counters.h"

namespace millrace::kit {
namespace {

constexpr size_t kReadersPerResume = 64;
constexpr uint32_t kMaxCommandBytes = 32u << 10;

QUIC_ADDR Loopback(uint16_t port) {
  QUIC_ADDR address{};
  EXPECT_TRUE(QuicAddrFromString("127.0.0.1", port, &address));
  return address;
}

Ref<Environment> MakeEnvironment(const std::deque<Pages>& rings, const Pages& slot_words,
                                 const std::shared_ptr<Signal>& signal) {
  OpenLibrary();
  std::vector<std::span<uint8_t>> memory;
  for (const Pages& ring : rings) {
    EXPECT_TRUE(FormatRing(ring.bytes().data(), ring.bytes().size()));
    memory.push_back(ring.bytes());
  }
  return MakeRef<Environment>(memory, slot_words.words(), std::make_unique<SignalWaker>(signal));
}

std::deque<Pages> MakeRings(const Host::Options& options) {
  std::deque<Pages> rings;
  for (size_t i = 0; i < options.rings; ++i) rings.emplace_back(kRingHeaderBytes + options.ring_capacity);
  return rings;
}

}  // namespace

Host::Host(const Options& options)
    : rings_(MakeRings(options)),
      slot_words_(options.slots * kSlotWords * sizeof(int32_t)),
      environment_(MakeEnvironment(rings_, slot_words_, signal_)),
      outbox_(*environment_, slab_) {
  for (const Pages& ring : rings_) {
    readers_.push_back(*RingReader::Open(ring.bytes().data(), ring.bytes().size()));
  }
}

Host::~Host() {
  Close();
  client_ = {};
  EXPECT_TRUE(Eventually([this] { return environment_->connections() == 0; }));
}

void Host::Close() {
  if (std::exchange(closed_, true)) return;
  environment_->Close();
  slot_words_.TakeAway();
  for (Pages& ring : rings_) ring.TakeAway();
  OnControl([this] {
    for (const Ref<Listener>& listener : listeners_) listener->Leave(environment_.get(), 1);
    listeners_.clear();
  });
}

bool Host::RunUntil(const std::function<bool()>& done) {
  auto deadline = std::chrono::steady_clock::now() + kDeadline;
  for (;;) {
    const uint32_t before = events_;
    Drain();
    if (done()) return true;
    if (closed_) return false;
    if (events_ != before) {
      deadline = std::chrono::steady_clock::now() + kDeadline;
      continue;
    }
    if (TrySleep() && !signal_->Wait(deadline)) return false;
    if (std::chrono::steady_clock::now() > deadline) return false;
  }
}

void Host::Drain() {
  for (size_t port = 0; port < readers_.size() && !closed_; ++port) DrainPort(port);
}

void Host::DrainPort(size_t port) {
  RingReader& reader = readers_[port];
  while (reader.Next()) {
    Dispatch(reader);
    if (closed_) return;
  }
  EXPECT_FALSE(reader.corrupt());
  reader.Release();
  if (reader.TakeStarved()) (void)environment_->ports()[port]->Resume(kReadersPerResume);
  Flush();
}

void Host::Dispatch(const RingReader& reader) {
  const RecordHeader& header = reader.header();
  const HostEvent event{static_cast<EventKind>(header.kind),
                        header.flags,
                        header.stream,
                        Handle{header.slot, header.generation},
                        {reader.payload(), header.length}};
  events_ += 1;
  on_event(event);
  if (closed_) return;
  if (event.kind == EventKind::kFrame || event.kind == EventKind::kStreamData) {
    if (returns_credit && header.length != 0) ReturnCredit(event.handle, header.length);
  } else if (event.kind == EventKind::kConnectionClosed || event.kind == EventKind::kStreamClosed) {
    Command(CommandKind::kRelease, 0, event.handle, {});
  }
}

bool Host::TrySleep() {
  bool asleep = true;
  for (RingReader& reader : readers_) asleep = reader.TrySleep() && asleep;
  return asleep;
}

uint16_t Host::Listen(const Ref<ConnectionOptions>& options, const Configuration::Options& settings) {
  const auto configurations = MakeRef<ServerConfigurations>();
  configurations->Add({}, Configure(settings));
  Ref<Listener> listener;
  QUIC_STATUS status = QUIC_STATUS_SUCCESS;
  OnControl([&] {
    listener = Listener::Open({.address = Loopback(0), .alpns = settings.alpns}, configurations,
                              {environment_, options, 1}, &status);
  });
  EXPECT_TRUE(listener) << "status " << status;
  if (!listener) return 0;
  listeners_.push_back(listener);
  return QuicAddrGetPort(&listener->address());
}

Handle Host::Dial(uint16_t port, const Ref<ConnectionOptions>& options) {
  if (!client_) client_ = Configure(ClientSettings());
  const Ref<Connection> connection =
      Connection::Dial(environment_, options, client_, {Loopback(port), "localhost"});
  return connection ? Handle{connection->slot(), connection->generation()} : Handle{};
}

Connection* Host::connection(Handle handle) {
  return static_cast<Connection*>(environment_->Find(handle.slot, handle.generation));
}

Stream* Host::stream(Handle handle) {
  return static_cast<Stream*>(environment_->Find(handle.slot, handle.generation));
}

Handle Host::OpenStream(Handle of, bool unidirectional) {
  QUIC_STATUS status = QUIC_STATUS_SUCCESS;
  Stream::Opening opening;
  opening.unidirectional = unidirectional;
  const Ref<Stream> stream = Stream::Open(*connection(of), opening, &status);
  return stream ? Handle{stream->slot(), stream->generation()} : Handle{};
}

void Host::SendFrame(Handle connection, uint16_t lane, std::span<const uint8_t> frame) {
  Command(CommandKind::kSendFrame, lane, connection, frame);
}

void Host::WriteStream(Handle stream, std::span<const uint8_t> bytes, bool fin) {
  Command(CommandKind::kWriteStream, static_cast<uint16_t>(fin ? kSendFin : 0), stream, bytes);
}

void Host::SendDatagram(Handle connection, std::span<const uint8_t> bytes, uint16_t flags) {
  Command(CommandKind::kSendDatagram, flags, connection, bytes);
}

void Host::ReturnCredit(Handle handle, uint32_t bytes) {
  Command(CommandKind::kCredit, 0, handle, BytesOf(bytes));
}

void Host::Command(CommandKind kind, uint16_t flags, Handle handle, std::span<const uint8_t> payload) {
  CommandHeader header{static_cast<uint32_t>(payload.size()), static_cast<uint16_t>(kind), flags, handle.slot,
                       handle.generation};
  if (payload.size() > kMaxCommandBytes) {
    Flush();
    return outbox_.Send(header, payload.first(1), payload.subspan(1));
  }
  const auto total = static_cast<uint32_t>(sizeof(header) + (payload.size() + 7) / 8 * 8);
  if (slab_used_ + total > slab_.size()) Flush();
  std::memcpy(slab_.data() + slab_used_, &header, sizeof(header));
  std::copy(payload.begin(), payload.end(), slab_.begin() + slab_used_ + sizeof(header));
  slab_used_ += total;
}

void Host::Flush() {
  EXPECT_TRUE(outbox_.Flush(std::exchange(slab_used_, 0)));
}

HostThread::HostThread(Host& host)
    : host_(host), thread_([this] { (void)host_.RunUntil([this] { return stop_.load(); }); }) {}

HostThread::~HostThread() {
  stop_ = true;
  host_.Nudge();
  thread_.join();
}

Ref<ConnectionOptions> FramedOptions(std::chrono::milliseconds lane_idle) {
  auto options = MakeRef<ConnectionOptions>();
  options->framed = true;
  options->max_frame_bytes = 256u << 10;
  options->high_water_bytes = 1u << 20;
  options->receive_credit_bytes = 512u << 10;
  options->lane_idle = lane_idle;
  return options;
}

Ref<ConnectionOptions> RawOptions() {
  auto options = MakeRef<ConnectionOptions>();
  options->high_water_bytes = 256u << 10;
  options->receive_credit_bytes = 256u << 10;
  return options;
}

void Echo(Host& host, const HostEvent& event) {
  if (event.kind == EventKind::kFrame) {
    host.SendFrame(event.handle, static_cast<uint16_t>(event.stream), event.payload);
  } else if (event.kind == EventKind::kStreamData) {
    host.WriteStream(event.handle, event.payload, (event.flags & kReceiveFin) != 0);
  } else if (event.kind == EventKind::kDatagram) {
    host.SendDatagram(event.handle, event.payload);
  }
}

std::vector<uint8_t> BytesFrom(uint32_t number, size_t count) {
  std::vector<uint8_t> bytes(count);
  uint32_t state = number * 2654435761u + 1;
  for (uint8_t& byte : bytes) {
    state = state * 1664525 + 1013904223;
    byte = static_cast<uint8_t>(state >> 24);
  }
  return bytes;
}

std::vector<uint8_t> FrameOf(uint32_t number, uint32_t payload_bytes) {
  std::vector<uint8_t> frame(hot_frame::kHeadBytes);
  WriteHotHead(frame.data(),
               FrameHeader{.kind = 4, .flags = 0, .channel = 0, .type = 0, .seq = number, .ref = 0},
               payload_bytes);
  const std::vector<uint8_t> payload = BytesFrom(number, payload_bytes);
  frame.insert(frame.end(), payload.begin(), payload.end());
  return frame;
}

bool IsFrame(std::span<const uint8_t> bytes, uint32_t number, uint32_t payload_bytes) {
  const std::vector<uint8_t> expected = FrameOf(number, payload_bytes);
  return std::equal(bytes.begin(), bytes.end(), expected.begin(), expected.end());
}

uint64_t OpenStreams() {
  return ProcessCounters::Get().lane_streams.load();
}

}  // namespace millrace::kit
