import type { Clock } from "../dispatch/clock.js";
import { SessionClosedError } from "../errors.js";
import { Kind } from "../frame/frame.js";
import type { WaitOptions } from "../transport/wait.js";
import { Waiters } from "../transport/waiters.js";
import type { Route } from "./carried.js";
import type { Dialled } from "./dial.js";
import { Heartbeat } from "./heartbeat.js";
import type { SwitchCause, Totals } from "./journal.js";
import { type ExperienceSource, Learning } from "./learning.js";
import type { SessionCounts, SessionStatistics } from "./session_statistics.js";

/** The heartbeats of a session, on one connection after the other, and what is learned of these. */
export class Pulse {
  readonly #clock: Clock;
  readonly #learning: Learning;
  #heartbeat: Heartbeat | undefined = undefined;
  /** Pings on connections before. */
  #pings = 0;
  /** Who waits for the answer to a ping. */
  readonly #pongs = new Waiters();
  #isOver = false;

  /** @param totals what the session has done until now. */
  constructor(source: ExperienceSource, clock: Clock, totals: () => Totals) {
    this.#clock = clock;
    this.#learning = new Learning(source, clock, totals);
  }

  /** A try over a transport has failed. */
  failed(transport: string): void {
    this.#learning.tell(({ journal }) => journal.failed(transport));
  }

  /** A connection is to carry the session from now on. */
  adopted({ connection }: Dialled): void {
    this.#learning.tell(({ journal }, now) => journal.begin(connection, now));
  }

  /** It does. */
  begin(dialled: Dialled, route: Route, reason: SwitchCause): Heartbeat {
    const heartbeat = new Heartbeat(dialled, this.#clock, this.#learning);
    this.#heartbeat = heartbeat;
    if (!this.#pongs.isEmpty) heartbeat.ping();
    this.#learning.tell(({ journal }, now) => journal.arrived(route, reason, now));
    this.#learning.begin();
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
    const experience = await this.#learning.experience();
    const pings = this.#pings + (this.#heartbeat?.pings ?? 0);
    return experience.statistics(counts, pings, this.#heartbeat?.roundTripMs, () => this.#learning.now());
  }

  /** The session has left its connection. */
  end(): void {
    const heartbeat = this.#heartbeat;
    this.#heartbeat = undefined;
    const roundTripMs = heartbeat?.roundTripMs;
    this.#learning.tell(({ journal }, now) => journal.end(roundTripMs, now));
    this.#pings += heartbeat?.pings ?? 0;
    heartbeat?.end();
  }

  /** It has lost it. */
  lost({ connection: { transport } }: Dialled): void {
    this.#learning.tell(({ journal }) => journal.lost(transport));
  }

  /** The session is over. */
  stop(): void {
    this.#isOver = true;
    this.#pongs.wake();
  }
}
