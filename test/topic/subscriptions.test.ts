import assert from "node:assert/strict";
import { describe, it } from "node:test";
import fc from "fast-check";
import { PatternTrie } from "#internal/topic/pattern_trie.js";
import { isPattern, matches, maxPatternStars, maxSubjectTokens } from "#internal/topic/subject.js";
import { Subscriptions } from "#internal/topic/subscriptions.js";
import { patterns, subjects } from "./patterns.js";

/** The same, as slowly as it can be said. */
class Model {
  readonly byName = new Map<string, Set<string>>();

  match(subject: string): string[] {
    return [...this.byName.keys()]
      .filter((name) => [...this.byName.get(name)!].some((pattern) => matches(pattern, subject)))
      .sort();
  }

  patterns(): Set<string> {
    return new Set([...this.byName.values()].flatMap((each) => [...each]));
  }

  size(): number {
    return [...this.byName.values()].reduce((sum, each) => sum + each.size, 0);
  }
}

const names = fc.constantFrom("ann", "bob", "eve", "__proto__", "");
const steps = fc.array(
  fc.oneof(
    { weight: 4, arbitrary: fc.record({ do: fc.constant("add" as const), pattern: patterns, name: names }) },
    {
      weight: 2,
      arbitrary: fc.record({ do: fc.constant("remove" as const), pattern: patterns, name: names }),
    },
    { weight: 1, arbitrary: fc.record({ do: fc.constant("removeAll" as const), name: names }) },
    { weight: 4, arbitrary: fc.record({ do: fc.constant("match" as const), subject: subjects }) },
  ),
  { maxLength: 60 },
);

describe("subscriptions", () => {
  it("find, in any order of coming and going, exactly those one of whose patterns matches, and each once", () => {
    fc.assert(
      fc.property(steps, (taken) => {
        const model = new Model();
        const emptied: string[] = [];
        const real = new Subscriptions<string>((pattern) => {
          assert.equal(real.hasPattern(pattern), false);
          emptied.push(pattern);
        });
        const lent: (readonly [array: readonly string[], copy: readonly string[]])[] = [];
        for (const step of taken) {
          const before = model.patterns();
          emptied.length = 0;
          if (step.do === "match") {
            const found = real.match(step.subject);
            assert.deepEqual([...found].sort(), model.match(step.subject), step.subject);
            lent.push([found, [...found]]);
            continue;
          }
          const own = model.byName.get(step.name) ?? new Set<string>();
          if (step.do === "add") {
            assert.equal(real.add(step.pattern, step.name), !own.has(step.pattern));
            model.byName.set(step.name, own.add(step.pattern));
          } else if (step.do === "remove") {
            assert.equal(real.remove(step.pattern, step.name), own.delete(step.pattern));
          } else {
            assert.equal(real.removeAll(step.name), own.size);
            own.clear();
          }
          if (own.size === 0) model.byName.delete(step.name);
          const after = model.patterns();
          assert.deepEqual(emptied.sort(), [...before].filter((pattern) => !after.has(pattern)).sort());
          assert.deepEqual(real.patternsOf(step.name).sort(), [...own].sort());
          assert.equal(real.countOf(step.name), own.size);
          assert.equal(real.size, model.size());
          assert.equal(real.patternCount, after.size);
          assert.equal(real.subscriberCount, model.byName.size);
        }
        // Whoever walks an array is not disturbed by what has changed since.
        for (const [array, copy] of lent) assert.deepEqual(array, copy);
      }),
      { numRuns: 1_000 },
    );
  });

  it("do not tell one token's name from the members that every object has", () => {
    const real = new Subscriptions<string>();
    for (const token of ["__proto__", "constructor", "toString", "hasOwnProperty"]) {
      assert.deepEqual(real.match(token), []);
      real.add(`${token}.*`, token);
      assert.deepEqual(real.match(`${token}.${token}`), [token]);
      assert.deepEqual(real.match(`a.${token}`), []);
      real.remove(`${token}.*`, token);
    }
    assert.equal(real.patternCount, 0);
  });

  it("lend the same array to every publisher until somebody comes or goes", () => {
    const real = new Subscriptions<number>();
    for (let subscriber = 0; subscriber < 1_000; subscriber += 1) real.add("news", subscriber);
    const first = real.match("news");
    assert.equal(real.match("news"), first);
    real.add("other", 1);
    assert.equal(real.match("news"), first);
    real.add("news", 1_000);
    assert.notEqual(real.match("news"), first);
    assert.equal(first.length, 1_000);
    // Who subscribes to all that there is adds nothing where it is among them.
    real.add(">", 7);
    assert.equal(real.match("news"), real.match("news"));
  });

  it("count each subscriber once where it is in many groups", () => {
    const real = new Subscriptions<object>();
    const [one, other] = [{}, {}];
    for (const pattern of ["a.b.c", "a.*.c", "a.>", ">", "*.b.*", "*.*.*"]) real.add(pattern, one);
    real.add("a.b.>", other);
    real.add("*.b.>", other);
    const found = real.match("a.b.c");
    assert.equal(found.length, 2);
    assert.deepEqual(new Set(found), new Set([one, other]));
  });
});

