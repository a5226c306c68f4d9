#include <napi.h>

#include "bindings/constants.h"
#include "bindings/counters.h"
#include "bindings/environment_wrap.h"
#include "native/quic/counters.h"

namespace millrace {
namespace {

Napi::Value CurrentThread(const Napi::CallbackInfo& info) {
  return Napi::Number::New(info.Env(), static_cast<double>(CurrentThreadId()));
}

Napi::Object Init(Napi::Env env, Napi::Object exports) {
  exports.Set("version", MILLRACE_VERSION);
  exports.Set("constants", Constants(env));
  exports.Set("Environment", EnvironmentWrap::Define(env));
  exports.Set("threadCounters", Napi::Function::New(env, ThreadCountersOf, "threadCounters"));
  exports.Set("processCounters", Napi::Function::New(env, ProcessCountersOf, "processCounters"));
  exports.Set("transportCounters", Napi::Function::New(env, TransportCountersOf, "transportCounters"));
  exports.Set("currentThreadId", Napi::Function::New(env, CurrentThread, "currentThreadId"));
  return exports;
}

NODE_API_MODULE(millrace, Init)

}  // namespace
}  // namespace millrace
