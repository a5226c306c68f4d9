import { contentsOf } from "../delivery/contents.js";
import type { Clock } from "../dispatch/clock.js";
import { Kind } from "../frame/frame.js";
import { sendFrame } from "../frame/unit.js";
import { unref } from "../transport/timer.js";
import type { Dialled } from "./dial.js";
import type { Pace } from "./pace.js";

const ping = contentsOf(Kind.Ping, {});
/** No server agrees to other heartbeats. One that says so would keep its client busy; a timer of weeks fires at once. */
const leastMs = 1_000;
const mostMs = 3_600_000;

/** Lets the server hear of a client as often as is needed, and knows from its answers how a connection is. */
export class Heartbeat {
  readonly #dialled: Dialled;
  readonly #clock: Clock;
  readonly #pace: Pick<Pace, "everyMs" | "lost">;
  #timer: NodeJS.Timeout | undefined = undefined;
  #everyMs = 0;
  #heard = 0;
  /** Nothing had come for a while before the ping that waits longest. */
  #wasQuiet = false;
  #askedAtMs: number | undefined = undefined;
  #silentSinceMs: number | undefined = undefined;
  #roundTripMs: number | undefined = undefined;
  #lastRoundTripMs: number | undefined = undefined;
  /** How often the server was asked. */
  pings = 0;
  #hasHeard = false;

  /** @param pace how often, and what is learned of that. */
  constructor(dialled: Dialled, clock: Clock, pace: Pick<Pace, "everyMs" | "lost">) {
    this.#dialled = dialled;
    this.#clock = clock;
    this.#pace = pace;
    this.#next();
  }

  ping(): void {
    const { connection, codec } = this.#dialled;
    if (connection.state !== "open") return;
    this.#askedAtMs ??= this.#clock.now();
    this.#silentSinceMs ??= this.#askedAtMs;
    this.pings += 1;
    sendFrame(connection, codec, ping);
  }

  /** A frame of some kind has come. */
  heard(kind: number): void {
    this.#hasHeard = true;
    this.#heard += 1;
    this.#silentSinceMs = undefined;
    if (kind !== Kind.Pong || this.#askedAtMs === undefined) return;
    this.#roundTripMs = this.#clock.now() - this.#askedAtMs;
    this.#lastRoundTripMs = this.#roundTripMs;
    this.#askedAtMs = undefined;
  }

  /** Whether anything was heard since this was last asked. */
  takeHeard(): boolean {
    const heard = this.#hasHeard;
    this.#hasHeard = false;
    return heard;
  }

  /** How long a ping waits, and nothing at all has come; 0 where none does. */
  get silentMs(): number {
    return this.#silentSinceMs === undefined ? 0 : this.#clock.now() - this.#silentSinceMs;
  }

  /** The transport's own, where it measures one; else that of the last ping. */
  get roundTripMs(): number | undefined {
    return this.#dialled.connection.roundTripMs ?? this.#lastRoundTripMs;
  }

  /** The same, but that of a ping is given once. */
  takeRoundTripMs(): number | undefined {
    const { roundTripMs } = this.#dialled.connection;
    const own = this.#roundTripMs;
    this.#roundTripMs = undefined;
    return roundTripMs ?? own;
  }

  /** The connection is gone. */
  end(): void {
    clearTimeout(this.#timer);
    const isBySilence = this.#silentSinceMs !== undefined && this.#wasQuiet;
    if (isBySilence) this.#pace.lost(this.#everyMs, this.#clock.now());
  }

  /** Looks in the middle between two pings, too: what came behind that was no answer to the one before. */
  #next(): void {
    const { heartbeatMs } = this.#dialled.welcome;
    if (heartbeatMs === undefined) return;
    const agreedMs = Math.min(Math.max(heartbeatMs, leastMs), mostMs);
    this.#everyMs = this.#pace.everyMs(agreedMs, this.#clock.now());
    this.#wait(() => {
      const heard = this.#heard;
      const sinceMs = this.#clock.now();
      this.#wait(() => {
        const hasSlept = this.#clock.now() - sinceMs > this.#everyMs; // the machine: nobody could say anything
        if (this.#silentSinceMs === undefined) this.#wasQuiet = heard === this.#heard && !hasSlept;
        this.ping();
        this.#next();
      });
    });
  }

  #wait(task: () => void): void {
    this.#timer = unref(setTimeout(task, this.#everyMs / 2));
  }
}
