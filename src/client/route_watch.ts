import type { Clock } from "../dispatch/clock.js";
import type { Complete } from "../options/complete.js";
import type { TransportConnection } from "../transport/connection.js";
import type { Heartbeat } from "./heartbeat.js";
import { LossMeter } from "./loss_meter.js";
import { type AutoSwitchOptions, type Move, SwitchPolicy } from "./switch_policy.js";

/** How often a connection is looked at, and how often at least while it stalls: a stall is noticed so much later. */
const lookEveryMs = 1_000;
const looksAStall = 4;

/** What a watch needs of its session. */
export interface Watched {
  /** Those that the session may be on, the most wanted first. */
  readonly urls: readonly string[];
  /** Whether nothing is on its way, either way, as far as this side knows. */
  readonly isQuiet: boolean;
  /** Try this; it may be asked again before that has come to an end. */
  shift(verdict: Move): unknown;
}

/** The connection that is watched. */
interface Watching {
  readonly heartbeat: Heartbeat;
  readonly losses: LossMeter;
}

/**
 * Watches the connection of a session that has several URLs, and says when another is worth a try. While all is well it
 * sends nothing: it asks only where something is on its way and nothing comes, or where answers have become slow.
 */
export class RouteWatch {
  readonly policy: SwitchPolicy;
  readonly #clock: Clock;
  readonly #watched: Watched;
  readonly #everyMs: number;
  #cancel: () => void = () => {};

  constructor(options: Complete<AutoSwitchOptions>, clock: Clock, watched: Watched) {
    this.policy = new SwitchPolicy(() => watched.urls, options);
    this.#clock = clock;
    this.#watched = watched;
    this.#everyMs = Math.min(lookEveryMs, options.stallMs / looksAStall);
  }

  /** The session has come to a URL. */
  begin(url: string, heartbeat: Heartbeat, connection: Pick<TransportConnection, "measure">): void {
    this.end();
    this.policy.arrived(url, this.#clock.now());
    if (this.#watched.urls.length < 2) return;
    this.#again({ heartbeat, losses: new LossMeter(connection) });
  }

  /** Its connection is gone. */
  end(): void {
    this.#cancel();
  }

  #again(watching: Watching): void {
    this.#cancel = this.#clock.at(this.#clock.now() + this.#everyMs, () => this.#look(watching));
  }

  #look(watching: Watching): void {
    this.#again(watching);
    const { heartbeat, losses } = watching;
    const isSilent = !heartbeat.takeHeard() && !this.#watched.isQuiet;
    if (isSilent || this.policy.isWary) heartbeat.ping();
    const measured = {
      roundTripMs: heartbeat.takeRoundTripMs(),
      lossRate: losses.take(),
      stalledMs: heartbeat.silentMs,
    };
    losses.measure(); // for the next look
    const verdict = this.policy.judge(measured, this.#clock.now());
    if (verdict.kind !== "stay") this.#watched.shift(verdict);
  }
}
