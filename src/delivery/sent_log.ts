import { hotHeadBytes, sizePrefixBytes, writeHotWords } from "../frame/codec.js";
import { type Chunk, freeChunk, takeChunk } from "./chunk.js";
import { lowBits, nextSequence } from "./sequence.js";

/** What became of a message; see `Outgoing.settled`. */
export type Outcome = "received" | "dropped" | "expired" | "lost";
export type Settled = (outcome: Outcome) => void;

/** The next frame begins at a multiple of 8. */
function padded(bytes: number): number {
  return (bytes + 7) & ~7;
}

/**
 * The frames of one lane that were sent and are not acknowledged yet, whole, in the order of their sequences: enough to
 * send them again. Nothing is held for a lane whose frames are all acknowledged.
 *
 * ```text
 *   ┌────────────────────┐
 *   ▼                    │     a frame lies in one chunk; the last one leads to the first
 * chunk → chunk → chunk ─┘
 *   ^ start          ^ end
 *   acknowledged + 1  newest
 * ```
 */
export class SentLog {
  readonly lane: number;
  /** The sequence of the newest frame. */
  newest: number;
  /** All up to this sequence are acknowledged. */
  acknowledged: number;
  /** Of all frames that are kept. */
  bytes = 0;
  #last: Chunk | undefined = undefined;

  /** @param before the sequence before the first. */
  constructor(lane: number, before = 0) {
    this.lane = lane;
    this.newest = before;
    this.acknowledged = before;
  }

  /** Appends a whole frame in one part: the next sequence's. */
  append(frame: Uint8Array): void {
    const bytes = frame.length;
    const chunk = this.room(bytes);
    chunk.bytes.set(frame, chunk.end);
    this.appended(chunk, bytes);
  }

  /**
   * Writes a frame that is a head and a payload where it is kept: the next sequence's.
   * @param ref what it acknowledges.
   * @returns the whole frame, valid until it is acknowledged.
   */
  appendHot(kind: number, type: number, ref: number, payload: Uint8Array): Uint8Array {
    const payloadBytes = payload.length;
    const bytes = hotHeadBytes + payloadBytes;
    const chunk = this.room(bytes);
    const at = chunk.end;
    const seq = lowBits(nextSequence(this.newest));
    writeHotWords(chunk.words, at >> 2, kind, this.lane, type, seq, ref, payloadBytes);
    chunk.bytes.set(payload, at + hotHeadBytes);
    this.appended(chunk, bytes);
    return new Uint8Array(chunk.memory, at, bytes);
  }

  private room(bytes: number): Chunk {
    const last = this.#last;
    if (last !== undefined && last.end + bytes <= last.limit) return last;
    const chunk = takeChunk(bytes, this.bytes);
    chunk.next = last?.next ?? chunk;
    if (last !== undefined) last.next = chunk;
    this.#last = chunk;
    return chunk;
  }

  private appended(chunk: Chunk, bytes: number): void {
    chunk.end += padded(bytes);
    this.bytes += bytes;
    this.newest = nextSequence(this.newest);
  }

  /** Takes the newest frame back: whoever was to carry it did not take it. */
  undo(frameBytes: number, before: number): void {
    const last = this.#last!;
    last.end -= padded(frameBytes);
    this.bytes -= frameBytes;
    this.newest = before;
    if (last.end !== last.start) return;
    let leading = last.next!;
    while (leading.next !== last) leading = leading.next!;
    this.remove(last, leading);
  }

  /** @param before the chunk that leads to it; itself where it is the only one. */
  private remove(chunk: Chunk, before: Chunk): void {
    before.next = chunk.next;
    if (chunk === this.#last) this.#last = before === chunk ? undefined : before;
    freeChunk(chunk);
  }

  /**
   * Lets go of all up to a sequence, which was sent.
   * @returns how many bytes that were.
   */
  acknowledge(sequence: number): number {
    const before = this.bytes;
    if (sequence === this.newest) {
      this.letGo(); // most often all of it, and no frame need be looked at
      this.acknowledged = sequence;
      return before;
    }
    while (this.acknowledged < sequence) {
      const chunk = this.first!;
      const bytes = frameBytesAt(chunk, chunk.start);
      chunk.start += padded(bytes);
      this.bytes -= bytes;
      this.acknowledged = nextSequence(this.acknowledged);
      if (chunk.start === chunk.end) this.remove(chunk, this.#last!);
    }
    return before - this.bytes;
  }

  /** Lets go of all, and begins anew: what was not acknowledged is lost. */
  clear(): void {
    this.letGo();
    this.newest = 0;
    this.acknowledged = 0;
  }

  private letGo(): void {
    const last = this.#last;
    for (let chunk = last?.next; chunk !== undefined; ) {
      const next = chunk === last ? undefined : chunk.next;
      freeChunk(chunk);
      chunk = next;
    }
    this.#last = undefined;
    this.bytes = 0;
  }

  /** All frames that are kept, to be sent again. No other is appended meanwhile; any may be acknowledged. */
  replay(): Replay {
    return new Replay(this);
  }

  /** The oldest chunk, for {@link Replay}. */
  get first(): Chunk | undefined {
    return this.#last?.next;
  }
}

function frameBytesAt(chunk: Chunk, at: number): number {
  return sizePrefixBytes + chunk.words[at >> 2]!;
}

/** A place among the frames of a log, which goes on from the oldest to the newest. */
export class Replay {
  readonly log: SentLog;
  /** The sequence before the next frame. */
  #before: number;
  #chunk: Chunk | undefined;
  #at: number;
  #bytesLeft: number;

  constructor(log: SentLog) {
    this.log = log;
    this.#before = log.acknowledged;
    this.#chunk = log.first;
    this.#at = log.first?.start ?? 0;
    this.#bytesLeft = log.bytes;
  }

  /** Bytes of the frames from this place on. */
  get bytesLeft(): number {
    this.#follow();
    return this.#bytesLeft;
  }

  /** The next frame, valid until it is acknowledged; undefined behind the newest. */
  peek(): Uint8Array | undefined {
    this.#follow();
    const chunk = this.#chunk;
    return chunk && new Uint8Array(chunk.memory, this.#at, frameBytesAt(chunk, this.#at));
  }

  /** Goes on behind the frame that `peek` has shown. */
  advance(): void {
    const chunk = this.#chunk;
    if (chunk === undefined || this.#before < this.log.acknowledged) return; // it was acknowledged at once
    const bytes = frameBytesAt(chunk, this.#at);
    this.#at += padded(bytes);
    this.#bytesLeft -= bytes;
    this.#before = nextSequence(this.#before);
    if (this.#at < chunk.end) return;
    const { next } = chunk;
    this.#chunk = next === this.log.first ? undefined : next;
    this.#at = next?.start ?? 0;
  }

  /** What is acknowledged is gone, and so perhaps the chunk that this stood in. */
  #follow(): void {
    const { log } = this;
    if (this.#before >= log.acknowledged) return;
    this.#before = log.acknowledged;
    this.#chunk = log.first;
    this.#at = log.first?.start ?? 0;
    this.#bytesLeft = log.bytes;
  }
}
