import { ConnectionClosedError } from "../errors.js";
import type { SendResult } from "../transport/connection.js";
import { type Cursors, noCursors } from "./cursors.js";
import { placeFrame } from "./head.js";
import type { Inbound } from "./inbound.js";
import {
  type Carrier,
  encodeOutgoing,
  hotBytes,
  type OutboundLimits,
  type Outgoing,
  sendDatagram,
  takesDatagrams,
} from "./outgoing.js";
import type { Waiting } from "./pending_queue.js";
import { SentLanes } from "./sent_lanes.js";
import type { SentLog } from "./sent_log.js";
import { lowBits, nextSequence } from "./sequence.js";

/** What a session sends while its connection and its peer take it: at once, and by the shortest way. */
export abstract class DirectSending extends SentLanes {
  limits: OutboundLimits;
  /** Messages given to a connection for the first time, and the bytes of their frames. */
  messagesSent = 0;
  bytesSent = 0;
  protected readonly inbound: Inbound;
  carrier: Carrier | undefined = undefined;
  protected windowBytes = 0;
  /** There is a connection that takes more, and nothing waits. */
  isReady = false;

  /**
   * @param ackOf whose acknowledgements go out with what is sent here.
   * @param begun how far a session is that is taken over from elsewhere; a new one by default.
   */
  constructor(limits: OutboundLimits, ackOf: Inbound, begun: Cursors = noCursors) {
    super();
    this.limits = limits;
    this.inbound = ackOf;
    for (const [lane, sequence] of begun) this.addLog(lane, sequence);
  }

  /** `send` has answered `blocked` or `dropped`, and there was no `drain` since. */
  get isBlocked(): boolean {
    return this.rarities?.isBlocked ?? false;
  }

  /** All that waits does so for others only: see `Outbound.linger`. */
  get lingers(): boolean {
    return this.rarities?.lingers ?? false;
  }

  set lingers(lingers: boolean) {
    if (lingers) this.rare().lingers = true;
    else if (this.rarities !== undefined) this.rarities.lingers = false;
  }

  /**
   * Whether the session can go on from where the peer says that it is. It cannot where what the peer lacks is gone, or
   * where it claims what was never sent. While a connection is attached, what the peer acknowledges there may have
   * overtaken its cursors, and they are no gap where they are behind it.
   */
  canResume(cursors: Cursors): boolean {
    if (!this.hasSent(cursors)) return false;
    if (this.carrier !== undefined) return true;
    return this.logs().every((log) => (cursors.get(log.lane) ?? 0) >= log.acknowledged);
  }

  /** The connection is gone. */
  detach(): void {
    this.carrier = undefined;
    this.isReady = false;
    this.lingers = false;
    if (this.rarities === undefined) return;
    this.rarities.replays = [];
    this.rarities.blockedAtBytes = 0;
  }

  /** Whether the peer and the limits let a sequenced frame go out. One always may, however large it is. */
  protected fits(bytes: number): boolean {
    const unacknowledged = this.bytesUnacknowledged;
    const after = unacknowledged + bytes;
    return (after <= this.windowBytes && after <= this.limits.replayBytes) || unacknowledged === 0;
  }

  /** Sends what is a head and a payload, when it may go out at once. @returns `dropped` with nothing changed. */
  protected sendHot(lane: number, kind: number, type: number, payload: Uint8Array): SendResult {
    const log = this.log(lane) ?? this.addLog(lane);
    const bytes = hotBytes(payload);
    const before = log.newest;
    const ref = this.inbound.toTell(lane);
    const frame = log.appendHot(kind, type, ref, payload);
    this.bytesUnacknowledged += bytes;
    const result = this.give(frame, lane);
    if (result === "dropped") {
      takeBack(this, log, bytes, before);
      return result;
    }
    this.inbound.told(lane, ref);
    count(this, bytes);
    return result === "sent" ? result : this.accepted(result);
  }

  /** The same of any frame, in one part. */
  protected transmit({ frame, lane, sequenced, settled, watch }: Waiting): SendResult {
    const ref = this.inbound.toTell(lane);
    const bytes = frame.length;
    const log = sequenced ? (this.log(lane) ?? this.addLog(lane)) : undefined;
    const before = log?.newest ?? 0;
    const sequence = log === undefined ? 0 : lowBits(nextSequence(before));
    placeFrame(frame, lane, sequence, ref);
    watch?.placed(lane, sequence);
    if (log !== undefined) {
      log.append(frame);
      this.bytesUnacknowledged += bytes;
      if (settled !== undefined) {
        const { expected } = this.rare();
        expected[lane] ??= new Map();
        expected[lane].set(log.newest, settled);
      }
    }
    const result = this.give(frame, lane);
    if (result !== "dropped") {
      this.inbound.told(lane, ref);
      count(this, bytes);
    } else if (log !== undefined) takeBack(this, log, bytes, before);
    return result;
  }

  /** Gives a frame to the connection, and takes note of one that takes no more. */
  protected give(frame: Uint8Array, lane: number): SendResult {
    const carrier = this.carrier!;
    let result: SendResult;
    try {
      result = carrier.send(frame, undefined, lane);
    } catch (error) {
      return hasClosed(this, error);
    }
    if (result === "sent") return result;
    this.isReady = false;
    this.rare().blockedAtBytes = Math.max(1, carrier.bytesQueued);
    return result;
  }

  protected accepted(result: SendResult): SendResult {
    if (result === "blocked") this.rare().isBlocked = true;
    return result;
  }

  protected refuse(): "dropped" {
    const rarities = this.rare();
    if (!rarities.hasEnded) rarities.isBlocked = true; // or all that have ended would be
    return "dropped";
  }

  protected sendUnreliable(message: Outgoing, lane: number): SendResult {
    const carrier = this.carrier;
    if (carrier === undefined) return this.refuse();
    const frame = encodeOutgoing(message);
    placeFrame(frame, lane, 0, 0);
    let result: SendResult = "dropped";
    if (!takesDatagrams(carrier)) {
      if (this.isReady) result = this.give(frame, lane); // it would wait otherwise
    } else {
      try {
        result = sendDatagram(carrier, frame);
      } catch (error) {
        hasClosed(this, error);
      }
    }
    if (result === "dropped") return this.refuse();
    count(this, frame.length);
    message.watch?.sent();
    return this.accepted(result);
  }
}

function count(sending: DirectSending, bytes: number): void {
  sending.messagesSent += 1;
  sending.bytesSent += bytes;
}

function takeBack(sending: DirectSending, log: SentLog, bytes: number, before: number): void {
  sending.rarities?.expected[log.lane]?.delete(log.newest);
  log.undo(bytes, before);
  sending.bytesUnacknowledged -= bytes;
}

/** A connection that is closing is as good as none. */
function hasClosed(sending: DirectSending, error: unknown): "dropped" {
  if (!(error instanceof ConnectionClosedError)) throw error;
  sending.detach();
  return "dropped";
}
