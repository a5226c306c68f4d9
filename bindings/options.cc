#include "bindings/options.h"

#include <algorithm>
#include <span>
#include <string>

#include "bindings/arguments.h"

namespace millrace {
namespace {

uint16_t Short(const Napi::Value& value) {
  return static_cast<uint16_t>(Uint(value));
}

Settings ReadSettings(const Napi::Object& object) {
  Settings settings;
  settings.idle_timeout_ms = Uint(object.Get("idleTimeoutMs"));
  settings.handshake_timeout_ms = Uint(object.Get("handshakeTimeoutMs"));
  settings.disconnect_timeout_ms = Uint(object.Get("disconnectTimeoutMs"));
  settings.keep_alive_ms = Uint(object.Get("keepAliveMs"));
  settings.initial_rtt_ms = Uint(object.Get("initialRttMs"));
  settings.peer_bidi_streams = Short(object.Get("peerBidiStreams"));
  settings.peer_uni_streams = Short(object.Get("peerUniStreams"));
  settings.stream_window_bytes = Uint(object.Get("streamWindowBytes"));
  settings.connection_window_bytes = Uint(object.Get("connectionWindowBytes"));
  settings.minimum_mtu = Short(object.Get("minimumMtu"));
  settings.maximum_mtu = Short(object.Get("maximumMtu"));
  settings.congestion_control =
      Text(object.Get("congestionControl")) == "bbr" ? CongestionControl::kBbr : CongestionControl::kCubic;
  settings.datagrams = Bool(object.Get("datagrams"));
  settings.send_buffering = Bool(object.Get("sendBuffering"));
  return settings;
}

CredentialOptions ReadCredential(const Napi::Value& value) {
  CredentialOptions credential;
  const Napi::Object object = value.As<Napi::Object>();
  credential.server = Bool(object.Get("server"));
  credential.certificate_pem = Text(object.Get("certificatePem"));
  credential.private_key_pem = Text(object.Get("privateKeyPem"));
  credential.ca_pem = Text(object.Get("caPem"));
  credential.any_peer = Bool(object.Get("anyPeer"));
  credential.client_certificate = static_cast<ClientCertificate>(Uint(object.Get("clientCertificate")) % 3);
  credential.cipher_suites = Uint(object.Get("cipherSuites"));
  credential.key_log_file = Text(object.Get("keyLogFile"));
  return credential;
}

}  // namespace

Ref<ConnectionOptions> ReadConnectionOptions(const Napi::Value& value) {
  Ref<ConnectionOptions> options = MakeRef<ConnectionOptions>();
  const Napi::Object object = value.As<Napi::Object>();
  options->framed = Bool(object.Get("framed"));
  options->authenticates = Bool(object.Get("authenticates"));
  options->max_frame_bytes = Uint(object.Get("maxFrameBytes"));
  options->high_water_bytes = Uint(object.Get("highWaterMarkBytes"));
  options->receive_credit_bytes = Uint(object.Get("receiveCreditBytes"));
  options->lane_idle = std::chrono::milliseconds(Uint(object.Get("laneIdleMs")));
  options->frame_timeout = std::chrono::milliseconds(Uint(object.Get("frameTimeoutMs")));
  options->peer_aborts_per_second = Uint(object.Get("peerAbortsPerSecond"));
  options->wants_tickets = Bool(object.Get("wantsTickets"));
  return options;
}

std::optional<Resumption::Options> ReadResumption(const Napi::Value& value) {
  if (!value.IsObject()) return {};
  const Napi::Object object = value.As<Napi::Object>();
  const std::span<uint8_t> keys = Elements<uint8_t>(object.Get("ticketKeys"));
  return Resumption::Options{.early_data = Bool(object.Get("earlyData")),
                             .lifetime = std::chrono::milliseconds(Uint(object.Get("ticketLifetimeMs"))),
                             .max_tickets = Uint(object.Get("maxTickets")),
                             .ticket_keys = {keys.begin(), keys.end()}};
}

Configuration::Options ReadConfiguration(const Napi::Value& value) {
  Configuration::Options options;
  const Napi::Object object = value.As<Napi::Object>();
  options.alpns = Texts(object.Get("alpns"));
  options.settings = ReadSettings(object);
  options.credential = ReadCredential(object.Get("credential"));
  options.resumption = Bool(object.Get("resumption"));
  return options;
}

AdmissionLimits ReadAdmissionLimits(const Napi::Value& value) {
  AdmissionLimits limits;
  const Napi::Object object = value.As<Napi::Object>();
  const auto read = [&object](const char* name, uint32_t* limit) {
    const Napi::Value given = object.Get(name);
    if (given.IsNumber()) *limit = Uint(given);
  };
  read("maxConnections", &limits.connections);
  read("maxConnectionsPerAddress", &limits.connections_per_address);
  read("maxHandshakesPerAddress", &limits.handshakes_per_address);
  return limits;
}

EngineSettings ReadEngineSettings(const Napi::Value& value) {
  EngineSettings settings;
  const Napi::Object object = value.As<Napi::Object>();
  const Napi::Value retry_memory_limit = object.Get("retryMemoryLimit");
  if (retry_memory_limit.IsNumber()) settings.retry_memory_limit = Short(retry_memory_limit);
  const std::string mode = Text(object.Get("loadBalancing"));
  if (mode == "none") {
    settings.load_balancing = {.mode = QUIC_LOAD_BALANCING_DISABLED};
  } else if (mode == "address") {
    settings.load_balancing = {.mode = QUIC_LOAD_BALANCING_SERVER_ID_IP};
  } else if (mode == "serverId") {
    settings.load_balancing = {.mode = QUIC_LOAD_BALANCING_SERVER_ID_FIXED,
                               .server_id = Uint(object.Get("serverId"))};
  }
  const std::span<const uint8_t> secret = Elements<uint8_t>(object.Get("retrySecret"));
  EngineSettings::RetryTokens tokens;
  if (secret.size() == tokens.secret.size()) {
    std::copy(secret.begin(), secret.end(), tokens.secret.begin());
    tokens.rotation_ms = Uint(object.Get("retryRotationMs"));
    settings.retry_tokens = tokens;
  }
  return settings;
}

}  // namespace millrace
