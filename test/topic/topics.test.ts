import assert from "node:assert/strict";
import { describe, it } from "node:test";
import fc from "fast-check";
import { InvalidArgumentError, SubscriptionLimitError, TopicLimitError } from "#internal/errors.js";
import type { Cursor } from "#internal/topic/cursor.js";
import type { RetentionPolicies, TopicsOptions } from "#internal/topic/options.js";
import { entryOverheadBytes } from "#internal/topic/retention.js";
import { Topics } from "#internal/topic/topics.js";

const text = (value: string) => new TextEncoder().encode(value);
const texts = (entries: readonly { readonly bytes: Uint8Array }[]) =>
  entries.map(({ bytes }) => new TextDecoder().decode(bytes));

function topicsWith(options: TopicsOptions, ...published: readonly (readonly [string, string])[]) {
  const topics = new Topics<string>(options);
  for (const [subject, body] of published) topics.publish(subject, text(body));
  return topics;
}

describe("publishing", () => {
  it("gives the cursor after the message and everybody whom it goes to, each once", () => {
    const topics = new Topics<string>();
    const { cursor: start } = topics.subscribe("ann", "chat.1");
    topics.subscribe("ann", "chat.*");
    topics.subscribe("bob", "chat.>");
    topics.subscribe("eve", "chat.2");
    const { cursor, recipients } = topics.publish("chat.1", text("hello"));
    assert.deepEqual(cursor, { epoch: start!.epoch, sequence: 1 });
    assert.deepEqual([...recipients].sort(), ["ann", "bob"]);
    assert.deepEqual([...topics.recipients("chat.2")].sort(), ["ann", "bob", "eve"]);
    assert.equal(topics.publish("chat.1", text("again")).cursor.sequence, 2);
    assert.equal(topics.publish("chat.2", text("other")).cursor.sequence, 1);
  });

  it("to nobody, with nothing kept, leaves nothing behind, and no cursor that holds later", () => {
    const topics = new Topics<string>();
    const { cursor, recipients } = topics.publish("a", text("x"));
    assert.equal(recipients.length, 0);
    assert.equal(topics.statistics.topics, 0);
    const { recovered, gap } = topics.subscribe("ann", "a", { from: cursor });
    assert.equal(recovered, false);
    assert.equal(gap?.oldest, 1);
  });

  it("refuses what is no subject, no bytes, or no type, and then has done nothing", () => {
    const topics = new Topics<string>();
    const { cursor } = topics.subscribe("ann", "a");
    const bytes = text("x");
    for (const attempt of [
      () => topics.publish("a.*", bytes),
      () => topics.publish("", bytes),
      () => topics.publish(undefined as never, bytes),
      () => topics.publish("a", "x" as never),
      () => topics.publish("a", [1] as never),
      () => topics.publish("a", bytes, { type: -1 }),
      () => topics.publish("a", bytes, { type: 2 ** 32 }),
      () => topics.publish("a", bytes, { type: "1" as never }),
    ]) {
      assert.throws(attempt, InvalidArgumentError);
    }
    assert.deepEqual(topics.cursorOf("a"), cursor);
  });
});

