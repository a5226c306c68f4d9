#include <napi.h>

#include "bindings/constants.h"
#include "bindings/environment_wrap.h"
#include "native/quic/counters.h"
#include "native/quic/library.h"

namespace millrace {
namespace {

// threadCounters() → [{threadId, verifiedFrames, verifiedBytes}], one a thread that has verified frames
Napi::Value ThreadCountersOf(const Napi::CallbackInfo& info) {
  const auto all = ThreadCounters::All();
  Napi::Array list = Napi::Array::New(info.Env(), all.size());
  for (uint32_t i = 0; i < all.size(); ++i) {
    Napi::Object entry = Napi::Object::New(info.Env());
    entry.Set("threadId", Napi::Number::New(info.Env(), static_cast<double>(all[i]->thread_id)));
    entry.Set("verifiedFrames",
              Napi::Number::New(info.Env(), static_cast<double>(all[i]->verified_frames.load())));
    entry.Set("verifiedBytes",
              Napi::Number::New(info.Env(), static_cast<double>(all[i]->verified_bytes.load())));
    list.Set(i, entry);
  }
  return list;
}

// processCounters() → {connections, streams, laneStreams, wakes, datagramsSent}
Napi::Value ProcessCountersOf(const Napi::CallbackInfo& info) {
  const ProcessCounters& counters = ProcessCounters::Get();
  Napi::Object result = Napi::Object::New(info.Env());
  const auto set = [&](const char* name, const std::atomic<uint64_t>& counter) {
    result.Set(name, Napi::Number::New(info.Env(), static_cast<double>(counter.load())));
  };
  set("connections", counters.connections);
  set("streams", counters.streams);
  set("laneStreams", counters.lane_streams);
  set("wakes", counters.wakes);
  result.Set("datagramsSent", Napi::Number::New(info.Env(), static_cast<double>(Library::DatagramsSent())));
  return result;
}

Napi::Value CurrentThread(const Napi::CallbackInfo& info) {
  return Napi::Number::New(info.Env(), static_cast<double>(CurrentThreadId()));
}

Napi::Object Init(Napi::Env env, Napi::Object exports) {
  exports.Set("version", MILLRACE_VERSION);
  exports.Set("constants", Constants(env));
  exports.Set("Environment", EnvironmentWrap::Define(env));
  exports.Set("threadCounters", Napi::Function::New(env, ThreadCountersOf, "threadCounters"));
  exports.Set("processCounters", Napi::Function::New(env, ProcessCountersOf, "processCounters"));
  exports.Set("currentThreadId", Napi::Function::New(env, CurrentThread, "currentThreadId"));
  return exports;
}

NODE_API_MODULE(millrace, Init)

}  // namespace
}  // namespace millrace
