#include "native/quic/ticket.h"

#include <openssl/pem.h>
#include <openssl/ssl.h>

#include <algorithm>
#include <cstring>
#include <limits>
#include <memory>
#include <string_view>
#include <vector>

#include "native/quic/library.h"

namespace millrace {

uint32_t TicketLifetimeSeconds(std::span<const uint8_t> ticket) noexcept {
  const std::string_view text(reinterpret_cast<const char*>(ticket.data()), ticket.size());
  const size_t begin = text.find("-----BEGIN SSL SESSION");
  if (begin == std::string_view::npos) return 0;
  const std::string_view pem = text.substr(begin);
  const std::unique_ptr<BIO, decltype(&BIO_free)> reader(
      BIO_new_mem_buf(pem.data(), static_cast<int>(pem.size())), &BIO_free);
  if (!reader) return 0;
  const std::unique_ptr<SSL_SESSION, decltype(&SSL_SESSION_free)> session(
      PEM_read_bio_SSL_SESSION(reader.get(), nullptr, nullptr, nullptr), &SSL_SESSION_free);
  if (!session) return 0;
  const uint64_t seconds = SSL_SESSION_get_ticket_lifetime_hint(session.get());
  return static_cast<uint32_t>(std::min<uint64_t>(seconds, std::numeric_limits<uint32_t>::max()));
}

QUIC_STATUS SetTicketKeys(HQUIC configuration, std::span<const uint8_t> keys) noexcept {
  std::vector<QUIC_TICKET_KEY_CONFIG> configs(keys.size() / kTicketKeyBytes);
  if (configs.empty() || configs.size() > QUIC_MAX_TICKET_KEY_COUNT) return QUIC_STATUS_INVALID_PARAMETER;
  for (size_t i = 0; i < configs.size(); ++i) {
    const uint8_t* key = keys.data() + i * kTicketKeyBytes;
    std::memcpy(configs[i].Id, key, sizeof(configs[i].Id));
    configs[i].MaterialLength = kTicketKeyBytes - sizeof(configs[i].Id);
    std::memcpy(configs[i].Material, key + sizeof(configs[i].Id), configs[i].MaterialLength);
  }
  const size_t bytes = configs.size() * sizeof(QUIC_TICKET_KEY_CONFIG);
  const QUIC_STATUS status = Api().SetParam(configuration, QUIC_PARAM_CONFIGURATION_TICKET_KEYS,
                                            static_cast<uint32_t>(bytes), configs.data());
  OPENSSL_cleanse(configs.data(), bytes);
  return status;
}

}  // namespace millrace