describe("subscribing", () => {
  const history = { "chat.>": { count: 3 } };

  it("goes on where a cursor stands, and misses nothing between the replay and what comes", () => {
    const topics = topicsWith({ history }, ["chat.1", "a"]);
    const { cursor } = topics.publish("chat.1", text("b"), { type: 7 });
    topics.publish("chat.1", text("c"), { type: 8 });
    const subscribed = topics.subscribe("ann", "chat.1", { from: cursor });
    assert.deepEqual(subscribed, {
      cursor: { epoch: cursor.epoch, sequence: 3 },
      replay: [{ sequence: 3, bytes: text("c"), type: 8 }],
      recovered: true,
    });
    assert.deepEqual(topics.publish("chat.1", text("d")).recipients, ["ann"]);
  });

  it("replays the newest, all that is kept, or nothing, as it is asked", () => {
    const topics = topicsWith({ history }, ["chat.1", "a"], ["chat.1", "b"]);
    const replayOf = (from?: "last" | "oldest") =>
      texts(topics.subscribe("ann", "chat.1", from === undefined ? {} : { from }).replay);
    assert.deepEqual(replayOf("last"), ["b"]);
    assert.deepEqual(replayOf("oldest"), ["a", "b"]);
    assert.deepEqual(replayOf(), []);
    assert.deepEqual(topics.subscribe("ann", "chat.2", { from: "last" }).replay, []);
    assert.equal(topics.countOf("ann"), 2);
  });

  it("declares a gap where the history does not reach back to the cursor, and gives what there is", () => {
    const topics = topicsWith({ history }, ["chat.1", "a"]);
    const cursor = topics.cursorOf("chat.1")!;
    for (const body of ["b", "c", "d", "e"]) topics.publish("chat.1", text(body));
    const late = topics.subscribe("ann", "chat.1", { from: cursor });
    assert.deepEqual(late.gap, { epoch: cursor.epoch, oldest: 3 });
    assert.equal(late.recovered, false);
    assert.deepEqual(texts(late.replay), ["c", "d", "e"]);
    for (const strange of [
      { epoch: (cursor.epoch ^ 1) >>> 0, sequence: 5 },
      { epoch: cursor.epoch, sequence: 6 },
      { epoch: cursor.epoch, sequence: 2 ** 53 - 1 },
    ]) {
      assert.deepEqual(topics.subscribe("ann", "chat.1", { from: strange }).gap, late.gap);
      assert.deepEqual(topics.since("chat.1", strange)?.gap, late.gap);
    }
  });

  it("to many topics at once takes no place in a history", () => {
    const topics = new Topics<string>();
    const from: Cursor = { epoch: 1, sequence: 1 };
    for (const pattern of ["chat.*", ">"]) {
      assert.deepEqual(topics.subscribe("ann", pattern), { replay: [], recovered: true });
      for (const wanted of [from, "last", "oldest"] as const) {
        assert.throws(() => topics.subscribe("ann", pattern, { from: wanted }), InvalidArgumentError);
      }
    }
  });

  it("refuses what is no pattern or no place, and then has subscribed to nothing", () => {
    const topics = new Topics<string>();
    for (const pattern of ["", "a..b", "a b", "a*", ">.a", "a\0", undefined, 7]) {
      assert.throws(() => topics.subscribe("ann", pattern as string), InvalidArgumentError);
    }
    for (const from of ["first", 7, null, {}, { epoch: 1, sequence: -1 }]) {
      assert.throws(() => topics.subscribe("ann", "a", { from: from as Cursor }), InvalidArgumentError);
    }
    assert.equal(topics.countOf("ann"), 0);
    assert.equal(topics.statistics.topics, 0);
  });

  it("ends by pattern, or at once for whoever goes", () => {
    const topics = new Topics<string>();
    for (const pattern of ["a", "b.*", "c.>"]) topics.subscribe("ann", pattern);
    assert.deepEqual(topics.patternsOf("ann").sort(), ["a", "b.*", "c.>"]);
    assert.equal(topics.unsubscribe("ann", "b.*"), true);
    assert.equal(topics.unsubscribe("ann", "b.*"), false);
    assert.equal(topics.unsubscribe("bob", "a"), false);
    assert.equal(topics.unsubscribe("ann", "no pattern"), false);
    assert.equal(topics.removeAll("ann"), 2);
    assert.equal(topics.removeAll("ann"), 0);
    assert.deepEqual(topics.recipients("a"), []);
  });
});

