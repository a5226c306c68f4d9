// C++ threads that work with a session table while JavaScript does, and a directory for both: what
// bindings/session_directory_wrap.cc is to Sessions, without its environments.

#include <napi.h>

#include <atomic>
#include <cstdint>
#include <cstring>
#include <random>
#include <semaphore>
#include <span>
#include <thread>
#include <utility>
#include <vector>

#include "bindings/arguments.h"
#include "native/session/session_directory.h"
#include "native/session/session_numbers.h"
#include "native/session/session_sender.h"
#include "native/session/session_table.h"

namespace millrace {
namespace {

// JavaScript asks how often; a thread of C++ waits for it.
class CountingWaker final : public SessionWaker {
 public:
  void Wake() noexcept override {
    ++wakes_of_all;
    woken.release();
  }
  std::counting_semaphore<> woken{0};
  inline static std::atomic<uint32_t> wakes_of_all{0};
};

// One directory and one set of threads, for one test at a time. `create` begins anew.
Ref<SessionDirectory>& Directory() {
  static auto& directory = *new Ref<SessionDirectory>;
  return directory;
}

SessionClaim Join(CountingWaker* waker = new CountingWaker) {
  return Directory()->Join(Ref<SessionWaker>(waker));
}

struct Crew {
  std::vector<std::thread> threads;
  std::atomic<bool> stop{false};
  std::atomic<uint32_t> failures{0};
  std::atomic<uint32_t> sessions{0};
};
Crew& TheCrew() {
  static Crew& crew = *new Crew;
  return crew;
}

// Allocates, opens, touches and releases, and looks that what it has is its own alone. `holders` has a word
// for each slot, which says who has it.
void Work(SessionTable table, uint32_t* holders, uint32_t self) {
  Crew& crew = TheCrew();
  const SessionClaim claim = Join();
  const auto check = [&](bool holds) { crew.failures += holds ? 0 : 1; };
  check(claim != 0);
  const auto holder = [&](SessionHandle handle) {
    return std::atomic_ref<uint32_t>(holders[handle & (kTableMaxSlots - 1)]);
  };
  std::mt19937 random(self);
  std::vector<SessionHandle> held;
  const auto release = [&](size_t index) {
    const SessionHandle handle = held[index];
    held[index] = held.back();
    held.pop_back();
    check(holder(handle).exchange(0) == self);
    check(GetNumber(table, handle, SessionNumber::kQueuedBytes) == self);
    const std::optional<SessionIdentity> opened_as = IdentityOf(table, handle);
    check(opened_as && opened_as->transport == self);
    check(table.StartClose(handle) && table.FinishClose(handle, claim) && table.Release(handle, claim));
    check(!table.Lookup(handle).has_value());
    check(Directory()->OwnerOf(handle) < 0);
  };
  const SessionIdentity identity{.transport = self, .connection = 2, .id = {3, 4, 5, 6}};
  for (uint32_t round = 1; !crew.stop; ++round) {
    if (held.size() < table.slot_count() / 4 && random() % 2 == 0) {
      const std::optional<SessionHandle> handle = table.Allocate(claim);
      if (!handle) continue;
      check(holder(*handle).exchange(self) == 0);
      check(table.Open(*handle, identity, round));
      check(AddNumber(table, *handle, SessionNumber::kQueuedBytes, self));
      held.push_back(*handle);
      ++crew.sessions;
    } else if (!held.empty()) {
      const size_t index = random() % held.size();
      check(table.Touch(held[index], round));
      check(table.Lookup(held[index]) == SlotState::kOpen);
      if (random() % 2 == 0) release(index);
    }
  }
  while (!held.empty()) release(held.size() - 1);
  Directory()->Leave(claim);
}

// An environment of C++ that sends so many numbers to a session, and waits whenever it is told to, or not.
void SendNumbers(std::vector<std::span<uint8_t>> inboxes, SessionHandle handle, uint32_t count) {
  Crew& crew = TheCrew();
  auto* const waker = new CountingWaker;
  const Ref<SessionWaker> lease(waker);
  const SessionClaim claim = Join(waker);
  std::optional<SessionSender> sender = SessionSender::Open(Directory().get(), claim, inboxes);
  const int32_t owner = Directory()->OwnerOf(handle);
  if (claim == 0 || !sender || owner < 0) {
    ++crew.failures;
    return;
  }
  std::vector<uint8_t> bytes(10'000);
  for (uint32_t number = 0; number < count && !crew.stop;) {
    std::memcpy(bytes.data(), &number, sizeof(number));
    const size_t length = number % 64 == 0 ? bytes.size() : sizeof(number) + number % 100;
    const InboxResult result = sender->SendTo(handle, 7, {bytes.data(), length});
    if (result == InboxResult::kSent || result == InboxResult::kBlocked) ++number;
    if (result == InboxResult::kGone || result == InboxResult::kRefused) break;
    if (result == InboxResult::kSent || (result == InboxResult::kBlocked && number % 16 != 0)) continue;
    while (!crew.stop && sender->IsBlocked(static_cast<uint32_t>(owner))) waker->woken.acquire();
  }
  crew.failures +=
      sender->SendTo(handle + (SessionHandle{1} << kHandleSlotBits), 7, {}) == InboxResult::kGone ? 0 : 1;
  Directory()->Leave(claim);
}

// send(inboxes, slot, generation, count): the caller keeps the memories until `finish`.
void Send(const Napi::CallbackInfo& info) {
  const auto list = info[0].As<Napi::Array>();
  std::vector<std::span<uint8_t>> inboxes;
  for (uint32_t index = 0; index < list.Length(); ++index) {
    const std::span<uint32_t> words = Elements<uint32_t>(list[index]);
    inboxes.emplace_back(reinterpret_cast<uint8_t*>(words.data()), words.size_bytes());
  }
  const SessionHandle handle = (SessionHandle{Uint(info[2])} << kHandleSlotBits) | Uint(info[1]);
  TheCrew().stop = false;
  TheCrew().failures = 0;
  TheCrew().threads.emplace_back(SendNumbers, std::move(inboxes), handle, Uint(info[3]));
}

// create(slots, environments)
void Create(const Napi::CallbackInfo& info) {
  if (Directory()) Directory()->Detach();
  Directory() = SessionDirectory::Create(Uint(info[0]), Uint(info[1]));
}

// start(table, holders, threads): the caller keeps both memories until `finish`.
Napi::Value Start(const Napi::CallbackInfo& info) {
  const std::span<uint32_t> words = Elements<uint32_t>(info[0]);
  const std::span<uint32_t> holders = Elements<uint32_t>(info[1]);
  const std::optional<SessionTable> table =
      SessionTable::Open(reinterpret_cast<uint8_t*>(words.data()), words.size_bytes(), Directory().get());
  if (!table || holders.size() < table->slot_count()) return Napi::Boolean::New(info.Env(), false);
  Crew& crew = TheCrew();
  crew.stop = false;
  crew.failures = 0;
  crew.sessions = 0;
  for (uint32_t thread = 0; thread < Uint(info[2]); ++thread) {
    crew.threads.emplace_back(Work, *table, holders.data(), 1'000 + thread);
  }
  return Napi::Boolean::New(info.Env(), true);
}

// own(claim) → what that environment has, for its table
Napi::Value Own(const Napi::CallbackInfo& info) {
  const std::span<std::atomic<uint32_t>> words = Directory()->OwnWords(Uint(info[0]));
  auto* const lease = new Ref<SessionDirectory>(Directory());
  const auto buffer = Napi::ArrayBuffer::New(
      info.Env(), words.data(), words.size_bytes(),
      [](Napi::Env /*env*/, void* /*data*/, Ref<SessionDirectory>* hint) { delete hint; }, lease);
  return Napi::Int32Array::New(info.Env(), words.size(), buffer, 0);
}

// sessions() → how many the threads have had
Napi::Value Sessions(const Napi::CallbackInfo& info) {
  return Napi::Number::New(info.Env(), TheCrew().sessions);
}

// finish() → what went wrong
Napi::Value Finish(const Napi::CallbackInfo& info) {
  Crew& crew = TheCrew();
  crew.stop = true;
  for (std::thread& thread : crew.threads) thread.join();
  crew.threads.clear();
  return Napi::Number::New(info.Env(), crew.failures);
}

template <typename Method>
void Export(Napi::Object exports, const char* name, Method method) {
  exports.Set(name, Napi::Function::New(exports.Env(), [method](const Napi::CallbackInfo& info) {
                return Napi::Number::New(info.Env(), static_cast<double>(method(info)));
              }));
}

// What SlotDirectory of src/session/directory.ts asks for, in the words of Bind and the others.
Napi::Object Init(Napi::Env env, Napi::Object exports) {
  using Info = Napi::CallbackInfo;
  exports.Set("create", Napi::Function::New(env, Create));
  exports.Set("start", Napi::Function::New(env, Start));
  exports.Set("send", Napi::Function::New(env, Send));
  exports.Set("own", Napi::Function::New(env, Own));
  exports.Set("sessions", Napi::Function::New(env, Sessions));
  exports.Set("finish", Napi::Function::New(env, Finish));
  // Signed, as the table's words are read.
  Export(exports, "join", [](const Info&) { return static_cast<int32_t>(Join()); });
  Export(exports, "leave", [](const Info& info) {
    Directory()->Leave(Uint(info[0]));
    return 0;
  });
  Export(exports, "bind", [](const Info& info) { return Directory()->Bind(Uint(info[0]), Uint(info[1])); });
  Export(exports, "steal", [](const Info& info) { return Directory()->Steal(Uint(info[0])); });
  Export(exports, "isHeld", [](const Info& info) { return Directory()->IsHeld(Uint(info[0])); });
  Export(exports, "unbind",
         [](const Info& info) { return Directory()->Unbind(Uint(info[0]), Uint(info[1]), Uint(info[2])); });
  Export(exports, "boundGeneration",
         [](const Info& info) { return Directory()->BoundGeneration(Uint(info[0])); });
  Export(exports, "lastGeneration",
         [](const Info& info) { return Directory()->LastGeneration(Uint(info[0])); });
  Export(exports, "wakes", [](const Info&) { return CountingWaker::wakes_of_all.load(); });
  Export(exports, "wake", [](const Info& info) { return Directory()->Wake(Uint(info[0])); });
  Export(exports, "heldCount", [](const Info&) { return Directory()->held_count(); });
  Export(exports, "ownerOf", [](const Info& info) {
    return Directory()->OwnerOf((SessionHandle{Uint(info[1])} << kHandleSlotBits) | Uint(info[0]));
  });
  return exports;
}

NODE_API_MODULE(session_threads, Init)

}  // namespace
}  // namespace millrace
