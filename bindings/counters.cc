#include "bindings/counters.h"

#include <msquic.h>

#include <array>
#include <atomic>
#include <utility>

#include "native/quic/counters.h"
#include "native/quic/library.h"

namespace millrace {
namespace {

void Set(Napi::Object object, const char* name, uint64_t value) {
  object.Set(name, Napi::Number::New(object.Env(), static_cast<double>(value)));
}

// msquic's counters by our names for them. Queue depths are left out: they say nothing to an application.
constexpr std::array kTransportCounters{
    std::pair{"connectionsCreated", QUIC_PERF_COUNTER_CONN_CREATED},
    std::pair{"connectionsAllocated", QUIC_PERF_COUNTER_CONN_ACTIVE},
    std::pair{"connectionsConnected", QUIC_PERF_COUNTER_CONN_CONNECTED},
    std::pair{"connectionsResumed", QUIC_PERF_COUNTER_CONN_RESUMED},
    std::pair{"handshakesRefused", QUIC_PERF_COUNTER_CONN_APP_REJECT},
    std::pair{"handshakesWithoutProtocol", QUIC_PERF_COUNTER_CONN_NO_ALPN},
    std::pair{"handshakesShed", QUIC_PERF_COUNTER_CONN_LOAD_REJECT},
    std::pair{"retriesSent", QUIC_PERF_COUNTER_SEND_STATELESS_RETRY},
    std::pair{"statelessResetsSent", QUIC_PERF_COUNTER_SEND_STATELESS_RESET},
    std::pair{"protocolErrors", QUIC_PERF_COUNTER_CONN_PROTOCOL_ERRORS},
    std::pair{"streamsAllocated", QUIC_PERF_COUNTER_STRM_ACTIVE},
    std::pair{"packetsDropped", QUIC_PERF_COUNTER_PKTS_DROPPED},
    std::pair{"packetsUndecryptable", QUIC_PERF_COUNTER_PKTS_DECRYPTION_FAIL},
    std::pair{"packetsSuspectedLost", QUIC_PERF_COUNTER_PKTS_SUSPECTED_LOST},
    std::pair{"pathsValidated", QUIC_PERF_COUNTER_PATH_VALIDATED},
    std::pair{"pathsFailed", QUIC_PERF_COUNTER_PATH_FAILURE},
    std::pair{"udpDatagramsReceived", QUIC_PERF_COUNTER_UDP_RECV},
    std::pair{"udpDatagramsSent", QUIC_PERF_COUNTER_UDP_SEND},
    std::pair{"udpBytesReceived", QUIC_PERF_COUNTER_UDP_RECV_BYTES},
    std::pair{"udpBytesSent", QUIC_PERF_COUNTER_UDP_SEND_BYTES},
};

}  // namespace

Napi::Value ThreadCountersOf(const Napi::CallbackInfo& info) {
  const auto all = ThreadCounters::All();
  Napi::Array list = Napi::Array::New(info.Env(), all.size());
  for (uint32_t i = 0; i < all.size(); ++i) {
    Napi::Object entry = Napi::Object::New(info.Env());
    Set(entry, "threadId", all[i]->thread_id);
    Set(entry, "verifiedFrames", all[i]->verified_frames.load());
    Set(entry, "verifiedBytes", all[i]->verified_bytes.load());
    list.Set(i, entry);
  }
  return list;
}

Napi::Value ProcessCountersOf(const Napi::CallbackInfo& info) {
  const ProcessCounters& counters = ProcessCounters::Get();
  Napi::Object result = Napi::Object::New(info.Env());
  Set(result, "connections", counters.connections.load());
  Set(result, "streams", counters.streams.load());
  Set(result, "laneStreams", counters.lane_streams.load());
  Set(result, "wakes", counters.wakes.load());
  Set(result, "sends", counters.sends.load());
  Set(result, "copiedBytes", counters.copied_bytes.load());
  return result;
}

Napi::Value TransportCountersOf(const Napi::CallbackInfo& info) {
  const Library::Counters counters = Library::ReadCounters();
  Napi::Object result = Napi::Object::New(info.Env());
  for (const auto& [name, counter] : kTransportCounters) Set(result, name, counters[counter]);
  // msquic's own counter leaves out a server's handshakes that failed before TLS began.
  const uint64_t freed = counters[QUIC_PERF_COUNTER_CONN_CREATED] - counters[QUIC_PERF_COUNTER_CONN_ACTIVE];
  const uint64_t freed_after_handshake =
      ProcessCounters::Get().handshakes.load() - counters[QUIC_PERF_COUNTER_CONN_CONNECTED];
  Set(result, "handshakesFailed", freed > freed_after_handshake ? freed - freed_after_handshake : 0);
  Set(result, "peersFailed", ProcessCounters::Get().peers_failed.load());
  return result;
}

}  // namespace millrace
