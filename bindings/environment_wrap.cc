#include "bindings/environment_wrap.h"

#include <array>
#include <string>
#include <thread>
#include <utility>

#include "bindings/address.h"
#include "bindings/arguments.h"
#include "bindings/options.h"
#include "native/quic/connection.h"
#include "native/quic/library.h"
#include "native/quic/stream.h"

namespace millrace {
namespace {

Napi::TypeError Misuse(Napi::Env env, const char* what) {
  return Napi::TypeError::New(env, std::string("millrace addon: ") + what);
}

void PostCompletion(Environment& environment, uint32_t request, QUIC_STATUS status, uint32_t value) {
  const CompletionEvent completion{static_cast<int32_t>(status), value};
  environment.ports().front()->Write(
      {.kind = EventKind::kCompletion, .slot = request, .head = BytesOf(completion)});
}

// {slot, generation}, as the other methods take them.
Napi::Value HandleOf(Napi::Env env, const Resource& resource) {
  Napi::Array handle = Napi::Array::New(env, 2);
  handle.Set(0u, resource.slot());
  handle.Set(1u, resource.generation());
  return handle;
}

std::string AddressText(const QUIC_ADDR& address) {
  QUIC_ADDR_STR text{};
  return QuicAddrToString(&address, &text) ? std::string(text.Address) : std::string();
}

}  // namespace

Napi::Function EnvironmentWrap::Define(Napi::Env env) {
  using Wrap = EnvironmentWrap;
  return DefineClass(env, "Environment",
                     {
                         InstanceMethod<&Wrap::ConfigureEngine>("configureEngine"),
                         InstanceMethod<&Wrap::Configure>("configure"),
                         InstanceMethod<&Wrap::ReleaseConfiguration>("releaseConfiguration"),
                         InstanceMethod<&Wrap::Listen>("listen"),
                         InstanceMethod<&Wrap::Refusals>("refusals"),
                         InstanceMethod<&Wrap::HeedFailures>("heedFailures"),
                         InstanceMethod<&Wrap::UpdateListener>("updateListener"),
                         InstanceMethod<&Wrap::SetTicketKeys>("setTicketKeys"),
                         InstanceMethod<&Wrap::CloseListener>("closeListener"),
                         InstanceMethod<&Wrap::Connect>("connect"),
                         InstanceMethod<&Wrap::Launch>("launch"),
                         InstanceMethod<&Wrap::CloseConnection>("closeConnection"),
                         InstanceMethod<&Wrap::Authenticate>("authenticate"),
                         InstanceMethod<&Wrap::PeerCertificateOf>("peerCertificate"),
                         InstanceMethod<&Wrap::Addresses>("addresses"),
                         InstanceMethod<&Wrap::TakePathChange>("takePathChange"),
                         InstanceMethod<&Wrap::Rebind>("rebind"),
                         InstanceMethod<&Wrap::RefreshStatistics>("refreshStatistics"),
                         InstanceMethod<&Wrap::RequestStatistics>("requestStatistics"),
                         InstanceMethod<&Wrap::UpdateKeys>("updateKeys"),
                         InstanceMethod<&Wrap::OpenStream>("openStream"),
                         InstanceMethod<&Wrap::ResetStream>("resetStream"),
                         InstanceMethod<&Wrap::StopSending>("stopSending"),
                         InstanceMethod<&Wrap::SetPriority>("setPriority"),
                         InstanceMethod<&Wrap::Flush>("flush"),
                         InstanceMethod<&Wrap::Send>("send"),
                         InstanceMethod<&Wrap::Writev>("writev"),
                         InstanceMethod<&Wrap::Publish>("publish"),
                         InstanceMethod<&Wrap::Resume>("resume"),
                         InstanceMethod<&Wrap::KeepAlive>("keepAlive"),
                         InstanceMethod<&Wrap::Yield>("yield"),
                     });
}

// new Environment(rings: Int32Array[], slotWords: Int32Array, outbound: Uint8Array, pump: () => void)
EnvironmentWrap::EnvironmentWrap(const Napi::CallbackInfo& info) : ObjectWrap(info) {
  const Napi::Env env = info.Env();
  if (!Pin(info)) {
    Misuse(env, "Environment takes (Int32Array[], Int32Array, Uint8Array, function)")
        .ThrowAsJavaScriptException();
    return;
  }
  QUIC_STATUS status = QUIC_STATUS_SUCCESS;
  if (Library::Open(&status) == nullptr) {
    Napi::Error::New(env, "msquic refused to open, status " + std::to_string(status))
        .ThrowAsJavaScriptException();
    return;
  }
  wake_guard_ = WakeGuard::Open(env, info[3].As<Napi::Function>());
  if (!wake_guard_) {
    Misuse(env, "no threadsafe function").ThrowAsJavaScriptException();
    return;
  }
  millrace::Ref<Environment> environment =
      MakeRef<Environment>(rings_, slot_words_, std::make_unique<GuardedWaker>(wake_guard_));
  if (!environment->valid()) {
    wake_guard_->Close();
    Misuse(env, "a ring is not well formed").ThrowAsJavaScriptException();
    return;
  }
  environment_ = std::move(environment);
  outbox_ = std::make_unique<Outbox>(*environment_, outbound_);
  // After the threadsafe function was made: hooks run last in, first out, so this one runs while it still
  // exists.
  (void)napi_add_env_cleanup_hook(
      env, [](void* self) { static_cast<EnvironmentWrap*>(self)->Close(); }, this);
  Ref();  // collected with its environment, not before
}

EnvironmentWrap::~EnvironmentWrap() = default;

bool EnvironmentWrap::Pin(const Napi::CallbackInfo& info) {
  if (!info[0].IsArray() || !info[3].IsFunction()) return false;
  const Napi::Array rings = info[0].As<Napi::Array>();
  const auto pin = [this](const Napi::Value& value) {
    pinned_.push_back(Napi::Persistent(value.As<Napi::TypedArray>()));
  };
  for (uint32_t i = 0; i < rings.Length(); ++i) {
    const std::span<int32_t> words = Elements<int32_t>(rings.Get(i));
    if (words.empty()) return false;
    rings_.emplace_back(reinterpret_cast<uint8_t*>(words.data()), words.size_bytes());
    pin(rings.Get(i));
  }
  slot_words_ = Elements<int32_t>(info[1]);
  outbound_ = Elements<uint8_t>(info[2]);
  if (rings_.empty() || slot_words_.empty() || outbound_.empty()) return false;
  pin(info[1]);
  pin(info[2]);
  return true;
}

// Environment cleanup: first no wake begins, then no native thread touches our memory, then it may go.
void EnvironmentWrap::Close() noexcept {
  wake_guard_->Close();
  environment_->Close();
  for (auto& [id, pending] : listeners_) {
    Library::Get().control().Post([pending = std::move(pending), environment = environment_, id = id] {
      if (pending->object) pending->object->Leave(environment.get(), id);
    });
  }
  listeners_.clear();
  configurations_.clear();
}

Resource* EnvironmentWrap::Find(const Napi::CallbackInfo& info, Resource::Kind kind) const {
  Resource* resource = environment_->Find(Uint(info[0]), Uint(info[1]));
  return resource != nullptr && resource->kind() == kind ? resource : nullptr;
}

// configureEngine(request, settings)
Napi::Value EnvironmentWrap::ConfigureEngine(const Napi::CallbackInfo& info) {
  Library::Get().control().Post(
      [request = Uint(info[0]), settings = ReadEngineSettings(info[1]), environment = environment_] {
        PostCompletion(*environment, request, ApplyEngineSettings(settings), 0);
      });
  return info.Env().Undefined();
}

// configure(request, options) → id; the completion says whether it can be used.
Napi::Value EnvironmentWrap::Configure(const Napi::CallbackInfo& info) {
  const uint32_t request = Uint(info[0]);
  const uint32_t id = ++last_id_;
  const auto pending = MakeRef<Pending<Configuration>>();
  configurations_.emplace(id, pending);
  Library::Get().control().Post(
      [pending, request, options = ReadConfiguration(info[1]), environment = environment_] {
        QUIC_STATUS status = QUIC_STATUS_SUCCESS;
        pending->object = Configuration::Open(options, &status);
        PostCompletion(*environment, request, status, 0);
      });
  return Napi::Number::New(info.Env(), id);
}

// releaseConfiguration(id): listeners and connections keep what they use.
Napi::Value EnvironmentWrap::ReleaseConfiguration(const Napi::CallbackInfo& info) {
  configurations_.erase(Uint(info[0]));
  return info.Env().Undefined();
}

EnvironmentWrap::PendingConfigurations EnvironmentWrap::FindConfigurations(const Napi::Value& value) const {
  PendingConfigurations found;
  if (!value.IsArray()) return found;
  const Napi::Array pairs = value.As<Napi::Array>();
  for (uint32_t i = 0; i < pairs.Length(); ++i) {
    const Napi::Value pair = pairs.Get(i);
    if (!pair.IsArray()) return {};
    const auto configuration = configurations_.find(Uint(pair.As<Napi::Array>().Get(1u)));
    if (configuration == configurations_.end()) return {};
    found.emplace_back(Text(pair.As<Napi::Array>().Get(0u)), configuration->second);
  }
  return found;
}

millrace::Ref<ServerConfigurations> EnvironmentWrap::Collect(const PendingConfigurations& pending,
                                                             const std::string& credential) {
  auto configurations = MakeRef<ServerConfigurations>(credential);
  for (const auto& [name, configuration] : pending) {
    if (!configuration->object) return {};
    configurations->Add(name, configuration->object);
  }
  return configurations->For({}) ? configurations : millrace::Ref<ServerConfigurations>();
}

// listen(request, configurations, address, port, shared, alpns, connectionOptions, limits, terms, credential,
// resumption) → listener id. The completion's value is the bound port.
Napi::Value EnvironmentWrap::Listen(const Napi::CallbackInfo& info) {
  PendingConfigurations configurations = FindConfigurations(info[1]);
  Listener::Endpoint endpoint{};
  if (configurations.empty() || !ReadAddress(info[2], info[3], &endpoint.address)) {
    PostCompletion(*environment_, Uint(info[0]), QUIC_STATUS_ADDRESS_NOT_AVAILABLE, 0);
    return Napi::Number::New(info.Env(), 0);
  }
  endpoint.shared = Bool(info[4]);
  endpoint.alpns = Texts(info[5]);
  endpoint.limits = ReadAdmissionLimits(info[7]);
  endpoint.terms = Text(info[8]);
  endpoint.resumption = ReadResumption(info[10]);
  const uint32_t id = ++last_id_;
  const auto pending = MakeRef<Pending<Listener>>();
  listeners_.emplace(id, pending);
  Listener::Member member{environment_, ReadConnectionOptions(info[6]), id};
  if (!member.options->framed) {
    member.options->failures = failures_.emplace(id, MakeRef<FailureNotice>()).first->second;
  }
  Library::Get().control().Post([pending, request = Uint(info[0]), endpoint = std::move(endpoint),
                                 credential = Text(info[9]), configurations = std::move(configurations),
                                 member = std::move(member)] {
    QUIC_STATUS status = QUIC_STATUS_INVALID_STATE;
    auto collected = Collect(configurations, credential);
    if (collected && !member.environment->closed()) {
      pending->object = Listener::Open(endpoint, std::move(collected), member, &status);
    }
    const uint32_t port = pending->object ? QuicAddrGetPort(&pending->object->address()) : 0u;
    PostCompletion(*member.environment, request, status, port);
  });
  return Napi::Number::New(info.Env(), id);
}

// refusals(listener) → what its limits have refused: [connections, connectionsPerAddress,
// handshakesPerAddress]
Napi::Value EnvironmentWrap::Refusals(const Napi::CallbackInfo& info) {
  const auto listener = listeners_.find(Uint(info[0]));
  if (listener == listeners_.end() || !listener->second->object) return info.Env().Undefined();
  const Admissions::Refused& refused = listener->second->object->refused();
  const std::array counts{refused.connections.load(), refused.connections_per_address.load(),
                          refused.handshakes_per_address.load()};
  Napi::Array result = Napi::Array::New(info.Env(), counts.size());
  for (uint32_t i = 0; i < counts.size(); ++i) result.Set(i, static_cast<double>(counts[i]));
  return result;
}

// heedFailures(listener) → how many failed handshakes no event has told of; the next one is told again.
Napi::Value EnvironmentWrap::HeedFailures(const Napi::CallbackInfo& info) {
  const auto failures = failures_.find(Uint(info[0]));
  const uint32_t missed = failures == failures_.end() ? 0 : failures->second->Heed();
  return Napi::Number::New(info.Env(), missed);
}

// updateListener(request, id, configurations, credential): handshakes from now on use these.
Napi::Value EnvironmentWrap::UpdateListener(const Napi::CallbackInfo& info) {
  const auto listener = listeners_.find(Uint(info[1]));
  Library::Get().control().Post(
      [request = Uint(info[0]), environment = environment_, configurations = FindConfigurations(info[2]),
       credential = Text(info[3]),
       pending = listener == listeners_.end() ? millrace::Ref<Pending<Listener>>() : listener->second] {
        auto collected = Collect(configurations, credential);
        QUIC_STATUS status = QUIC_STATUS_INVALID_STATE;
        if (pending && pending->object && collected) {
          status = pending->object->SetConfigurations(std::move(collected));
        }
        PostCompletion(*environment, request, status, 0);
      });
  return info.Env().Undefined();
}

// setTicketKeys(request, id, keys): for every thread that shares the listener
Napi::Value EnvironmentWrap::SetTicketKeys(const Napi::CallbackInfo& info) {
  const auto listener = listeners_.find(Uint(info[1]));
  if (listener == listeners_.end()) {
    PostCompletion(*environment_, Uint(info[0]), QUIC_STATUS_INVALID_STATE, 0);
    return info.Env().Undefined();
  }
  const std::span<uint8_t> keys = Elements<uint8_t>(info[2]);
  Library::Get().control().Post([request = Uint(info[0]), listener = listener->second,
                                 keys = std::vector<uint8_t>(keys.begin(), keys.end()),
                                 environment = environment_] {
    QUIC_STATUS status = QUIC_STATUS_INVALID_STATE;
    if (listener->object) status = listener->object->SetTicketKeys(keys);
    PostCompletion(*environment, request, status, 0);
  });
  return info.Env().Undefined();
}

// closeListener(request, id): completes when the port is free, or others still share it.
Napi::Value EnvironmentWrap::CloseListener(const Napi::CallbackInfo& info) {
  auto listener = listeners_.extract(Uint(info[1]));
  failures_.erase(Uint(info[1]));
  Library::Get().control().Post([request = Uint(info[0]), id = Uint(info[1]), environment = environment_,
                                 pending = listener.empty() ? millrace::Ref<Pending<Listener>>()
                                                            : std::move(listener.mapped())]() mutable {
    if (pending && pending->object) pending->object->Leave(environment.get(), id);
    pending = {};
    PostCompletion(*environment, request, QUIC_STATUS_SUCCESS, 0);
  });
  return info.Env().Undefined();
}

// connect(configuration, address, port, serverName, connectionOptions, sharedSocket, ticket, waitsToStart) →
// handle; a status where the address is none of this machine's world; undefined where the environment is
// full.
Napi::Value EnvironmentWrap::Connect(const Napi::CallbackInfo& info) {
  const auto configuration = configurations_.find(Uint(info[0]));
  Connection::Target target{};
  if (configuration == configurations_.end() || !configuration->second->object) return info.Env().Undefined();
  if (!ReadAddress(info[1], info[2], &target.address)) {
    return Napi::Number::New(info.Env(), QUIC_STATUS_ADDRESS_NOT_AVAILABLE);
  }
  target.server_name = Text(info[3]);
  target.shared_socket = Bool(info[5]);
  const std::span<uint8_t> ticket = Elements<uint8_t>(info[6]);
  if (ticket.size() <= UINT16_MAX) target.ticket.assign(ticket.begin(), ticket.end());
  target.waits_to_start = Bool(info[7]);
  const auto connection = Connection::Dial(environment_, ReadConnectionOptions(info[4]),
                                           configuration->second->object, std::move(target));
  return connection ? HandleOf(info.Env(), *connection) : info.Env().Undefined();
}

// launch(slot, generation): starts a connection that waits for it
Napi::Value EnvironmentWrap::Launch(const Napi::CallbackInfo& info) {
  if (Resource* resource = Find(info, Resource::Kind::kConnection)) {
    static_cast<Connection*>(resource)->Launch();
  }
  return info.Env().Undefined();
}

// closeConnection(slot, generation, code, reason, graceful, deadlineMs)
Napi::Value EnvironmentWrap::CloseConnection(const Napi::CallbackInfo& info) {
  if (Resource* resource = Find(info, Resource::Kind::kConnection)) {
    static_cast<Connection*>(resource)->Close(
        Closing{Uint64(info[2]), Text(info[3]), Bool(info[4]), std::chrono::milliseconds(Uint(info[5]))});
  }
  return info.Env().Undefined();
}

// authenticate(slot, generation, accepted, alert): the answer to a peerCertificate event
Napi::Value EnvironmentWrap::Authenticate(const Napi::CallbackInfo& info) {
  if (Resource* resource = Find(info, Resource::Kind::kConnection)) {
    static_cast<Connection*>(resource)->Authenticate(
        Bool(info[2]), static_cast<QUIC_TLS_ALERT_CODES>(Uint(info[3]) % (QUIC_TLS_ALERT_CODE_MAX + 1)));
  }
  return info.Env().Undefined();
}

// peerCertificate(slot, generation) → {u32 bytes, DER} for each, the peer's own first; undefined for none
Napi::Value EnvironmentWrap::PeerCertificateOf(const Napi::CallbackInfo& info) {
  Resource* resource = Find(info, Resource::Kind::kConnection);
  if (resource == nullptr) return info.Env().Undefined();
  const auto certificate = static_cast<Connection*>(resource)->peer_certificate();
  if (!certificate) return info.Env().Undefined();
  const auto encoded = certificate->encoded();
  return Napi::Buffer<uint8_t>::Copy(info.Env(), encoded.data(), encoded.size());
}

// addresses(slot, generation) → [local, remote], each "address:port"
Napi::Value EnvironmentWrap::Addresses(const Napi::CallbackInfo& info) {
  Resource* resource = Find(info, Resource::Kind::kConnection);
  if (resource == nullptr) return info.Env().Undefined();
  const Connection::Path path = static_cast<Connection*>(resource)->path();
  Napi::Array addresses = Napi::Array::New(info.Env(), 2);
  addresses.Set(0u, AddressText(path.local));
  addresses.Set(1u, AddressText(path.remote));
  return addresses;
}

// takePathChange(slot, generation) → [local, remote before, remote after], or undefined where the peer is
// where it was
Napi::Value EnvironmentWrap::TakePathChange(const Napi::CallbackInfo& info) {
  Resource* resource = Find(info, Resource::Kind::kConnection);
  if (resource == nullptr) return info.Env().Undefined();
  const auto change = static_cast<Connection*>(resource)->TakePathChange();
  if (change == nullptr) return info.Env().Undefined();
  Napi::Array addresses = Napi::Array::New(info.Env(), 3);
  addresses.Set(0u, AddressText(change->local));
  addresses.Set(1u, AddressText(change->remote_before));
  addresses.Set(2u, AddressText(change->remote_after));
  return addresses;
}

// rebind(request, slot, generation, address, port, timeoutMs): an empty address keeps the one it has
Napi::Value EnvironmentWrap::Rebind(const Napi::CallbackInfo& info) {
  const uint32_t request = Uint(info[0]);
  Resource* resource = environment_->Find(Uint(info[1]), Uint(info[2]));
  QUIC_ADDR local{};
  QuicAddrSetPort(&local, static_cast<uint16_t>(Uint(info[4])));
  const bool is_named = !Text(info[3]).empty();
  if (resource == nullptr || resource->kind() != Resource::Kind::kConnection) {
    PostCompletion(*environment_, request, QUIC_STATUS_ABORTED, 0);
  } else if (is_named && !ReadAddress(info[3], info[4], &local)) {
    PostCompletion(*environment_, request, QUIC_STATUS_ADDRESS_NOT_AVAILABLE, 0);
  } else {
    static_cast<Connection*>(resource)->Rebind(local, std::chrono::milliseconds(Uint(info[5])),
                                               [environment = environment_, request](QUIC_STATUS status) {
                                                 PostCompletion(*environment, request, status, 0);
                                               });
  }
  return info.Env().Undefined();
}

// refreshStatistics(slot, generation): the slot words are fresh a little later.
Napi::Value EnvironmentWrap::RefreshStatistics(const Napi::CallbackInfo& info) {
  if (Resource* resource = Find(info, Resource::Kind::kConnection)) {
    static_cast<Connection*>(resource)->RefreshStatistics();
  }
  return info.Env().Undefined();
}

// requestStatistics(slot, generation): kStatistics is the answer.
Napi::Value EnvironmentWrap::RequestStatistics(const Napi::CallbackInfo& info) {
  if (Resource* resource = Find(info, Resource::Kind::kConnection)) {
    static_cast<Connection*>(resource)->RequestStatistics();
  }
  return info.Env().Undefined();
}

// updateKeys(request, slot, generation, timeoutMs)
Napi::Value EnvironmentWrap::UpdateKeys(const Napi::CallbackInfo& info) {
  const auto done = [environment = environment_, request = Uint(info[0])](QUIC_STATUS status) {
    PostCompletion(*environment, request, status, 0);
  };
  Resource* resource = environment_->Find(Uint(info[1]), Uint(info[2]));
  if (resource == nullptr || resource->kind() != Resource::Kind::kConnection) {
    done(QUIC_STATUS_ABORTED);
  } else {
    static_cast<Connection*>(resource)->UpdateKeys(std::chrono::milliseconds(Uint(info[3])), done);
  }
  return info.Env().Undefined();
}

// openStream(slot, generation, unidirectional, failBlocked, priority, idempotent) → handle, or the status as
// a number
Napi::Value EnvironmentWrap::OpenStream(const Napi::CallbackInfo& info) {
  QUIC_STATUS status = QUIC_STATUS_INVALID_STATE;
  if (Resource* resource = Find(info, Resource::Kind::kConnection)) {
    const Stream::Opening opening{Bool(info[2]), Bool(info[3]), static_cast<uint16_t>(Uint(info[4])),
                                  Bool(info[5])};
    const auto stream = Stream::Open(*static_cast<Connection*>(resource), opening, &status);
    if (stream) return HandleOf(info.Env(), *stream);
  }
  return Napi::Number::New(info.Env(), status);
}

// resetStream(slot, generation, code)
Napi::Value EnvironmentWrap::ResetStream(const Napi::CallbackInfo& info) {
  if (Resource* resource = Find(info, Resource::Kind::kStream)) {
    static_cast<Stream*>(resource)->Reset(Uint64(info[2]));
  }
  return info.Env().Undefined();
}

// stopSending(slot, generation, code)
Napi::Value EnvironmentWrap::StopSending(const Napi::CallbackInfo& info) {
  if (Resource* resource = Find(info, Resource::Kind::kStream)) {
    static_cast<Stream*>(resource)->StopSending(Uint64(info[2]));
  }
  return info.Env().Undefined();
}

// setPriority(slot, generation, priority)
Napi::Value EnvironmentWrap::SetPriority(const Napi::CallbackInfo& info) {
  if (Resource* resource = Find(info, Resource::Kind::kStream)) {
    static_cast<Stream*>(resource)->SetPriority(static_cast<uint16_t>(Uint(info[2])));
  }
  return info.Env().Undefined();
}

// flush(bytes) → false when the commands were not well formed
Napi::Value EnvironmentWrap::Flush(const Napi::CallbackInfo& info) {
  return Napi::Boolean::New(info.Env(), outbox_->Flush(Uint(info[0])));
}

// send(kind, flags, slot, generation, head, payload): one that is too large for the slab
Napi::Value EnvironmentWrap::Send(const Napi::CallbackInfo& info) {
  const CommandHeader header{0, static_cast<uint16_t>(Uint(info[0])), static_cast<uint16_t>(Uint(info[1])),
                             Uint(info[2]), Uint(info[3])};
  outbox_->Send(header, Elements<uint8_t>(info[4]), Elements<uint8_t>(info[5]));
  return info.Env().Undefined();
}

// writev(slot, generation, pieces: Uint8Array[])
Napi::Value EnvironmentWrap::Writev(const Napi::CallbackInfo& info) {
  std::vector<std::span<const uint8_t>> pieces;
  if (info[2].IsArray()) {
    const Napi::Array list = info[2].As<Napi::Array>();
    pieces.reserve(list.Length());
    for (uint32_t i = 0; i < list.Length(); ++i) pieces.push_back(Elements<uint8_t>(list.Get(i)));
  }
  outbox_->Writev(Uint(info[0]), Uint(info[1]), pieces);
  return info.Env().Undefined();
}

// publish(kind, lane, handles: Uint32Array of slot and generation, head, payload) → how many it went to
Napi::Value EnvironmentWrap::Publish(const Napi::CallbackInfo& info) {
  return Napi::Number::New(
      info.Env(),
      outbox_->Publish(static_cast<CommandKind>(Uint(info[0])), static_cast<uint16_t>(Uint(info[1])),
                       Elements<uint32_t>(info[2]), Elements<uint8_t>(info[3]), Elements<uint8_t>(info[4])));
}

// resume(port, maxReaders) → whether to call it again
Napi::Value EnvironmentWrap::Resume(const Napi::CallbackInfo& info) {
  const uint32_t port = Uint(info[0]);
  if (port >= environment_->ports().size()) return Napi::Boolean::New(info.Env(), false);
  return Napi::Boolean::New(info.Env(), environment_->ports()[port]->Resume(Uint(info[1])));
}

// keepAlive(alive): whether the event loop waits for us
Napi::Value EnvironmentWrap::KeepAlive(const Napi::CallbackInfo& info) {
  wake_guard_->KeepAlive(info.Env(), Bool(info[0]));
  return info.Env().Undefined();
}

// yield(): lets another thread have the core
Napi::Value EnvironmentWrap::Yield(const Napi::CallbackInfo& info) {
  std::this_thread::yield();
  return info.Env().Undefined();
}

}  // namespace millrace
