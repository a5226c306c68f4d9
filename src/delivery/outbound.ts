import { ConnectionClosedError } from "../errors.js";
import { Kind } from "../frame/frame.js";
import type { SendResult } from "../transport/connection.js";
import { type Cursors, noCursors } from "./cursors.js";
import { hotHead, placeFrame } from "./head.js";
import type { Inbound } from "./inbound.js";
import { Lane, laneOf } from "./lane.js";
import {
  type Carrier,
  checkSettled,
  encodeOutgoing,
  hotBytes,
  isHot,
  keyOf,
  type OutboundLimits,
  type Outgoing,
  sendDatagram,
  takesDatagrams,
} from "./outgoing.js";
import { type Waiting, waitingOverheadBytes } from "./pending_queue.js";
import { bytesToReplay, Rarities, settle, tell } from "./rarities.js";
import { SentLog } from "./sent_log.js";
import { lowBits, nextSequence, widen } from "./sequence.js";

export type { Carrier, OutboundLimits, Outgoing } from "./outgoing.js";
export type { Outcome, Settled } from "./sent_log.js";

/** The order in which lanes are sent again. */
const byUrgency = [Lane.control, Lane.high, Lane.normal, 8, 9, 10, 11, 12, 13, 14, 15, Lane.bulk];

/**
 * The sending half of a session. It outlives connections: what is not acknowledged is kept, and sent again on the next
 * one; what cannot go out now waits. A message gets its place in its lane when it goes out, so that whatever is given up
 * before leaves no hole.
 *
 * ```text
 *  send ──► PendingQueue, by priority ──► SentLog of its lane ──► acknowledged: gone
 *    └── nothing waits, all take more ───►   │      and Carrier
 *                                            └── replay, on the next connection
 * ```
 */
export class Outbound {
  limits: OutboundLimits;
  /** Messages given to a connection for the first time, and the bytes of their frames. */
  messagesSent = 0;
  bytesSent = 0;
  /** Of sequenced frames that were sent and are not acknowledged. */
  bytesUnacknowledged = 0;
  /** `send` has answered `blocked` or `dropped`, and there was no `drain` since. */
  isBlocked = false;
  readonly #inbound: Inbound;
  #carrier: Carrier | undefined = undefined;
  #windowBytes = 0;
  /** There is a connection that takes more, and nothing waits. */
  #isReady = false;
  #normal: SentLog | undefined = undefined;
  #rarities: Rarities | undefined = undefined;

  /**
   * @param ackOf whose acknowledgements go out with what is sent here.
   * @param begun how far a session is that is taken over from elsewhere; a new one by default.
   */
  constructor(limits: OutboundLimits, ackOf: Inbound, begun: Cursors = noCursors) {
    this.limits = limits;
    this.#inbound = ackOf;
    for (const [lane, sequence] of begun) this.#addLog(lane, sequence);
  }

  /** Bytes that wait for the peer, the connection or another one, and those that the connection holds. */
  get bytesQueued(): number {
    const held = this.#carrier?.bytesQueued ?? 0;
    const rarities = this.#rarities;
    return rarities === undefined ? held : held + rarities.pending.bytes + bytesToReplay(rarities);
  }

