import { randomInt } from "node:crypto";
import { TopicLimitError } from "../errors.js";
import { type Linked, LinkedList } from "../list/linked_list.js";
import { RecurrentMap } from "../list/recurrent_map.js";
import type { Complete } from "../options/complete.js";
import { show } from "../options/read.js";
import type { Cursor } from "./cursor.js";
import type { TopicsOptions } from "./options.js";
import { type HistoryAccount, Retention } from "./retention.js";
import { checkPattern, matches } from "./subject.js";
import { type HistoryEntry, TopicHistory } from "./topic_history.js";

/** What a topic is to an environment that does not number it itself. */
export interface FollowedState {
  /** What is kept here is all that its home keeps, as far as this side's policy reaches. */
  isWhole: boolean;
  /** Its home knows that it is needed here. */
  isFollowing: boolean;
}

/** A topic, and its place among those that nobody needs. */
export interface Topic extends Linked<Topic> {
  readonly history: TopicHistory;
  /** When it was last needed; undefined while it is. */
  idleSinceMs: number | undefined;
  /** Undefined where it is numbered here. */
  followed: FollowedState | undefined;
}

/** Who is asked and told about topics. */
export interface TopicStoreContext {
  /** Whether somebody subscribes to this very subject. */
  isNeeded(subject: string): boolean;
  /** A topic is remembered from now on. */
  begun(subject: string): void;
  /** A topic is remembered no longer. */
  forgotten(topic: Topic): void;
}

const u32Max = 2 ** 32 - 1;

/** The topics that there are, with what is kept of each, and when each goes. */
export class TopicStore {
  readonly account: HistoryAccount = { bytes: 0, entries: 0 };
  readonly #options: Complete<TopicsOptions>;
  readonly #context: TopicStoreContext;
  readonly #topics = new RecurrentMap<string, Topic>();
  readonly #idle = new LinkedList<Topic>();
  readonly #retentions: readonly (readonly [pattern: string, retention: Retention])[];
  #nowMs = 0;
  #nextSwept = 0;
  #epoch = randomInt(u32Max);

  /** @throws InvalidArgumentError naming the option and what it allows. */
  constructor(options: Complete<TopicsOptions>, context: TopicStoreContext) {
    this.#options = options;
    this.#context = context;
    const { history } = options;
    const policies = history instanceof Map ? history.entries() : Object.entries(history);
    this.#retentions = Array.from(policies, ([pattern, policy]) => {
      checkPattern(pattern, "a pattern of topics.history");
      return [pattern, new Retention(policy, this.account, `topics.history[${show(pattern)}]`)];
    });
  }

  get size(): number {
    return this.#topics.size;
  }

  get(subject: string): Topic | undefined {
    return this.#topics.get(subject);
  }

  /** All of them. */
  values(): IterableIterator<Topic> {
    return this.#topics.values();
  }

  /** Whether something is kept of what is published there. */
  keeps(subject: string): boolean {
    return (this.#retentionOf(subject)?.policy.count ?? 0) > 0;
  }

  /** The patterns of which something is kept. */
  get patternsKept(): readonly string[] {
    return this.#retentions.filter(([, { policy }]) => policy.count > 0).map(([pattern]) => pattern);
  }

  /** @throws TopicLimitError where there are too many, and every one is needed. */
  create(subject: string): Topic {
    if (this.#topics.size >= this.#options.maxTopics) {
      const idle = this.#idle.first;
      if (idle === undefined) {
        throw new TopicLimitError(`there are ${this.#options.maxTopics} topics already (maxTopics)`);
      }
      this.#forget(idle);
    }
    const history = new TopicHistory(subject, this.drawEpoch(), this.#retentionOf(subject));
    const links = { previous: undefined, next: undefined };
    const topic: Topic = { history, idleSinceMs: undefined, followed: undefined, ...links };
    this.#topics.set(subject, topic);
    this.#context.begun(subject);
    return topic;
  }

  /** The next message of a topic. */
  append(topic: Topic, bytes: Uint8Array, type: number): Cursor {
    const cursor = topic.history.append(bytes, type, this.#nowMs);
    if (this.account.bytes > this.#options.maxHistoryBytes) this.#shed();
    this.settle(topic);
    return cursor;
  }

  /** Puts other entries in the place of a topic's: see `TopicHistory.moveTo`. */
  moveTo(topic: Topic, cursor: Cursor, entries: readonly HistoryEntry[], former?: Cursor): void {
    topic.history.moveTo(cursor, entries, this.#nowMs, former);
    if (this.account.bytes > this.#options.maxHistoryBytes) this.#shed();
    this.settle(topic);
  }

  /** Counted on from where chance has begun: so no topic has one twice, and after a restart hardly any. Never 0. */
  drawEpoch(): number {
    this.#epoch = this.#epoch >= u32Max ? 1 : this.#epoch + 1;
    return this.#epoch;
  }

  /** Puts a topic last among the idle where nobody needs it, and else takes it out of them. */
  settle(topic: Topic | undefined): void {
    if (topic === undefined) return;
    if (topic.idleSinceMs !== undefined) this.#idle.remove(topic);
    const isNeeded = topic.history.size > 0 || this.#context.isNeeded(topic.history.subject);
    topic.idleSinceMs = isNeeded ? undefined : this.#nowMs;
    if (!isNeeded) this.#idle.push(topic);
  }

  /**
   * Tells the time, drops what is too old and forgets topics that nobody needs: at most `budget` messages and topics.
   * @returns how many it has looked at.
   */
  sweep(nowMs: number, budget: number): number {
    this.#nowMs = Math.max(this.#nowMs, nowMs);
    let spent = 0;
    // Each policy is the first in its turn, so that none waits for another's flood.
    const count = this.#retentions.length;
    for (let i = 0; i < count && spent < budget; i += 1) {
      const [, retention] = this.#retentions[(this.#nextSwept + i) % count]!;
      spent += retention.expire(this.#nowMs, budget - spent, (history) =>
        this.settle(this.#topics.get(history.subject)),
      );
    }
    if (count > 0) this.#nextSwept = (this.#nextSwept + 1) % count;
    for (; spent < budget; spent += 1) {
      const topic = this.#idle.first;
      if (topic === undefined || this.#nowMs - topic.idleSinceMs! < this.#options.idleMs) break;
      this.#forget(topic);
    }
    return spent;
  }

  #retentionOf(subject: string): Retention | undefined {
    return this.#retentions.find(([pattern]) => matches(pattern, subject))?.[1];
  }

  #forget(topic: Topic): void {
    this.#idle.remove(topic);
    this.#topics.delete(topic.history.subject);
    this.#context.forgotten(topic);
  }

  /** Drops what has been kept the longest until the rest is within the cap. */
  #shed(): void {
    while (this.account.bytes > this.#options.maxHistoryBytes) {
      const { history } = this.#retentions
        .flatMap(([, { oldest }]) => oldest ?? [])
        .reduce((a, b) => (b.keptAtMs < a.keptAtMs ? b : a));
      history.dropOldest();
      if (history.size === 0) this.settle(this.#topics.get(history.subject));
    }
  }
}
