import { InvalidArgumentError, SubscriptionLimitError, TopicLimitError } from "../errors.js";
import { checkBytes } from "../options/bytes.js";
import type { Complete } from "../options/complete.js";
import { show } from "../options/read.js";
import { type Cursor, checkCursor } from "./cursor.js";
import type { FollowedPlace, Taken } from "./followed.js";
import { readTopicsOptions, type TopicsOptions } from "./options.js";
import { checkPattern, checkSubject, isLiteral } from "./subject.js";
import type { SubscribeFrom } from "./subscribe_from.js";
import { checkFrom, recover, type Subscribed, type SubscribeOptions } from "./subscribed.js";
import { Subscriptions } from "./subscriptions.js";
import type { Recovered } from "./topic_history.js";
import { type Topic, TopicStore } from "./topic_store.js";

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

export type { Subscribed, SubscribeFrom, SubscribeOptions };

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

/** Is told what other environments' homes have to know. */
export interface TopicsWatch {
  /**
   * Messages are wanted from now on, of a topic that is remembered here, or of all that match a pattern with wildcards or
   * one of which something is kept.
   */
  wanted(pattern: string): void;
  /** Not any more. */
  unwanted(pattern: string): void;
  /** A topic is remembered no longer. */
  forgotten(topic: Topic): void;
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
  readonly #store: TopicStore;
  readonly #subscriptions: Subscriptions<Subscriber>;
  /** By their numbers, the environments that need a topic which is numbered here: undefined where there is one alone. */
  #followers: Subscriptions<number> | undefined;
  #watch: TopicsWatch | undefined;

