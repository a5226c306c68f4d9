#include "native/quic/settings.h"

namespace millrace {

QUIC_SETTINGS ToMsquic(const Settings& settings) noexcept {
  QUIC_SETTINGS result{};
  result.IdleTimeoutMs = settings.idle_timeout_ms;
  result.IsSet.IdleTimeoutMs = 1;
  result.HandshakeIdleTimeoutMs = settings.handshake_timeout_ms;
  result.IsSet.HandshakeIdleTimeoutMs = 1;
  result.DisconnectTimeoutMs = settings.disconnect_timeout_ms;
  result.IsSet.DisconnectTimeoutMs = 1;
  result.KeepAliveIntervalMs = settings.keep_alive_ms;
  result.IsSet.KeepAliveIntervalMs = 1;
  result.InitialRttMs = settings.initial_rtt_ms;
  result.IsSet.InitialRttMs = 1;
  result.PeerBidiStreamCount = settings.peer_bidi_streams;
  result.IsSet.PeerBidiStreamCount = 1;
  result.PeerUnidiStreamCount = settings.peer_uni_streams;
  result.IsSet.PeerUnidiStreamCount = 1;
  result.StreamRecvWindowDefault = settings.stream_window_bytes;
  result.IsSet.StreamRecvWindowDefault = 1;
  result.ConnFlowControlWindow = settings.connection_window_bytes;
  result.IsSet.ConnFlowControlWindow = 1;
  result.MinimumMtu = settings.minimum_mtu;
  result.IsSet.MinimumMtu = 1;
  result.MaximumMtu = settings.maximum_mtu;
  result.IsSet.MaximumMtu = 1;
  result.CongestionControlAlgorithm = settings.congestion_control == CongestionControl::kBbr
                                          ? QUIC_CONGESTION_CONTROL_ALGORITHM_BBR
                                          : QUIC_CONGESTION_CONTROL_ALGORITHM_CUBIC;
  result.IsSet.CongestionControlAlgorithm = 1;
  result.DatagramReceiveEnabled = settings.datagrams ? 1 : 0;
  result.IsSet.DatagramReceiveEnabled = 1;
  result.SendBufferingEnabled = settings.send_buffering ? 1 : 0;
  result.IsSet.SendBufferingEnabled = 1;
  return result;
}

}  // namespace millrace
