/**
 * The numbers that the native engine and this side share, by meaning. `native/quic/events.h` says what each record
 * and command carries; a test compares every number with those that the addon exports.
 */

/** Kinds of records in an event ring. */
export const EventKind = {
  frame: 1,
  streamData: 2,
  connectionOpened: 3,
  connectionClosed: 4,
  streamOpened: 5,
  streamReset: 6,
  streamStopped: 7,
  streamClosed: 8,
  drain: 9,
  datagram: 10,
  datagramState: 11,
  completion: 12,
  streamAccepted: 13,
  datagramOutcome: 14,
  statistics: 20,
  peerCertificate: 16,
  pathChanged: 17,
  connectionEarly: 21,
  connectionReady: 22,
  ticket: 23,
  handshakeFailed: 24,
} as const;

/** Kinds of commands in the outbound slab. */
export const CommandKind = {
  sendFrame: 1,
  writeStream: 2,
  sendDatagram: 3,
  credit: 4,
  release: 5,
} as const;

/** Words of a slot that both sides read and write with Atomics. */
export const SlotWord = {
  completedBytes: 0,
  wantsDrain: 1,
  roundTripUs: 2,
  accepted: 2,
  droppedDatagrams: 3,
  count: 4,
} as const;

/** Where each number of a connection's statistics stands: {u64} by index. */
export const Statistic = {
  roundTripUs: 0,
  minRoundTripUs: 1,
  maxRoundTripUs: 2,
  roundTripVarianceUs: 3,
  initialFlightUs: 4,
  handshakeUs: 5,
  handshakeClientFirstBytes: 6,
  handshakeServerBytes: 7,
  handshakeClientLastBytes: 8,
  versionNegotiated: 9,
  retried: 10,
  resumed: 11,
  mtuBytes: 12,
  congestionWindowBytes: 13,
  congestionEvents: 14,
  persistentCongestionEvents: 15,
  packetsSent: 16,
  retransmittablePacketsSent: 17,
  packetsSuspectedLost: 18,
  packetsSpuriouslyLost: 19,
  bytesSent: 20,
  streamBytesSent: 21,
  packetsReceived: 22,
  packetsReordered: 23,
  packetsDropped: 24,
  packetsDuplicated: 25,
  packetsUndecryptable: 26,
  bytesReceived: 27,
  streamBytesReceived: 28,
  acknowledgementsReceived: 29,
  keyUpdates: 30,
  peerIdChanges: 31,
} as const;

/** Bits of a record's or a command's flags. */
export const Flag = {
  receiveFin: 1,
  receiveEarly: 2,
  sendFin: 1,
  sendTagged: 2,
  openedResumed: 1,
  openedEarlyAccepted: 2,
  openedEarlyRefused: 4,
  streamEarly: 1,
  laneEarly: 0x8000,
} as const;

/** Whether the peer allows a stream of ours, in its slot's word `accepted`. */
export const StreamAcceptance = {
  waiting: 0,
  accepted: 1,
  awaited: 2,
} as const;

/** What became of a datagram with a tag. */
export const DatagramOutcome = {
  sent: 0,
  acknowledged: 1,
  lost: 2,
  cancelled: 3,
} as const;

/**
 * What the lanes of a connection are for, highest priority first: control, high, normal and unordered, bulk. The numbers
 * between are free, and as good as the normal one.
 */
export const Lane = {
  normal: 0,
  high: 1,
  bulk: 2,
  control: 3,
  firstUnordered: 8,
  lastUnordered: 15,
} as const;

/** Lanes are numbered 0 to one less. */
export const MAX_LANES = 256;

/** Counted as queued for each datagram, beside its bytes. */
export const DATAGRAM_OVERHEAD_BYTES = 64;

/** {u32 bytes, u16 kind, u16 flags, u32 slot, u32 generation}. */
export const COMMAND_HEADER_BYTES = 16;
