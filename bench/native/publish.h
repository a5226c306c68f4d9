#pragma once

#include <cstdint>

// What clients and servers of the publish benchmark agree on. A client opens one bidirectional stream on each
// connection and sends kSubscribe; the server sends it back once the stream is in its list. Whenever kPublish
// comes on one of them, the server sends kPublishBytes times kPublish to all of the list.
namespace millrace::bench {

constexpr char kPublishAlpn[] = "millrace-publish";
constexpr uint8_t kSubscribe = 's';
constexpr uint8_t kPublish = 'p';
constexpr uint32_t kPublishBytes = 1024;

}  // namespace millrace::bench
