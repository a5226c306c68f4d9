import type { Complete } from "../options/complete.js";
import { readOptions } from "../options/read.js";
import { integer, number, object, withDefault } from "../options/schema.js";

/** When a session changes to another of its URLs by itself. */
export interface AutoSwitchOptions {
  /**
   * How long a session stays on a URL that is not its first choice until it tries those before it, 1..86,400,000; 30,000
   * by default. Twice as long after each time that they do not answer, up to 20 times.
   */
  readonly upgradeAfterMs?: number | undefined;
  /** A round trip has become bad that takes so many times as long as the best one here, 1.1..100; 4 by default. */
  readonly slowerBy?: number | undefined;
  /**
   * A connection has become bad of whose packets this part is lost, 0.001..1; 0.1 by default. Where the transport tells:
   * QUIC does.
   */
  readonly lossRate?: number | undefined;
  /** How long it must be bad, 0..600,000; 10,000 by default. */
  readonly badForMs?: number | undefined;
  /** A connection stalls on which nothing is answered for so long, 100..600,000; 5,000 by default. */
  readonly stallMs?: number | undefined;
  /**
   * How long a URL that was left because it was bad is not gone back to, 1..86,400,000; 60,000 by default. Twice as long
   * each time that it happens again, up to 16 times.
   */
  readonly avoidMs?: number | undefined;
}

/** How {@link AutoSwitchOptions} are read. */
export const autoSwitchOptions = object({
  upgradeAfterMs: withDefault(integer(1, 86_400_000), 30_000),
  slowerBy: withDefault(number(1.1, 100), 4),
  lossRate: withDefault(number(0.001, 1), 0.1),
  badForMs: withDefault(integer(0, 600_000), 10_000),
  stallMs: withDefault(integer(100, 600_000), 5_000),
  avoidMs: withDefault(integer(1, 86_400_000), 60_000),
} satisfies Record<keyof AutoSwitchOptions, unknown>);

/** @param autoSwitch true, or options. @throws InvalidArgumentError */
export function readAutoSwitch(autoSwitch: true | AutoSwitchOptions): Complete<AutoSwitchOptions> {
  return readOptions(autoSwitchOptions, autoSwitch === true ? {} : autoSwitch, "autoSwitch", "autoSwitch.");
}

/** What is known of a connection now; what is not measured is left out. */
export interface Measurement {
  readonly roundTripMs?: number | undefined;
  /** The part of what was sent since the last measurement that was lost, 0..1. */
  readonly lossRate?: number | undefined;
  /** How long something waits for its answer, and nothing at all has come; 0 where nothing waits. */
  readonly stalledMs?: number | undefined;
}

/** To try these, the most wanted first, and to go over where one answers. */
export type Move =
  | { readonly kind: "upgrade"; readonly urls: readonly string[] }
  | { readonly kind: "leave"; readonly urls: readonly string[]; readonly reason: SwitchReason };

/** What to do. */
export type Verdict = { readonly kind: "stay" } | Move;

/** Why a URL is left. */
export type SwitchReason = "slow" | "lossy" | "stalled";

const stay: Verdict = { kind: "stay" };
/** Round trips differ by so much anyway. */
const leastSlowerByMs = 100;
/** What is bad is good again below this part of what made it bad: else it would change with every measurement. */
const goodBelow = 0.5;
/** How much of a new measurement goes into what is known. */
const newPart = 0.25;
const maxUpgradeWaits = 20;
const maxAvoidances = 16;
/** A handshake takes about so many round trips. */
const handshakeRoundTrips = 4;

/** How often a URL was left for being bad, and until when it is not gone back to. */
interface Avoided {
  readonly untilMs: number;
  readonly waits: number;
}

/**
 * Decides when a session moves from one of its URLs to another. To a better one: a while after it has come to a worse,
 * and, where that fails, less and less often. Away from one that has become slow, lossy or silent: only when it has been
 * so for a while, and it is not good again until it is much better than what made it bad; and what was left is not gone
 * back to at once, and each time later. So a route at the edge is not changed with every measurement.
 *
 * It neither measures nor moves: tell it what is measured, {@link judge}, and what has come of a verdict, {@link arrived}
 * or {@link failed}.
 */
export class SwitchPolicy {
  readonly #urls: () => readonly string[];
  readonly #options: Complete<AutoSwitchOptions>;
  readonly #avoided = new Map<string, Avoided>();
  #at = "";
  #arrivedAtMs = 0;
  #upgradeAtMs = 0;
  #upgradeWaits = 1;
  #bestMs: number | undefined = undefined;
  #roundTripMs: number | undefined = undefined;
  #lossRate = 0;
  #bad: { readonly reason: SwitchReason; readonly sinceMs: number } | undefined = undefined;
  /** After a try to get away that has failed. */
  #notBeforeMs = 0;

  /** @param urls those that there are now, the most wanted first. */
  constructor(urls: () => readonly string[], options: Complete<AutoSwitchOptions>) {
    this.#urls = urls;
    this.#options = options;
  }

