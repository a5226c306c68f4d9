#include <napi.h>

#include <span>

#include "bindings/arguments.h"
#include "bindings/constants.h"
#include "bindings/counters.h"
#include "bindings/environment_wrap.h"
#include "bindings/session_directory_wrap.h"
#include "native/memory/large_pages.h"
#include "native/quic/counters.h"
#include "native/quic/pkcs12.h"

namespace millrace {
namespace {

// largePagesIn(memory, bytes) → where they begin
Napi::Value LargePagesIn(const Napi::CallbackInfo& info) {
  const std::span<uint8_t> memory = Elements<uint8_t>(info[0]);
  const uint32_t bytes = Uint(info[1]);
  const size_t alignment = bytes >= kLargePageBytes ? kLargePageBytes : kCacheLineBytes;
  const size_t offset = (0 - reinterpret_cast<uintptr_t>(memory.data())) & (alignment - 1);
  if (memory.size() < bytes || memory.size() - bytes < offset) return Napi::Number::New(info.Env(), 0);
  PreferLargePages(memory.data() + offset, memory.size() - offset);
  return Napi::Number::New(info.Env(), static_cast<double>(offset));
}

// readPkcs12(der, passphrase) → {certificatePem, privateKeyPem}, or a word that says why not
Napi::Value ReadPkcs12Of(const Napi::CallbackInfo& info) {
  PemIdentity identity;
  const char* failure = nullptr;
  switch (ReadPkcs12(Elements<uint8_t>(info[0]), Text(info[1]), &identity)) {
    case Pkcs12Status::kOk:
      break;
    case Pkcs12Status::kUnreadable:
      failure = "unreadable";
      break;
    case Pkcs12Status::kWrongPassphrase:
      failure = "wrongPassphrase";
      break;
    case Pkcs12Status::kUnsupported:
      failure = "unsupported";
      break;
    case Pkcs12Status::kIncomplete:
      failure = "incomplete";
      break;
  }
  if (failure != nullptr) return Napi::String::New(info.Env(), failure);
  Napi::Object result = Napi::Object::New(info.Env());
  result.Set("certificatePem", identity.certificate);
  result.Set("privateKeyPem", identity.private_key);
  return result;
}

Napi::Value CurrentThread(const Napi::CallbackInfo& info) {
  return Napi::Number::New(info.Env(), static_cast<double>(CurrentThreadId()));
}

Napi::Object Init(Napi::Env env, Napi::Object exports) {
  exports.Set("version", MILLRACE_VERSION);
  exports.Set("constants", Constants(env));
  exports.Set("Environment", EnvironmentWrap::Define(env));
  exports.Set("SessionDirectory", SessionDirectoryWrap::Define(env));
  exports.Set("threadCounters", Napi::Function::New(env, ThreadCountersOf, "threadCounters"));
  exports.Set("processCounters", Napi::Function::New(env, ProcessCountersOf, "processCounters"));
  exports.Set("transportCounters", Napi::Function::New(env, TransportCountersOf, "transportCounters"));
  exports.Set("readPkcs12", Napi::Function::New(env, ReadPkcs12Of, "readPkcs12"));
  exports.Set("largePagesIn", Napi::Function::New(env, LargePagesIn, "largePagesIn"));
  exports.Set("currentThreadId", Napi::Function::New(env, CurrentThread, "currentThreadId"));
  return exports;
}

NODE_API_MODULE(millrace, Init)

}  // namespace
}  // namespace millrace
