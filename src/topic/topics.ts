import { randomInt } from "node:crypto";
import { InvalidArgumentError, SubscriptionLimitError, TopicLimitError } from "../errors.js";
import { type Linked, LinkedList } from "../list/linked_list.js";
import { RecurrentMap } from "../list/recurrent_map.js";
import { checkBytes } from "../options/bytes.js";
import type { Complete } from "../options/complete.js";
import { show } from "../options/read.js";
import { type Cursor, checkCursor } from "./cursor.js";
import { readTopicsOptions, type TopicsOptions } from "./options.js";
import { type HistoryAccount, Retention } from "./retention.js";
import { checkPattern, checkSubject, isLiteral, matches } from "./subject.js";
import { Subscriptions } from "./subscriptions.js";
import { type Gap, type HistoryEntry, type Recovered, TopicHistory } from "./topic_history.js";

/** What goes with a message. */
export interface PublishOptions {
  /** The application's type of message, u32; 0 by default. */
  readonly type?: number | undefined;
}

/** What became of a message. */
export interface Published<Subscriber> {
  /** Right after it. It is the same for all, so identical bytes go to everyone. */
  readonly cursor: Cursor;
  /** To whom it goes, each once. The array does not change any more. */
  readonly recipients: readonly Subscriber[];
}

/**
 * From where on a topic's messages are wanted: after a cursor, all that is kept (`oldest`), or the newest alone
 * (`last`).
 */
export type SubscribeFrom = Cursor | "oldest" | "last";

export interface SubscribeOptions {
  /** Only for a subject, not for a pattern with wildcards, which is of many topics. By default what comes from now on. */
  readonly from?: SubscribeFrom | undefined;
}

/** What a new subscriber gets before anything that is published later. */
export interface Subscribed {
  /** Where the topic is; what is published next comes right after it. Absent for a pattern with wildcards. */
  readonly cursor?: Cursor;
  /** In order, the last of them at `cursor`. */
  readonly replay: readonly HistoryEntry[];
  /** Whether nothing is missing after the cursor that was given. Where none was, nothing can be. */
  readonly recovered: boolean;
  /** There if and only if something may be missing; then `replay` is all that is kept. */
  readonly gap?: Gap;
}

/** How much there is. */
export interface TopicsStatistics {
  readonly topics: number;
  readonly subscriptions: number;
  readonly subscribers: number;
  /** Different patterns that are subscribed to. */
  readonly patterns: number;
  /** Messages kept. */
  readonly historyEntries: number;
  /** What they take, 352 bytes more counted for each. */
  readonly historyBytes: number;
}

/** A topic, and its place among those that nobody needs. */
interface Topic extends Linked<Topic> {
  readonly history: TopicHistory;
  /** When it was last needed; undefined while it is. */
  idleSinceMs: number | undefined;
}

const u32Max = 2 ** 32 - 1;

/**
 * Topics: who subscribes to what, and what they have missed. It sends nothing: it says to whom a message goes, and what
 * a newcomer gets first, in one step, so that nothing falls between the two.
 *
 * It has neither timer nor clock: the time is what the last `sweep` was told.
 */
export class Topics<Subscriber> {
  readonly #options: Complete<TopicsOptions>;
  readonly #topics = new RecurrentMap<string, Topic>();
  readonly #idle = new LinkedList<Topic>();
  readonly #subscriptions: Subscriptions<Subscriber>;
  readonly #retentions: readonly (readonly [pattern: string, retention: Retention])[];
  readonly #account: HistoryAccount = { bytes: 0, entries: 0 };
  #nowMs = 0;
  #nextSwept = 0;
  #epoch = randomInt(u32Max);

  /** @throws InvalidArgumentError naming the option and what it allows. */
  constructor(options: TopicsOptions = {}) {
    this.#options = readTopicsOptions(options);
    this.#subscriptions = new Subscriptions((pattern) => this.#settle(this.#topics.get(pattern)));
    const { history } = this.#options;
    const policies = history instanceof Map ? history.entries() : Object.entries(history);
    this.#retentions = Array.from(policies, ([pattern, policy]) => {
      checkPattern(pattern, "a pattern of history");
      return [pattern, new Retention(policy, this.#account, `history[${show(pattern)}]`)];
    });
  }

