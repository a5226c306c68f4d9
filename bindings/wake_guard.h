#pragma once

#include <napi.h>

#include <mutex>

#include "native/memory/ref_counted.h"
#include "native/quic/event_port.h"

namespace millrace {

// Guards a threadsafe function: native threads call it through here, and find it closed once the
// environment's cleanup has begun. Unguarded, Node 20 and 22 abort and later ones hang when a worker is
// terminated under traffic.
class WakeGuard : public RefCounted<WakeGuard> {
 public:
  // JS thread. `pump` is called without arguments, once for each wake. Empty when Node refuses.
  [[nodiscard]] static Ref<WakeGuard> Open(Napi::Env env, Napi::Function pump) noexcept;

  // Any thread.
  void Wake() noexcept;
  // JS thread: whether open work keeps the event loop alive.
  void KeepAlive(Napi::Env env, bool alive) noexcept;
  // JS thread, from the environment's cleanup: no call begins after this has returned.
  void Close() noexcept;

  ~WakeGuard() = default;

 private:
  static void CallPump(napi_env env, napi_value pump, void* context, void* data) noexcept;

  std::mutex mutex_;
  napi_threadsafe_function function_ = nullptr;
  bool closed_ = false;
};

// The engine's view of it; owned by the engine's Environment, which may outlive Node's.
class GuardedWaker final : public Waker {
 public:
  explicit GuardedWaker(Ref<WakeGuard> guard) noexcept : guard_(std::move(guard)) {}
  void Wake() noexcept override { guard_->Wake(); }

 private:
  const Ref<WakeGuard> guard_;
};

}  // namespace millrace
