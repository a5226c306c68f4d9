import { type Cursors, noCursors } from "./cursors.js";
import { isLane, laneEnd } from "./lane.js";
import { nextSequence, widen } from "./sequence.js";

/** One object may serve all sessions. */
export interface InboundLimits {
  /** What the peer was told: bytes of sequenced frames that it may have on their way, not acknowledged. */
  readonly windowBytes: number;
  /** Of the largest frame: a sender may always have one on its way, and so one too many here. */
  readonly maxFrameBytes: number;
}

/**
 * What is to be done with a frame:
 * - `apply`: it is the next of its lane, or has no sequence;
 * - `duplicate`: it was received before, and is to be passed over;
 * - `ahead`: frames before it are missing, or there is no such lane. The peer, or the connection, breaks the protocol:
 *   that connection is dropped, and the session may resume;
 * - `overrun`: the peer sends more than it was allowed to. The session is closed with `CloseCode.exhausted`.
 */
export type Receipt = "apply" | "duplicate" | "ahead" | "overrun";

/** So many messages are acknowledged by an Ack of their own at the latest. */
const ackMessages = 64;

/** There are no more lanes than that. */
const dueShift = 16;

class InboundLane {
  /** The highest sequence that was received; all before it were, too. */
  received: number;
  /** All up to this sequence are handled. */
  handled: number;
  /** Handled since the peer was told so last. */
  untoldBytes = 0;
  untoldMessages = 0;
  /** Sequences above that are handled already. */
  early: Set<number> | undefined = undefined;

  constructor(before: number) {
    this.received = before;
    this.handled = before;
  }
}

/**
 * The receiving half of a session: what was received, of each lane, and how much of that is handled, which is what the
 * peer is told, as acknowledgement and as credit. It outlives connections.
 */
export class Inbound {
  limits: InboundLimits;
  /** The lane that nearly all sessions use, and the others. */
  #normal: InboundLane | undefined = undefined;
  #others: (InboundLane | undefined)[] | undefined = undefined;
  /** Received and not handled yet. */
  #unhandledBytes = 0;
  /** Bit by bit: the lanes of which something is handled and not told; 16 bits higher, those for which it is time. */
  #untold = 0;

  /** @param begun how far a session is that is taken over from elsewhere; a new one by default. */
  constructor(limits: InboundLimits, begun: Cursors = noCursors) {
    this.limits = limits;
    for (const [lane, sequence] of begun) this.addLane(lane, sequence);
  }

  /** Of sequenced frames that were received and not handled yet. */
  get bytesUnhandled(): number {
    return this.#unhandledBytes;
  }

  /**
   * Takes note of a sequenced frame, which the peer may have sent before.
   * @param low32 the low 32 bits of its sequence; 0: it has none.
   * @param bytes of the whole frame.
   */
  receive(lane: number, low32: number, bytes: number): Receipt {
    if (low32 === 0) return isLane(lane) ? "apply" : "ahead";
    const state = this.lane(lane) ?? this.addLane(lane);
    if (state === undefined) return "ahead";
    const sequence = widen(low32, state.received);
    if (sequence !== nextSequence(state.received)) {
      return sequence > 0 && sequence <= state.received ? "duplicate" : "ahead";
    }
    const unhandled = this.#unhandledBytes + bytes;
    if (unhandled > this.limits.windowBytes + this.limits.maxFrameBytes) return "overrun";
    this.#unhandledBytes = unhandled;
    state.received = sequence;
    return "apply";
  }

  /** Whether a frame was not received before, and is not ahead. @param low32 as {@link receive} takes it */
  isNext(lane: number, low32: number): boolean {
    if (low32 === 0) return true;
    const received = this.lane(lane)?.received ?? 0;
    return widen(low32, received) === nextSequence(received);
  }

  /**
   * A frame that was to be applied is dealt with, whatever became of it. The peer hears of it when all before it in its
   * lane are, too.
   * @param low32 as it was given to `receive`, and `bytes` also.
   */
  handled(lane: number, low32: number, bytes: number): void {
    if (low32 === 0) return;
    const state = this.lane(lane);
    if (state === undefined) return;
    const sequence = widen(low32, state.handled);
    if (sequence <= state.handled || sequence > state.received || state.early?.has(sequence)) return;
    this.#unhandledBytes -= bytes;
    state.untoldBytes += bytes;
    if (sequence !== nextSequence(state.handled)) {
      state.early ??= new Set();
      state.early.add(sequence);
      return;
    }
    this.advance(lane, state, sequence);
  }