describe("the caps", () => {
  it("refuse one subscriber's next subscription, but not what it has already, nor another's", () => {
    const topics = new Topics<string>({ maxSubscriptionsEach: 2 });
    topics.subscribe("ann", "a");
    topics.subscribe("ann", "b.>");
    for (const pattern of ["c", "c.*"]) {
      assert.throws(
        () => topics.subscribe("ann", pattern),
        (error) => error instanceof SubscriptionLimitError && /maxSubscriptionsEach/.test(error.message),
      );
    }
    assert.equal(topics.statistics.topics, 1);
    topics.subscribe("ann", "a");
    topics.subscribe("bob", "c");
    topics.unsubscribe("ann", "a");
    topics.subscribe("ann", "c");
  });

  it("refuse anybody's next where all together have too many", () => {
    const topics = new Topics<string>({ maxSubscriptions: 2 });
    topics.subscribe("ann", "a");
    topics.subscribe("bob", "a");
    topics.subscribe("bob", "a");
    assert.throws(
      () => topics.subscribe("eve", "a"),
      (error) => error instanceof SubscriptionLimitError && /maxSubscriptions\)/.test(error.message),
    );
    topics.removeAll("ann");
    topics.subscribe("eve", "a");
  });

  it("on topics make room by forgetting those that nobody needs, the longest unused first, else refuse", () => {
    const topics = new Topics<string>({ maxTopics: 3, history: { kept: { count: 1 } } });
    topics.subscribe("eve", "loose.*");
    topics.publish("loose.1", text("x"));
    topics.publish("loose.2", text("x"));
    topics.publish("kept", text("x"));
    const second = topics.cursorOf("loose.2");
    topics.publish("loose.1", text("x")); // which now was used later than loose.2
    topics.subscribe("ann", "a");
    assert.equal(topics.cursorOf("loose.2"), undefined);
    assert.equal(topics.cursorOf("loose.1")?.sequence, 2);
    topics.subscribe("ann", "b");
    assert.equal(topics.statistics.topics, 3);
    for (const attempt of [() => topics.subscribe("ann", "c"), () => topics.publish("loose.2", text("x"))]) {
      assert.throws(attempt, (error) => error instanceof TopicLimitError && error.retryable);
    }
    assert.equal(topics.countOf("ann"), 2);
    topics.unsubscribe("ann", "b");
    const { cursor } = topics.publish("loose.2", text("x"));
    assert.notEqual(cursor.epoch, second?.epoch);
  });

  it("on history drop what has been kept the longest, under whichever policy, and who misses it is told", () => {
    const history = new Map([
      ["a", { count: 100 }],
      ["*", { count: 100 }],
    ]);
    const topics = new Topics<string>({ maxHistoryBytes: 3 * (entryOverheadBytes + 100), history });
    const bytes = new Uint8Array(100);
    topics.sweep(1, 10);
    const { cursor } = topics.publish("b", bytes);
    topics.sweep(2, 10);
    topics.publish("a", bytes);
    topics.sweep(3, 10);
    topics.publish("b", bytes);
    assert.equal(topics.statistics.historyEntries, 3);
    topics.sweep(4, 10);
    topics.publish("a", bytes);
    assert.deepEqual(topics.since("b", { ...cursor, sequence: 0 })?.gap, {
      ...topics.since("b", cursor)?.gap,
      epoch: cursor.epoch,
      oldest: 2,
    });
    assert.equal(topics.since("b", cursor)?.recovered, true);
    topics.publish("a", bytes);
    assert.equal(topics.since("a", { epoch: topics.cursorOf("a")!.epoch, sequence: 0 })?.gap?.oldest, 2);
    assert.equal(topics.statistics.historyBytes, 3 * (entryOverheadBytes + 100));
    // One that is larger than all the room is not kept at all.
    topics.publish("c", new Uint8Array(2_000));
    assert.deepEqual([topics.statistics.historyEntries, topics.statistics.historyBytes], [0, 0]);
  });
});

describe("the policies", () => {
  it("count in their order: the first that matches is the one", () => {
    const history: RetentionPolicies = {
      "chat.secret": { count: 0 },
      "chat.*": { count: 1 },
      "chat.>": { count: 2 },
    };
    const topics = new Topics<string>({ history });
    for (const subject of ["chat.secret", "chat.a", "chat.a.b", "other"]) {
      for (let i = 0; i < 5; i += 1) topics.publish(subject, text("x"));
    }
    const kept = (subject: string) => topics.since(subject, { epoch: 0, sequence: 0 })?.entries.length;
    assert.deepEqual(["chat.secret", "chat.a", "chat.a.b", "other"].map(kept), [undefined, 1, 2, undefined]);
  });

  it("are refused where a pattern is none or an option is wrong, by name", () => {
    const refused: readonly (readonly [unknown, RegExp])[] = [
      [{ history: { "a..b": { count: 1 } } }, /a pattern of topics.history must have no empty token/],
      [{ history: { "a.>": { count: -1 } } }, /history\["a\.>"\]\.count must be an integer/],
      [{ history: { a: { cont: 1 } } }, /did you mean count\?/],
      [{ history: [] }, /topics.history must be/],
      [{ history: 7 }, /topics.history must be/],
      [{ maxTopics: 0 }, /maxTopics must be/],
      [{ idleMs: -1 }, /idleMs must be/],
      [{ maxTopic: 1 }, /did you mean maxTopics\?/],
    ];
    for (const [options, message] of refused) {
      assert.throws(
        () => new Topics<string>(options as TopicsOptions),
        (error) => error instanceof InvalidArgumentError && message.test(error.message),
      );
    }
  });
});

