#include "bindings/constants.h"

#include <msquic.h>

#include <cerrno>
#include <cstddef>
#include <cstdint>
#include <utility>

#include "native/quic/connection_options.h"
#include "native/quic/events.h"
#include "native/quic/statistics.h"
#include "native/ring/ring_layout.h"
#include "native/session/table_layout.h"

namespace millrace {
namespace {

using Entry = std::pair<const char*, uint32_t>;

template <size_t N>
Napi::Object Group(Napi::Env env, const Entry (&entries)[N]) {
  Napi::Object group = Napi::Object::New(env);
  for (const Entry& entry : entries) group.Set(entry.first, entry.second);
  return group;
}

Napi::Object StatisticIndices(Napi::Env env) {
  Napi::Object indices = Napi::Object::New(env);
  uint32_t index = 0;
  for (const StatisticField& field : StatisticFields()) indices.Set(field.name, index++);
  return indices;
}

constexpr uint32_t Of(EventKind kind) noexcept {
  return static_cast<uint32_t>(kind);
}
constexpr uint32_t Of(DatagramOutcome outcome) noexcept {
  return static_cast<uint32_t>(outcome);
}
constexpr uint32_t Of(CommandKind kind) noexcept {
  return static_cast<uint32_t>(kind);
}
constexpr uint32_t Of(SlotState state) noexcept {
  return static_cast<uint32_t>(state);
}

void AddSessionTable(Napi::Object constants) {
  const Napi::Env env = constants.Env();
  constants.Set("table", Group(env, {
                                        {"tableMagic", kTableMagic},
                                        {"tableVersion", kTableVersion},
                                        {"tableHeaderBytes", kTableHeaderBytes},
                                        {"tableMinSlots", kTableMinSlots},
                                        {"tableMaxSlots", kTableMaxSlots},
                                        {"tableMagicOffset", offsetof(TableHeader, magic)},
                                        {"tableVersionOffset", offsetof(TableHeader, version)},
                                        {"tableSlotCountOffset", offsetof(TableHeader, slot_count)},
                                        {"tableCellCountOffset", offsetof(TableHeader, cell_count)},
                                        {"tableHeadOffset", offsetof(TableHeader, head)},
                                        {"tableTailOffset", offsetof(TableHeader, tail)},
                                        {"tableSuspectOffset", offsetof(TableHeader, suspect)},
                                        {"tableRebuilderOffset", offsetof(TableHeader, rebuilder)},
                                        {"tableDamagedOffset", offsetof(TableHeader, damaged)},
                                        {"tableQuarantinedOffset", offsetof(TableHeader, quarantined)},
                                        {"tableRecoveredOffset", offsetof(TableHeader, recovered)},
                                        {"tableMaxEnvironments", kTableMaxEnvironments},
                                        {"slotBytes", kSlotBytes},
                                        {"slotStateOffset", offsetof(TableSlot, state)},
                                        {"slotClaimOffset", offsetof(TableSlot, claim)},
                                        {"slotTransportOffset", offsetof(TableSlot, transport)},
                                        {"slotConnectionOffset", offsetof(TableSlot, connection)},
                                        {"slotSessionIdOffset", offsetof(TableSlot, session_id)},
                                        {"slotLastActivityOffset", offsetof(TableSlot, last_activity)},
                                        {"slotRoundTripUsOffset", offsetof(TableSlot, round_trip_us)},
                                        {"slotQueuedBytesOffset", offsetof(TableSlot, queued_bytes)},
                                        {"slotSendSequenceOffset", offsetof(TableSlot, send_sequence)},
                                        {"slotReceiveSequenceOffset", offsetof(TableSlot, receive_sequence)},
                                        {"slotAckSequenceOffset", offsetof(TableSlot, ack_sequence)},
                                        {"slotMessagesOffset", offsetof(TableSlot, messages)},
                                        {"slotCheckOffset", offsetof(TableSlot, check)},
                                        {"stateBits", kSlotStateBits},
                                        {"generationBits", kGenerationBits},
                                        {"claimEnvironmentBits", kClaimEnvironmentBits},
                                        {"epochBits", kEpochBits},
                                        {"ownHeaderWords", kOwnHeaderWords},
                                        {"maxKeptSlots", kMaxKeptSlots},
                                    }));
  constants.Set("slotState", Group(env, {
                                            {"free", Of(SlotState::kFree)},
                                            {"opening", Of(SlotState::kOpening)},
                                            {"open", Of(SlotState::kOpen)},
                                            {"closing", Of(SlotState::kClosing)},
                                            {"closed", Of(SlotState::kClosed)},
                                            {"quarantined", Of(SlotState::kQuarantined)},
                                        }));
}

}  // namespace

Napi::Object Constants(Napi::Env env) {
  Napi::Object constants = Napi::Object::New(env);
  constants.Set("ring", Group(env, {
                                       {"magic", kRingMagic},
                                       {"version", kRingVersion},
                                       {"headerBytes", kRingHeaderBytes},
                                       {"minCapacity", kRingMinCapacity},
                                       {"maxCapacity", kRingMaxCapacity},
                                       {"magicOffset", offsetof(RingHeader, magic)},
                                       {"versionOffset", offsetof(RingHeader, version)},
                                       {"capacityOffset", offsetof(RingHeader, capacity)},
                                       {"tailOffset", offsetof(RingHeader, tail)},
                                       {"headOffset", offsetof(RingHeader, head)},
                                       {"sleepingOffset", offsetof(RingHeader, sleeping)},
                                       {"starvedOffset", offsetof(RingHeader, starved)},
                                       {"recordHeaderBytes", kRecordHeaderBytes},
                                       {"recordAlignment", kRecordAlignment},
                                       {"recordPadding", kRecordPadding},
                                   }));
  constants.Set("event", Group(env, {
                                        {"frame", Of(EventKind::kFrame)},
                                        {"streamData", Of(EventKind::kStreamData)},
                                        {"connectionOpened", Of(EventKind::kConnectionOpened)},
                                        {"connectionClosed", Of(EventKind::kConnectionClosed)},
                                        {"streamOpened", Of(EventKind::kStreamOpened)},
                                        {"streamReset", Of(EventKind::kStreamReset)},
                                        {"streamStopped", Of(EventKind::kStreamStopped)},
                                        {"streamClosed", Of(EventKind::kStreamClosed)},
                                        {"drain", Of(EventKind::kDrain)},
                                        {"datagram", Of(EventKind::kDatagram)},
                                        {"datagramState", Of(EventKind::kDatagramState)},
                                        {"completion", Of(EventKind::kCompletion)},
                                        {"streamAccepted", Of(EventKind::kStreamAccepted)},
                                        {"datagramOutcome", Of(EventKind::kDatagramOutcome)},
                                        {"statistics", Of(EventKind::kStatistics)},
                                        {"peerCertificate", Of(EventKind::kPeerCertificate)},
                                        {"pathChanged", Of(EventKind::kPathChanged)},
                                        {"connectionEarly", Of(EventKind::kConnectionEarly)},
                                        {"connectionReady", Of(EventKind::kConnectionReady)},
                                        {"ticket", Of(EventKind::kTicket)},
                                        {"handshakeFailed", Of(EventKind::kHandshakeFailed)},
                                    }));
  constants.Set("command", Group(env, {
                                          {"sendFrame", Of(CommandKind::kSendFrame)},
                                          {"writeStream", Of(CommandKind::kWriteStream)},
                                          {"sendDatagram", Of(CommandKind::kSendDatagram)},
                                          {"credit", Of(CommandKind::kCredit)},
                                          {"release", Of(CommandKind::kRelease)},
                                      }));
  constants.Set("commandHeader", Group(env, {{"bytes", sizeof(CommandHeader)}}));
  constants.Set("slotWord", Group(env, {
                                           {"completedBytes", kSlotCompletedBytes},
                                           {"wantsDrain", kSlotWantsDrain},
                                           {"roundTripUs", kSlotRoundTripUs},
                                           {"accepted", kSlotAccepted},
                                           {"droppedDatagrams", kSlotDroppedDatagrams},
                                           {"count", kSlotWords},
                                       }));
  constants.Set("flag", Group(env, {
                                       {"receiveFin", kReceiveFin},
                                       {"receiveEarly", kReceiveEarly},
                                       {"sendFin", kSendFin},
                                       {"sendTagged", kSendTagged},
                                       {"openedResumed", kOpenedResumed},
                                       {"openedEarlyAccepted", kOpenedEarlyAccepted},
                                       {"openedEarlyRefused", kOpenedEarlyRefused},
                                       {"streamEarly", kStreamEarly},
                                       {"laneEarly", kLaneEarly},
                                   }));
  constants.Set("acceptance", Group(env, {
                                             {"waiting", kWaiting},
                                             {"accepted", kAccepted},
                                             {"awaited", kAwaited},
                                         }));
  constants.Set("datagramOutcome", Group(env, {
                                                  {"sent", Of(DatagramOutcome::kSent)},
                                                  {"acknowledged", Of(DatagramOutcome::kAcknowledged)},
                                                  {"lost", Of(DatagramOutcome::kLost)},
                                                  {"cancelled", Of(DatagramOutcome::kCancelled)},
                                              }));
  constants.Set("datagram", Group(env, {{"overheadBytes", kDatagramOverheadBytes}}));
  constants.Set("lane", Group(env, {
                                       {"normal", kLaneNormal},
                                       {"high", kLaneHigh},
                                       {"bulk", kLaneBulk},
                                       {"control", kLaneControl},
                                       {"firstUnordered", kLaneFirstUnordered},
                                       {"lastUnordered", kLaneLastUnordered},
                                   }));
  constants.Set("lanes", Group(env, {{"max", kMaxLanes}}));
  constants.Set("statistic", StatisticIndices(env));
  constants.Set("closeCode", Group(env, {
                                            {"normal", kCloseNormal},
                                            {"goingAway", kCloseGoingAway},
                                            {"protocolViolation", kCloseProtocolViolation},
                                            {"frameTooLarge", kCloseFrameTooLarge},
                                            {"frameMalformed", kCloseFrameMalformed},
                                            {"policy", kClosePolicy},
                                            {"exhausted", kCloseExhausted},
                                        }));
  // msquic's statuses are errno values, which differ between systems.
  constants.Set("status", Group(env, {
                                         {"outOfMemory", QUIC_STATUS_OUT_OF_MEMORY},
                                         {"forbidden", EACCES},
                                         {"addressInUse", QUIC_STATUS_ADDRESS_IN_USE},
                                         {"alpnInUse", QUIC_STATUS_ALPN_IN_USE},
                                         {"addressNotAvailable", QUIC_STATUS_ADDRESS_NOT_AVAILABLE},
                                         {"aborted", QUIC_STATUS_ABORTED},
                                         {"connectionTimeout", QUIC_STATUS_CONNECTION_TIMEOUT},
                                         {"connectionIdle", QUIC_STATUS_CONNECTION_IDLE},
                                         {"connectionRefused", QUIC_STATUS_CONNECTION_REFUSED},
                                         {"unreachable", QUIC_STATUS_UNREACHABLE},
                                         {"alpnMismatch", QUIC_STATUS_ALPN_NEG_FAILURE},
                                         {"tlsAlert", QUIC_STATUS_TLS_ALERT(0)},
                                         {"certificateExpired", QUIC_STATUS_CERT_EXPIRED},
                                         {"certificateUntrusted", QUIC_STATUS_CERT_UNTRUSTED_ROOT},
                                         {"invalidState", QUIC_STATUS_INVALID_STATE},
                                         {"notSupported", QUIC_STATUS_NOT_SUPPORTED},
                                         {"streamLimit", QUIC_STATUS_STREAM_LIMIT_REACHED},
                                     }));
  AddSessionTable(constants);
  return constants;
}

}  // namespace millrace
