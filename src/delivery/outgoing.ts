import { FrameTooLargeError, InvalidArgumentError } from "../errors.js";
import { hotHeadBytes } from "../frame/codec.js";
import { encodeFrame, type MetaEntry } from "../frame/frame.js";
import type { SendResult } from "../transport/connection.js";
import type { CompressingCarrier } from "./compression.js";
import { type Delivery, isUnsequenced, type Priority } from "./lane.js";
import type { Settled } from "./sent_log.js";

/** What carries a session's frames now: a connection, as its session sees it. */
export interface Carrier {
  /**
   * Takes a whole frame, in one part or two, which is copied before this returns.
   * @returns see {@link SendResult}.
   * @throws ConnectionClosedError when it is not open: as if it were `dropped`.
   */
  send(head: Uint8Array, payload: Uint8Array | undefined, lane: number): SendResult;
  /** Missing where the transport has no datagrams. */
  sendDatagram?(head: Uint8Array, payload?: Uint8Array): "sent" | "dropped";
  /** The largest frame that goes in a datagram; undefined where none does for now. */
  readonly maxDatagramBytes?: number | undefined;
  readonly bytesQueued: number;
  /** Itself, where it compresses; missing where it does not. */
  readonly compressing?: CompressingCarrier | undefined;
}

/**
 * What is done with a message that finds the queue full:
 * - `block`: it is not accepted: `dropped`;
 * - `drop-newest`: the same, and counted as lost;
 * - `drop-oldest`: those make room that wait the longest, the least priority first, but no higher one, and no answers;
 * - `conflate`: any message with a key takes the place of one that waits with that key, full or not; others as `block`;
 * - `close`: the session is closed with `CloseCode.exhausted`.
 */
export type QueuePolicy = "block" | "drop-oldest" | "drop-newest" | "conflate" | "close";

/** One object may serve all sessions, and may be replaced while they live. */
export interface OutboundLimits {
  /** From so many queued bytes on `send` answers `blocked`; `drain` comes below half of it. */
  readonly highWaterMarkBytes: number;
  /** What may wait for the transport, the peer, or a connection; above it the policy decides. */
  readonly queueBytes: number;
  /** What is kept to be sent again, because it is not acknowledged; above it messages wait. One is always sent. */
  readonly replayBytes: number;
  /** See `Rarities.mustClose` for `close`. */
  readonly policy: QueuePolicy;
  /**
   * What is said in the place of a message that waits and gives way to others, where the peer is to hear that it did. It
   * waits by its key, and so counts once; and gives way to nothing.
   */
  readonly insteadOf?: ((frame: Uint8Array) => Outgoing | undefined) | undefined;
}

/** Follows one message on its way out. Nothing of it may throw. */
export interface Watch {
  /**
   * The message is about to go out with this sequence, its low 32 bits; 0 where it has none. It comes again, with another,
   * where the connection did not take it. This is to be noted, and nothing else to be done.
   */
  placed(lane: number, sequence: number): void;
  /** It has gone out. */
  sent(): void;
}

/** A message to be sent. Its arguments are checked by who makes it. */
export interface Outgoing {
  /** Of `Kind`. */
  readonly kind: number;
  readonly type: number;
  /** Copied, where it cannot go out at once. */
  readonly payload: Uint8Array;
  readonly subject?: string | undefined;
  readonly meta?: readonly MetaEntry[] | undefined;
  /** `ordered` by default. */
  readonly delivery?: Delivery | undefined;
  /** `normal` by default. */
  readonly priority?: Priority | undefined;
  /** Of `latest`, and where the policy is `conflate`; a `latest` without one has its subject, or its type, for a key. */
  readonly key?: string | undefined;
  /** In milliseconds on the clock of `pump`: a message that still waits then is given up. */
  readonly expiresAt?: number | undefined;
  /**
   * Told once what became of the message, unless `send` answers `dropped`: then it was never accepted. `received` is
   * that the peer has handled it. Only for classes that have sequences. It must not throw.
   */
  readonly settled?: Settled | undefined;
  readonly watch?: Watch | undefined;
  /** It may be handled twice: see `EarlyFlight`. */
  readonly idempotent?: boolean | undefined;
}

/** Whether the frame is a head and a payload, and nobody follows it. */
export function isHot({ subject, meta, watch }: Outgoing): boolean {
  return subject === undefined && meta === undefined && watch === undefined;
}

/** The whole frame, without its place in its lane yet, in memory that is no larger than it and nobody else's. */
export function encodeOutgoing({ kind, type, payload, subject, meta }: Outgoing): Uint8Array {
  const header = { kind, flags: 0, channel: 0, type, seq: 0, ref: 0 };
  const frame = encodeFrame(header, payload, { subject, meta });
  return frame.buffer.byteLength === frame.length ? frame : new Uint8Array(frame);
}

/** Bytes of its frame, where it is hot. */
export function hotBytes(payload: Uint8Array): number {
  return hotHeadBytes + payload.length;
}

/** By what it is known while it waits, so that the next one with the same key takes its place. */
export function keyOf(message: Outgoing, policy: OutboundLimits["policy"]): string | undefined {
  const { delivery, key, subject, type } = message;
  if (delivery === "latest") return key ?? subject ?? String(type);
  return policy === "conflate" && delivery !== "unreliable" ? key : undefined;
}

/** @throws InvalidArgumentError */
export function checkSettled({ settled, delivery = "ordered" }: Outgoing): void {
  if (settled !== undefined && isUnsequenced(delivery)) {
    throw new InvalidArgumentError(`nobody acknowledges what is sent as "${delivery}"`);
  }
}

/** Whether what is `unreliable` goes in datagrams; it goes among the other frames where it does not. */
export function takesDatagrams(carrier: Carrier): boolean {
  return carrier.sendDatagram !== undefined && carrier.maxDatagramBytes !== undefined;
}

/** @throws FrameTooLargeError */
export function sendDatagram(carrier: Carrier, frame: Uint8Array): SendResult {
  const most = carrier.maxDatagramBytes!;
  if (frame.length > most) {
    throw new FrameTooLargeError(
      `this connection's datagrams take frames of at most ${most} bytes, and this one has ${frame.length}`,
    );
  }
  return carrier.sendDatagram!(frame);
}
