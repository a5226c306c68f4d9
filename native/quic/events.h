#pragma once

#include <cstdint>

// What the engine tells JavaScript, and what JavaScript asks of the engine in batches. Both sides of the
// boundary read this file: bindings/constants.cc exports every number, and a test compares them with
// TypeScript's.
namespace millrace {

// Record kinds of the event ring (0 is the ring's padding). `slot`/`generation` name the resource.
enum class EventKind : uint16_t {
  kFrame = 1,             // connection; stream = lane, or kNoLane; payload = one whole verified frame
  kStreamData = 2,        // stream; payload = bytes; flags = ReceiveFlag
  kConnectionOpened = 3,  // connection; payload = OpenedEvent, then the ALPN
  kConnectionClosed = 4,  // connection; payload = ClosedEvent, then the reason
  kStreamOpened = 5,      // stream of the peer; payload = StreamOpenedEvent
  kStreamReset = 6,       // stream; payload = u64 code (RESET_STREAM)
  kStreamStopped = 7,     // stream; payload = u64 code (STOP_SENDING)
  kStreamClosed = 8,      // stream; payload = StreamClosedEvent
  kDrain = 9,             // connection or stream: its queue fell below half of the high-water mark
  kDatagram = 10,         // connection; payload = bytes
  kDatagramState = 11,    // connection; payload = u32 largest datagram, 0 = none can be sent
  kCompletion = 12,       // slot = request; payload = CompletionEvent, then text
  kStreamAccepted = 13,   // stream of ours: the peer allows it; only where JavaScript waits for that
  kDatagramOutcome = 14,  // connection; payload = DatagramOutcomeEvent
  kStatistics = 20,       // connection; payload = Statistics
  // connection; payload = PeerCertificateEvent, the server's name, the ALPN, then for each certificate
  // {u32 bytes, DER}. It waits for the application's word. Of a peer's connection it is the first event.
  kPeerCertificate = 16,
  kPathChanged = 17,  // connection: the peer has moved; takePathChange says where
  kConnectionEarly =
      21,  // connection of a peer: early data came before its kConnectionOpened; the same payload
  kConnectionReady = 22,  // connection of ours that has a ticket: open streams, then start it
  kTicket = 23,           // connection of ours; payload = TicketEvent, then the ticket
  // A listener's; payload = HandshakeFailedEvent, then the peer's address as text. Nobody was told of it
  // before.
  kHandshakeFailed = 24,
};

enum ReceiveFlag : uint16_t {
  kReceiveFin = 1,    // the peer's FIN: no byte follows
  kReceiveEarly = 2,  // the bytes came in 0-RTT
};

// Of kConnectionOpened.
enum OpenedFlag : uint16_t {
  kOpenedResumed = 1,        // a ticket was used
  kOpenedEarlyAccepted = 2,  // ours: early data was offered, and taken
  kOpenedEarlyRefused = 4,   // ours: it was refused, and is sent again
};

// Of kStreamOpened.
enum StreamFlag : uint16_t {
  kStreamEarly = 1,  // it began before the handshake was complete: what it brings may be a replay
};

enum class ClosedBy : uint32_t { kLocal = 0, kPeer = 1, kTransport = 2 };

struct OpenedEvent {
  uint32_t listener;  // 0 for a connection that we opened
  uint32_t max_datagram_bytes;
};

struct ClosedEvent {
  uint32_t by;     // ClosedBy
  int32_t status;  // QUIC_STATUS where `by` is kTransport
  uint64_t code;   // the application's code, or the transport's
};

enum class FailedBy : uint32_t {
  kLocal = 0,  // as ClosedBy
  kPeer = 1,
  kTransport = 2,
  kConnections = 3,  // a limit of the listener
  kConnectionsPerAddress = 4,
  kHandshakesPerAddress = 5,
};

struct HandshakeFailedEvent {
  uint32_t listener = 0;
  uint32_t by = 0;     // FailedBy
  int32_t status = 0;  // as in ClosedEvent
  uint32_t reserved = 0;
  uint64_t code = 0;
};

struct PeerCertificateEvent {
  uint32_t listener;  // as in OpenedEvent
  uint16_t server_name_bytes;
  uint16_t protocol_bytes;
};

struct StreamOpenedEvent {
  uint32_t connection_slot;
  uint32_t connection_generation;
  uint32_t unidirectional;
  uint32_t reserved;
};

struct StreamClosedEvent {
  int32_t start_status;       // QUIC_STATUS; 0 for a stream of the peer
  uint32_t connection_ended;  // 1: its connection's end was its own
};

// What became of a datagram that JavaScript gave a tag.
enum class DatagramOutcome : uint32_t { kSent = 0, kAcknowledged = 1, kLost = 2, kCancelled = 3 };

struct DatagramOutcomeEvent {
  uint32_t tag;
  uint32_t outcome;  // DatagramOutcome
};

// What the lanes of a framed connection are for. Any other number is a lane as well, as good as the normal
// one.
enum LaneNumber : uint16_t {
  kLaneNormal = 0,
  kLaneHigh = 1,
  kLaneBulk = 2,
  kLaneControl = 3,
  kLaneFirstUnordered = 8,
  kLaneLastUnordered = 15,
};

// Of the lane of a frame to be sent: it may go with the first packets, before the handshake is complete.
// Others wait for that.
constexpr uint16_t kLaneEarly = 0x8000;

// Of a frame that came as a datagram.
constexpr uint32_t kNoLane = 0xffff;

// How many of them a connection uses at most, each way; numbers of our own are below it.
constexpr uint32_t kMaxLanes = 256;

// Counted as queued for each datagram, beside its bytes: what the engine holds for an empty one.
constexpr uint32_t kDatagramOverheadBytes = 64;

struct TicketEvent {
  uint32_t lifetime_s;  // as the server says; 0 = unknown
  uint32_t reserved;
};

struct CompletionEvent {
  int32_t status;  // QUIC_STATUS
  uint32_t value;
};

// Batched commands: {u32 bytes, u16 kind, u16 flags, u32 slot, u32 generation}, then `bytes` of payload,
// the whole 8-byte aligned, in the environment's outbound slab.
enum class CommandKind : uint16_t {
  kSendFrame = 1,     // connection; flags = lane
  kWriteStream = 2,   // stream; flags = SendFlag
  kSendDatagram = 3,  // connection; flags = SendFlag; the payload begins with a u32 tag where they say so
  kCredit = 4,        // connection or stream; payload = u32 bytes consumed by the application
  kRelease = 5,       // connection or stream: JavaScript has let go of it
};

enum SendFlag : uint16_t {
  kSendFin = 1,     // a stream's
  kSendTagged = 2,  // a datagram's
};

struct CommandHeader {
  uint32_t bytes;
  uint16_t kind;
  uint16_t flags;
  uint32_t slot;
  uint32_t generation;
};
static_assert(sizeof(CommandHeader) == 16);

// Four 32-bit words a slot, in memory that JavaScript allocated; both sides use atomics.
enum SlotWord : uint32_t {
  kSlotCompletedBytes = 0,  // bytes that left the queue, modulo 2^32; engine adds
  kSlotWantsDrain = 1,      // JavaScript sets to 1 when blocked; the engine takes it and posts kDrain
  kSlotRoundTripUs = 2,     // a connection's, smoothed, 0 = unknown; engine stores
  kSlotAccepted = 2,        // a stream's, StreamAcceptance
  kSlotDroppedDatagrams = 3,
  kSlotWords = 4,
};

// Whether the peer allows a stream of ours. The engine sets kAccepted, and posts kStreamAccepted where it
// finds that JavaScript had set kAwaited.
enum StreamAcceptance : uint32_t { kWaiting = 0, kAccepted = 1, kAwaited = 2 };

}  // namespace millrace