describe("a sweep", () => {
  it("drops what is too old, and then forgets the topic", () => {
    const topics = topicsWith({ idleMs: 50, history: { "a.>": { count: 9, ageMs: 100 } } }, ["a.1", "x"]);
    const cursor = topics.cursorOf("a.1")!;
    topics.sweep(99, 10);
    assert.equal(topics.since("a.1", { ...cursor, sequence: 0 })?.recovered, true);
    topics.sweep(100, 10);
    assert.equal(topics.since("a.1", { ...cursor, sequence: 0 })?.recovered, false);
    assert.equal(topics.since("a.1", cursor)?.recovered, true);
    topics.sweep(149, 10);
    assert.deepEqual(topics.cursorOf("a.1"), cursor);
    topics.sweep(150, 10);
    assert.equal(topics.statistics.topics, 0);
  });

  it("leaves the newest alone where the policy says so, until there is a newer one", () => {
    const history = { a: { count: 9, ageMs: 100, last: true } };
    const topics = topicsWith({ history }, ["a", "x"], ["a", "y"]);
    topics.sweep(1_000_000, 10);
    assert.deepEqual(texts(topics.subscribe("ann", "a", { from: "oldest" }).replay), ["y"]);
    topics.publish("a", text("z"));
    assert.deepEqual(texts(topics.subscribe("ann", "a", { from: "oldest" }).replay), ["z"]);
    assert.equal(topics.statistics.historyEntries, 1);
  });

  it("remembers a topic while somebody subscribes to it, and for a while longer", () => {
    const topics = new Topics<string>({ idleMs: 50 });
    const { cursor } = topics.subscribe("ann", "a");
    topics.sweep(1_000, 10);
    assert.deepEqual(topics.cursorOf("a"), cursor);
    topics.removeAll("ann");
    topics.sweep(1_049, 10);
    // Back in time: nothing was published meanwhile, and that is known.
    assert.deepEqual(topics.subscribe("ann", "a", { from: cursor! }), {
      cursor,
      replay: [],
      recovered: true,
    });
    topics.sweep(2_000, 10);
    topics.unsubscribe("ann", "a");
    topics.sweep(2_050, 10);
    const later = topics.subscribe("ann", "a", { from: cursor! });
    assert.equal(later.recovered, false);
    assert.notEqual(later.cursor?.epoch, cursor?.epoch);
  });

  it("does as much as it may and goes on the next time, however many topics there are", () => {
    const topics = new Topics<string>({ idleMs: 1, history: { "a.*": { count: 1, ageMs: 10 } } });
    for (let i = 0; i < 100; i += 1) topics.publish(`a.${i}`, text("x"));
    const done: number[] = [];
    for (let spent = 30; spent === 30; done.push(spent)) spent = topics.sweep(10, 30);
    assert.deepEqual(done, [30, 30, 30, 10]);
    assert.deepEqual([topics.statistics.historyEntries, topics.statistics.topics], [0, 100]);
    assert.equal(topics.sweep(11, 1_000), 100);
    assert.equal(topics.statistics.topics, 0);
  });

  it("lets no policy wait for another's flood", () => {
    const history = { "a.*": { count: 1, ageMs: 10 }, "b.*": { count: 1, ageMs: 10 } };
    const topics = new Topics<string>({ history });
    for (let i = 0; i < 100; i += 1) topics.publish(`a.${i}`, text("x"));
    topics.publish("b.1", text("x"));
    topics.sweep(10, 5);
    topics.sweep(10, 5);
    assert.equal(topics.since("b.1", { epoch: 0, sequence: 0 })?.entries.length, 0);
    assert.ok(topics.statistics.historyEntries >= 90);
  });

  it("takes no harm from a clock that goes back", () => {
    const topics = topicsWith({ history: { a: { count: 1, ageMs: 10 } } });
    topics.sweep(100, 10);
    topics.sweep(50, 10);
    topics.publish("a", text("x"));
    topics.sweep(109, 10);
    assert.equal(topics.statistics.historyEntries, 1);
    topics.sweep(110, 10);
    assert.equal(topics.statistics.historyEntries, 0);
  });
});

