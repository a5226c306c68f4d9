#pragma once

#include <napi.h>

#include <utility>

#include "bindings/wake_guard.h"
#include "native/session/session_directory.h"

namespace millrace {

// One environment's hold of a session directory: `new SessionDirectory(slotCount,
// maxEnvironments)` makes one, `new SessionDirectory(0, id)` attaches to one that another environment has.
// When the environment ends, or the object is collected, the directory frees what the environment had.
class SessionDirectoryWrap final : public Napi::ObjectWrap<SessionDirectoryWrap> {
 public:
  static Napi::Function Define(Napi::Env env);

  explicit SessionDirectoryWrap(const Napi::CallbackInfo& info);
  ~SessionDirectoryWrap() override;

 private:
  Napi::Value Id(const Napi::CallbackInfo& info);
  Napi::Value Join(const Napi::CallbackInfo& info);
  Napi::Value LeaveOf(const Napi::CallbackInfo& info);
  Napi::Value IsAlive(const Napi::CallbackInfo& info);
  Napi::Value Living(const Napi::CallbackInfo& info);
  Napi::Value Ended(const Napi::CallbackInfo& info);
  Napi::Value Bury(const Napi::CallbackInfo& info);
  Napi::Value Wake(const Napi::CallbackInfo& info);
  Napi::Value LastGeneration(const Napi::CallbackInfo& info);
  Napi::Value HeldCount(const Napi::CallbackInfo& info);
  Napi::Value Steal(const Napi::CallbackInfo& info);
  Napi::Value Assign(const Napi::CallbackInfo& info);
  Napi::Value Erase(const Napi::CallbackInfo& info);
  Napi::Value IndexSize(const Napi::CallbackInfo& info);

  void DefineFast(const Napi::CallbackInfo& info, const char* name, napi_callback method);
  static std::pair<uint32_t, uint32_t> SlotOf(napi_env env, napi_callback_info info,
                                              SessionDirectoryWrap** self);
  static napi_value Bind(napi_env env, napi_callback_info info);
  static napi_value OwnerOf(napi_env env, napi_callback_info info);
  static napi_value Find(napi_env env, napi_callback_info info);
  static napi_value Unbind(napi_env env, napi_callback_info info);
  static napi_value BoundGeneration(napi_env env, napi_callback_info info);
  static napi_value IsHeld(napi_env env, napi_callback_info info);

  bool GiveOwn(const Napi::CallbackInfo& info);
  static void OnCleanup(void* self);
  void Leave() noexcept;

  millrace::Ref<SessionDirectory> directory_;  // null when construction failed, and after the cleanup
  millrace::Ref<WakeGuard> wake_guard_;
  SessionClaim claim_ = 0;                  // 0: has not joined
  Napi::ObjectReference changes_;           // keeps the word that the directory counts up
  Napi::ObjectReference table_;             // keeps the slots
  TableSlot* slots_ = nullptr;              // of the table; null: not known
  Napi::Reference<Napi::ArrayBuffer> own_;  // what `own` gave out; detached when the environment leaves
};

}  // namespace millrace
