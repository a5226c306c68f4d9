#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include "native/ring/ring.h"
#include "native/session/session_directory.h"
#include "native/session/session_table.h"

namespace millrace {

// What became of what was sent to a session, in the words of src/session/sessions.ts.
enum class InboxResult : uint8_t {
  kSent,     // taken
  kBlocked,  // taken, and the inbox is at its high-water mark, half of it: wait until IsBlocked says no
  kDropped,  // not taken, since it found no room: wait likewise
  kGone,     // not taken, since the session lives no longer
  kRefused,  // not taken, and never: kind 0, more than half of an inbox, or an owner without an inbox
};

// An environment of C++ hands frames and commands to the environments that have sessions, as Sessions.sendTo
// does in JavaScript. One thread at a time uses it: an inbox has one producer.
class SessionSender {
 public:
  // `claim` is what the directory gave this environment, `inboxes` its rings, by the receiver's number. The
  // caller keeps both alive. Empty when one of them is no ring.
  [[nodiscard]] static std::optional<SessionSender> Open(SessionDirectory* directory, SessionClaim claim,
                                                         std::span<const std::span<uint8_t>> inboxes);

  // Copies the bytes, and wakes the owner when it sleeps. `kind` is the receiver's.
  [[nodiscard]] InboxResult SendTo(SessionHandle handle, uint16_t kind, std::span<const uint8_t> bytes);

  // Whether a receiver that blocked, or dropped, has no room yet: its inbox is not below half of the mark.
  // When it has, it wakes this environment, whose SessionWaker then asks here; and one that has ended counts
  // as room, since its sessions are gone.
  [[nodiscard]] bool IsBlocked(uint32_t receiver);

 private:
  struct Way {
    RingWriter writer;
    bool is_blocked = false;
    uint32_t largest_dropped = 0;
  };

  SessionSender(SessionDirectory* directory, uint32_t environment, std::vector<Way> ways);
  [[nodiscard]] static bool AwaitsRoom(Way& way);

  SessionDirectory* directory_;  // (non-owning)
  uint32_t environment_;
  std::vector<Way> ways_;
};

}  // namespace millrace