describe("topics", () => {
  const subject = fc.constantFrom("a", "b", "__proto__");
  const name = fc.constantFrom("ann", "bob");
  const steps = fc.array(
    fc.oneof(
      {
        weight: 6,
        arbitrary: fc.record({ do: fc.constant("publish" as const), subject, bytes: fc.nat(300) }),
      },
      { weight: 4, arbitrary: fc.record({ do: fc.constant("subscribe" as const), subject, name }) },
      { weight: 3, arbitrary: fc.record({ do: fc.constant("unsubscribe" as const), subject, name }) },
      { weight: 1, arbitrary: fc.record({ do: fc.constant("leave" as const), name }) },
      {
        weight: 2,
        arbitrary: fc.record({ do: fc.constant("sweep" as const), passedMs: fc.nat(30), budget: fc.nat(4) }),
      },
    ),
    { minLength: 20, maxLength: 100, size: "max" },
  );
  const options: fc.Arbitrary<TopicsOptions> = fc.record({
    maxHistoryBytes: fc.constantFrom(1_024, 4_096),
    idleMs: fc.constantFrom(0, 20),
    history: fc.constantFrom<RetentionPolicies>(
      {},
      { ">": { count: 3 } },
      { a: { count: 4, ageMs: 20, last: true }, ">": { count: 9, bytes: 1_024, ageMs: 30 } },
    ),
  });

  /** What one subscriber has had of one topic since it was last told of a gap. */
  interface Seen {
    cursor: Cursor | undefined;
    readonly run: number[];
    isSubscribed: boolean;
  }

  it("never lose a message between two that a subscriber gets, nor repeat one, without saying so", () => {
    let recoveries = 0;
    let gaps = 0;
    fc.assert(
      fc.property(options, steps, (given, taken) => {
        const topics = new Topics<string>(given);
        const logs = new Map<string, number[]>();
        const seen = new Map<string, Seen>();
        let nowMs = 0;
        let published = 0;
        const seenBy = (who: string, what: string): Seen => {
          const key = `${who} ${what}`;
          const known = seen.get(key) ?? { cursor: undefined, run: [], isSubscribed: false };
          seen.set(key, known);
          return known;
        };
        const check = (who: string, what: string) => {
          const { run } = seenBy(who, what);
          const log = logs.get(what) ?? [];
          assert.deepEqual(run, run.length === 0 ? [] : log.slice(log.indexOf(run[0]!)));
        };
        for (const step of taken) {
          if (step.do === "publish") {
            published += 1;
            const body = new Uint8Array(4 + step.bytes);
            new DataView(body.buffer).setUint32(0, published);
            logs.set(step.subject, [...(logs.get(step.subject) ?? []), published]);
            const { cursor, recipients } = topics.publish(step.subject, body);
            const expected = ["ann", "bob"].filter((who) => seenBy(who, step.subject).isSubscribed);
            assert.deepEqual([...recipients].sort(), expected);
            for (const who of recipients) {
              const its = seenBy(who, step.subject);
              assert.deepEqual(cursor, { epoch: its.cursor!.epoch, sequence: its.cursor!.sequence + 1 });
              its.cursor = cursor;
              its.run.push(published);
              check(who, step.subject);
            }
          } else if (step.do === "subscribe") {
            const its = seenBy(step.name, step.subject);
            const from = its.cursor;
            const { cursor, replay, recovered, gap } = topics.subscribe(
              step.name,
              step.subject,
              from === undefined ? {} : { from },
            );
            assert.equal(gap === undefined, recovered);
            if (from !== undefined && recovered) recoveries += 1;
            if (from !== undefined && !recovered) gaps += 1;
            if (!recovered) its.run.length = 0;
            // Who never was here knows nothing of what was before.
            const first = recovered ? (from?.sequence ?? cursor!.sequence) + 1 : gap!.oldest;
            assert.deepEqual(
              replay.map(({ sequence }) => sequence),
              replay.map((_, i) => first + i),
            );
            assert.equal(first + replay.length - 1, cursor!.sequence);
            for (const { bytes } of replay) its.run.push(new DataView(bytes.buffer).getUint32(0));
            its.cursor = cursor;
            its.isSubscribed = true;
            check(step.name, step.subject);
          } else if (step.do === "unsubscribe") {
            const its = seenBy(step.name, step.subject);
            assert.equal(topics.unsubscribe(step.name, step.subject), its.isSubscribed);
            its.isSubscribed = false;
          } else if (step.do === "leave") {
            const count = topics.countOf(step.name);
            assert.equal(topics.removeAll(step.name), count);
            for (const [key, its] of seen) if (key.startsWith(`${step.name} `)) its.isSubscribed = false;
          } else {
            nowMs += step.passedMs;
            assert.ok(topics.sweep(nowMs, step.budget) <= step.budget);
          }
          assert.ok(topics.statistics.historyBytes <= given.maxHistoryBytes!);
        }
        // Nothing stays for ever of what nobody needs, but what a policy keeps for ever.
        for (const who of ["ann", "bob"]) topics.removeAll(who);
        topics.sweep(nowMs + 1_000, 1_000);
        topics.sweep(nowMs + 2_000, 1_000);
        const { historyEntries, topics: left, ...others } = topics.statistics;
        assert.ok(left <= historyEntries);
        assert.deepEqual(
          { ...others, historyBytes: 0 },
          { subscriptions: 0, subscribers: 0, patterns: 0, historyBytes: 0 },
        );
      }),
      { numRuns: 1_000 },
    );
    assert.ok(recoveries > 100 && gaps > 100, `${recoveries} recoveries and ${gaps} gaps were seen`);
  });
});
