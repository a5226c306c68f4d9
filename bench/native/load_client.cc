#include "bench/native/load_client.h"

#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <thread>

namespace millrace::bench {

void LoadClient::Start(std::unique_ptr<LoadConnection> connection) {
  handshakes_.acquire();
  connections_.push_back(std::move(connection));
  connections_.back()->Start(configuration_, {load.host, load.port});
}

void LoadClient::Begin() {
  for (uint32_t i = 0; i < load.connections; i += 1) settled_.acquire();
  if (opened_ < load.connections) {
    std::fprintf(stderr, "only %u of %u connections opened\n", opened_.load(), load.connections);
    std::exit(1);
  }
  for (auto& connection : connections_) connection->Begin();
}

int LoadClient::Measure() {
  std::this_thread::sleep_for(std::chrono::milliseconds(load.warmup_ms));
  recorder.Begin();
  std::this_thread::sleep_for(std::chrono::milliseconds(load.duration_ms));
  recorder.End();
  stopping_ = true;
  for (auto& connection : connections_) connection->Shutdown();
  for (uint32_t i = 0; i < load.connections; i += 1) closed_.acquire();
  connections_.clear();
  return recorder.Print(load);
}

void LoadConnection::OnEvent(QUIC_CONNECTION_EVENT& event) {
  switch (event.Type) {
    case QUIC_CONNECTION_EVENT_CONNECTED:
      OnConnected();
      client_.opened_ += 1;
      Settle();
      break;
    case QUIC_CONNECTION_EVENT_SHUTDOWN_COMPLETE:
      if (!client_.stopping_) client_.recorder.Error();
      Settle();
      client_.closed_.release();
      break;
    default:
      OnOther(event);
      break;
  }
}

void LoadConnection::Settle() {
  if (settled_) return;
  settled_ = true;
  client_.handshakes_.release();
  client_.settled_.release();
}

}  // namespace millrace::bench
