import type { Complete } from "../options/complete.js";
import { readOptions } from "../options/read.js";
import { integer, number, object, optional } from "../options/schema.js";
import { changesOf, type Direction, delayMs, inWays, type Ways } from "./ways.js";

/**
 * What a relay does to the bytes of one direction of each connection. Whatever it does, they arrive whole and in order,
 * as TCP has it, or the connection ends.
 */
export interface StreamFaults {
  /** All arrives so much later; 0 by default. Set both directions to half of a round trip. */
  readonly delayMs?: number | undefined;
  /** Up to so much later still, drawn for each piece; what is behind it waits, too. 0 by default. */
  readonly jitterMs?: number | undefined;
  /** The rate of each connection's line. Not limited by default. */
  readonly bytesPerSecond?: number | undefined;
  /** What the relay holds of a connection before it reads no more, so that its sender is held back. 256 KiB by default. */
  readonly bufferBytes?: number | undefined;
  /**
   * Each connection is reset, both ways, when exactly so many bytes have gone this way since it began, or since `set`
   * said so. Not by default.
   */
  readonly resetAfterBytes?: number | undefined;
}

/** Faults of both directions at once; a direction's own come before them. */
export interface StreamRelayFaults extends StreamFaults, Ways<StreamFaults> {}

/** Faults with nothing left out. */
export type FullStreamFaults = Complete<StreamFaults>;

/** A line without faults. */
export const noStreamFaults: FullStreamFaults = {
  delayMs: 0,
  jitterMs: 0,
  bytesPerSecond: Number.POSITIVE_INFINITY,
  bufferBytes: 256 * 1024,
  resetAfterBytes: Number.POSITIVE_INFINITY,
};

const faultOptions = {
  delayMs,
  jitterMs: delayMs,
  bytesPerSecond: optional(number(1, Number.POSITIVE_INFINITY)),
  bufferBytes: optional(integer(1, Number.MAX_SAFE_INTEGER)),
  resetAfterBytes: optional(number(0, Number.POSITIVE_INFINITY)),
} satisfies Record<keyof StreamFaults, unknown>;

/** How {@link StreamRelayFaults} are read, for the objects that have more. */
export const streamFaultOptions = inWays(faultOptions);

const names = Object.keys(faultOptions) as (keyof StreamFaults)[];
const schema = object(streamFaultOptions);

/** @throws InvalidArgumentError naming the fault and what is allowed. */
export function readStreamFaults(faults: StreamRelayFaults): StreamRelayFaults {
  return readOptions(schema, faults, "faults");
}

/** Those that a change names for one direction, and no others. */
export function streamChangesOf(change: StreamRelayFaults, direction: Direction): Partial<FullStreamFaults> {
  return changesOf<StreamFaults>(change, names, direction);
}
