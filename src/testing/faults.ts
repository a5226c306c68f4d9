import { InvalidArgumentError } from "../errors.js";

/** What a relay does to the datagrams of one direction. Rates are probabilities from 0 to 1, a datagram each. */
export interface Faults {
  /** Every datagram arrives so much later; 0 by default. Set both directions to half of a round trip. */
  readonly delayMs?: number;
  /** Up to so much later still, drawn for each. It never reorders: order is `reorderRate`'s. 0 by default. */
  readonly jitterMs?: number;
  /** How many are lost. */
  readonly lossRate?: number;
  /** How many are held back until one to four later ones have gone before them, or for 25 ms. */
  readonly reorderRate?: number;
  /** How many arrive twice, one directly behind the other. */
  readonly duplicateRate?: number;
  /**
   * A datagram with more bytes of UDP payload than this is dropped in silence, as on a path whose MTU has shrunk.
   * Not limited by default.
   */
  readonly maxDatagramBytes?: number;
  /** The rate of the line, in bytes of UDP payload. Not limited by default. */
  readonly bytesPerSecond?: number;
  /** What waits for the line when it is slower than the sender; more is dropped. 256 KiB by default. */
  readonly queueBytes?: number;
}

/** Faults of both directions at once; a direction's own come before them. */
export interface RelayFaults extends Faults {
  readonly toServer?: Faults;
  readonly toClient?: Faults;
}

/** Faults with nothing left out. */
export type FullFaults = Required<Faults>;

/** The way a datagram goes. */
export type Direction = "toServer" | "toClient";

/** A line without faults. */
export const noFaults: FullFaults = {
  delayMs: 0,
  jitterMs: 0,
  lossRate: 0,
  reorderRate: 0,
  duplicateRate: 0,
  maxDatagramBytes: Number.POSITIVE_INFINITY,
  bytesPerSecond: Number.POSITIVE_INFINITY,
  queueBytes: 256 * 1024,
};

const MAX_DELAY_MS = 600_000;

/** The largest value of each, and whether it may be infinite. */
const limits: Readonly<Record<keyof Faults, { readonly min: number; readonly max: number }>> = {
  delayMs: { min: 0, max: MAX_DELAY_MS },
  jitterMs: { min: 0, max: MAX_DELAY_MS },
  lossRate: { min: 0, max: 1 },
  reorderRate: { min: 0, max: 1 },
  duplicateRate: { min: 0, max: 1 },
  maxDatagramBytes: { min: 0, max: Number.POSITIVE_INFINITY },
  bytesPerSecond: { min: 1, max: Number.POSITIVE_INFINITY },
  queueBytes: { min: 0, max: Number.POSITIVE_INFINITY },
};

const faultNames = Object.keys(limits) as (keyof Faults)[];

/**
 * The faults of one direction after a change: what is not named stays.
 * @throws InvalidArgumentError naming the option and what is allowed.
 */
export function changeFaults(before: FullFaults, change: RelayFaults, direction: Direction): FullFaults {
  const own = change[direction] ?? {};
  if (typeof own !== "object") throw new InvalidArgumentError(`${direction} must be an object of faults`);
  for (const name of Object.keys(own)) {
    if (!(name in limits)) throw new InvalidArgumentError(`${direction}.${name} is not a fault`);
  }
  const after = { ...before };
  for (const name of faultNames) {
    const value = own[name] ?? change[name];
    if (value === undefined) continue;
    checkFault(own[name] === undefined ? name : `${direction}.${name}`, value, limits[name]);
    after[name] = value;
  }
  return after;
}

/** @throws InvalidArgumentError for a name that `set` does not know. */
export function checkFaultNames(change: RelayFaults): void {
  if (typeof change !== "object" || change === null) {
    throw new InvalidArgumentError("faults must be an object");
  }
  for (const name of Object.keys(change)) {
    if (name in limits || name === "toServer" || name === "toClient") continue;
    throw new InvalidArgumentError(`${name} is not a fault; known are ${faultNames.join(", ")}`);
  }
}

function checkFault(name: string, value: unknown, { min, max }: { min: number; max: number }): void {
  if (typeof value === "number" && value >= min && value <= max) return;
  const range = Number.isFinite(max) ? `from ${min} to ${max}` : `of at least ${min}`;
  throw new InvalidArgumentError(`${name} must be a number ${range}, and not ${String(value)}`);
}