  private advance(lane: number, state: InboundLane, sequence: number): void {
    state.handled = sequence;
    state.untoldMessages += 1;
    if (state.early !== undefined) takeEarly(state, state.early);
    const bit = 1 << lane;
    const due = state.untoldMessages >= ackMessages || state.untoldBytes * 4 > this.limits.windowBytes;
    this.#untold |= due ? bit | (bit << dueShift) : bit;
  }

  /**
   * What the next frame on a lane tells the peer in its `ref`: how far all is handled.
   * @returns the low 32 bits of a sequence; 0 where there is nothing to tell.
   */
  toTell(lane: number): number {
    const state = this.lane(lane);
    return state === undefined ? 0 : state.handled >>> 0;
  }

  /** The peer is being told that, unless more is handled by now. */
  told(lane: number, low32: number): void {
    const state = this.lane(lane);
    if (state === undefined || state.untoldMessages === 0 || state.handled >>> 0 !== low32) return;
    state.untoldMessages = 0;
    state.untoldBytes = 0;
    const bit = 1 << lane;
    this.#untold &= ~(bit | (bit << dueShift));
  }

  /** Both at once, for a frame that is sent whatever happens: what it says is taken for told. */
  piggyback(lane: number): number {
    const low32 = this.toTell(lane);
    this.told(lane, low32);
    return low32;
  }

  /** A frame that {@link piggyback} was asked for was not sent. */
  untell(lane: number): void {
    const state = this.lane(lane);
    if (state === undefined || state.handled === 0) return;
    state.untoldMessages += 1;
    this.#untold |= 1 << lane;
  }

  /**
   * Lanes that need an Ack, each with {@link piggyback} for its `ref`.
   * @param all those of which anything is untold: once in a while, or where the peer asks. Otherwise those of which so
   *   much is that the peer may be waiting: after every message that is handled.
   */
  acksDue(all = false): readonly number[] {
    const lanes = all ? this.#untold & ((1 << dueShift) - 1) : this.#untold >>> dueShift;
    return lanes === 0 ? none : lanesOf(lanes);
  }

  /** How far all is handled, for the Hello or the Welcome of the next connection. */
  cursors(): Cursors {
    const cursors = new Map<number, number>();
    for (let lane = 0; lane < laneEnd; lane++) {
      const handled = this.lane(lane)?.handled ?? 0;
      if (handled > 0) cursors.set(lane, handled);
    }
    return cursors.size === 0 ? noCursors : cursors;
  }

  /** There is another connection: what the peer was told on the one before may not have arrived. */
  reattach(): void {
    for (let lane = 0; lane < laneEnd; lane++) this.untell(lane);
  }

  /** The peer has begun a new session: its sequences do so, too. */
  restart(): void {
    this.#normal = undefined;
    this.#others = undefined;
    this.#unhandledBytes = 0;
    this.#untold = 0;
  }

  private lane(lane: number): InboundLane | undefined {
    return lane === 0 ? this.#normal : this.#others?.[lane];
  }

  private addLane(lane: number, before = 0): InboundLane | undefined {
    if (!isLane(lane)) return undefined;
    const state = new InboundLane(before);
    if (lane === 0) this.#normal = state;
    else {
      this.#others ??= [];
      this.#others[lane] = state;
    }
    return state;
  }
}

function takeEarly(state: InboundLane, early: Set<number>): void {
  for (let next = nextSequence(state.handled); early.delete(next); next = nextSequence(next)) {
    state.handled = next;
    state.untoldMessages += 1;
  }
  if (early.size === 0) state.early = undefined;
}

const none: readonly number[] = [];
const listed = new Map<number, readonly number[]>();

/** The numbers of the bits that are set; each list is made once. */
function lanesOf(bits: number): readonly number[] {
  let lanes = listed.get(bits);
  if (lanes === undefined) {
    lanes = Array.from({ length: laneEnd }, (_, lane) => lane).filter((lane) => bits & (1 << lane));
    listed.set(bits, lanes);
  }
  return lanes;
}
