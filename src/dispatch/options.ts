import type { Complete } from "../options/complete.js";
import { readOptions } from "../options/read.js";
import { integer, object, optional, withDefault } from "../options/schema.js";

/** How much a dispatcher does at a time, and keeps waiting. */
export interface DispatcherOptions {
  /** How many tasks run at a time, 1..1,000,000; 10 by default. */
  readonly concurrency?: number | undefined;
  /** How many tasks wait at most, 0..10,000,000; 1,000 by default. */
  readonly maxQueued?: number | undefined;
  /** How many tasks of one key run at a time; 1 by default, which keeps them in order: more do not. */
  readonly concurrencyPerKey?: number | undefined;
  /** How many tasks of one key wait at most; a quarter of `maxQueued` by default, so that no key alone fills it. */
  readonly maxQueuedPerKey?: number | undefined;
  /** How long a task may take, 0..2,147,483,647; then its signal is aborted. 30,000 by default; 0: as long as it likes. */
  readonly timeoutMs?: number | undefined;
  /**
   * How long a task that was told to stop keeps its place, 0..2,147,483,647; 5,000 by default. One that has not settled
   * then is given up, and the next of its key starts beside it: a handler that never settles must not silence its
   * session, nor the server, for ever.
   */
  readonly graceMs?: number | undefined;
}

const milliseconds = integer(0, 0x7fff_ffff);

const schema = object({
  concurrency: withDefault(integer(1, 1_000_000), 10),
  maxQueued: withDefault(integer(0, 10_000_000), 1000),
  concurrencyPerKey: withDefault(integer(1, 1_000_000), 1),
  maxQueuedPerKey: optional(integer(0, 10_000_000)),
  timeoutMs: withDefault(milliseconds, 30_000),
  graceMs: withDefault(milliseconds, 5000),
} satisfies Record<keyof DispatcherOptions, unknown>);

/** Options with every default filled in. */
export type ReadDispatcherOptions = Complete<DispatcherOptions>;

/**
 * @param name what they are called where they are an option themselves.
 * @throws InvalidArgumentError
 */
export function readDispatcherOptions(options: DispatcherOptions, name?: string): ReadDispatcherOptions {
  const read = readOptions(schema, options, name, name && `${name}.`);
  return { ...read, maxQueuedPerKey: read.maxQueuedPerKey ?? Math.ceil(read.maxQueued / 4) };
}
