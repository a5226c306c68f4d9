#include "native/session/session_sender.h"

#include <algorithm>
#include <cstring>
#include <utility>

#include "native/session/slot_words.h"

namespace millrace {
std::optional<SessionSender> SessionSender::Open(SessionDirectory* directory, SessionClaim claim,
                                                 std::span<const std::span<uint8_t>> inboxes) {
  std::vector<Way> ways;
  ways.reserve(inboxes.size());
  for (const std::span<uint8_t> inbox : inboxes) {
    const std::optional<RingWriter> writer = RingWriter::Open(inbox.data(), inbox.size());
    if (!writer) return std::nullopt;
    ways.push_back(Way{.writer = *writer});
  }
  return SessionSender(directory, claim & kEnvironmentMask, std::move(ways));
}

SessionSender::SessionSender(SessionDirectory* directory, uint32_t environment, std::vector<Way> ways)
    : directory_(directory), environment_(environment), ways_(std::move(ways)) {}

InboxResult SessionSender::SendTo(SessionHandle handle, uint16_t kind, std::span<const uint8_t> bytes) {
  const int32_t owner = directory_->OwnerOf(handle);
  if (owner < 0) return InboxResult::kGone;
  const auto receiver = static_cast<uint32_t>(owner);
  if (receiver >= ways_.size() || kind == kRecordPadding) return InboxResult::kRefused;
  Way& way = ways_[receiver];
  if (bytes.size() > way.writer.MaxPayload()) return InboxResult::kRefused;
  const auto length = static_cast<uint32_t>(bytes.size());
  uint8_t* place = way.writer.Reserve(length);
  while (place == nullptr) {
    way.largest_dropped = std::max(way.largest_dropped, length);
    if (way.is_blocked || AwaitsRoom(way)) return InboxResult::kDropped;
    place = way.writer.Reserve(length);
  }
  if (length > 0) std::memcpy(place, bytes.data(), length);
  const RecordHeader header{.length = length,
                            .kind = kind,
                            .flags = 0,
                            .slot = SlotOfHandle(handle),
                            .generation = static_cast<uint32_t>(handle >> kHandleSlotBits),
                            .stream = environment_,
                            .reserved = 0};
  if (way.writer.Commit(header)) directory_->Wake(receiver);
  if (way.writer.HasBytes(way.writer.capacity() / 2 + kRecordAlignment)) return InboxResult::kSent;
  return way.is_blocked || AwaitsRoom(way) ? InboxResult::kBlocked : InboxResult::kSent;
}

bool SessionSender::IsBlocked(uint32_t receiver) {
  if (receiver >= ways_.size() || !ways_[receiver].is_blocked) return false;
  if (directory_->Wake(receiver)) return AwaitsRoom(ways_[receiver]);
  ways_[receiver].is_blocked = false;
  ways_[receiver].largest_dropped = 0;
  return false;
}

// Asks the receiver to say when there is room: at half of the mark, and for the largest of what was dropped
// wherever it falls. False when there is that already, and nothing will be said.
bool SessionSender::AwaitsRoom(Way& way) {
  const uint32_t capacity = way.writer.capacity();
  const uint32_t anywhere = 2 * (RecordBytes(way.largest_dropped) + kRecordAlignment);
  way.writer.MarkStarved();
  // The mark first, then the look: a reader gives room, then looks at the mark.
  way.is_blocked = !way.writer.HasBytes(std::min(capacity, std::max(capacity / 4 * 3, anywhere)));
  if (!way.is_blocked) way.largest_dropped = 0;
  return way.is_blocked;
}

}  // namespace millrace
