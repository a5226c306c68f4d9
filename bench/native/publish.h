#pragma once

#include <msquic.h>

#include <cstdint>

#include "bench/native/quic_library.h"

// What clients and servers of the publish benchmark agree on. A client opens one bidirectional stream on each
// connection and sends kSubscribe; the server sends it back once the stream is in its list. Whenever kPublish
// comes on one of them, the server sends kPublishBytes times kPublish to all of the list.
namespace millrace::bench {

constexpr char kPublishAlpn[] = "millrace-publish";
constexpr uint8_t kSubscribe = 's';
constexpr uint8_t kPublish = 'p';
constexpr uint32_t kPublishBytes = 1024;
/**
 * Nobody gives a connection up for being slow: on a machine that is busy with other things, acknowledgements
 * of ten thousand may take longer than the usual 16 seconds. Every server has it.
 */
constexpr uint32_t kPublishDisconnectTimeoutMs = 120'000;

inline QUIC_SETTINGS PublishSettings() {
  QUIC_SETTINGS settings = CommonSettings(16 * 1024);
  settings.DisconnectTimeoutMs = kPublishDisconnectTimeoutMs;
  settings.IsSet.DisconnectTimeoutMs = 1;
  return settings;
}

}  // namespace millrace::bench
