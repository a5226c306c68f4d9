#include "bindings/wake_guard.h"

namespace millrace {

Ref<WakeGuard> WakeGuard::Open(Napi::Env env, Napi::Function pump) noexcept {
  Ref<WakeGuard> guard = MakeRef<WakeGuard>();
  const napi_value name = Napi::String::New(env, "millrace:wake");
  const auto finalize = [](napi_env, void*, void* context) {
    const Ref<WakeGuard> lease = Ref<WakeGuard>::Adopt(static_cast<WakeGuard*>(context));
  };
  // No queue limit: calls are coalesced, so at most a few wait.
  if (napi_create_threadsafe_function(env, pump, nullptr, name, 0, 1, nullptr, finalize, guard.get(),
                                      CallPump, &guard->function_) != napi_ok) {
    return {};
  }
  guard->AddRef();  // the finalizer's
  (void)napi_unref_threadsafe_function(env, guard->function_);
  return guard;
}

void WakeGuard::Wake() noexcept {
  const std::lock_guard lock(mutex_);
  if (!closed_) (void)napi_call_threadsafe_function(function_, nullptr, napi_tsfn_nonblocking);
}

void WakeGuard::KeepAlive(Napi::Env env, bool alive) noexcept {
  const std::lock_guard lock(mutex_);
  if (closed_) return;
  (void)(alive ? napi_ref_threadsafe_function(env, function_)
               : napi_unref_threadsafe_function(env, function_));
}

void WakeGuard::Close() noexcept {
  const std::lock_guard lock(mutex_);
  if (closed_) return;
  closed_ = true;
  (void)napi_release_threadsafe_function(function_, napi_tsfn_abort);
}

void WakeGuard::CallPump(napi_env env, napi_value pump, void*, void*) noexcept {
  if (env == nullptr) return;  // the environment is going away
  napi_value undefined = nullptr;
  if (napi_get_undefined(env, &undefined) != napi_ok) return;
  if (napi_call_function(env, undefined, pump, 0, nullptr, nullptr) != napi_pending_exception) return;
  // What is thrown inside this callback would be swallowed (DEP0168): make it an uncaught exception.
  napi_value error = nullptr;
  if (napi_get_and_clear_last_exception(env, &error) == napi_ok) (void)napi_fatal_exception(env, error);
}

}  // namespace millrace
