#include "bindings/session_directory_wrap.h"

#include <array>
#include <optional>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "bindings/arguments.h"
#include "native/session/table_layout.h"

namespace millrace {
namespace {

class GuardedSessionWaker final : public SessionWaker {
 public:
  explicit GuardedSessionWaker(Ref<WakeGuard> guard) noexcept : guard_(std::move(guard)) {}
  void Wake() noexcept override { guard_->Wake(); }

 private:
  const Ref<WakeGuard> guard_;
};

Napi::Value Number(const Napi::CallbackInfo& info, double value) {
  return Napi::Number::New(info.Env(), value);
}
Napi::Value Boolean(const Napi::CallbackInfo& info, bool value) {
  return Napi::Boolean::New(info.Env(), value);
}

// Signed, as the table's words are read.
Napi::Value ListOf(const Napi::CallbackInfo& info, const std::vector<SessionClaim>& claims) {
  Napi::Array list = Napi::Array::New(info.Env(), claims.size());
  for (uint32_t index = 0; index < claims.size(); ++index) {
    list.Set(index, static_cast<int32_t>(claims[index]));
  }
  return list;
}

SessionKey KeyOf(uint32_t kind, const uint32_t* id) noexcept {
  const auto pair = [&](size_t at) { return id[at] | (uint64_t{id[at + 1]} << 32); };
  return SessionKey{pair(0), pair(2), kind};
}

// (kind, id as four words)
std::optional<SessionKey> KeyOf(const Napi::CallbackInfo& info) {
  const std::span<uint32_t> words = Elements<uint32_t>(info[1]);
  if (words.size() != 4) return std::nullopt;
  return KeyOf(Uint(info[0]), words.data());
}

}  // namespace

Napi::Function SessionDirectoryWrap::Define(Napi::Env env) {
  using Wrap = SessionDirectoryWrap;
  return DefineClass(env, "SessionDirectory",
                     {
                         InstanceMethod("id", &Wrap::Id),
                         InstanceMethod("join", &Wrap::Join),
                         InstanceMethod("leave", &Wrap::LeaveOf),
                         InstanceMethod("isAlive", &Wrap::IsAlive),
                         InstanceMethod("living", &Wrap::Living),
                         InstanceMethod("ended", &Wrap::Ended),
                         InstanceMethod("bury", &Wrap::Bury),
                         InstanceMethod("wake", &Wrap::Wake),
                         InstanceMethod("lastGeneration", &Wrap::LastGeneration),
                         InstanceMethod("heldCount", &Wrap::HeldCount),
                         InstanceMethod("steal", &Wrap::Steal),
                         InstanceMethod("assign", &Wrap::Assign),
                         InstanceMethod("erase", &Wrap::Erase),
                         InstanceMethod("indexSize", &Wrap::IndexSize),
                     });
}

SessionDirectoryWrap::SessionDirectoryWrap(const Napi::CallbackInfo& info)
    : Napi::ObjectWrap<SessionDirectoryWrap>(info) {
  const uint32_t slots = Uint(info[0]);
  if (slots > kTableMaxSlots) {
    Napi::RangeError::New(info.Env(), "too many slots").ThrowAsJavaScriptException();
    return;
  }
  directory_ =
      slots > 0 ? SessionDirectory::Create(slots, Uint(info[1])) : SessionDirectory::Attach(Uint(info[1]));
  if (!directory_) {
    Napi::Error::New(info.Env(), "no such session directory").ThrowAsJavaScriptException();
    return;
  }
  (void)napi_add_env_cleanup_hook(info.Env(), OnCleanup, this);
  DefineFast(info, "bind", Bind);
  DefineFast(info, "unbind", Unbind);
  DefineFast(info, "ownerOf", OwnerOf);
  DefineFast(info, "find", Find);
  DefineFast(info, "boundGeneration", BoundGeneration);
  DefineFast(info, "isHeld", IsHeld);
}

// A method of this object alone: those that are called for every session, message or slot cost a third of
// what those of the class do, which look for the object first. They live as long as the object does.
void SessionDirectoryWrap::DefineFast(const Napi::CallbackInfo& info, const char* name,
                                      napi_callback method) {
  napi_value function = nullptr;
  if (napi_create_function(info.Env(), name, NAPI_AUTO_LENGTH, method, this, &function) != napi_ok) return;
  (void)napi_set_named_property(info.Env(), info.This(), name, function);
}

SessionDirectoryWrap::~SessionDirectoryWrap() {
  if (directory_) (void)napi_remove_env_cleanup_hook(Env(), OnCleanup, this);
  Leave();
}

void SessionDirectoryWrap::OnCleanup(void* self) {
  static_cast<SessionDirectoryWrap*>(self)->Leave();
}

// The environment's thread, from its cleanup at the latest: afterwards nothing of it runs.
void SessionDirectoryWrap::Leave() noexcept {
  if (wake_guard_) wake_guard_->Close();
  wake_guard_ = {};
  slots_ = nullptr;
  if (!directory_) return;
  if (claim_ != 0) directory_->Leave(std::exchange(claim_, 0));
  directory_->Detach();
  directory_ = {};
}

Napi::Value SessionDirectoryWrap::Id(const Napi::CallbackInfo& info) {
  return Number(info, directory_ ? directory_->id() : 0);
}

// join(wake, changes, table) → claim, or 0
Napi::Value SessionDirectoryWrap::Join(const Napi::CallbackInfo& info) {
  if (!directory_ || claim_ != 0 || !info[0].IsFunction()) return Number(info, 0);
  // Made before the guard's function is used, and removed and added again so that it runs before that is
  // destroyed.
  (void)napi_remove_env_cleanup_hook(info.Env(), OnCleanup, this);
  wake_guard_ = WakeGuard::Open(info.Env(), info[0].As<Napi::Function>());
  (void)napi_add_env_cleanup_hook(info.Env(), OnCleanup, this);
  const std::span<uint32_t> changes = Elements<uint32_t>(info[1]);
  if (!wake_guard_ || changes.empty()) return Number(info, 0);
  changes_ = Napi::Persistent(info[1].As<Napi::Object>());
  const std::span<uint32_t> table = Elements<uint32_t>(info[2]);
  if (table.size_bytes() == TableBytesOf(directory_->slot_count())) {
    table_ = Napi::Persistent(info[2].As<Napi::Object>());
    slots_ = reinterpret_cast<TableSlot*>(table.data() + kTableHeaderBytes / sizeof(uint32_t));
  }
  claim_ =
      directory_->Join(millrace::Ref<SessionWaker>(new GuardedSessionWaker(wake_guard_)), changes.data());
  if (claim_ == 0 || !GiveOwn(info)) {
    wake_guard_->Close();
    wake_guard_ = {};
    if (claim_ != 0) directory_->Leave(std::exchange(claim_, 0));
  }
  return Number(info, static_cast<int32_t>(claim_));  // signed, as the table's words are read
}

// `own` becomes the memory of this environment, as an Int32Array that has no elements once it has left.
bool SessionDirectoryWrap::GiveOwn(const Napi::CallbackInfo& info) {
  const std::span<std::atomic<uint32_t>> words = directory_->OwnWords(claim_);
  // The directory lasts as long as the array does.
  auto* const lease = new millrace::Ref<SessionDirectory>(directory_);
  const auto buffer = Napi::ArrayBuffer::New(
      info.Env(), words.data(), words.size_bytes(),
      [](Napi::Env /*env*/, void* /*data*/, millrace::Ref<SessionDirectory>* hint) { delete hint; }, lease);
  if (info.Env().IsExceptionPending()) {
    delete lease;
    return false;
  }
  own_ = Napi::Persistent(buffer);
  return info.This().As<Napi::Object>().Set("own",
                                            Napi::Int32Array::New(info.Env(), words.size(), buffer, 0));
}

Napi::Value SessionDirectoryWrap::LeaveOf(const Napi::CallbackInfo& info) {
  if (!own_.IsEmpty()) own_.Value().Detach();  // the next one in this place has that memory
  own_.Reset();
  if (directory_) (void)napi_remove_env_cleanup_hook(info.Env(), OnCleanup, this);
  Leave();
  return info.Env().Undefined();
}

Napi::Value SessionDirectoryWrap::IsAlive(const Napi::CallbackInfo& info) {
  return Boolean(info, directory_ && directory_->IsAlive(Uint(info[0])));
}

Napi::Value SessionDirectoryWrap::Living(const Napi::CallbackInfo& info) {
  return ListOf(info, directory_ ? directory_->Living() : std::vector<SessionClaim>());
}

Napi::Value SessionDirectoryWrap::Ended(const Napi::CallbackInfo& info) {
  return ListOf(info, directory_ ? directory_->Ended() : std::vector<SessionClaim>());
}

Napi::Value SessionDirectoryWrap::Bury(const Napi::CallbackInfo& info) {
  if (directory_) directory_->Bury(Uint(info[0]));
  return info.Env().Undefined();
}

Napi::Value SessionDirectoryWrap::Wake(const Napi::CallbackInfo& info) {
  return Boolean(info, directory_ && directory_->Wake(Uint(info[0])));
}

// (slot, generation), both checked
std::pair<uint32_t, uint32_t> SessionDirectoryWrap::SlotOf(napi_env env, napi_callback_info info,
                                                           SessionDirectoryWrap** self) {
  std::array<napi_value, 2> arguments;
  size_t count = arguments.size();
  uint32_t slot = 0;
  uint32_t generation = 0;
  void* data = nullptr;
  if (napi_get_cb_info(env, info, &count, arguments.data(), nullptr, &data) == napi_ok) {
    (void)napi_get_value_uint32(env, arguments[0], &slot);
    (void)napi_get_value_uint32(env, arguments[1], &generation);
  }
  *self = static_cast<SessionDirectoryWrap*>(data);
  return {slot, generation};
}

// bind(slot) → generation, or 0
napi_value SessionDirectoryWrap::Bind(napi_env env, napi_callback_info info) {
  SessionDirectoryWrap* self = nullptr;
  const uint32_t slot = SlotOf(env, info, &self).first;
  napi_value generation = nullptr;
  (void)napi_create_uint32(
      env, self->claim_ != 0 ? self->directory_->Bind(slot, self->claim_ & kEnvironmentMask) : 0,
      &generation);
  return generation;
}

// unbind(slot, generation) → boolean
napi_value SessionDirectoryWrap::Unbind(napi_env env, napi_callback_info info) {
  SessionDirectoryWrap* self = nullptr;
  const auto [slot, generation] = SlotOf(env, info, &self);
  napi_value unbound = nullptr;
  (void)napi_get_boolean(
      env, self->claim_ != 0 && self->directory_->Unbind(slot, generation, self->claim_ & kEnvironmentMask),
      &unbound);
  return unbound;
}

// ownerOf(slot, generation) → environment or -1
napi_value SessionDirectoryWrap::OwnerOf(napi_env env, napi_callback_info info) {
  SessionDirectoryWrap* self = nullptr;
  const auto [slot, generation] = SlotOf(env, info, &self);
  const SessionHandle handle = (SessionHandle{generation} << kHandleSlotBits) | slot;
  const bool is_handle = self->directory_ && slot < kTableMaxSlots;
  napi_value owner = nullptr;
  (void)napi_create_int32(env, is_handle ? self->directory_->OwnerOf(handle) : -1, &owner);
  return owner;
}

// boundGeneration(slot) → generation, or 0
napi_value SessionDirectoryWrap::BoundGeneration(napi_env env, napi_callback_info info) {
  SessionDirectoryWrap* self = nullptr;
  const uint32_t slot = SlotOf(env, info, &self).first;
  napi_value generation = nullptr;
  (void)napi_create_uint32(env, self->directory_ ? self->directory_->BoundGeneration(slot) : 0, &generation);
  return generation;
}

Napi::Value SessionDirectoryWrap::LastGeneration(const Napi::CallbackInfo& info) {
  return Number(info, directory_ ? directory_->LastGeneration(Uint(info[0])) : 0);
}

// isHeld(slot) → boolean
napi_value SessionDirectoryWrap::IsHeld(napi_env env, napi_callback_info info) {
  SessionDirectoryWrap* self = nullptr;
  const uint32_t slot = SlotOf(env, info, &self).first;
  napi_value held = nullptr;
  (void)napi_get_boolean(env, self->directory_ && self->directory_->IsHeld(slot), &held);
  return held;
}

Napi::Value SessionDirectoryWrap::HeldCount(const Napi::CallbackInfo& info) {
  return Number(info, directory_ ? directory_->held_count() : 0);
}

// steal() → handle or 0. No thread of JavaScript ends in here: the slot is in the directory and in the table
// its new environment's, or in neither.
Napi::Value SessionDirectoryWrap::Steal(const Napi::CallbackInfo& info) {
  if (!directory_ || claim_ == 0 || slots_ == nullptr) return Number(info, 0);
  const SessionHandle handle = directory_->Steal(claim_ & kEnvironmentMask);
  if (handle != 0) std::atomic_ref<uint32_t>(slots_[handle & kSlotMask].claim).store(claim_);
  return Number(info, static_cast<double>(handle));
}

// assign(kind, id, handle, keeps) → the handle before, or 0
Napi::Value SessionDirectoryWrap::Assign(const Napi::CallbackInfo& info) {
  const std::optional<SessionKey> key = KeyOf(info);
  if (!directory_ || !key) return Number(info, 0);
  const bool keeps = info[3].IsBoolean() && info[3].As<Napi::Boolean>().Value();
  return Number(info, static_cast<double>(directory_->Assign(*key, Uint64(info[2]), keeps)));
}

// find(kind, id) → handle or 0
napi_value SessionDirectoryWrap::Find(napi_env env, napi_callback_info info) {
  std::array<napi_value, 2> arguments;
  size_t count = arguments.size();
  void* data = nullptr;
  uint32_t kind = 0;
  napi_typedarray_type type = napi_uint8_array;
  size_t length = 0;
  void* id = nullptr;
  SessionHandle handle = 0;
  if (napi_get_cb_info(env, info, &count, arguments.data(), nullptr, &data) == napi_ok &&
      napi_get_value_uint32(env, arguments[0], &kind) == napi_ok &&
      napi_get_typedarray_info(env, arguments[1], &type, &length, &id, nullptr, nullptr) == napi_ok &&
      type == napi_uint32_array && length == 4) {
    const auto* const self = static_cast<SessionDirectoryWrap*>(data);
    if (self->directory_) handle = self->directory_->Find(KeyOf(kind, static_cast<uint32_t*>(id)));
  }
  napi_value found = nullptr;
  (void)napi_create_double(env, static_cast<double>(handle), &found);
  return found;
}

// erase(kind, id, handle) → boolean
Napi::Value SessionDirectoryWrap::Erase(const Napi::CallbackInfo& info) {
  const std::optional<SessionKey> key = KeyOf(info);
  return Boolean(info, directory_ && key && directory_->Erase(*key, Uint64(info[2])));
}

Napi::Value SessionDirectoryWrap::IndexSize(const Napi::CallbackInfo& info) {
  return Number(info, directory_ ? static_cast<double>(directory_->index_size()) : 0);
}

}  // namespace millrace
