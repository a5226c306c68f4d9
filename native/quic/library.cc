#include "native/quic/library.h"

#include <openssl/crypto.h>

#include <mutex>

namespace millrace {
namespace {

// Written once under the mutex in Open, before any object that needs it exists.
Library* opened_library = nullptr;

// msquic refuses handshakes when its workers lag by 250 ms, and demands a retry from about 750 handshakes in
// flight on; both are too nervous for a server that meets a reconnect storm (msquic.md §8, pitfalls 8 and 9).
void RaiseHandshakeLimits(const QUIC_API_TABLE& api) {
  QUIC_SETTINGS settings{};
  settings.MaxWorkerQueueDelayUs = 2'000'000;
  settings.IsSet.MaxWorkerQueueDelayUs = 1;
  (void)api.SetParam(nullptr, QUIC_PARAM_GLOBAL_SETTINGS, sizeof(settings), &settings);
  uint16_t retry_memory_percent = 1310;  // of 65,535: two per cent of memory
  (void)api.SetParam(nullptr, QUIC_PARAM_GLOBAL_RETRY_MEMORY_PERCENT, sizeof(retry_memory_percent),
                     &retry_memory_percent);
}

}  // namespace

Library* Library::Open(QUIC_STATUS* status) noexcept {
  static std::mutex mutex;
  const std::lock_guard lock(mutex);
  *status = QUIC_STATUS_SUCCESS;
  if (opened_library != nullptr) return opened_library;

  // Before msquic's own first use of it: msquic's threads still encrypt while the process exits, so OpenSSL
  // may not clean up after itself then.
  if (OPENSSL_init_crypto(OPENSSL_INIT_NO_ATEXIT, nullptr) != 1) {
    *status = QUIC_STATUS_TLS_ERROR;
    return nullptr;
  }
  const void* table = nullptr;
  *status = MsQuicOpenVersion(QUIC_API_VERSION_2, &table);
  if (QUIC_FAILED(*status)) return nullptr;
  const auto* api = static_cast<const QUIC_API_TABLE*>(table);
  RaiseHandshakeLimits(*api);

  const QUIC_REGISTRATION_CONFIG config{"millrace", QUIC_EXECUTION_PROFILE_LOW_LATENCY};
  HQUIC registration = nullptr;
  *status = api->RegistrationOpen(&config, &registration);
  if (QUIC_FAILED(*status)) {
    MsQuicClose(api);
    return nullptr;
  }
  opened_library = new Library(api, registration);  // lives until the process ends
  return opened_library;
}

Library::Counters Library::ReadCounters() noexcept {
  Counters counters{};
  if (opened_library == nullptr) return counters;
  uint32_t bytes = sizeof(counters);
  (void)opened_library->api().GetParam(nullptr, QUIC_PARAM_GLOBAL_PERF_COUNTERS, &bytes, counters.data());
  return counters;
}

Library& Library::Get() noexcept {
  return *opened_library;
}

}  // namespace millrace
