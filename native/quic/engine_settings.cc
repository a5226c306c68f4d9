#include "native/quic/engine_settings.h"

#include "native/quic/counters.h"
#include "native/quic/library.h"

namespace millrace {
namespace {

constexpr uint32_t kParamGlobalInUse = 0x81000004;  // msquicp.h, which is not installed

// Connection ids get their length from msquic's first socket, and those that are in use must stay readable.
// Ours are counted too: a connection that JavaScript has just asked for is started behind us, on this thread.
bool InUse() noexcept {
  BOOLEAN in_use = FALSE;
  uint32_t bytes = sizeof(in_use);
  const QUIC_STATUS status = Api().GetParam(nullptr, kParamGlobalInUse, &bytes, &in_use);
  return QUIC_FAILED(status) || in_use != FALSE || ProcessCounters::Get().connections.load() != 0;
}

QUIC_STATUS ApplyLoadBalancing(const EngineSettings::LoadBalancing& wanted) noexcept {
  QUIC_GLOBAL_SETTINGS now{};
  uint32_t bytes = sizeof(now);
  QUIC_STATUS status = Api().GetParam(nullptr, QUIC_PARAM_GLOBAL_GLOBAL_SETTINGS, &bytes, &now);
  if (QUIC_FAILED(status)) return status;
  if (now.LoadBalancingMode == wanted.mode && now.FixedServerID == wanted.server_id) return status;
  if (InUse()) return QUIC_STATUS_INVALID_STATE;
  QUIC_GLOBAL_SETTINGS settings{};
  settings.LoadBalancingMode = static_cast<uint16_t>(wanted.mode);
  settings.IsSet.LoadBalancingMode = 1;
  settings.FixedServerID = wanted.server_id;
  settings.IsSet.FixedServerID = 1;
  return Api().SetParam(nullptr, QUIC_PARAM_GLOBAL_GLOBAL_SETTINGS, sizeof(settings), &settings);
}

QUIC_STATUS ApplyRetryTokens(const EngineSettings::RetryTokens& tokens) noexcept {
  const QUIC_STATELESS_RETRY_CONFIG config{
      .Algorithm = QUIC_AEAD_ALGORITHM_AES_256_GCM,
      .RotationMs = tokens.rotation_ms,
      .SecretLength = static_cast<uint32_t>(tokens.secret.size()),
      .Secret = tokens.secret.data(),
  };
  return Api().SetParam(nullptr, QUIC_PARAM_GLOBAL_STATELESS_RETRY_CONFIG, sizeof(config), &config);
}

}  // namespace

QUIC_STATUS ApplyEngineSettings(const EngineSettings& settings) noexcept {
  QUIC_STATUS status = QUIC_STATUS_SUCCESS;
  if (settings.load_balancing) status = ApplyLoadBalancing(*settings.load_balancing);
  if (QUIC_SUCCEEDED(status) && settings.retry_tokens) status = ApplyRetryTokens(*settings.retry_tokens);
  if (QUIC_FAILED(status) || !settings.retry_memory_limit) return status;
  const uint16_t limit = *settings.retry_memory_limit;
  return Api().SetParam(nullptr, QUIC_PARAM_GLOBAL_RETRY_MEMORY_PERCENT, sizeof(limit), &limit);
}

}  // namespace millrace
