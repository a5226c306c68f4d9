import assert from "node:assert/strict";
import { describe, it } from "node:test";
import fc from "fast-check";
import { InvalidArgumentError } from "#internal/errors.js";
import {
  entryOverheadBytes,
  type HistoryAccount,
  Retention,
  type RetentionPolicy,
} from "#internal/topic/retention.js";
import { TopicHistory } from "#internal/topic/topic_history.js";

interface Appended {
  readonly sequence: number;
  readonly bytes: Uint8Array;
  readonly type: number;
  readonly atMs: number;
}

const policies = fc.record(
  {
    count: fc.integer({ min: 0, max: 6 }),
    bytes: fc.integer({ min: 1_024, max: 3_000 }),
    ageMs: fc.integer({ min: 1, max: 20 }),
    last: fc.boolean(),
  },
  { requiredKeys: ["count"] },
) as fc.Arbitrary<RetentionPolicy>;

const steps = fc.array(
  fc.oneof(
    fc.record({ do: fc.constant("append" as const), bytes: fc.uint8Array({ maxLength: 800 }) }),
    fc.record({ do: fc.constant("sweep" as const), passedMs: fc.nat(12) }),
    fc.record({
      do: fc.constant("ask" as const),
      sequence: fc.nat(40),
      isOfNow: fc.boolean(),
    }),
  ),
  { maxLength: 40 },
);

/** What is kept is the longest end of all that was appended which keeps to the policy. */
function kept(all: readonly Appended[], policy: RetentionPolicy, nowMs: number): Appended[] {
  const isAllowed = (end: readonly Appended[]) =>
    end.length <= policy.count &&
    end.reduce((sum, { bytes }) => sum + bytes.length + entryOverheadBytes, 0) <=
      (policy.bytes ?? 1_048_576) &&
    end.every((each, i) => {
      const isExempt = policy.last === true && i === end.length - 1;
      return isExempt || nowMs - each.atMs < (policy.ageMs ?? Infinity);
    });
  return all.map((_, i) => all.slice(i)).find(isAllowed) ?? [];
}

const plain = ({ sequence, bytes, type }: Appended) => ({ sequence, bytes, type });

describe("a topic's history", () => {
  it("keeps the longest end of what was appended that its policy allows, and declares every gap", () => {
    fc.assert(
      fc.property(policies, steps, (policy, taken) => {
        const account: HistoryAccount = { bytes: 0, entries: 0 };
        const retention = new Retention(policy, account);
        const history = new TopicHistory("a", 7, retention);
        const all: Appended[] = [];
        let nowMs = 0;
        for (const step of taken) {
          if (step.do === "append") {
            const cursor = history.append(step.bytes, all.length, nowMs);
            all.push({ sequence: all.length + 1, bytes: step.bytes, type: all.length, atMs: nowMs });
            assert.deepEqual(cursor, { epoch: 7, sequence: all.length });
          } else if (step.do === "sweep") {
            nowMs += step.passedMs;
            const before = history.size;
            const emptied: TopicHistory[] = [];
            retention.expire(nowMs, Infinity, (each) => emptied.push(each));
            assert.deepEqual(emptied, before > 0 && history.size === 0 ? [history] : []);
          }
          const expected = kept(all, policy, nowMs);
          const oldest = expected[0]?.sequence ?? all.length + 1;
          assert.deepEqual(history.kept, expected.map(plain));
          assert.deepEqual(history.last, expected.slice(-1).map(plain));
          assert.deepEqual([history.size, history.oldest], [expected.length, oldest]);
          const bytes = expected.reduce((sum, each) => sum + each.bytes.length + entryOverheadBytes, 0);
          assert.deepEqual([history.bytes, account], [bytes, { bytes, entries: expected.length }]);
          if (step.do !== "ask") continue;
          const found = history.since({ epoch: step.isOfNow ? 7 : 8, sequence: step.sequence });
          const missed = all.slice(step.sequence);
          if (step.isOfNow && step.sequence <= all.length && missed.length <= expected.length) {
            assert.deepEqual(found, { entries: missed.map(plain), recovered: true });
          } else {
            assert.deepEqual(found, {
              entries: expected.map(plain),
              recovered: false,
              gap: { epoch: 7, oldest },
            });
          }
        }
      }),
      { numRuns: 1_000 },
    );
  });

  it("has bytes of its own: what the publisher does with its buffer afterwards changes nothing", () => {
    const history = new TopicHistory("a", 1, new Retention({ count: 9 }, { bytes: 0, entries: 0 }));
    const slab = Buffer.alloc(65_536, 1);
    history.append(slab.subarray(100, 110), 0, 0);
    slab.fill(2);
    const [entry] = history.kept;
    assert.deepEqual(entry!.bytes, new Uint8Array(10).fill(1));
    // Nor does it hold a whole slab for the sake of ten bytes.
    assert.equal(entry!.bytes.buffer.byteLength, 10);
  });

  it("counts on where nothing is kept, so that a cursor from before is a gap and none of now is", () => {
    const history = new TopicHistory("a", 1);
    for (let i = 0; i < 3; i += 1) history.append(new Uint8Array(1), 0, 0);
    assert.deepEqual(history.since({ epoch: 1, sequence: 3 }), { entries: [], recovered: true });
    assert.deepEqual(history.since({ epoch: 1, sequence: 2 }), {
      entries: [],
      recovered: false,
      gap: { epoch: 1, oldest: 4 },
    });
  });

  it("takes its policy from an object of known options only", () => {
    for (const policy of [
      undefined,
      {},
      { count: -1 },
      { count: 1, ageMs: 0 },
      { count: 1, bytes: 7 },
      { count: 1, last: 1 },
      { count: 1, ageMS: 7 },
    ]) {
      assert.throws(
        () => new Retention(policy as RetentionPolicy, { bytes: 0, entries: 0 }),
        InvalidArgumentError,
      );
    }
  });
});
