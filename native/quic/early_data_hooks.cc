// What msquic's TLS asks and tells us beside its API: cmake/msquic-patches.cmake has the calls, and
// docs/decisions/msquic-patches.md the reasons. Inside the connection's own callback, on msquic's thread.
#include <msquic.h>

#include "native/quic/connection.h"
#include "native/quic/library.h"

namespace {

millrace::Connection* ConnectionOf(void* connection) noexcept {
  return static_cast<millrace::Connection*>(millrace::Api().GetContext(static_cast<HQUIC>(connection)));
}

}  // namespace

extern "C" {

int millrace_allows_early_data(void* connection) {
  const millrace::Connection* ours = ConnectionOf(connection);
  return ours != nullptr && ours->allows_early_data() ? 1 : 0;
}

// `status` is what SSL_get_early_data_status says to a client whose handshake is complete.
void millrace_early_data_result(void* connection, int status) {
  millrace::Connection* ours = ConnectionOf(connection);
  if (ours != nullptr) ours->set_early_data_status(status);
}
}
