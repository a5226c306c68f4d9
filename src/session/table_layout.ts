/**
 * The session table as it lies in shared memory. `native/session/table_layout.h` draws it and says what each word
 * means; the numbers are the same, and a test compares them. Offsets are bytes; words are 32 bits.
 */

export const TABLE_MAGIC = 0x4253524d;
export const TABLE_VERSION = 3;
export const TABLE_HEADER_BYTES = 256;
export const TABLE_MIN_SLOTS = 2;
export const TABLE_MAX_SLOTS = 1_048_576;

export const TABLE_MAGIC_OFFSET = 0;
export const TABLE_VERSION_OFFSET = 4;
export const TABLE_SLOT_COUNT_OFFSET = 8;
export const TABLE_CELL_COUNT_OFFSET = 12;
export const TABLE_HEAD_OFFSET = 64;
export const TABLE_TAIL_OFFSET = 128;
export const TABLE_SUSPECT_OFFSET = 192;
export const TABLE_REBUILDER_OFFSET = 196;
export const TABLE_DAMAGED_OFFSET = 200;
export const TABLE_QUARANTINED_OFFSET = 204;
export const TABLE_RECOVERED_OFFSET = 208;
export const TABLE_MAX_ENVIRONMENTS = 64;

export const SLOT_BYTES = 64;
export const SLOT_STATE_OFFSET = 0;
export const SLOT_CLAIM_OFFSET = 4;
export const SLOT_TRANSPORT_OFFSET = 8;
export const SLOT_CONNECTION_OFFSET = 12;
export const SLOT_SESSION_ID_OFFSET = 16;
export const SLOT_LAST_ACTIVITY_OFFSET = 32;
export const SLOT_ROUND_TRIP_US_OFFSET = 36;
export const SLOT_QUEUED_BYTES_OFFSET = 40;
export const SLOT_SEND_SEQUENCE_OFFSET = 44;
export const SLOT_RECEIVE_SEQUENCE_OFFSET = 48;
export const SLOT_ACK_SEQUENCE_OFFSET = 52;
export const SLOT_MESSAGES_OFFSET = 56;
export const SLOT_CHECK_OFFSET = 60;

/** What a slot is; the lowest bits of its first word, below the generation. */
export const SlotState = {
  free: 0,
  opening: 1,
  open: 2,
  closing: 3,
  closed: 4,
  quarantined: 5,
} as const;

export type SlotState = (typeof SlotState)[keyof typeof SlotState];

export const STATE_BITS = 3;
export const GENERATION_BITS = 29;

/** A claim is an environment's epoch above its number. */
export const CLAIM_ENVIRONMENT_BITS = 8;
export const EPOCH_BITS = 24;

export const OWN_HEADER_WORDS = 16;
export const MAX_KEPT_SLOTS = 1024;

/** A table, in its part of a SharedArrayBuffer. */
export type TableMemory = Int32Array<SharedArrayBuffer>;

export function isSlotCount(count: number): boolean {
  return Number.isInteger(count) && count >= TABLE_MIN_SLOTS && count <= TABLE_MAX_SLOTS;
}

/** Free slots lie in a ring of at least twice as many cells, so that a hint that is there twice never fills it. */
export function cellCountOf(slotCount: number): number {
  return 2 ** (Math.ceil(Math.log2(slotCount)) + 1);
}

/**
 * How many slots that it let go of an environment keeps: a power of two, and of all environments together no more than
 * there are slots. 0 where that is less than one each.
 */
export function keptSlotsOf(slotCount: number): number {
  const share = slotCount / TABLE_MAX_ENVIRONMENTS;
  return share < 1 ? 0 : Math.min(MAX_KEPT_SLOTS, 2 ** Math.floor(Math.log2(share)));
}

/** The word at which the slots begin in an environment's own memory. */
export function ownSlotsOffset(slotCount: number): number {
  return OWN_HEADER_WORDS + keptSlotsOf(slotCount);
}

export function ownWordsOf(slotCount: number): number {
  return ownSlotsOffset(slotCount) + slotCount;
}

export function tableBytesOf(slotCount: number): number {
  return TABLE_HEADER_BYTES + slotCount * SLOT_BYTES + cellCountOf(slotCount) * 4;
}