  /**
   * Memory that this holds and cannot let go of for now, about: what waits, and what is kept to be sent again, with what
   * its connection holds. 0 while messages go out at once.
   */
  get bytesHeld(): number {
    if (this.#isReady) return 0;
    const waiting = this.#rarities?.pending.cost ?? 0;
    return waiting + this.bytesUnacknowledged + (this.#carrier?.bytesQueued ?? 0);
  }

  /** Something is to happen at the next {@link pump}: messages wait, or whoever was told `blocked` does. */
  get isHeld(): boolean {
    return !this.#isReady || this.isBlocked;
  }

  /** What is queued has reached the high-water mark. */
  get isFull(): boolean {
    return this.bytesQueued >= this.limits.highWaterMarkBytes;
  }

  /** Messages wait that were accepted. */
  get hasWaiting(): boolean {
    const rarities = this.#rarities;
    return rarities !== undefined && (rarities.pending.bytes > 0 || rarities.replays.length > 0);
  }

  /** The session is over: see {@link end}. */
  get hasEnded(): boolean {
    return this.#rarities?.hasEnded ?? false;
  }

  /** The frames that were accepted and are not acknowledged, those of each lane in their order. */
  *unacknowledged(): Generator<Uint8Array> {
    for (const log of this.#logs()) {
      const frames = log.replay();
      for (let frame = frames.peek(); frame !== undefined; frame = frames.peek()) {
        yield frame;
        frames.advance();
      }
    }
    for (const { frame } of this.#rarities?.pending ?? []) yield frame;
  }

  /** Messages that were given up to keep the queue's limit. */
  get messagesDropped(): number {
    return this.#rarities?.messagesDropped ?? 0;
  }

  /** Messages that were given up because their time had come before they could go out. */
  get messagesExpired(): number {
    return this.#rarities?.messagesExpired ?? 0;
  }

  /** The policy is `close`, and the queue was full: the session is to be closed with `CloseCode.exhausted`. */
  get mustClose(): boolean {
    return this.#rarities?.mustClose ?? false;
  }

  /** Sends an `ordered` message of priority `normal`: the fast way. @returns see {@link send}. */
  sendMessage(type: number, payload: Uint8Array): SendResult {
    if (this.#isReady && this.#fits(hotBytes(payload))) {
      const result = this.#sendHot(Lane.normal, Kind.Message, type, payload);
      if (result !== "dropped") return result;
    }
    return this.send({ kind: Kind.Message, type, payload });
  }

  /**
   * @returns see {@link SendResult}; what is accepted, and is not of a class that may be lost, arrives once, and in the
   *   order of its lane, as long as the session lives.
   * @throws FrameTooLargeError for an `unreliable` message above the connection's `maxDatagramBytes`.
   * @throws InvalidArgumentError for `settled` with a class that has no sequences.
   */
  send(message: Outgoing): SendResult {
    const { delivery = "ordered", priority = "normal", settled, expiresAt } = message;
    if (settled !== undefined) checkSettled(message);
    const lane = laneOf(delivery, priority, delivery === "unordered" ? this.#nextTurn() : 0);
    if (delivery === "unreliable") return this.#sendUnreliable(message, lane);
    const sequenced = delivery !== "latest";
    if (this.#isReady && sequenced && settled === undefined && isHot(message)) {
      const { kind, type, payload } = message;
      const result = this.#fits(hotBytes(payload)) ? this.#sendHot(lane, kind, type, payload) : "dropped";
      if (result !== "dropped") return result;
    }
    const frame = encodeOutgoing(message);
    const key = keyOf(message, this.limits.policy);
    const { watch } = message;
    const mayGo = !promised.has(message.kind);
    const waiting = {
      ...{ frame, priority, lane, sequenced, key, mayGo },
      ...{ expiresAt: expiresAt ?? never, settled, watch },
    };
    if (this.#isReady && (!sequenced || this.#fits(frame.length))) {
      const result = this.#transmit(waiting);
      if (result !== "dropped") {
        watch?.sent();
        return this.#accepted(result);
      }
    }
    return this.#enqueue(waiting);
  }

  /** Sends a whole frame that has no place in any lane, such as what is published to many, unless it would wait. */
  sendPrepared(head: Uint8Array, payload: Uint8Array | undefined, lane: number): SendResult {
    if (!this.#isReady) return this.#refuse();
    const result = this.#give(head, payload, lane);
    if (result === "dropped") return this.#refuse();
    this.#count(head.length + (payload?.length ?? 0));
    return this.#accepted(result);
  }

  /**
   * The peer has handled all of a lane up to a sequence.
   * @param low32 the low 32 bits of it, as they are in `ref`, where they are not 0.
   * @returns false where it was never sent: the peer breaks the protocol.
   */
  acknowledge(lane: number, low32: number): boolean {
    const log = this.#log(lane);
    if (log === undefined) return false;
    const sequence = widen(low32, log.acknowledged);
    if (sequence <= log.acknowledged) return sequence > 0;
    if (sequence > log.newest) return false;
    this.#acknowledged(log, sequence);
    if (this.#rarities !== undefined) tell(this.#rarities);
    return true;
  }

  /**
   * Whether the session can go on from where the peer says that it is. It cannot where what the peer lacks is gone, or
   * where it claims what was never sent. While a connection is attached, what the peer acknowledges there may have
   * overtaken its cursors, and they are no gap where they are behind it.
   */
  canResume(cursors: Cursors): boolean {
    if (!this.#hasSent(cursors)) return false;
    if (this.#carrier !== undefined) return true;
    return this.#logs().every((log) => (cursors.get(log.lane) ?? 0) >= log.acknowledged);
  }

  /**
   * Goes on with another connection: sends again what the peer lacks, then what waits.
   * @param peerWindowBytes how much the peer takes that it has not acknowledged.
   * @param cursors how far the peer is.
   * @param nowMs on the clock of `expiresAt`.
   * @returns false, with nothing changed, where the peer claims what was never sent, or the session has ended. Whether it
   *   lacks what is gone is {@link canResume}'s to say at the time of the cursors: since then it may have acknowledged more
   *   on the connection before, which may have ended, too.
   */
  attach(carrier: Carrier, peerWindowBytes: number, cursors: Cursors, nowMs: number): boolean {
    if (!this.#hasSent(cursors)) return false;
    for (const log of this.#logs()) {
      const cursor = cursors.get(log.lane) ?? 0;
      if (cursor > log.acknowledged) this.#acknowledged(log, cursor);
    }
    this.detach();
    this.#carrier = carrier;
    this.#windowBytes = peerWindowBytes;
    this.#inbound.reattach();
    const replays = this.#logs().filter((log) => log.bytes > 0);
    if (replays.length > 0) this.#rare().replays = replays.map((log) => log.replay());
    if (this.#rarities === undefined) this.#isReady = true;
    else this.#flow(this.#rarities, nowMs);
    return true;
  }

  /** The connection is gone. */
  detach(): void {
    this.#carrier = undefined;
    this.#isReady = false;
    if (this.#rarities === undefined) return;
    this.#rarities.replays = [];
    this.#rarities.blockedAtBytes = 0;
  }

  /**
   * Sends what waits, as far as the connection and the peer take it: to be called after {@link drained},
   * {@link acknowledge}, and now and then.
   * @param nowMs on the clock of `expiresAt`.
   * @returns true where the session was blocked and is below half of its high-water mark again: its `drain`.
   */
  pump(nowMs: number): boolean {
    if (this.#isReady && !this.isBlocked) return false;
    if (this.#rarities !== undefined) this.#flow(this.#rarities, nowMs);
    return this.#unblock();
  }

  /**
   * The connection has said that it takes more: {@link pump} follows. What it held when it would take no more was asked
   * behind its answer, when some of that may have left it already, and so is no measure of this.
   */
  drained(): void {
    if (this.#rarities !== undefined) this.#rarities.blockedAtBytes = 0;
  }

  /**
   * Gives up messages that wait, the oldest of the least priority first, for somebody who needs their memory.
   * @returns how much of it that was, at least `bytes` where so much waited.
   */
  shed(bytes: number): number {
    const rarities = this.#rare();
    const { pending } = rarities;
    const before = pending.cost;
    while (before - pending.cost < bytes) {
      const oldest = pending.evict("control");
      if (oldest === undefined) break;
      this.#discard(rarities, oldest, "dropped");
    }
    tell(rarities);
    return before - pending.cost;
  }

  /** The peer has lost the session: what it has not acknowledged is lost, and what waits goes to a new session. */
  restart(): void {
    this.detach();
    for (const log of this.#logs()) this.#lose(log);
    this.bytesUnacknowledged = 0;
    if (this.#rarities !== undefined) tell(this.#rarities);
  }

  /** The session is over: nothing more is accepted, all memory is given back, and whoever waits is told `lost`. */
  end(): void {
    const rarities = this.#rare();
    rarities.hasEnded = true;
    for (const { settled } of rarities.pending.clear()) settle(rarities, settled, "lost");
    this.restart();
  }

  /** Whether a peer can be so far. */
  #hasSent(cursors: Cursors): boolean {
    if (this.hasEnded) return false;
    for (const [lane, sequence] of cursors) {
      if (sequence > (this.#log(lane)?.newest ?? 0)) return false;
    }
    return true;
  }

  /** Whether the peer and the limits let a sequenced frame go out. One always may, however large it is. */
  #fits(bytes: number): boolean {
    const unacknowledged = this.bytesUnacknowledged;
    const after = unacknowledged + bytes;
    return (after <= this.#windowBytes && after <= this.limits.replayBytes) || unacknowledged === 0;
  }

  /** Sends what is a head and a payload, when it may go out at once. @returns `dropped` with nothing changed. */
  #sendHot(lane: number, kind: number, type: number, payload: Uint8Array): SendResult {
    const log = this.#log(lane) ?? this.#addLog(lane);
    const bytes = hotBytes(payload);
    const before = log.newest;
    const ref = this.#inbound.toTell(lane);
    const head = hotHead(kind, lane, type, lowBits(nextSequence(before)), ref, payload.length);
    log.appendHot(payload); // before it is sent: who carries it may use the head for another
    this.bytesUnacknowledged += bytes;
    const result = this.#give(head, payload, lane);
    if (result === "dropped") {
      this.#takeBack(log, bytes, before);
      return result;
    }
    this.#inbound.told(lane, ref);
    this.#count(bytes);
    return result === "sent" ? result : this.#accepted(result);
  }

  /** The same of any frame, in one part. */
  #transmit({ frame, lane, sequenced, settled, watch }: Waiting): SendResult {
    const ref = this.#inbound.toTell(lane);
    const bytes = frame.length;
    const log = sequenced ? (this.#log(lane) ?? this.#addLog(lane)) : undefined;
    const before = log?.newest ?? 0;
    const sequence = log === undefined ? 0 : lowBits(nextSequence(before));
    placeFrame(frame, lane, sequence, ref);
    watch?.placed(lane, sequence);
    if (log !== undefined) {
      log.append(frame);
      this.bytesUnacknowledged += bytes;
      if (settled !== undefined) log.expect(settled);
    }
    const result = this.#give(frame, undefined, lane);
    if (result !== "dropped") {
      this.#inbound.told(lane, ref);
      this.#count(bytes);
    } else if (log !== undefined) this.#takeBack(log, bytes, before);
    return result;
  }

  #takeBack(log: SentLog, bytes: number, before: number): void {
    log.undo(bytes, before);
    this.bytesUnacknowledged -= bytes;
  }

  /** Gives a frame to the connection, and takes note of one that takes no more. */
  #give(head: Uint8Array, payload: Uint8Array | undefined, lane: number): SendResult {
    const carrier = this.#carrier!;
    let result: SendResult;
    try {
      result = carrier.send(head, payload, lane);
    } catch (error) {
      return this.#hasClosed(error);
    }
    if (result === "sent") return result;
    this.#isReady = false;
    this.#rare().blockedAtBytes = Math.max(1, carrier.bytesQueued);
    return result;
  }

  /** A connection that is closing is as good as none. */
  #hasClosed(error: unknown): "dropped" {
    if (!(error instanceof ConnectionClosedError)) throw error;
    this.detach();
    return "dropped";
  }

  #count(bytes: number): void {
    this.messagesSent += 1;
    this.bytesSent += bytes;
  }

  #accepted(result: SendResult): SendResult {
    if (result === "blocked") this.isBlocked = true;
    return result;
  }

  #refuse(): "dropped" {
    this.#rare();
    this.isBlocked = true;
    return "dropped";
  }

  #sendUnreliable(message: Outgoing, lane: number): SendResult {
    const carrier = this.#carrier;
    if (carrier === undefined) return this.#refuse();
    const frame = encodeOutgoing(message);
    placeFrame(frame, lane, 0, 0);
    if (!takesDatagrams(carrier)) {
      const result = this.sendPrepared(frame, undefined, lane);
      if (result !== "dropped") message.watch?.sent();
      return result;
    }
    let result: SendResult;
    try {
      result = sendDatagram(carrier, frame);
    } catch (error) {
      result = this.#hasClosed(error);
    }
    if (result === "dropped") return this.#refuse();
    this.#count(frame.length);
    message.watch?.sent();
    return result;
  }

  #enqueue(message: Waiting): SendResult {
    const rarities = this.#rare();
    const { pending } = rarities;
    if (rarities.hasEnded || !this.#makeRoom(rarities, message)) return this.#refuse();
    const old = message.key === undefined ? undefined : pending.withKey(message.key);
    if (old === undefined) pending.push(message);
    else {
      settle(rarities, old.settled, "dropped");
      pending.replace(old, message);
    }
    this.#isReady = false;
    if (this.#takesMore(rarities)) this.#flow(rarities, Number.NEGATIVE_INFINITY);
    else tell(rarities);
    const blocked = !this.#takesMore(rarities) || this.bytesQueued >= this.limits.highWaterMarkBytes;
    return this.#accepted(blocked ? "blocked" : "sent");
  }

  /** @returns false where the message is not to be queued. */
  #makeRoom(rarities: Rarities, { frame, key, priority }: Waiting): boolean {
    const { pending } = rarities;
    const { queueBytes, policy, discarded } = this.limits;
    const old = key === undefined ? undefined : pending.withKey(key);
    const more = old === undefined ? frame.length + waitingOverheadBytes : frame.length - old.frame.length;
    if (pending.cost + more <= queueBytes) return true;
    if (policy === "drop-oldest" && more <= queueBytes) {
      for (let oldest = pending.evict(priority); oldest !== undefined; oldest = pending.evict(priority)) {
        this.#discard(rarities, oldest, "dropped");
        if (pending.cost + frame.length + waitingOverheadBytes <= queueBytes) return true;
      }
    }
    if (policy === "close") rarities.mustClose = true;
    if (policy === "drop-newest") {
      rarities.messagesDropped += 1;
      discarded?.(this, "dropped", frame);
    }
    return false;
  }

  #discard(rarities: Rarities, { frame, settled }: Waiting, outcome: "dropped" | "expired"): void {
    if (outcome === "dropped") rarities.messagesDropped += 1;
    else rarities.messagesExpired += 1;
    settle(rarities, settled, outcome);
    this.limits.discarded?.(this, outcome, frame);
  }

  /** Sends again and sends what waits, as far as that goes. */
  #flow(rarities: Rarities, nowMs: number): void {
    if (rarities.isFlowing) return;
    rarities.isFlowing = true;
    try {
      for (const message of rarities.pending.expire(nowMs)) this.#discard(rarities, message, "expired");
      const flows = this.#carrier !== undefined && this.#replay(rarities) && this.#sendWaiting(rarities);
      this.#isReady = flows && this.#takesMore(rarities);
      if (this.#isReady) rarities.blockedAtBytes = 0;
    } finally {
      rarities.isFlowing = false;
    }
    tell(rarities);
  }

  /** @returns true when all was sent again, and more may follow. */
  #replay(rarities: Rarities): boolean {
    for (let replay = rarities.replays[0]; replay !== undefined; replay = rarities.replays[0]) {
      const frame = replay.peek();
      if (frame === undefined) {
        rarities.replays.shift();
        continue;
      }
      const onTheWay = this.bytesUnacknowledged - bytesToReplay(rarities);
      if (onTheWay > 0 && onTheWay + frame.length > this.#windowBytes) return false;
      const result = this.#give(frame, undefined, replay.log.lane);
      if (result !== "dropped") replay.advance();
      if (!this.#goesOn(rarities, result)) return false;
    }
    return true;
  }

  /** @returns true when nothing waits any more, and more may follow. */
  #sendWaiting(rarities: Rarities): boolean {
    const { pending } = rarities;
    for (let message = pending.peek(); message !== undefined; message = pending.peek()) {
      let next: Waiting | undefined = message;
      // What the peer has no room for lets only what is more urgent go before it.
      while (next?.sequenced && !this.#fits(next.frame.length)) next = pending.peek(next.priority);
      if (next === undefined) return false;
      const result = this.#transmit(next);
      if (result !== "dropped") {
        pending.shift(next);
        const { watch } = next;
        if (watch !== undefined) rarities.outcomes.push(() => watch.sent());
      }
      if (!this.#goesOn(rarities, result)) return false;
    }
    return true;
  }

  #goesOn(rarities: Rarities, result: SendResult): boolean {
    if (result === "sent") rarities.blockedAtBytes = 0;
    return result === "sent" && this.#carrier !== undefined;
  }

  /** Where the connection has not said so yet. It does below half of its mark, which is about what it held. */
  #takesMore({ blockedAtBytes }: Rarities): boolean {
    return blockedAtBytes === 0 || (this.#carrier?.bytesQueued ?? 0) * 2 <= blockedAtBytes;
  }

  #unblock(): boolean {
    const rarities = this.#rarities;
    if (!this.isBlocked || rarities === undefined || !this.#takesMore(rarities)) return false;
    const { highWaterMarkBytes, queueBytes } = this.limits;
    if (this.bytesQueued * 2 >= highWaterMarkBytes || rarities.pending.cost * 2 > queueBytes) return false;
    this.isBlocked = false;
    return true;
  }

  #acknowledged(log: SentLog, sequence: number): void {
    const { settled } = log;
    if (settled !== undefined) {
      for (const [expected, who] of settled) {
        if (expected > sequence) break;
        settled.delete(expected);
        settle(this.#rare(), who, "received");
      }
    }
    this.bytesUnacknowledged -= log.acknowledge(sequence);
  }

  #lose(log: SentLog): void {
    for (const who of log.settled?.values() ?? []) settle(this.#rare(), who, "lost");
    log.clear();
  }

  #log(lane: number): SentLog | undefined {
    return lane === Lane.normal ? this.#normal : this.#rarities?.logs[lane];
  }

  #addLog(lane: number, before = 0): SentLog {
    const log = new SentLog(lane, before);
    if (lane === Lane.normal) this.#normal = log;
    else this.#rare().logs[lane] = log;
    return log;
  }

  /** The most urgent first. */
  #logs(): SentLog[] {
    return byUrgency.map((lane) => this.#log(lane)).filter((log) => log !== undefined);
  }

  #rare(): Rarities {
    this.#rarities ??= new Rarities();
    return this.#rarities;
  }

  #nextTurn(): number {
    const rarities = this.#rare();
    rarities.turn = (rarities.turn + 1) & 0xff;
    return rarities.turn;
  }
}

const never = Number.POSITIVE_INFINITY;
/** What somebody waits for, or has to know, gives way to nothing: answers, what has become of a message, and gaps. */
const promised: ReadonlySet<number> = new Set([Kind.Response, Kind.Ack, Kind.Gap]);
