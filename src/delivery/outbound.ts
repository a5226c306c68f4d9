import { Kind } from "../frame/frame.js";
import type { SendResult } from "../transport/connection.js";
import type { Cursors } from "./cursors.js";
import { DirectSending } from "./direct_sending.js";
import { Lane, laneOf } from "./lane.js";
import { giveUp, makeRoom } from "./making_room.js";
import {
  type Carrier,
  checkSettled,
  encodeOutgoing,
  hotBytes,
  isHot,
  keyOf,
  type Outgoing,
  type QueuePolicy,
} from "./outgoing.js";
import type { Waiting } from "./pending_queue.js";
import { bytesToReplay, type Rarities, settle, tell } from "./rarities.js";

export type { Carrier, OutboundLimits, Outgoing } from "./outgoing.js";
export type { Outcome, Settled } from "./sent_log.js";

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
export class Outbound extends DirectSending {
  /** Bytes that wait for the peer, the connection or another one, and those that the connection holds. */
  get bytesQueued(): number {
    const held = this.carrier?.bytesQueued ?? 0;
    const rarities = this.rarities;
    return rarities === undefined ? held : held + rarities.pending.bytes + bytesToReplay(rarities);
  }

  /** Something is to happen at the next {@link pump}: messages wait, or whoever was told `blocked` does. */
  get isHeld(): boolean {
    return !this.isReady || this.isBlocked;
  }

  /** Messages wait that were accepted. */
  get hasWaiting(): boolean {
    const rarities = this.rarities;
    return rarities !== undefined && (rarities.pending.bytes > 0 || rarities.replays.length > 0);
  }