  /**
   * Numbers a message, and keeps a copy of it where the subject's policy says so.
   * @throws InvalidArgumentError where the subject is none, `bytes` no Uint8Array, or the type no u32.
   * @throws TopicLimitError where the topic is new and there are too many.
   */
  publish(subject: string, bytes: Uint8Array, { type = 0 }: PublishOptions = {}): Published<Subscriber> {
    const known = this.#topics.get(subject);
    if (known === undefined) checkSubject(subject);
    checkBytes(bytes);
    if (!Number.isInteger(type) || type < 0 || type > u32Max) {
      throw new InvalidArgumentError(`type must be an integer from 0 to 2^32-1, and not ${show(type)}`);
    }
    const recipients = this.#subscriptions.match(subject);
    const topic = known ?? this.#begin(subject, recipients.length > 0);
    // Nobody has seen this epoch, nor will again: whoever comes later begins another.
    if (topic === undefined) return { cursor: { epoch: this.#drawEpoch(), sequence: 1 }, recipients };
    const cursor = topic.history.append(bytes, type, this.#nowMs);
    if (this.#account.bytes > this.#options.maxHistoryBytes) this.#shed();
    this.#settle(topic);
    return { cursor, recipients };
  }

  /**
   * Subscribes to a subject, or to all that match a pattern. Who subscribes to it already stays subscribed, and gets
   * what `from` asks for again.
   * @throws InvalidArgumentError where the pattern is none, or `from` is no place or goes with wildcards.
   * @throws SubscriptionLimitError where the subscriber, or all together, have too many.
   * @throws TopicLimitError where the topic is new and there are too many.
   */
  subscribe(subscriber: Subscriber, pattern: string, { from }: SubscribeOptions = {}): Subscribed {
    checkPattern(pattern);
    checkFrom(from, pattern);
    this.#checkRoom(subscriber, pattern);
    if (!isLiteral(pattern)) {
      this.#subscriptions.add(pattern, subscriber);
      return { replay: [], recovered: true };
    }
    const topic = this.#topics.get(pattern) ?? this.#create(pattern);
    this.#subscriptions.add(pattern, subscriber);
    this.#settle(topic);
    const { cursor } = topic.history;
    const { entries: replay, ...rest } = recover(topic.history, from);
    return { cursor, replay, ...rest };
  }

  /** @returns false where it was not subscribed to that. */
  unsubscribe(subscriber: Subscriber, pattern: string): boolean {
    return this.#subscriptions.remove(pattern, subscriber);
  }

  /** Ends all subscriptions of one, as when it goes. @returns how many there were. */
  removeAll(subscriber: Subscriber): number {
    return this.#subscriptions.removeAll(subscriber);
  }

  /** How many subscriptions one has. */
  countOf(subscriber: Subscriber): number {
    return this.#subscriptions.countOf(subscriber);
  }

  /** What one subscribes to, in no particular order. */
  patternsOf(subscriber: Subscriber): string[] {
    return this.#subscriptions.patternsOf(subscriber);
  }

  /** Whether a message with this subject would go to a subscriber. */
  reaches(subscriber: Subscriber, subject: string): boolean {
    return this.#subscriptions.reaches(subscriber, subject);
  }

  /** To whom a message with this subject would go. The array does not change any more. */
  recipients(subject: string): readonly Subscriber[] {
    return this.#subscriptions.match(subject);
  }

  /** The topic's history after a cursor; undefined where there is no such topic. */
  since(subject: string, cursor: Cursor): Recovered | undefined {
    checkCursor(cursor);
    return this.#topics.get(subject)?.history.since(cursor);
  }

  /** Right after the topic's newest message; undefined where there is no such topic. */
  cursorOf(subject: string): Cursor | undefined {
    return this.#topics.get(subject)?.history.cursor;
  }

  /** What to tell somebody who has missed something of a topic; undefined where there is no such topic. */
  gapOf(subject: string): Gap | undefined {
    const history = this.#topics.get(subject)?.history;
    return history && { epoch: history.epoch, oldest: history.oldest };
  }

  get statistics(): TopicsStatistics {
    return {
      topics: this.#topics.size,
      subscriptions: this.#subscriptions.size,
      subscribers: this.#subscriptions.subscriberCount,
      patterns: this.#subscriptions.patternCount,
      historyEntries: this.#account.entries,
      historyBytes: this.#account.bytes,
    };
  }

  /**
   * Tells the time, drops what is too old and forgets topics that nobody needs: at most `budget` messages and topics.
   * @param nowMs of a clock that never goes back, like `performance.now()`.
   * @returns how many it has looked at; while that is `budget`, there may be more.
   */
  sweep(nowMs: number, budget: number): number {
    this.#nowMs = Math.max(this.#nowMs, nowMs);
    let spent = 0;
    // Each policy is the first in its turn, so that none waits for another's flood.
    const count = this.#retentions.length;
    for (let i = 0; i < count && spent < budget; i += 1) {
      const [, retention] = this.#retentions[(this.#nextSwept + i) % count]!;
      spent += retention.expire(this.#nowMs, budget - spent, (history) =>
        this.#settle(this.#topics.get(history.subject)),
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

  /** The topic of a message, where somebody may ever ask what came before or after it. */
  #begin(subject: string, hasRecipients: boolean): Topic | undefined {
    const isKept = (this.#retentionOf(subject)?.policy.count ?? 0) > 0;
    return hasRecipients || isKept ? this.#create(subject) : undefined;
  }

  #create(subject: string): Topic {
    if (this.#topics.size >= this.#options.maxTopics) {
      const idle = this.#idle.first;
      if (idle === undefined) {
        throw new TopicLimitError(`there are ${this.#options.maxTopics} topics already (maxTopics)`);
      }
      this.#forget(idle);
    }
    const history = new TopicHistory(subject, this.#drawEpoch(), this.#retentionOf(subject));
    const topic: Topic = { history, idleSinceMs: undefined, previous: undefined, next: undefined };
    this.#topics.set(subject, topic);
    return topic;
  }

  #retentionOf(subject: string): Retention | undefined {
    return this.#retentions.find(([pattern]) => matches(pattern, subject))?.[1];
  }

  /** Counted on from where chance has begun: so no topic has one twice, and after a restart hardly any. Never 0. */
  #drawEpoch(): number {
    this.#epoch = this.#epoch >= u32Max ? 1 : this.#epoch + 1;
    return this.#epoch;
  }

  /** Puts a topic last among the idle where nobody needs it, and else takes it out of them. */
  #settle(topic: Topic | undefined): void {
    if (topic === undefined) return;
    if (topic.idleSinceMs !== undefined) this.#idle.remove(topic);
    const isNeeded = topic.history.size > 0 || this.#subscriptions.hasPattern(topic.history.subject);
    topic.idleSinceMs = isNeeded ? undefined : this.#nowMs;
    if (!isNeeded) this.#idle.push(topic);
  }

  #forget(topic: Topic): void {
    this.#idle.remove(topic);
    this.#topics.delete(topic.history.subject);
  }

  /** Drops what has been kept the longest until the rest is within the cap. */
  #shed(): void {
    while (this.#account.bytes > this.#options.maxHistoryBytes) {
      const { history } = this.#retentions
        .flatMap(([, { oldest }]) => oldest ?? [])
        .reduce((a, b) => (b.keptAtMs < a.keptAtMs ? b : a));
      history.dropOldest();
      if (history.size === 0) this.#settle(this.#topics.get(history.subject));
    }
  }

  #checkRoom(subscriber: Subscriber, pattern: string): void {
    const { maxSubscriptions, maxSubscriptionsEach } = this.#options;
    const isFull = this.#subscriptions.size >= maxSubscriptions;
    if (!isFull && this.#subscriptions.countOf(subscriber) < maxSubscriptionsEach) return;
    if (this.#subscriptions.has(pattern, subscriber)) return;
    throw new SubscriptionLimitError(
      isFull
        ? `there are ${maxSubscriptions} subscriptions already (maxSubscriptions)`
        : `there are ${maxSubscriptionsEach} subscriptions of this subscriber already (maxSubscriptionsEach)`,
    );
  }
}

function checkFrom(from: unknown, pattern: string): void {
  if (from === undefined) return;
  if (!isLiteral(pattern)) {
    throw new InvalidArgumentError(`from must not go with wildcards, as in ${show(pattern)}: name a subject`);
  }
  if (from !== "oldest" && from !== "last") checkCursor(from, "from");
}

function recover(history: TopicHistory, from: SubscribeFrom | undefined): Recovered {
  if (typeof from === "object") return history.since(from);
  if (from === "oldest") return { entries: history.kept, recovered: true };
  return { entries: from === "last" ? history.last : [], recovered: true };
}
