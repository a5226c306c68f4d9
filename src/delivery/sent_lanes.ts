import { Kind } from "../frame/frame.js";
import type { Cursors } from "./cursors.js";
import { kindOf } from "./head.js";
import { Lane } from "./lane.js";
import { Rarities, settle, tell } from "./rarities.js";
import { SentLog } from "./sent_log.js";
import { widen } from "./sequence.js";

/** The order in which lanes are sent again. */
const byUrgency = [Lane.control, Lane.high, Lane.normal, 8, 9, 10, 11, 12, 13, 14, 15, Lane.bulk];

const ended = new Rarities();
const noLogs: readonly SentLog[] = [];

/** What a session has sent, lane by lane, and keeps until it is acknowledged. */
export abstract class SentLanes {
  /** Of sequenced frames that were sent and are not acknowledged. */
  bytesUnacknowledged = 0;
  #normal: SentLog | undefined = undefined;
  /** Undefined where nothing has ever been out of the usual. */
  rarities: Rarities | undefined = undefined;

  /** The session is over: nothing more is accepted. */
  get hasEnded(): boolean {
    return this.rarities?.hasEnded ?? false;
  }

  /**
   * The peer has handled all of a lane up to a sequence.
   * @param low32 the low 32 bits of it, as they are in `ref`, where they are not 0.
   * @returns false where it was never sent: the peer breaks the protocol.
   */
  acknowledge(lane: number, low32: number): boolean {
    const log = this.log(lane);
    if (log === undefined) return false;
    const sequence = widen(low32, log.acknowledged);
    if (sequence <= log.acknowledged) return sequence > 0;
    if (sequence > log.newest) return false;
    this.letGo(log, sequence);
    if (this.rarities !== undefined) tell(this.rarities);
    return true;
  }

  /** Whether a peer can be so far. */
  protected hasSent(cursors: Cursors): boolean {
    if (this.hasEnded) return false;
    for (const [lane, sequence] of cursors) {
      if (sequence > (this.log(lane)?.newest ?? 0)) return false;
    }
    return true;
  }

  /** Lets go of what is acknowledged. */
  protected letGo(log: SentLog, sequence: number): void {
    const settled = this.rarities?.expected[log.lane];
    if (settled !== undefined) {
      for (const [expected, who] of settled) {
        if (expected > sequence) break;
        settled.delete(expected);
        settle(this.rare(), who, "received");
      }
    }
    this.bytesUnacknowledged -= log.acknowledge(sequence);
  }

  /** Nobody will ever acknowledge what was sent. @returns how many messages that is. */
  protected loseAll(): number {
    let messages = 0;
    for (const log of this.logs()) {
      for (const who of this.rarities?.expected[log.lane]?.values() ?? []) settle(this.rare(), who, "lost");
      messages += countOf(log, Kind.Message);
      log.clear();
    }
    this.bytesUnacknowledged = 0;
    if (this.rarities !== undefined) {
      this.rarities.expected.length = 0;
      tell(this.rarities);
    }
    return messages;
  }

  /** What was sent on a lane, where anything was. */
  protected log(lane: number): SentLog | undefined {
    return lane === Lane.normal ? this.#normal : this.rarities?.logs[lane];
  }

  protected addLog(lane: number, before = 0): SentLog {
    const log = new SentLog(lane, before);
    if (lane === Lane.normal) this.#normal = log;
    else this.rare().logs[lane] = log;
    return log;
  }

  /** The most urgent first. */
  logs(): readonly SentLog[] {
    if (!this.rarities?.logs.length) return this.#normal === undefined ? noLogs : [this.#normal];
    return byUrgency.map((lane) => this.log(lane)).filter((log) => log !== undefined);
  }

  /** The same of a session that ends: where it never needed one, all share one, in which nothing is ever put. */
  protected ending(): Rarities {
    this.rarities ??= ended;
    this.rarities.hasEnded = true;
    return this.rarities;
  }

  rare(): Rarities {
    this.rarities ??= new Rarities();
    return this.rarities;
  }
}

function countOf(log: SentLog, kind: number): number {
  const frames = log.replay();
  let count = 0;
  for (let frame = frames.peek(); frame !== undefined; frame = frames.peek()) {
    if (kindOf(frame) === kind) count += 1;
    frames.advance();
  }
  return count;
}