/** Every pattern with as many `*` as one may have that matches these tokens. */
function patternsOver(tokens: readonly string[]): string[] {
  const choices = Array.from({ length: 2 ** tokens.length }, (_, wild) =>
    tokens.map((token, i) => (wild & (1 << i) ? "*" : token)).join("."),
  );
  return choices.filter(isPattern);
}

/** How many ways there are to choose the places of so many `*`, in prefixes of so many tokens and of fewer. */
function choicesOf(tokens: number, stars: number): number {
  if (tokens < 0) return 0;
  let ways = 1;
  let sum = 1;
  for (let chosen = 1; chosen <= stars; chosen += 1) {
    ways = (ways * (tokens - chosen + 1)) / chosen;
    sum += ways;
  }
  return sum + choicesOf(tokens - 1, stars);
}

describe("the trie", () => {
  it("finds every one of many patterns that match one subject", () => {
    const trie = new PatternTrie<{ pattern: string }>();
    const tokens = Array.from({ length: 10 }, (_, i) => `t${i}`);
    const all = patternsOver(tokens);
    for (const pattern of all) trie.set(pattern, { pattern });
    const found = new Set(trie.match(tokens.join(".")).map(({ pattern }) => pattern));
    assert.deepEqual(found, new Set(all));
    assert.equal(all.length, 386);
    // A prefix is a node once, however many patterns go on from it; the root is none.
    assert.equal(trie.nodeCount, choicesOf(10, maxPatternStars) - 1);
  });

  it("visits a bounded number of nodes for a subject, however many patterns begin as it does", () => {
    const tokens = Array.from({ length: maxSubjectTokens }, (_, i) => `t${i}`);
    const trie = new PatternTrie<{ pattern: string }>();
    for (const pattern of patternsOver(tokens.slice(0, -1))) trie.set(`${pattern}.nobody`, { pattern });
    assert.deepEqual(trie.match(tokens.join(".")), []);
    assert.equal(trie.visitCount, choicesOf(maxSubjectTokens - 1, maxPatternStars));
    for (const pattern of patternsOver(tokens)) trie.set(pattern, { pattern });
    const before = trie.visitCount;
    assert.ok(trie.match(tokens.join(".")).length > 2_000);
    assert.equal(trie.visitCount - before, 9_401);
  });

  it("has no node left when the last pattern has gone", () => {
    fc.assert(
      fc.property(fc.uniqueArray(patterns, { maxLength: 20 }), subjects, (set, subject) => {
        const trie = new PatternTrie<{ pattern: string }>();
        for (const pattern of set) trie.set(pattern, { pattern });
        assert.equal(trie.size, set.length);
        for (const pattern of set) assert.deepEqual(trie.get(pattern), { pattern });
        for (const pattern of set) {
          assert.ok(trie.delete(pattern));
          assert.equal(trie.delete(pattern), false);
        }
        assert.equal(trie.size, 0);
        assert.equal(trie.nodeCount, 0);
        assert.deepEqual(trie.match(subject), []);
      }),
    );
  });
});
