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
  droppedDatagrams: 3,
  count: 4,
} as const;

/** Bits of a record's or a command's flags. */
export const Flag = {
  receiveFin: 1,
  receiveEarly: 2,
  sendFin: 1,
} as const;

/** {u32 bytes, u16 kind, u16 flags, u32 slot, u32 generation}. */
export const COMMAND_HEADER_BYTES = 16;