  /** @throws InvalidArgumentError naming the option and what it allows. */
  constructor(options: TopicsOptions = {}) {
    this.#options = readTopicsOptions(options);
    this.#subscriptions = new Subscriptions((pattern) => {
      if (isLiteral(pattern)) this.#store.settle(this.#store.get(pattern));
      else this.#watch?.unwanted(pattern);
    });
    this.#store = new TopicStore(this.#options, {
      isNeeded: (subject) =>
        this.#subscriptions.hasPattern(subject) || this.#followers?.hasPattern(subject) === true,
      begun: (subject) => this.#watch?.wanted(subject),
      forgotten: (topic) => {
        this.#watch?.forgotten(topic);
        this.#watch?.unwanted(topic.history.subject);
      },
    });
  }

  /**
   * Numbers a message, and keeps a copy of it where the subject's policy says so.
   * @throws InvalidArgumentError where the subject is none, `bytes` no Uint8Array, or the type no u32.
   * @throws TopicLimitError where the topic is new and there are too many.
   */
  publish(subject: string, bytes: Uint8Array, { type = 0 }: PublishOptions = {}): Published<Subscriber> {
    const known = this.#store.get(subject);
    if (known === undefined) checkSubject(subject);
    checkBytes(bytes);
    if (!Number.isInteger(type) || type < 0 || type > u32Max) {
      throw new InvalidArgumentError(`type must be an integer from 0 to 2^32-1, and not ${show(type)}`);
    }
    const recipients = this.#subscriptions.match(subject);
    // A topic, where somebody may ever ask what came before or after the message.
    const isAsked = recipients.length > 0 || this.#followers !== undefined || this.#store.keeps(subject);
    const topic = known ?? (isAsked ? this.#store.create(subject) : undefined);
    // Nobody has seen this epoch, nor will again: whoever comes later begins another.
    if (topic === undefined) return { cursor: { epoch: this.#store.drawEpoch(), sequence: 1 }, recipients };
    return { cursor: this.#store.append(topic, bytes, type), recipients };
  }

  /**
   * Subscribes to a subject, or to all that match a pattern. Who subscribes to it already stays subscribed, and gets
   * what `from` asks for again.
   * @throws InvalidArgumentError where the pattern is none, or `from` is no place or goes with wildcards.
   * @throws SubscriptionLimitError where the subscriber, or all together, have too many.
   * @throws TopicLimitError where the topic is new and there are too many.
   */
  subscribe(subscriber: Subscriber, pattern: string, { from }: SubscribeOptions = {}): Subscribed {
    this.check(subscriber, pattern, { from });
    if (!isLiteral(pattern)) {
      if (!this.#subscriptions.hasPattern(pattern)) this.#watch?.wanted(pattern);
      this.#subscriptions.add(pattern, subscriber);
      return { replay: [], recovered: true };
    }
    const topic = this.#store.get(pattern) ?? this.#store.create(pattern);
    this.#subscriptions.add(pattern, subscriber);
    this.#store.settle(topic);
    const { cursor } = topic.history;
    const { entries: replay, ...rest } = recover(topic.history, from);
    return { cursor, replay, ...rest };
  }

  /** What `subscribe` would throw of what it is given, and of its subscriptions. */
  check(subscriber: Subscriber, pattern: string, { from }: SubscribeOptions = {}): void {
    checkPattern(pattern);
    checkFrom(from, pattern);
    this.#checkRoom(subscriber, pattern);
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

  /** All who subscribe to anything, in no particular order. */
  subscribers(): Iterable<Subscriber> {
    return this.#subscriptions.subscribers();
  }

  /** To whom a message with this subject would go. The array does not change any more. */
  recipients(subject: string): readonly Subscriber[] {
    return this.#subscriptions.match(subject);
  }

  /** The topic's history after a cursor; undefined where there is no such topic. */
  since(subject: string, cursor: Cursor): Recovered | undefined {
    checkCursor(cursor);
    return this.#store.get(subject)?.history.since(cursor);
  }

  /** Right after the topic's newest message; undefined where there is no such topic. */
  cursorOf(subject: string): Cursor | undefined {
    return this.#store.get(subject)?.history.cursor;
  }

  get statistics(): TopicsStatistics {
    return {
      topics: this.#store.size,
      subscriptions: this.#subscriptions.size,
      subscribers: this.#subscriptions.subscriberCount,
      patterns: this.#subscriptions.patternCount,
      historyEntries: this.#store.account.entries,
      historyBytes: this.#store.account.bytes,
    };
  }

  /**
   * Tells the time, drops what is too old and forgets topics that nobody needs: at most `budget` messages and topics.
   * @param nowMs of a clock that never goes back, like `performance.now()`.
   * @returns how many it has looked at; while that is `budget`, there may be more.
   */
  sweep(nowMs: number, budget: number): number {
    return this.#store.sweep(nowMs, budget);
  }

  /**
   * From now on there are other environments that have these topics: each is numbered by one of them, its home, and all
   * follow it. To be said before there is any.
   */
  share(watch: TopicsWatch): void {
    this.#followers = new Subscriptions((subject) => this.#store.settle(this.#store.get(subject)));
    this.#watch = watch;
    for (const pattern of this.#store.patternsKept) watch.wanted(pattern);
  }

  /** A topic as it is now; undefined where there is none. */
  topicOf(subject: string): Readonly<Topic> | undefined {
    return this.#store.get(subject);
  }

  /** Every topic: none may come or go meanwhile. */
  all(): IterableIterator<Readonly<Topic>> {
    return this.#store.values();
  }

  /** A topic that is numbered here, begun where there is none. @throws TopicLimitError */
  begin(subject: string): Readonly<Topic> {
    const topic = this.#store.get(subject) ?? this.#store.create(subject);
    this.#store.settle(topic);
    return topic;
  }

  /**
   * A topic is numbered here from now on, in an epoch of its own where others numbered it before.
   * @returns where that one ended as far as is known here; undefined where it was no other's.
   */
  claim(subject: string): Cursor | undefined {
    const topic = this.#store.get(subject);
    if (topic?.followed === undefined) return undefined;
    const { cursor } = topic.history;
    topic.history.renew(this.#store.drawEpoch());
    topic.followed = undefined;
    return cursor;
  }

  /** A topic is not numbered here any more. */
  disown(subject: string): void {
    const topic = this.#store.get(subject);
    if (topic === undefined) return;
    topic.followed = { isWhole: false, isFollowing: false };
    for (const follower of [...(this.#followers?.match(subject) ?? [])]) this.unfollow(follower, subject);
  }

  /** Takes a message that another environment has numbered. */
  take(subject: string, bytes: Uint8Array, type: number, cursor: Cursor): Taken<Subscriber> {
    const recipients = this.#subscriptions.match(subject);
    const topic = this.#store.get(subject) ?? this.#followAt(subject, cursor, recipients.length > 0);
    if (topic === undefined) return { recipients, isNew: true, before: undefined };
    const { history } = topic;
    if (history.epoch === cursor.epoch && cursor.sequence <= history.sequence) {
      return { recipients, isNew: false, before: undefined };
    }
    const isNext = history.epoch === cursor.epoch && cursor.sequence === history.sequence + 1;
    const before = isNext ? undefined : history.cursor;
    if (!isNext) this.#place(topic, { epoch: cursor.epoch, sequence: cursor.sequence - 1 }, {});
    this.#store.append(topic, bytes, type);
    return { recipients, isNew: true, before };
  }

  /**
   * A topic's home says where it is.
   * @param place what else it says.
   * @returns where it was as far as is known here, if something may be missing in between.
   * @throws TopicLimitError
   */
  follow(subject: string, cursor: Cursor, place: FollowedPlace): Cursor | undefined {
    const known = this.#store.get(subject);
    const topic = known ?? this.#store.create(subject);
    const before = topic.history.cursor;
    const isEpoch = before.epoch === cursor.epoch;
    const isBehind = !isEpoch || before.sequence < cursor.sequence;
    const isFuller = place.isWhole === true && topic.followed?.isWhole !== true;
    const isReplaced = known === undefined || isBehind || (isFuller && before.sequence === cursor.sequence);
    if (isReplaced || topic.followed === undefined) this.#place(topic, cursor, place);
    topic.followed!.isFollowing ||= place.isFollowing === true;
    return known !== undefined && isBehind ? before : undefined;
  }

  /** Another environment needs a topic that is numbered here. */
  addFollower(follower: number, subject: string): void {
    this.#followers?.add(subject, follower);
    this.#store.settle(this.#store.get(subject));
  }

  /** Not any more. */
  unfollow(follower: number, subject: string): void {
    this.#followers?.remove(subject, follower);
  }

  /** It has ended. */
  unfollowAll(follower: number): void {
    this.#followers?.removeAll(follower);
  }

  /** A topic of another environment of which a message came, where somebody here may ever ask for it. */
  #followAt(subject: string, { epoch, sequence }: Cursor, hasRecipients: boolean): Topic | undefined {
    if (!hasRecipients && !this.#store.keeps(subject)) return undefined;
    try {
      const topic = this.#store.create(subject);
      this.#place(topic, { epoch, sequence: sequence - 1 }, { isWhole: sequence === 1 });
      return topic;
    } catch (cause) {
      if (cause instanceof TopicLimitError) return undefined; // its subscribers get it all the same
      throw cause;
    }
  }

  #place(topic: Topic, cursor: Cursor, { entries = [], former, isWhole = false }: FollowedPlace): void {
    const isFollowing = topic.followed?.isFollowing ?? false;
    topic.followed = { isWhole, isFollowing };
    this.#store.moveTo(topic, cursor, entries, former);
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