  /** The session is on a URL now, in whatever way it came there. */
  arrived(url: string, nowMs: number): void {
    this.#at = url;
    this.#arrivedAtMs = nowMs;
    this.#upgradeWaits = 1;
    this.#upgradeAtMs = nowMs + this.#options.upgradeAfterMs;
    this.#bestMs = undefined;
    this.#roundTripMs = undefined;
    this.#lossRate = 0;
    this.#bad = undefined;
    this.#notBeforeMs = 0;
  }

  /** Whether the connection is bad, and has not been so for long enough: it should be measured more often. */
  get isWary(): boolean {
    return this.#bad !== undefined;
  }

  /** What to do, now that this was measured. */
  judge(measured: Measurement, nowMs: number): Verdict {
    this.#learn(measured);
    const reason = this.#badness(measured);
    if (reason === undefined) this.#bad = undefined;
    else this.#bad ??= { reason, sinceMs: nowMs };
    if (reason !== undefined && nowMs >= this.#notBeforeMs) {
      const sinceMs = this.#bad!.sinceMs;
      // A stall has lasted when it is one.
      if (reason === "stalled" || nowMs - sinceMs >= this.#options.badForMs)
        return this.#leave(reason, nowMs);
    }
    if (nowMs < this.#upgradeAtMs) return stay;
    const better = this.#others(nowMs).filter((url) => this.#rank(url) < this.#rank(this.#at));
    return better.length === 0 ? stay : { kind: "upgrade", urls: better };
  }

  /** None of a verdict's URLs has answered, or it was no better. */
  failed({ kind }: Verdict, nowMs: number): void {
    if (kind === "leave") this.#notBeforeMs = nowMs + this.#options.badForMs;
    this.#upgradeWaits = Math.min(2 * this.#upgradeWaits, maxUpgradeWaits);
    this.#upgradeAtMs = nowMs + this.#upgradeWaits * this.#options.upgradeAfterMs;
  }

  /** The session leaves the URL where it is by a verdict: call it before {@link arrived}. */
  left({ kind }: Verdict, nowMs: number): void {
    if (kind !== "leave") return;
    const { avoidMs } = this.#options;
    const before = this.#avoided.get(this.#at)?.waits ?? 0;
    const wasGood = nowMs - this.#arrivedAtMs >= before * avoidMs; // for as long as it had been avoided
    const waits = wasGood ? 1 : Math.min(2 * before, maxAvoidances);
    this.#avoided.set(this.#at, { waits, untilMs: nowMs + waits * avoidMs });
  }

  /**
   * Whether it is worth going over to a URL that took so long to connect: always to a better one, and from a stalled one;
   * from a slow one only where it is not slower yet.
   */
  isWorth(verdict: Verdict, connectMs: number): boolean {
    const isSlow = verdict.kind === "leave" && verdict.reason === "slow";
    return !isSlow || connectMs <= handshakeRoundTrips * (this.#roundTripMs ?? connectMs);
  }

  #learn({ roundTripMs, lossRate }: Measurement): void {
    if (roundTripMs !== undefined) {
      this.#bestMs = Math.min(this.#bestMs ?? roundTripMs, roundTripMs);
      this.#roundTripMs = mix(this.#roundTripMs ?? roundTripMs, roundTripMs);
    }
    if (lossRate !== undefined) this.#lossRate = mix(this.#lossRate, lossRate);
  }

  #badness({ stalledMs = 0 }: Measurement): SwitchReason | undefined {
    const { stallMs, slowerBy, lossRate } = this.#options;
    if (stalledMs >= stallMs) return "stalled";
    const isBad = (reason: SwitchReason, value: number, limit: number) =>
      value >= (this.#bad?.reason === reason ? goodBelow * limit : limit);
    const bestMs = this.#bestMs ?? 0;
    const slowMs = (this.#roundTripMs ?? 0) - bestMs;
    if (isBad("slow", slowMs, Math.max((slowerBy - 1) * bestMs, leastSlowerByMs))) return "slow";
    return isBad("lossy", this.#lossRate, lossRate) ? "lossy" : undefined;
  }

  #leave(reason: SwitchReason, nowMs: number): Verdict {
    const isSilent = reason === "stalled"; // then any other may be better
    const urls = this.#others(isSilent ? Number.POSITIVE_INFINITY : nowMs);
    return urls.length === 0 ? stay : { kind: "leave", urls, reason };
  }

  #others(nowMs: number): readonly string[] {
    return this.#urls().filter((url) => url !== this.#at && nowMs >= (this.#avoided.get(url)?.untilMs ?? 0));
  }

  /** A URL that is none of the list, since the server has named it, is as good as any. */
  #rank(url: string): number {
    return this.#urls().indexOf(url);
  }
}

function mix(known: number, measured: number): number {
  return known + newPart * (measured - known);
}
