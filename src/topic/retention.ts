import { type Linked, LinkedList } from "../list/linked_list.js";
import type { Complete } from "../options/complete.js";
import { readOptions } from "../options/read.js";
import { flag, integer, object, optional, withDefault } from "../options/schema.js";
import type { HistoryEntry, TopicHistory } from "./topic_history.js";

/** How much of the history of each topic is kept. Whatever is reached first, the oldest goes. */
export interface RetentionPolicy {
  /** The most messages, 0 to 1,000,000; with 0, none. */
  readonly count: number;
  /** The most bytes, 352 more counted for each message; 1 MiB by default, 1 KiB..1 GiB. */
  readonly bytes?: number | undefined;
  /** How long, to within the time between two sweeps; for ever by default. 1..2^53-1. */
  readonly ageMs?: number | undefined;
  /** Whether the newest stays when it is older than that; false by default. */
  readonly last?: boolean | undefined;
}

const policySchema = object({
  count: integer(0, 1_000_000),
  bytes: withDefault(integer(1_024, 1_024 ** 3), 1_024 ** 2),
  ageMs: optional(integer(1, Number.MAX_SAFE_INTEGER)),
  last: withDefault(flag, false),
} satisfies Record<keyof RetentionPolicy, unknown>);

/** What is counted for an entry beside its payload: what V8 takes for it and its bytes, as measured. */
export const entryOverheadBytes = 352;

/** An entry in its place among those of all topics under one policy. */
export interface KeptEntry extends HistoryEntry, Linked<KeptEntry> {
  readonly history: TopicHistory;
  readonly keptAtMs: number;
  /** Older than the policy's age, and here only for being its topic's newest. */
  isOverdue: boolean;
}

/** What the histories of all topics take together. */
export interface HistoryAccount {
  bytes: number;
  entries: number;
}

/**
 * One policy, and all that is kept under it, oldest first: so what is due to go is found without looking at any topic.
 */
export class Retention {
  readonly policy: Complete<Omit<RetentionPolicy, "ageMs">> & { readonly ageMs: number };
  readonly #account: HistoryAccount;
  readonly #entries = new LinkedList<KeptEntry>();
  readonly #overdue = new LinkedList<KeptEntry>();

  /** @throws InvalidArgumentError naming the option by `name`, which is what the policy is called. */
  constructor(policy: RetentionPolicy, account: HistoryAccount, name = "policy") {
    const { ageMs = Infinity, ...read } = readOptions(policySchema, policy, name, `${name}.`);
    this.policy = { ...read, ageMs };
    this.#account = account;
  }

  /** The entry that has been kept the longest. */
  get oldest(): KeptEntry | undefined {
    const overdue = this.#overdue.first;
    const entry = this.#entries.first;
    if (overdue === undefined || entry === undefined) return overdue ?? entry;
    return overdue.keptAtMs <= entry.keptAtMs ? overdue : entry;
  }

  keep(entry: KeptEntry): void {
    this.#entries.push(entry);
    this.#account.bytes += costOf(entry);
    this.#account.entries += 1;
  }

  drop(entry: KeptEntry): void {
    (entry.isOverdue ? this.#overdue : this.#entries).remove(entry);
    this.#account.bytes -= costOf(entry);
    this.#account.entries -= 1;
  }

  /**
   * Drops what is older than the policy's age, at most `budget` entries.
   * @param emptied hears of each history that has nothing left.
   * @returns how many it has looked at.
   */
  expire(nowMs: number, budget: number, emptied: (history: TopicHistory) => void): number {
    let count = 0;
    for (; count < budget; count += 1) {
      const entry = this.#entries.first;
      if (entry === undefined || nowMs - entry.keptAtMs < this.policy.ageMs) break;
      if (this.policy.last && entry.sequence === entry.history.sequence) {
        this.#entries.remove(entry);
        entry.isOverdue = true;
        this.#overdue.push(entry);
      } else {
        entry.history.dropOldest(); // which it is, since a topic's entries stand here in their order
        if (entry.history.size === 0) emptied(entry.history);
      }
    }
    return count;
  }
}

export function costOf(entry: { readonly bytes: Uint8Array }): number {
  return entry.bytes.length + entryOverheadBytes;
}
