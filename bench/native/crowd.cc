#include "bench/native/crowd.h"

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>

namespace millrace::bench {
namespace {

constexpr uint32_t kSharedSockets = 8;
constexpr uint32_t kRounds = 20;  // of connecting those that were refused
constexpr std::chrono::seconds kDeadline{30};

}  // namespace

void GiveUp(const std::string& why) {
  std::fprintf(stderr, "%s\n", why.c_str());
  std::_Exit(1);
}

void Crowd::Open(uint32_t connections, const std::function<std::unique_ptr<CrowdConnection>()>& make) {
  std::vector<QUIC_ADDR> sockets;
  for (uint32_t round = 0; ready_ < connections; round += 1) {
    if (round == kRounds) GiveUp("the server refuses connections");
    const bool first = sockets.empty();
    const size_t missing = first ? std::min(connections, kSharedSockets) : connections - ready_;
    for (size_t i = 0; i < missing; i += 1) Start(make(), first ? nullptr : &sockets[i % sockets.size()]);
    ready_ += AwaitSettled(missing);
    if (!first) continue;
    for (const auto& connection : held_) {
      if (!connection->refused()) sockets.push_back(connection->LocalAddress());
    }
  }
}

void Crowd::Start(std::unique_ptr<CrowdConnection> connection, const QUIC_ADDR* socket) {
  if (!in_flight_.try_acquire_for(kDeadline)) GiveUp("the server stopped accepting");
  held_.push_back(std::move(connection));
  held_.back()->StartShared(configuration_, server_, socket);
}

/** @returns how many of them became ready; the others were refused. */
size_t Crowd::AwaitSettled(size_t connections) {
  for (size_t i = 0; i < connections; i += 1) {
    if (settled_.try_acquire_for(kDeadline)) continue;
    GiveUp(std::to_string(connections - i) + " connections did not become ready");
  }
  if (failed_ > 0) GiveUp(std::to_string(failed_) + " connections failed");
  return connections - refused_.exchange(0);
}

/** Says why the first of the connections that fail did. */
void Crowd::Explain(const char* what, uint64_t code) {
  if (!explained_.exchange(true))
    std::fprintf(stderr, "%s: %llu\n", what, static_cast<unsigned long long>(code));
}

void CrowdConnection::OnEvent(QUIC_CONNECTION_EVENT& event) {
  switch (event.Type) {
    case QUIC_CONNECTION_EVENT_CONNECTED:
      OnConnected();
      break;
    case QUIC_CONNECTION_EVENT_SHUTDOWN_INITIATED_BY_TRANSPORT:
      refused_ = event.SHUTDOWN_INITIATED_BY_TRANSPORT.Status == QUIC_STATUS_CONNECTION_REFUSED;
      if (!refused_) crowd_.Explain("msquic's status", event.SHUTDOWN_INITIATED_BY_TRANSPORT.Status);
      break;
    case QUIC_CONNECTION_EVENT_SHUTDOWN_INITIATED_BY_PEER:
      crowd_.Explain("the server's code", event.SHUTDOWN_INITIATED_BY_PEER.ErrorCode);
      break;
    case QUIC_CONNECTION_EVENT_SHUTDOWN_COMPLETE:
      (refused_ ? crowd_.refused_ : crowd_.failed_) += 1;
      Settle();
      break;
    default:
      OnOther(event);
      break;
  }
}

void CrowdConnection::MakeWay() {
  if (made_way_) return;
  made_way_ = true;
  crowd_.in_flight_.release();
}

void CrowdConnection::Settle() {
  MakeWay();
  if (settled_) return;
  settled_ = true;
  crowd_.settled_.release();
}

}  // namespace millrace::bench
