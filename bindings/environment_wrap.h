#pragma once

#include <napi.h>

#include <cstdint>
#include <map>
#include <memory>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "bindings/wake_guard.h"
#include "native/quic/configuration.h"
#include "native/quic/environment.h"
#include "native/quic/listener.h"
#include "native/quic/outbox.h"

namespace millrace {

// What one JavaScript thread holds of the engine: `new Environment(rings, slotWords, outbound, pump)`. Checks
// what JavaScript passes only for memory safety; src/native and src/quic validate what users pass.
//
// Members are destroyed in reverse order: the outbox first, the memory's references last.
class EnvironmentWrap final : public Napi::ObjectWrap<EnvironmentWrap> {
 public:
  static Napi::Function Define(Napi::Env env);

  explicit EnvironmentWrap(const Napi::CallbackInfo& info);
  ~EnvironmentWrap() override;

 private:
  Napi::Value ConfigureEngine(const Napi::CallbackInfo& info);
  Napi::Value Configure(const Napi::CallbackInfo& info);
  Napi::Value ReleaseConfiguration(const Napi::CallbackInfo& info);
  Napi::Value Listen(const Napi::CallbackInfo& info);
  Napi::Value Refusals(const Napi::CallbackInfo& info);
  Napi::Value HeedFailures(const Napi::CallbackInfo& info);
  Napi::Value UpdateListener(const Napi::CallbackInfo& info);
  Napi::Value SetTicketKeys(const Napi::CallbackInfo& info);
  Napi::Value CloseListener(const Napi::CallbackInfo& info);
  Napi::Value Connect(const Napi::CallbackInfo& info);
  Napi::Value Launch(const Napi::CallbackInfo& info);
  Napi::Value CloseConnection(const Napi::CallbackInfo& info);
  Napi::Value Authenticate(const Napi::CallbackInfo& info);
  Napi::Value PeerCertificateOf(const Napi::CallbackInfo& info);
  Napi::Value Addresses(const Napi::CallbackInfo& info);
  Napi::Value TakePathChange(const Napi::CallbackInfo& info);
  Napi::Value Rebind(const Napi::CallbackInfo& info);
  Napi::Value RefreshStatistics(const Napi::CallbackInfo& info);
  Napi::Value RequestStatistics(const Napi::CallbackInfo& info);
  Napi::Value UpdateKeys(const Napi::CallbackInfo& info);
  Napi::Value OpenStream(const Napi::CallbackInfo& info);
  Napi::Value ResetStream(const Napi::CallbackInfo& info);
  Napi::Value StopSending(const Napi::CallbackInfo& info);
  Napi::Value SetPriority(const Napi::CallbackInfo& info);
  Napi::Value Flush(const Napi::CallbackInfo& info);
  Napi::Value Send(const Napi::CallbackInfo& info);
  Napi::Value Writev(const Napi::CallbackInfo& info);
  Napi::Value Publish(const Napi::CallbackInfo& info);
  Napi::Value Resume(const Napi::CallbackInfo& info);
  Napi::Value KeepAlive(const Napi::CallbackInfo& info);
  Napi::Value Yield(const Napi::CallbackInfo& info);

  [[nodiscard]] bool Pin(const Napi::CallbackInfo& info);
  [[nodiscard]] Resource* Find(const Napi::CallbackInfo& info, Resource::Kind kind) const;
  void Close() noexcept;

  std::vector<Napi::Reference<Napi::TypedArray>> pinned_;  // the memory behind the spans below
  std::vector<std::span<uint8_t>> rings_;
  std::span<int32_t> slot_words_;
  std::span<uint8_t> outbound_;
  millrace::Ref<WakeGuard> wake_guard_;
  millrace::Ref<Environment> environment_;  // null when construction failed
  std::unique_ptr<Outbox> outbox_;

  // Made on the control thread, named here: written there before the completion is posted, read here after
  // it.
  template <typename T>
  struct Pending : RefCounted<Pending<T>> {
    ~Pending() = default;
    millrace::Ref<T> object;
  };
  using PendingConfigurations = std::vector<std::pair<std::string, millrace::Ref<Pending<Configuration>>>>;
  // [name, configuration][]; empty when one of them is not known.
  [[nodiscard]] PendingConfigurations FindConfigurations(const Napi::Value& value) const;
  // Control thread. Null when one of them failed.
  [[nodiscard]] static millrace::Ref<ServerConfigurations> Collect(const PendingConfigurations& pending,
                                                                   const std::string& credential);

  std::map<uint32_t, millrace::Ref<Pending<Configuration>>> configurations_;
  std::map<uint32_t, millrace::Ref<Pending<Listener>>> listeners_;
  std::map<uint32_t, millrace::Ref<millrace::FailureNotice>> failures_;  // by listener
  uint32_t last_id_ = 0;
};

}  // namespace millrace
