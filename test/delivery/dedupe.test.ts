import assert from "node:assert/strict";
import { describe, it } from "node:test";
import fc from "fast-check";
import { bodyHash, Dedupe, maxMessageIdBytes, messageIdOf } from "#internal/delivery/dedupe.js";

const limits = { maxIds: 3, maxAgeMs: 100, maxAnswerBytes: 10 };

describe("message ids", () => {
  it("tell what is new, what comes again, and what has another's id", () => {
    const dedupe = new Dedupe<Uint8Array>(limits);
    assert.equal(dedupe.check("a", 1, 0), "new");
    assert.equal(dedupe.check("a", 1, 10), "duplicate");
    assert.equal(dedupe.check("a", 2, 10), "conflict");
    assert.equal(dedupe.check("a", 1, 10), "duplicate", "a conflict changes nothing");
    assert.equal(dedupe.check("b", 2, 10), "new");
  });

  it("are forgotten by number, the oldest first, and by age", () => {
    const dedupe = new Dedupe<Uint8Array>(limits);
    for (const [at, id] of ["a", "b", "c", "d"].entries()) dedupe.check(id, 1, at);
    assert.equal(dedupe.size, 3);
    assert.equal(dedupe.check("b", 1, 100), "duplicate");
    assert.equal(dedupe.check("b", 1, 101), "new", "100 ms after it came");
    assert.equal(dedupe.check("a", 1, 101), "new");
  });

  it("bring the answer that was given, which is kept up to so many bytes", () => {
    const dedupe = new Dedupe<Uint8Array>(limits);
    for (const id of ["a", "b", "c"]) dedupe.check(id, 1, 0);
    assert.equal(dedupe.answerTo("a"), undefined);
    dedupe.answered("a", new Uint8Array(6), 6);
    dedupe.answered("b", new Uint8Array(4), 4);
    assert.equal(dedupe.answerTo("a")?.length, 6);
    dedupe.answered("c", new Uint8Array(1), 1);
    assert.deepEqual(
      ["a", "b", "c"].map((id) => dedupe.answerTo(id)?.length),
      [undefined, 4, 1],
    );
    assert.equal(dedupe.check("a", 1, 0), "duplicate", "the id is known still");
    dedupe.answered("c", new Uint8Array(11), 11);
    dedupe.answered("unknown", new Uint8Array(1), 1);
    assert.deepEqual([dedupe.answerTo("c")?.length, dedupe.answerTo("unknown")], [1, undefined]);
    dedupe.check("d", 1, 0);
    dedupe.check("e", 1, 0);
    dedupe.answered("e", new Uint8Array(9), 9);
    assert.equal(dedupe.answerTo("c")?.length, 1, "what was forgotten with its id counts no more");
  });

  it("forget as Maps of their limits would, whatever comes", () => {
    const id = fc.constantFrom(..."abcdefgh");
    const step = fc.record({
      do: fc.constantFrom("check", "answer", "forget"),
      id,
      bytes: fc.nat(6),
      ms: fc.nat(30),
    });
    fc.assert(
      fc.property(fc.array(step, { maxLength: 60 }), (steps) => {
        const dedupe = new Dedupe<number>(limits);
        let known: { id: string; at: number }[] = [];
        let answers: { id: string; bytes: number }[] = [];
        let nowMs = 0;
        for (const { do: what, id, bytes, ms } of steps) {
          nowMs += ms;
          if (what === "check") {
            known = known.filter(({ at }) => nowMs - at < limits.maxAgeMs);
            // Before it is known anew: what was answered to an id that is forgotten is no answer to the next of its name.
            answers = answers.filter((answer) => known.some((one) => one.id === answer.id));
            const isKnown = known.some((one) => one.id === id);
            assert.equal(dedupe.check(id, 1, nowMs), isKnown ? "duplicate" : "new");
            if (!isKnown) known = [...known, { id, at: nowMs }].slice(-limits.maxIds);
          } else if (what === "forget") {
            dedupe.forget(id);
            known = known.filter((one) => one.id !== id);
          } else {
            dedupe.answered(id, bytes, bytes);
            if (known.some((one) => one.id === id)) {
              answers = [...answers.filter((one) => one.id !== id), { id, bytes }];
            }
          }
          answers = answers.filter((answer) => known.some((one) => one.id === answer.id));
          while (answers.reduce((sum, answer) => sum + answer.bytes, 0) > limits.maxAnswerBytes)
            answers.shift();
          for (const other of "abcdefgh") {
            const answer = answers.find((one) => one.id === other);
            assert.equal(dedupe.answerTo(other), answer?.bytes);
          }
        }
      }),
    );
  });

  it("cost the same however many are remembered", () => {
    const usPerId = (maxIds: number) => {
      const dedupe = new Dedupe<number>({ maxIds, maxAgeMs: 1e9, maxAnswerBytes: maxIds >> 1 });
      const go = (from: number, count: number) => {
        for (let i = from; i < from + count; i += 1) {
          dedupe.check(`${i}`, 1, 0);
          if (i % 2 === 0) dedupe.answered(`${i}`, i, 1);
        }
      };
      go(0, 2 * maxIds);
      const runs = [0, 1, 2].map((run) => {
        const begun = performance.now();
        go(2 * maxIds + run * 20_000, 20_000);
        return performance.now() - begun;
      });
      return Math.min(...runs) / 20;
    };
    const few = usPerId(100);
    const many = usPerId(20_000);
    assert.ok(many < 8 * few, `${many} µs with 20,000 ids, ${few} µs with 100`);
  });

  it("are any bytes, up to a length", () => {
    const bytes = fc.uint8Array({ minLength: 1, maxLength: maxMessageIdBytes });
    fc.assert(
      fc.property(bytes, bytes, (a, b) => {
        assert.equal(messageIdOf(a) === messageIdOf(b), Buffer.compare(a, b) === 0);
      }),
    );
    assert.equal(messageIdOf(new Uint8Array(0)), undefined);
    assert.equal(messageIdOf(new Uint8Array(maxMessageIdBytes + 1)), undefined);
  });
});

describe("the hash of a message's body", () => {
  it("is another where anything of it is, and has at most 53 bits", () => {
    const bodies = fc.tuple(
      fc.integer({ min: 0, max: 16 }),
      fc.nat(),
      fc.option(fc.string({ maxLength: 8 }), { nil: undefined }),
      fc.uint8Array({ maxLength: 12 }),
    );
    fc.assert(
      fc.property(bodies, bodies, (a, b) => {
        const [one, other] = [bodyHash(...a), bodyHash(...b)];
        assert.ok(Number.isSafeInteger(one) && one >= 0);
        assert.equal(one === other, JSON.stringify([...a]) === JSON.stringify([...b]));
      }),
    );
    const hashes = new Set(
      Array.from({ length: 20_000 }, (_, i) => bodyHash(4, i % 7, "s", Uint8Array.of(i, i >> 8))),
    );
    assert.equal(hashes.size, 20_000 - duplicates(20_000));
  });
});

/** Those of the bodies above that are the same. */
function duplicates(count: number): number {
  const bodies = new Set(Array.from({ length: count }, (_, i) => `${i % 7} ${i & 0xff} ${(i >> 8) & 0xff}`));
  return count - bodies.size;
}
