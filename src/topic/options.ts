import type { Complete } from "../options/complete.js";
import { readOptions } from "../options/read.js";
import { integer, isRecord, object, option, withDefault } from "../options/schema.js";
import type { RetentionPolicy } from "./retention.js";

/** What of each topic is kept, by the patterns of their subjects. */
export type RetentionPolicies =
  | Readonly<Record<string, RetentionPolicy>>
  | ReadonlyMap<string, RetentionPolicy>;

/** The caps of topics, and what is kept of them. */
export interface TopicsOptions {
  /**
   * The most topics that exist at a time, 1..16,777,216; 262,144 by default. One exists while somebody subscribes to
   * its subject or something is kept of it, and for `idleMs` longer. About 500 B each, and its name.
   */
  readonly maxTopics?: number | undefined;
  /** The most subscriptions of all subscribers together, 1..16,777,216; 2,097,152 by default. About 150 B each. */
  readonly maxSubscriptions?: number | undefined;
  /** The most subscriptions of one subscriber, 1..1,000,000; 1,000 by default. */
  readonly maxSubscriptionsEach?: number | undefined;
  /**
   * The most bytes of the histories of all topics together, 352 more counted for each message, 1 KiB..64 GiB; 64 MiB by
   * default. What has been kept the longest goes first, whatever its policy.
   */
  readonly maxHistoryBytes?: number | undefined;
  /**
   * How long a topic is remembered that nobody subscribes to by its subject and of which nothing is kept, 0..2^53-1;
   * 300,000 ms by default. Who comes back within it finds that nothing was missed, where nothing was; later, a gap.
   */
  readonly idleMs?: number | undefined;
  /**
   * What is kept, by pattern; nothing by default. The first pattern that matches a subject counts, so the narrow ones
   * come first. (In an object names that are whole numbers always come first; a Map has no such rule.)
   */
  readonly history?: RetentionPolicies | undefined;
}

const schema = object({
  maxTopics: withDefault(integer(1, 2 ** 24), 262_144),
  maxSubscriptions: withDefault(integer(1, 2 ** 24), 2_097_152),
  maxSubscriptionsEach: withDefault(integer(1, 1_000_000), 1_000),
  maxHistoryBytes: withDefault(integer(1_024, 64 * 1_024 ** 3), 64 * 1_024 ** 2),
  idleMs: withDefault(integer(0, Number.MAX_SAFE_INTEGER), 300_000),
  history: withDefault(
    option<RetentionPolicies>(
      "an object or Map of retention policies by pattern",
      (value) => value instanceof Map || isRecord(value),
    ),
    {},
  ),
} satisfies Record<keyof TopicsOptions, unknown>);

/** @throws InvalidArgumentError naming the option and what it allows. */
export function readTopicsOptions(options: TopicsOptions): Complete<TopicsOptions> {
  return readOptions(schema, options, "topics", "topics.");
}
