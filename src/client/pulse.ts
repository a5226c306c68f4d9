import type { Clock } from "../dispatch/clock.js";
import { SessionClosedError } from "../errors.js";
import { Kind } from "../frame/frame.js";
import type { WaitOptions } from "../transport/wait.js";
import { Waiters } from "../transport/waiters.js";
import type { Route } from "./carried.js";
import type { Dialled } from "./dial.js";
import { Heartbeat } from "./heartbeat.js";
import { Journal, type Moment, type SwitchCause, type Totals } from "./journal.js";
import { Pace } from "./pace.js";
import { type SessionCounts, type SessionStatistics, statisticsOf } from "./session_statistics.js";

/** The heartbeats of a session, on one connection after the other, and what is learned of these. */
export class Pulse {
  readonly #clock: Clock;
  readonly #totals: () => Totals;
  readonly #journal = new Journal();
  readonly #pace = new Pace();
  #heartbeat: Heartbeat | undefined = undefined;
  /** Pings on connections before. */
  #pings = 0;
  /** Who waits for the answer to a ping. */
  readonly #pongs = new Waiters();
  #isOver = false;

  /** @param totals what the session has done until now. */
  constructor(clock: Clock, totals: () => Totals) {
    this.#clock = clock;
    this.#totals = totals;
  }

  /** A try over a transport has failed. */
  failed(transport: string): void {
    this.#journal.failed(transport);
  }

  /** A connection is to carry the session from now on. */
  adopted({ connection }: Dialled): void {
    this.#journal.begin(connection, this.#now());
  }

  /** It does. */
  begin(dialled: Dialled, route: Route, reason: SwitchCause): Heartbeat {
    const heartbeat = new Heartbeat(dialled, this.#clock, this.#pace);
    this.#heartbeat = heartbeat;
    if (!this.#pongs.isEmpty) heartbeat.ping();
    this.#journal.arrived(route, reason, this.#now());
    return heartbeat;
  }

  /** A frame of some kind has come. */
  heard(kind: number): void {
    this.#heartbeat?.heard(kind);
    if (kind === Kind.Pong) this.#pongs.wake();
  }

  /** See `ClientSession.ping`. */
  async ping(wait: WaitOptions): Promise<number> {
    const beganAtMs = this.#clock.now();
    const answered = this.#pongs.wait("the answer to a ping", wait);
    this.#heartbeat?.ping();
    await answered;
    if (this.#isOver) throw new SessionClosedError("the session ended before its server answered a ping");
    return this.#clock.now() - beganAtMs;
  }

  /** See `ClientSession.statistics`. */
  async statistics(counts: SessionCounts): Promise<SessionStatistics> {
    const { pings = 0, roundTripMs } = this.#heartbeat ?? {};
    const heartbeats = this.#pings + pings;
    const transports = await this.#journal.transports(roundTripMs, () => this.#now());
    const switches = [...this.#journal.switches];
    return statisticsOf(counts, { heartbeats, roundTripMs, transports, switches });
  }

  /** The session has left its connection. */
  end(): void {
    const heartbeat = this.#heartbeat;
    this.#heartbeat = undefined;
    this.#journal.end(heartbeat?.roundTripMs, this.#now());
    this.#pings += heartbeat?.pings ?? 0;
    heartbeat?.end();
  }

  /** It has lost it. */
  lost({ connection: { transport } }: Dialled): void {
    this.#journal.lost(transport);
  }

  /** The session is over. */
  stop(): void {
    this.#isOver = true;
    this.#pongs.wake();
  }

  #now(): Moment {
    return { nowMs: this.#clock.now(), dateMs: Date.now(), totals: this.#totals() };
  }
}
