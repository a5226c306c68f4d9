#pragma once

#include <array>
#include <atomic>
#include <cstdint>
#include <mutex>
#include <span>
#include <vector>

#include "native/memory/large_pages.h"
#include "native/memory/ref_counted.h"
#include "native/session/session_index.h"
#include "native/session/session_table.h"
#include "native/session/table_layout.h"

namespace millrace {

// Wakes an environment's event loop. Any thread calls it; it returns at once.
class SessionWaker : public RefCounted<SessionWaker> {
 public:
  virtual void Wake() noexcept = 0;
  virtual ~SessionWaker() = default;
};

// What a session table is checked against, in memory that no script can write: who has which slot, what ids
// name, and which environments live. One for all environments of a table; whoever scribbles over the table
// changes nothing here.
class SessionDirectory : public RefCounted<SessionDirectory> {
 public:
  // For so many slots, and 1 to kTableMaxEnvironments environments at once. Others attach by its id, as long
  // as somebody is attached.
  [[nodiscard]] static Ref<SessionDirectory> Create(uint32_t slot_count, uint32_t max_environments);
  // Empty when there is none.
  [[nodiscard]] static Ref<SessionDirectory> Attach(uint32_t id);
  // Once for each Create and Attach.
  void Detach() noexcept;
  ~SessionDirectory() = default;

  // Bind, Unbind, Steal and Leave of one environment are its own thread's.
  // Gives a slot that nobody has to `environment`, for a session of a generation that none had there: that
  // generation, or 0 when somebody has the slot.
  uint32_t Bind(uint32_t slot, uint32_t environment) noexcept;
  // Ends that. False when the environment has no such session.
  bool Unbind(uint32_t slot, uint32_t generation, uint32_t environment) noexcept;
  // Gives a slot that some environment keeps to this one, as Bind does: the session's handle, or 0 when none
  // is kept.
  SessionHandle Steal(uint32_t environment) noexcept;
  // Whether some environment has the slot: for a session, or kept.
  [[nodiscard]] bool IsHeld(uint32_t slot) const noexcept;
  // How many slots are so.
  [[nodiscard]] uint32_t held_count() const noexcept;
  // The generation of the session that lives there; 0 when none does.
  [[nodiscard]] uint32_t BoundGeneration(uint32_t slot) const noexcept;
  // Of the last session there.
  [[nodiscard]] uint32_t LastGeneration(uint32_t slot) const noexcept;
  // The environment that has the session, or -1.
  [[nodiscard]] int32_t OwnerOf(SessionHandle handle) const noexcept;
  // The memory of an environment that has joined, as table_layout.h draws it: its thread alone writes there,
  // but for what Steal takes out. It lasts as long as the directory does.
  [[nodiscard]] std::span<std::atomic<uint32_t>> OwnWords(SessionClaim claim) noexcept;

  // The id names that session from now on; with `keeps` only where it named none that lives. Returns the one
  // that it named before, or 0.
  SessionHandle Assign(const SessionKey& key, SessionHandle handle, bool keeps = false);
  // 0 when the id names no session that lives.
  [[nodiscard]] SessionHandle Find(const SessionKey& key) const;
  bool Erase(const SessionKey& key, SessionHandle handle);
  [[nodiscard]] size_t index_size() const { return index_.size(); }

  // Gives an environment a place, and a claim that nobody had there; 0 when all places are taken. It has both
  // until Leave, which frees every slot that it has, and the place for the next one: what it left in the
  // table says its claim, and not the next one's.
  // `changes`, where there is one, is counted up whenever another has joined or left; it lasts until Leave.
  [[nodiscard]] SessionClaim Join(Ref<SessionWaker> waker, uint32_t* changes = nullptr);
  void Leave(SessionClaim claim) noexcept;
  [[nodiscard]] bool IsAlive(SessionClaim claim) const noexcept;
  // False when there is no such environment any more.
  bool Wake(uint32_t environment) noexcept;
  // The claims of those that have joined and not left, by their places.
  [[nodiscard]] std::vector<SessionClaim> Living() const;
  // Claims that have left, and may be in the table still.
  [[nodiscard]] std::vector<SessionClaim> Ended() const;
  // Nothing in the table says this claim any more.
  void Bury(SessionClaim claim) noexcept;

  [[nodiscard]] uint32_t id() const noexcept { return id_; }
  [[nodiscard]] uint32_t slot_count() const noexcept { return slot_count_; }

  SessionDirectory(uint32_t id, uint32_t slot_count, uint32_t max_environments, uint64_t seed);

 private:
  struct Place {
    SessionClaim claim = 0;  // 0: vacant
    uint32_t epoch = 0;      // of the last claim
    Ref<SessionWaker> waker;
    uint32_t* changes = nullptr;  // (non-owning)
  };
  using Word = std::atomic<uint32_t>;
  using Words = std::vector<Word, LargePageAllocator<Word>>;
  using Holders = std::vector<std::atomic<uint8_t>, LargePageAllocator<std::atomic<uint8_t>>>;

  struct alignas(kCacheLineBytes) HeldCount {
    std::atomic<int32_t> count{0};
  };

  // A slot's word in an environment's own memory.
  [[nodiscard]] Word& OwnSlot(uint32_t environment, uint32_t slot) const noexcept;
  [[nodiscard]] SessionHandle StealFrom(uint32_t place, uint32_t environment) noexcept;
  [[nodiscard]] bool IsLive(SessionHandle handle) const noexcept { return OwnerOf(handle) >= 0; }
  // Under the lock.
  void CountChange() noexcept;

  const uint32_t id_;
  uint32_t attached_ = 1;  // under the registry's lock
  const uint32_t slot_count_;
  Holders holders_;  // of each slot: 0 or the environment that has it + 1
  Words last_;       // the last generation of each slot that nobody has
  SessionIndex index_;
  std::array<HeldCount, kTableMaxEnvironments> held_counts_;
  std::array<Words, kTableMaxEnvironments> own_;                 // of places that somebody ever had
  std::array<std::atomic<Word*>, kTableMaxEnvironments> slots_;  // in there: where the slots begin
  mutable std::mutex mutex_;  // of the two below, and of Steal; held for microseconds
  std::vector<Place> places_;
  std::vector<SessionClaim> ended_;
};

}  // namespace millrace
