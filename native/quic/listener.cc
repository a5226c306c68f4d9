#include "native/quic/listener.h"

#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include "native/quic/connection.h"
#include "native/quic/library.h"

namespace millrace {
namespace {

// Every open listener of the process; control thread only.
std::vector<Listener*>& OpenListeners() noexcept {
  static auto* listeners = new std::vector<Listener*>;
  return *listeners;
}

// How many of our listeners are on a UDP port; control thread only.
std::map<uint16_t, int>& PortsInUse() noexcept {
  static auto* ports = new std::map<uint16_t, int>;
  return *ports;
}

// Another process may take a port between our look at it and msquic's binding. Who asked for any port means
// the next.
constexpr int kAnyPortTries = 16;

// Binds a socket that no other may share a port with, and lets it go; port 0 becomes the one that it was
// given.
QUIC_STATUS ProbePort(QUIC_ADDR* address) noexcept {
  const int fd = ::socket(QuicAddrGetFamily(address), SOCK_DGRAM | SOCK_CLOEXEC, IPPROTO_UDP);
  if (fd < 0) return static_cast<QUIC_STATUS>(errno);
  socklen_t bytes =
      QuicAddrGetFamily(address) == QUIC_ADDRESS_FAMILY_INET ? sizeof(sockaddr_in) : sizeof(sockaddr_in6);
  auto* socket_address = reinterpret_cast<sockaddr*>(address);
  const bool failed =
      ::bind(fd, socket_address, bytes) != 0 || ::getsockname(fd, socket_address, &bytes) != 0;
  const int error = errno;
  ::close(fd);
  return failed ? static_cast<QUIC_STATUS>(error) : QUIC_STATUS_SUCCESS;
}

// msquic binds with SO_REUSEPORT, so a second process would silently take half of the traffic, and Linux may
// even give port 0 a port that another process has: see first whether the port is free without it, or which
// is. And it binds every address, of both families where there are both: a port is free only where all of
// them are.
QUIC_STATUS ClaimPort(QUIC_ADDR* address) noexcept {
  if (QuicAddrGetPort(address) == 0) {
    QUIC_ADDR every = {};
    QuicAddrSetFamily(&every, QUIC_ADDRESS_FAMILY_INET6);
    QUIC_STATUS status = ProbePort(&every);
    if (status == static_cast<QUIC_STATUS>(EAFNOSUPPORT)) {
      QuicAddrSetFamily(&every, QUIC_ADDRESS_FAMILY_INET);
      status = ProbePort(&every);
    }
    if (QUIC_FAILED(status)) return status;
    QuicAddrSetPort(address, QuicAddrGetPort(&every));
  }
  return ProbePort(address);
}

}  // namespace

Listener::Listener(const Endpoint& endpoint, Ref<ServerConfigurations> configurations) noexcept
    : endpoint_(endpoint),
      admissions_(MakeRef<Admissions>(endpoint.limits)),
      resumption_(endpoint.resumption ? MakeRef<Resumption>(*endpoint.resumption) : Ref<Resumption>()),
      configurations_(std::move(configurations)) {}

QUIC_STATUS Listener::SetTicketKeys(std::vector<uint8_t> keys) noexcept {
  if (!resumption_) return QUIC_STATUS_INVALID_STATE;
  // Only this thread replaces them.
  const QUIC_STATUS status = configurations_->SetTicketKeys(keys);
  if (QUIC_SUCCEEDED(status)) ticket_keys_ = std::move(keys);
  return status;
}

Listener::~Listener() {
  Stop();
}

Ref<Listener> Listener::Open(const Endpoint& endpoint, Ref<ServerConfigurations> configurations,
                             Member member, QUIC_STATUS* status) noexcept {
  *status = QUIC_STATUS_SUCCESS;
  for (Listener* open : OpenListeners()) {
    const bool same = endpoint.shared && open->endpoint_.shared && open->endpoint_.alpns == endpoint.alpns &&
                      open->endpoint_.terms == endpoint.terms &&
                      open->configurations_->credential() == configurations->credential() &&
                      QuicAddrCompare(&open->address_, &endpoint.address);
    if (!same) continue;
    const std::lock_guard lock(open->mutex_);
    const bool twice = std::any_of(open->members_.begin(), open->members_.end(), [&member](const Member& m) {
      return m.environment.get() == member.environment.get();
    });
    if (twice) continue;
    member.options->resumption = open->resumption_;
    open->members_.push_back(std::move(member));
    return Ref<Listener>(open);
  }
  Ref<Listener> listener = MakeRef<Listener>(endpoint, std::move(configurations));
  member.options->resumption = listener->resumption_;
  listener->members_.push_back(std::move(member));
  if (endpoint.resumption) *status = listener->SetTicketKeys(endpoint.resumption->ticket_keys);
  if (QUIC_SUCCEEDED(*status)) *status = listener->Start();
  return QUIC_FAILED(*status) ? Ref<Listener>() : listener;
}

QUIC_STATUS Listener::Start() noexcept {
  int tries = QuicAddrGetPort(&endpoint_.address) == 0 ? kAnyPortTries : 1;
  QUIC_STATUS status = QUIC_STATUS_ADDRESS_IN_USE;
  while (status == QUIC_STATUS_ADDRESS_IN_USE && tries-- > 0) status = StartOnce();
  return status;
}

QUIC_STATUS Listener::StartOnce() noexcept {
  QUIC_ADDR address = endpoint_.address;
  if (!PortsInUse().contains(QuicAddrGetPort(&address))) {
    const QUIC_STATUS claimed = ClaimPort(&address);
    if (QUIC_FAILED(claimed)) return claimed;
  }
  // As elsewhere, :: is for both families; msquic would take it for IPv6 only.
  const bool both_families =
      QuicAddrGetFamily(&address) == QUIC_ADDRESS_FAMILY_INET6 && QuicAddrIsWildCard(&address);
  if (both_families) QuicAddrSetFamily(&address, QUIC_ADDRESS_FAMILY_UNSPEC);
  QUIC_STATUS status = Api().ListenerOpen(Library::Get().registration(), Callback, this, &handle_);
  if (QUIC_FAILED(status)) return status;
  std::vector<QUIC_BUFFER> alpns;
  for (const std::string& alpn : endpoint_.alpns) {
    alpns.push_back(
        {static_cast<uint32_t>(alpn.size()), reinterpret_cast<uint8_t*>(const_cast<char*>(alpn.data()))});
  }
  status = Api().ListenerStart(handle_, alpns.data(), static_cast<uint32_t>(alpns.size()), &address);
  if (QUIC_SUCCEEDED(status)) {
    uint32_t bytes = sizeof(address_);
    status = Api().GetParam(handle_, QUIC_PARAM_LISTENER_LOCAL_ADDRESS, &bytes, &address_);
    if (both_families) QuicAddrSetFamily(&address_, QUIC_ADDRESS_FAMILY_INET6);
  }
  if (QUIC_FAILED(status)) {
    Api().ListenerClose(std::exchange(handle_, nullptr));
    return status;
  }
  PortsInUse()[QuicAddrGetPort(&address_)] += 1;
  OpenListeners().push_back(this);
  return status;
}

void Listener::Stop() noexcept {
  if (handle_ == nullptr) return;
  Api().ListenerClose(std::exchange(handle_, nullptr));
  std::erase(OpenListeners(), this);
  const auto port = PortsInUse().find(QuicAddrGetPort(&address_));
  if (--port->second == 0) PortsInUse().erase(port);
}

QUIC_STATUS Listener::SetConfigurations(Ref<ServerConfigurations> configurations) noexcept {
  if (resumption_) {
    const QUIC_STATUS status = configurations->SetTicketKeys(ticket_keys_);
    if (QUIC_FAILED(status)) return status;
  }
  const std::lock_guard lock(mutex_);
  std::swap(configurations_, configurations);  // the old ones may go only when it is unlocked
  return QUIC_STATUS_SUCCESS;
}

void Listener::Leave(const Environment* environment, uint32_t id) noexcept {
  bool last = false;
  std::vector<Member> left;  // released outside of the lock
  {
    const std::lock_guard lock(mutex_);
    const auto gone = std::stable_partition(
        members_.begin(), members_.end(),
        [environment, id](const Member& m) { return m.environment.get() != environment || m.id != id; });
    left.assign(std::make_move_iterator(gone), std::make_move_iterator(members_.end()));
    members_.erase(gone, members_.end());
    last = members_.empty();
  }
  if (last) Stop();
}

QUIC_STATUS Listener::Callback(HQUIC, void* context, QUIC_LISTENER_EVENT* event) noexcept {
  if (event->Type != QUIC_LISTENER_EVENT_NEW_CONNECTION) return QUIC_STATUS_SUCCESS;
  return static_cast<Listener*>(context)->OnNewConnection(event->NEW_CONNECTION.Connection,
                                                          *event->NEW_CONNECTION.Info);
}

QUIC_STATUS Listener::OnNewConnection(HQUIC handle, const QUIC_NEW_CONNECTION_INFO& info) noexcept {
  Ref<Environment> environment;
  Ref<ConnectionOptions> options;
  uint32_t id = 0;
  Ref<ServerConfigurations> configurations;
  {
    const std::lock_guard lock(mutex_);
    configurations = configurations_;
    for (const Member& member : members_) {
      if (member.environment->closed()) continue;
      if (environment && member.environment->connections() >= environment->connections()) continue;
      environment = member.environment;
      options = member.options;
      id = member.id;
    }
  }
  if (!environment) return QUIC_STATUS_CONNECTION_REFUSED;
  FailedBy reached{};
  std::optional<Admissions::Place> place = admissions_->Admit(*info.RemoteAddress, &reached);
  if (!place) {
    const HandshakeFailedEvent failure{.listener = id, .by = static_cast<uint32_t>(reached)};
    if (options->failures)
      options->failures->Tell(*environment->ports().front(), failure, *info.RemoteAddress);
    return QUIC_STATUS_CONNECTION_REFUSED;
  }
  const std::string_view server_name{info.ServerName, info.ServerNameLength};
  const Ref<Configuration> configuration = configurations->For(server_name);
  std::unique_ptr<Handshake> handshake = Handshake::For(*configuration, std::string(server_name));
  if (handshake != nullptr) handshake->Begin(handle);
  // The connection is ours only from SetCallbackHandler on; refused before that, msquic closes it.
  const QUIC_STATUS status = Api().ConnectionSetConfiguration(handle, configuration->handle());
  if (QUIC_FAILED(status)) return status;
  Ref<Connection> connection = MakeRef<Connection>(std::move(environment), std::move(options), id, handle);
  connection->set_place(std::move(*place));
  connection->set_handshake(std::move(handshake));
  connection->set_addresses(*info.LocalAddress, *info.RemoteAddress);
  Api().SetCallbackHandler(handle, reinterpret_cast<void*>(Connection::Callback), connection.Leak());
  return QUIC_STATUS_SUCCESS;
}

}  // namespace millrace
