#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace millrace::bench {

/** What a client asks for when it upgrades (RFC 6455 section 4.1). An empty subprotocol offers none. */
std::string UpgradeRequest(const std::string& host, uint16_t port, const std::string& path,
                           const std::string& subprotocol);

/** The mask of every frame: a browser must not do that and a load generator may, the server has to undo it
 * all the same. */
inline constexpr uint8_t kWebSocketMask[4] = {0x37, 0xfa, 0x21, 0x3d};

/** One message as a client sends it (RFC 6455 section 5.2): a masked frame, of bytes or of text. */
std::vector<uint8_t> MaskedFrame(const std::vector<uint8_t>& message, bool text);

}  // namespace millrace::bench
