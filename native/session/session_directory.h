#pragma once

#include <array>
#include <atomic>
#include <cstdint>
#include <mutex>
#include <vector>

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
  // For so many slots. Others attach by its id, as long as somebody is attached.
  [[nodiscard]] static Ref<SessionDirectory> Create(uint32_t slot_count);
  // Empty when there is none.
  [[nodiscard]] static Ref<SessionDirectory> Attach(uint32_t id);
  // Once for each Create and Attach.
  void Detach() noexcept;
  ~SessionDirectory() = default;

  // Notes that `environment` has the slot in this generation. False when somebody has it, or had it in this
  // generation or a later one.
  bool Bind(uint32_t slot, uint32_t generation, uint32_t environment) noexcept;
  bool Unbind(uint32_t slot, uint32_t generation) noexcept;
  // 0 when nobody has it.
  [[nodiscard]] uint32_t BoundGeneration(uint32_t slot) const noexcept;
  [[nodiscard]] uint32_t LastGeneration(uint32_t slot) const noexcept;
  // The environment that has the session, or -1.
  [[nodiscard]] int32_t OwnerOf(SessionHandle handle) const noexcept;

  void Assign(const SessionKey& key, SessionHandle handle);
  // 0 when the id names no session that lives.
  [[nodiscard]] SessionHandle Find(const SessionKey& key) const;
  bool Erase(const SessionKey& key, SessionHandle handle);
  [[nodiscard]] size_t index_size() const { return index_.size(); }

  // An environment lives until Leave, which frees every slot that it has. False when that place is taken.
  [[nodiscard]] bool Join(SessionClaim claim, Ref<SessionWaker> waker);
  void Leave(SessionClaim claim) noexcept;
  // False when there is no such environment any more.
  bool Wake(uint32_t environment) noexcept;
  // Claims that have left and not been buried.
  [[nodiscard]] std::vector<SessionClaim> Ended() const;
  // Everybody's table has been told.
  void Bury(SessionClaim claim) noexcept;

  [[nodiscard]] uint32_t id() const noexcept { return id_; }
  [[nodiscard]] uint32_t slot_count() const noexcept { return static_cast<uint32_t>(slots_.size()); }

  SessionDirectory(uint32_t id, uint32_t slot_count, uint64_t seed);

 private:
  struct Environment {
    SessionClaim claim = 0;
    bool ended = false;
    Ref<SessionWaker> waker;
  };

  [[nodiscard]] bool IsLive(SessionHandle handle) const noexcept { return OwnerOf(handle) >= 0; }

  const uint32_t id_;
  uint32_t attached_ = 1;  // under the registry's lock
  // The last generation, above 0 or the environment that has it + 1 (8 bits).
  std::vector<std::atomic<uint64_t>> slots_;
  SessionIndex index_;
  mutable std::mutex mutex_;  // of environments_; held for a few instructions
  std::array<Environment, kTableMaxEnvironments> environments_;
};

}  // namespace millrace
