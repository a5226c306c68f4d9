#include "native/session/session_numbers.h"

#include <atomic>

#include "native/session/slot_words.h"

namespace millrace {
namespace {

uint32_t& WordOf(const SessionTable& table, SessionHandle handle, SessionNumber number) noexcept {
  return (&table.At(SlotOfHandle(handle)).state)[static_cast<uint32_t>(number)];
}

}  // namespace

bool SetNumber(const SessionTable& table, SessionHandle handle, SessionNumber number,
               uint32_t value) noexcept {
  if (!table.Lookup(handle)) return false;
  std::atomic_ref<uint32_t>(WordOf(table, handle, number)).store(value);
  return true;
}

bool AddNumber(const SessionTable& table, SessionHandle handle, SessionNumber number,
               uint32_t value) noexcept {
  if (!table.Lookup(handle)) return false;
  std::atomic_ref<uint32_t>(WordOf(table, handle, number)).fetch_add(value);
  return true;
}

std::optional<uint32_t> GetNumber(const SessionTable& table, SessionHandle handle,
                                  SessionNumber number) noexcept {
  if (!table.Lookup(handle)) return std::nullopt;
  const uint32_t value = LoadWord(WordOf(table, handle, number));
  // The number first: whose handle is not stale behind it, whose number it was.
  if (!table.Lookup(handle)) return std::nullopt;
  return value;
}

std::optional<SessionIdentity> IdentityOf(const SessionTable& table, SessionHandle handle) noexcept {
  const std::optional<SlotState> state = table.Lookup(handle);
  if (!state || *state == SlotState::kOpening) return std::nullopt;
  TableSlot& slot = table.At(SlotOfHandle(handle));
  SessionIdentity identity{
      .transport = LoadWord(slot.transport), .connection = LoadWord(slot.connection), .id = {}};
  for (uint32_t word = 0; word < identity.id.size(); ++word) {
    identity.id[word] = LoadWord(slot.session_id[word]);
  }
  if (!table.Lookup(handle)) return std::nullopt;
  return identity;
}

}  // namespace millrace
