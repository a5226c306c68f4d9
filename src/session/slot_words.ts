import {
  SLOT_ACK_SEQUENCE_OFFSET,
  SLOT_BYTES,
  SLOT_CHECK_OFFSET,
  SLOT_CLAIM_OFFSET,
  SLOT_CONNECTION_OFFSET,
  SLOT_LAST_ACTIVITY_OFFSET,
  SLOT_MESSAGES_OFFSET,
  SLOT_QUEUED_BYTES_OFFSET,
  SLOT_RECEIVE_SEQUENCE_OFFSET,
  SLOT_ROUND_TRIP_US_OFFSET,
  SLOT_SEND_SEQUENCE_OFFSET,
  SLOT_SESSION_ID_OFFSET,
  SLOT_STATE_OFFSET,
  SLOT_TRANSPORT_OFFSET,
  TABLE_HEADER_BYTES,
} from "./table_layout.js";

/** Where the words of a slot stand in it. */
export const STATE = SLOT_STATE_OFFSET >> 2;
export const CLAIM = SLOT_CLAIM_OFFSET >> 2;
export const TRANSPORT = SLOT_TRANSPORT_OFFSET >> 2;
export const CONNECTION = SLOT_CONNECTION_OFFSET >> 2;
export const SESSION_ID = SLOT_SESSION_ID_OFFSET >> 2;
export const LAST_ACTIVITY = SLOT_LAST_ACTIVITY_OFFSET >> 2;
export const CHECK = SLOT_CHECK_OFFSET >> 2;

export const sessionIdWords = 4;

const firstSlot = TABLE_HEADER_BYTES >> 2;
const slotShift = Math.log2(SLOT_BYTES >> 2);

/** The word of a table at which a slot begins. */
export function wordOf(slot: number): number {
  return firstSlot + (slot << slotShift);
}

/** The numbers of a session that its owner keeps and everybody may read, modulo 2^32: where each stands in its slot. */
export const SessionNumber = {
  /** Of the table's clock, when there was traffic. */
  lastActivity: LAST_ACTIVITY,
  /** Smoothed. */
  roundTripUs: SLOT_ROUND_TRIP_US_OFFSET >> 2,
  queuedBytes: SLOT_QUEUED_BYTES_OFFSET >> 2,
  sendSequence: SLOT_SEND_SEQUENCE_OFFSET >> 2,
  receiveSequence: SLOT_RECEIVE_SEQUENCE_OFFSET >> 2,
  ackSequence: SLOT_ACK_SEQUENCE_OFFSET >> 2,
  messages: SLOT_MESSAGES_OFFSET >> 2,
} as const;

export type SessionNumber = (typeof SessionNumber)[keyof typeof SessionNumber];
