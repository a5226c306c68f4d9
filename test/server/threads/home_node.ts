import assert from "node:assert/strict";
import type { PublishResult } from "millrace/server";
import { TopicHomes } from "#internal/server/threads/topic_homes.js";
import type { Cursor } from "#internal/topic/cursor.js";
import type { TopicsOptions } from "#internal/topic/options.js";
import { isLiteral } from "#internal/topic/subject.js";
import { type Subscribed, type SubscribeFrom, Topics } from "#internal/topic/topics.js";
import type { HomeHub } from "./home_hub.js";

/** What one subscriber was told of one topic, in order. */
type Event =
  | { readonly type: "message"; readonly cursor: Cursor; readonly body: number }
  | { readonly type: "gap"; readonly place: Cursor }
  | { readonly type: "subscribed"; readonly cursor: Cursor | undefined };

/** An environment that has topics, and remembers what its subscribers were told. */
export class HomeNode {
  readonly number: number;
  readonly topics: Topics<string>;
  readonly homes: TopicHomes<string>;
  /** By subscriber and topic. */
  readonly #events = new Map<string, Event[]>();
  readonly #joining = new Map<string, object>();
  readonly #heard: [who: string, what: string][] = [];
  gapCount = 0;
  #nowMs = 0;

  constructor(
    hub: HomeHub,
    number: number,
    { maxWaitingBytes = 2 ** 22, ...options }: TopicsOptions & { maxWaitingBytes?: number } = {},
  ) {
    this.number = number;
    this.topics = new Topics(options);
    const limits = { maxBytes: 2 ** 20, maxWaitingBytes };
    this.homes = new TopicHomes<string>(
      hub.join(number),
      this.topics,
      {
        deliver: ({ subject, payload }, cursor, recipients) => {
          const body = new DataView(payload.buffer, payload.byteOffset).getUint32(0);
          for (const who of recipients) {
            this.#note(who, subject, { type: "message", cursor, body });
            this.#heard.push([who, `${subject} ${body}@${cursor.sequence}`]);
          }
          return recipients.length;
        },
        tellGap: (subject, { epoch, oldest }, _before, recipients) => {
          for (const who of recipients) {
            this.gapCount += 1;
            this.#note(who, subject, { type: "gap", place: { epoch, sequence: oldest - 1 } });
            this.#heard.push([who, `${subject} gap to ${oldest}`]);
          }
        },
        tellLoss: () => {
          for (const key of this.#events.keys()) {
            this.#events.get(key)!.push({ type: "subscribed", cursor: undefined });
          }
        },
      },
      limits,
    );
  }

  publish(subject: string, body: number, bytes = 4): PublishResult {
    const payload = new Uint8Array(Math.max(4, bytes));
    new DataView(payload.buffer).setUint32(0, body);
    return this.homes.publish(subject, payload, 0);
  }

  async subscribe(who: string, pattern: string, from?: SubscribeFrom): Promise<Subscribed> {
    const token = {};
    const key = `${who} ${pattern}`;
    this.#joining.set(key, token);
    const prepared = this.homes.prepare(pattern, from);
    if (prepared !== undefined) await prepared;
    while (!this.homes.isPrepared(pattern)) await this.homes.prepare(pattern, from);
    if (this.#joining.get(key) !== token) throw new Error("unsubscribed");
    const isNew = !this.topics.patternsOf(who).includes(pattern);
    const subscribed = this.topics.subscribe(who, pattern, { from });
    const { cursor } = subscribed;
    if (isNew && isLiteral(pattern) && cursor !== undefined && !this.#gets(who, pattern, pattern)) {
      this.#note(who, pattern, { type: "subscribed", cursor });
    }
    return subscribed;
  }

  unsubscribe(who: string, pattern: string): void {
    this.#joining.delete(`${who} ${pattern}`);
    this.topics.unsubscribe(who, pattern);
    for (const [key, events] of this.#events) {
      const [subscriber, subject] = key.split(" ") as [string, string];
      if (subscriber === who && !this.topics.reaches(who, subject)) {
        events.push({ type: "subscribed", cursor: undefined });
      }
    }
  }

  sweep(nowMs = this.#nowMs): void {
    this.#nowMs = nowMs;
    this.topics.sweep(nowMs, 1_000);
    this.homes.sweep(nowMs);
  }

  heard(who: string): string[] {
    return this.#heard.filter(([subscriber]) => subscriber === who).map(([, what]) => what);
  }

  /**
   * What each subscriber got is in order, without a hole that it was not told of, and nothing came twice.
   * @param placed by topic and cursor what anybody in the group got there: it is the same for all.
   * @returns how many messages there were
   */
  check(placed: Map<string, number>): number {
    let messages = 0;
    for (const [key, events] of this.#events) {
      const subject = key.split(" ")[1]!;
      const bodies = new Set<number>();
      let at: Cursor | undefined;
      for (const event of events) {
        if (event.type === "gap") at = event.place;
        else if (event.type === "subscribed") at = event.cursor;
        else {
          const { cursor, body } = event;
          messages += 1;
          const next = at && { epoch: at.epoch, sequence: at.sequence + 1 };
          assert.deepEqual(cursor, next ?? cursor, `${this.number} ${key} has a hole nobody tells of`);
          at = cursor;
          assert.ok(!bodies.has(body), `${this.number} ${key} got ${body} twice`);
          bodies.add(body);
          const place = `${subject} ${cursor.epoch} ${cursor.sequence}`;
          assert.equal(placed.get(place) ?? body, body, `two messages at ${place}`);
          placed.set(place, body);
        }
      }
    }
    return messages;
  }

  /** Nobody is behind where a topic is. */
  checkPlaces(subject: string, cursor: Cursor | undefined): void {
    for (const [key, events] of this.#events) {
      const [who, topic] = key.split(" ") as [string, string];
      if (topic !== subject || !this.topics.reaches(who, subject)) continue;
      const last = events.at(-1)!;
      const at = last.type === "gap" ? last.place : last.cursor;
      if (at !== undefined) assert.deepEqual(at, cursor, `${this.number} ${key} is behind`);
    }
  }

  /** By another pattern than the one it has just subscribed to. */
  #gets(who: string, subject: string, except: string): boolean {
    const others = this.topics.patternsOf(who).filter((pattern) => pattern !== except);
    const probe = new Topics<string>();
    for (const pattern of others) probe.subscribe(who, pattern);
    return probe.reaches(who, subject);
  }

  #note(who: string, subject: string, event: Event): void {
    const key = `${who} ${subject}`;
    const events = this.#events.get(key) ?? [];
    this.#events.set(key, events);
    events.push(event);
  }
}
