import { type FrameHeader, hotHeadBytes, readHotHead, writeHotHead } from "../../frame/codec.js";
import { Kind } from "../../frame/frame.js";

/** What the two ends of a relay say to each other. The edge has the client's connection, the owner its session. */
export const RelayOp = {
  /** Edge: a client's connection, whose hello follows as its first frame. */
  open: 1,
  /** Either: a whole unit as the transport has it. */
  frame: 2,
  /** Owner: the same, to go as text. */
  text: 3,
  /** Owner: the same, to go as a datagram. */
  datagram: 4,
  /** Owner: what the client said for its connection is the transport's to take. */
  control: 5,
  /** Owner: the connection is to be closed. */
  close: 6,
  /** Edge: it is closed. */
  closed: 7,
  /** Either: how the end stands; it overtakes units, and the last one counts. */
  status: 8,
  /** Either: this end knows no such relay. */
  reset: 9,
} as const;
export type RelayOp = (typeof RelayOp)[keyof typeof RelayOp];

/** One command: a part of what is said, or all of it. */
export interface RelayCommand {
  readonly op: number;
  /** From the edge; false: from the owner. */
  readonly toOwner: boolean;
  /** The edge's number of the relay, u32. */
  readonly relay: number;
  /** 0..255; of units. */
  readonly lane: number;
  /** The place among the commands of this relay in this direction, from 1; 0 where it has none. u32. */
  readonly sequence: number;
  /** Of all parts together. */
  readonly totalBytes: number;
}

/** The longest part: an eighth of the smallest inbox, so that many relays share one by turns. */
export const maxPartBytes = 8_192;

const toOwnerFlag = 1;
const nothing = new Uint8Array(0);
const scratch = new Uint8Array(hotHeadBytes + maxPartBytes);
const scratchView = new DataView(scratch.buffer);
const header: FrameHeader = { kind: Kind.Message, flags: 0, channel: 0, type: 0, seq: 0, ref: 0 };

/**
 * A command as a frame: hot, so that it is verified by being recognised.
 * @param head and payload: together at most {@link maxPartBytes}.
 * @returns valid until the next call.
 */
export function writeRelayCommand(
  { op, toOwner, relay, lane, sequence, totalBytes }: RelayCommand,
  head: Uint8Array,
  payload: Uint8Array = nothing,
): Uint8Array {
  header.kind = Kind.Message;
  header.flags = toOwner ? toOwnerFlag : 0;
  header.channel = (op << 8) | lane;
  header.type = relay;
  header.seq = sequence;
  header.ref = totalBytes;
  writeHotHead(scratchView, 0, header, head.length + payload.length);
  scratch.set(head, hotHeadBytes);
  scratch.set(payload, hotHeadBytes + head.length);
  return scratch.subarray(0, hotHeadBytes + head.length + payload.length);
}

/**
 * Reads a command that another thread sent.
 * @returns undefined where it is none; `part` lies in `bytes`, which others may write over meanwhile.
 */
export function readRelayCommand(
  bytes: Uint8Array,
): { readonly command: RelayCommand; readonly part: Uint8Array } | undefined {
  const partBytes = readHotHead(bytes, header);
  if (partBytes < 0 || header.kind !== Kind.Message) return undefined;
  const command = {
    op: header.channel >>> 8,
    toOwner: (header.flags & toOwnerFlag) !== 0,
    relay: header.type,
    lane: header.channel & 0xff,
    sequence: header.seq,
    totalBytes: header.ref,
  };
  return { command, part: bytes.subarray(hotHeadBytes, hotHeadBytes + partBytes) };
}
