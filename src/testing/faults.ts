import type { Complete } from "../options/complete.js";
import { readOptions } from "../options/read.js";
import { number, object, optional } from "../options/schema.js";
import { changesOf, type Direction, delayMs, inWays, type Ways } from "./ways.js";

/** What a relay does to the datagrams of one direction. Rates are probabilities from 0 to 1, a datagram each. */
export interface Faults {
  /** Every datagram arrives so much later; 0 by default. Set both directions to half of a round trip. */
  readonly delayMs?: number | undefined;
  /** Up to so much later still, drawn for each. It never reorders: order is `reorderRate`'s. 0 by default. */
  readonly jitterMs?: number | undefined;
  /** How many are lost. */
  readonly lossRate?: number | undefined;
  /** How many are held back until one to four later ones have gone before them, or for 25 ms. */
  readonly reorderRate?: number | undefined;
  /** How many arrive twice, one directly behind the other. */
  readonly duplicateRate?: number | undefined;
  /**
   * A datagram with more bytes of UDP payload than this is dropped in silence, as on a path whose MTU has shrunk.
   * Not limited by default.
   */
  readonly maxDatagramBytes?: number | undefined;
  /** The rate of the line, in bytes of UDP payload. Not limited by default. */
  readonly bytesPerSecond?: number | undefined;
  /** What waits for the line when it is slower than the sender; more is dropped. 256 KiB by default. */
  readonly queueBytes?: number | undefined;
}

/** Faults of both directions at once; a direction's own come before them. */
export interface RelayFaults extends Faults, Ways<Faults> {}

/** Faults with nothing left out. */
export type FullFaults = Complete<Faults>;

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

const rate = optional(number(0, 1));

const faultOptions = {
  delayMs,
  jitterMs: delayMs,
  lossRate: rate,
  reorderRate: rate,
  duplicateRate: rate,
  maxDatagramBytes: optional(number(0, Number.POSITIVE_INFINITY)),
  bytesPerSecond: optional(number(1, Number.POSITIVE_INFINITY)),
  queueBytes: optional(number(0, Number.POSITIVE_INFINITY)),
} satisfies Record<keyof Faults, unknown>;

/** How {@link RelayFaults} are read, for the objects that have more. */
export const relayFaultOptions = inWays(faultOptions);

const names = Object.keys(faultOptions) as (keyof Faults)[];
const schema = object(relayFaultOptions);

/** @throws InvalidArgumentError naming the fault and what is allowed. */
export function readFaults(faults: RelayFaults): RelayFaults {
  return readOptions(schema, faults, "faults");
}

/** The faults of one direction after a change that was read: what is not named stays. */
export function changeFaults(before: FullFaults, change: RelayFaults, direction: Direction): FullFaults {
  return { ...before, ...changesOf<Faults>(change, names, direction) };
}