  /** Sends an `ordered` message of priority `normal`: the fast way. @returns see {@link send}. */
  sendMessage(type: number, payload: Uint8Array): SendResult {
    if (this.isReady && this.fits(hotBytes(payload))) {
      const result = this.sendHot(Lane.normal, Kind.Message, type, payload);
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
    const { delivery, settled } = message;
    if (settled !== undefined) checkSettled(message);
    const lane = laneFor(this, message);
    if (delivery === "unreliable") return this.sendUnreliable(message, lane);
    const sequenced = delivery !== "latest";
    if (this.isReady && sequenced && settled === undefined && isHot(message)) {
      const { kind, type, payload } = message;
      const result = this.fits(hotBytes(payload)) ? this.sendHot(lane, kind, type, payload) : "dropped";
      if (result !== "dropped") return result;
    }
    const waiting = waitingOf(message, lane, this.limits.policy);
    if (this.isReady && (!sequenced || this.fits(waiting.frame.length))) {
      const result = this.transmit(waiting);
      if (result !== "dropped") {
        waiting.watch?.sent();
        return this.accepted(result);
      }
    }
    this.lingers = false; // what waited for others goes before it
    return this.enqueue(waiting);
  }

  /**
   * The same, of a message that may wait for others to go out with: until {@link lingers} is made false and {@link pump}
   * called, something else is sent, or so much waits.
   */
  linger(message: Outgoing, maxBytes: number): SendResult {
    const bytes = (this.rarities?.pending.bytes ?? 0) + message.payload.length;
    if (bytes >= maxBytes || !(this.isReady || this.lingers)) return this.send(message);
    const lane = laneFor(this, message);
    this.lingers = true;
    const result = this.enqueue(waitingOf(message, lane, this.limits.policy));
    if (this.isReady) this.lingers = false; // it found no room
    return result;
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
    if (!this.hasSent(cursors)) return false;
    for (const log of this.logs()) {
      const cursor = cursors.get(log.lane) ?? 0;
      if (cursor > log.acknowledged) this.letGo(log, cursor);
    }
    this.detach();
    this.carrier = carrier;
    this.windowBytes = peerWindowBytes;
    this.inbound.reattach();
    const replays = this.logs().filter((log) => log.bytes > 0);
    if (replays.length > 0) this.rare().replays = replays.map((log) => log.replay());
    if (this.rarities === undefined) this.isReady = true;
    else this.flow(this.rarities, nowMs);
    return true;
  }

  /**
   * Sends what waits, as far as the connection and the peer take it: to be called after {@link drained},
   * {@link acknowledge}, and now and then.
   * @param nowMs on the clock of `expiresAt`.
   * @returns true where the session was blocked and is below half of its high-water mark again: its `drain`.
   */
  pump(nowMs: number): boolean {
    if (this.isReady && !this.isBlocked) return false;
    const { rarities } = this;
    if (rarities === undefined) return false;
    if (!rarities.lingers) this.flow(rarities, nowMs);
    if (!rarities.isBlocked || !this.takesMore(rarities)) return false;
    const { highWaterMarkBytes, queueBytes } = this.limits;
    if (this.bytesQueued * 2 >= highWaterMarkBytes || rarities.pending.cost * 2 > queueBytes) return false;
    rarities.isBlocked = false;
    return true;
  }

  /**
   * The connection has said that it takes more: {@link pump} follows. What it held when it would take no more was asked
   * behind its answer, when some of that may have left it already, and so is no measure of this.
   */
  drained(): void {
    if (this.rarities !== undefined) this.rarities.blockedAtBytes = 0;
  }

  /**
   * The peer has lost the session: what it has not acknowledged is lost, and what waits goes to a new session, but for what
   * is about the one that is lost: answers to it, and what has become of its messages.
   * @returns how many messages were sent and not acknowledged.
   */
  restart(): number {
    this.detach();
    this.rarities?.pending.retain(({ mayGo }) => mayGo);
    return this.loseAll();
  }

  /** The session is over: nothing more is accepted, all memory is given back, and whoever waits is told `lost`. */
  end(): void {
    const rarities = this.ending();
    for (const { settled } of rarities.pending.retain(() => false)) settle(rarities, settled, "lost");
    this.restart();
  }

  private enqueue(message: Waiting): SendResult {
    const rarities = this.rare();
    const { pending } = rarities;
    if (rarities.hasEnded || !makeRoom(rarities, this.limits, message)) return this.refuse();
    const old = message.key === undefined ? undefined : pending.withKey(message.key);
    if (old === undefined) pending.push(message);
    else {
      settle(rarities, old.settled, "dropped");
      if (old.priority === message.priority) pending.replace(old, message);
      else pending.move(old, message);
    }
    this.isReady = false;
    if (this.takesMore(rarities) && !this.lingers) this.flow(rarities, Number.NEGATIVE_INFINITY);
    else tell(rarities);
    const blocked = !this.takesMore(rarities) || this.bytesQueued >= this.limits.highWaterMarkBytes;
    return this.accepted(blocked ? "blocked" : "sent");
  }

  /** Sends again and sends what waits, as far as that goes. */
  private flow(rarities: Rarities, nowMs: number): void {
    if (rarities.isFlowing) return;
    rarities.isFlowing = true;
    try {
      for (const message of rarities.pending.expire(nowMs)) giveUp(rarities, message, "expired");
      const flows = this.carrier !== undefined && this.replay(rarities) && this.sendWaiting(rarities);
      this.isReady = flows && this.takesMore(rarities);
      if (this.isReady) rarities.blockedAtBytes = 0;
    } finally {
      rarities.isFlowing = false;
    }
    tell(rarities);
  }

  /** @returns true when all was sent again, and more may follow. */
  private replay(rarities: Rarities): boolean {
    for (let replay = rarities.replays[0]; replay !== undefined; replay = rarities.replays[0]) {
      const frame = replay.peek();
      if (frame === undefined) {
        rarities.replays.shift();
        continue;
      }
      const onTheWay = this.bytesUnacknowledged - bytesToReplay(rarities);
      if (onTheWay > 0 && onTheWay + frame.length > this.windowBytes) return false;
      const result = this.give(frame, replay.log.lane);
      if (result !== "dropped") replay.advance();
      if (!this.goesOn(rarities, result)) return false;
    }
    return true;
  }

  /** @returns true when nothing waits any more, and more may follow. */
  private sendWaiting(rarities: Rarities): boolean {
    const { pending } = rarities;
    if (rarities.isBehind) return false;
    for (let message = pending.peek(); message !== undefined; message = pending.peek()) {
      let next: Waiting | undefined = message;
      // What the peer has no room for lets only what is more urgent go before it.
      while (next?.sequenced && !this.fits(next.frame.length)) next = pending.peek(next.priority);
      if (next === undefined) return false;
      const result = this.transmit(next);
      if (result !== "dropped") {
        pending.shift(next);
        const { watch } = next;
        if (watch !== undefined) rarities.outcomes.push(() => watch.sent());
      }
      if (!this.goesOn(rarities, result)) return false;
    }
    return true;
  }

  private goesOn(rarities: Rarities, result: SendResult): boolean {
    if (result === "sent") rarities.blockedAtBytes = 0;
    return result === "sent" && this.carrier !== undefined;
  }

  /** Where the connection has not said so yet. It does below half of its mark, which is about what it held. */
  private takesMore({ blockedAtBytes }: Rarities): boolean {
    return blockedAtBytes === 0 || (this.carrier?.bytesQueued ?? 0) * 2 <= blockedAtBytes;
  }
}

const never = Number.POSITIVE_INFINITY;
/** What somebody waits for, or has to know, gives way to nothing: answers, what has become of a message, and gaps. */
const promised: ReadonlySet<number> = new Set([Kind.Response, Kind.Ack, Kind.Gap]);

function waitingOf(message: Outgoing, lane: number, policy: QueuePolicy): Waiting {
  const { delivery, priority = "normal", settled, expiresAt = never, watch, idempotent } = message;
  return {
    ...{ frame: encodeOutgoing(message), priority, lane, sequenced: delivery !== "latest" },
    ...{ key: keyOf(message, policy), mayGo: !promised.has(message.kind) },
    ...{ expiresAt, settled, watch, idempotent },
  };
}

/** Those of unordered messages take turns. */
function laneFor(outbound: Outbound, { delivery = "ordered", priority = "normal" }: Outgoing): number {
  if (delivery !== "unordered") return laneOf(delivery, priority, 0);
  const rarities = outbound.rare();
  rarities.turn = (rarities.turn + 1) & 0xff;
  return laneOf(delivery, priority, rarities.turn);
}
