import assert from "node:assert/strict";
import { describe, it } from "node:test";
import fc from "fast-check";
import { Backoff, type BackoffOptions, backoffOptions } from "#internal/client/backoff.js";
import { readOptions } from "#internal/options/read.js";
import { seededRandom } from "../kit/random.js";
import { VirtualTime } from "../kit/virtual_time.js";

function backoff(options: BackoffOptions = {}, random = () => 0.999_999) {
  const time = new VirtualTime();
  const made = new Backoff(readOptions(backoffOptions, options), time, random);
  const next = (retryAfterMs?: number) => {
    const delayMs = made.next(retryAfterMs);
    return delayMs && Math.round(delayMs);
  };
  return { backoff: made, time, next };
}

const storming = 2_000;
const awayMs = 2_000;

/** How many clients that lost a server at the same moment try in each tenth of a second, until there is another. */
function stormOf(options: BackoffOptions): number[] {
  const draw = seededRandom(1);
  const tenths: number[] = [];
  for (let client = 0; client < storming; client += 1) {
    const { backoff: made } = backoff(options, () => draw(1_000_000) / 1_000_000);
    let nowMs = 0;
    while (nowMs < awayMs) {
      nowMs += made.next()!;
      const at = Math.floor(nowMs / 100);
      tenths[at] = (tenths[at] ?? 0) + 1;
    }
  }
  return tenths;
}

describe("the wait before a client comes back", () => {
  it("may be twice as long with each try, from 1 s to 60 s", () => {
    const { next } = backoff();
    const longest = Array.from({ length: 8 }, () => next());
    assert.deepEqual(longest, [1_000, 2_000, 4_000, 8_000, 16_000, 32_000, 60_000, 60_000]);
  });

  it("is any part of that, by chance", () => {
    let draws = 0;
    const { next } = backoff({}, () => [0, 0.25, 0.5][draws++]!);
    assert.deepEqual([next(), next(), next()], [0, 500, 2_000]);
  });

  it("is what options ask for, and without jitter not left to chance", () => {
    const { next } = backoff({ delayMs: 100, factor: 3, maxDelayMs: 500, jitter: 0 }, () => 0.5);
    assert.deepEqual([next(), next(), next()], [100, 300, 500]);
    const half = backoff({ delayMs: 100, jitter: 0.5 }, () => 0);
    assert.equal(half.next(), 50);
  });

  it("is spread over all of its range for many clients", () => {
    let draws = 0;
    const { backoff: made } = backoff({ delayMs: 1_000, factor: 1 }, () => (draws++ % 100) / 100);
    const tenths = new Array<number>(10).fill(0);
    for (let i = 0; i < 1_000; i += 1) tenths[Math.floor(made.next()! / 100)]! += 1;
    assert.deepEqual(tenths, new Array(10).fill(100));
  });

  it("has 2,000 clients come back spread over seconds, who would come in one moment without jitter", () => {
    const busiest = (tenths: readonly number[]) => Math.max(...tenths.filter((count) => count > 0));
    assert.ok(busiest(stormOf({})) < storming / 4, `${stormOf({})}`);
    assert.equal(busiest(stormOf({ jitter: 0 })), storming);
  });

  it("is at least what the server asks for, and by chance more", () => {
    const { next } = backoff({}, () => 0.5);
    assert.deepEqual([next(7_000), next(100)], [7_500, 1_000]);
    const exact = backoff({ jitter: 0 });
    assert.equal(exact.next(7_000), 7_000);
  });

  it("begins anew when a connection has lasted for as long as it would have been, and no sooner", () => {
    const { backoff: made, next, time } = backoff();
    assert.deepEqual([next(), next()], [1_000, 2_000]);
    made.connected();
    time.advance(3_999);
    assert.equal(next(), 4_000, "it broke too soon");
    made.connected();
    time.advance(8_000);
    assert.deepEqual([next(), next()], [1_000, 2_000]);
    time.advance(1_000_000);
    assert.equal(next(), 4_000, "nothing has lasted");
    made.reset();
    assert.equal(next(), 1_000);
  });

  it("is none after as many tries as there may be", () => {
    const { backoff: made, next, time } = backoff({ attempts: 2 });
    assert.deepEqual([next(), next(), next(), next()], [1_000, 2_000, undefined, undefined]);
    made.connected();
    time.advance(60_000);
    assert.equal(next(), 1_000);
    assert.equal(made.tries, 1);
  });

  it("never leaves its bounds, whatever the options, the number of tries and chance", () => {
    const anyOptions = fc.record({
      delayMs: fc.integer({ min: 1, max: 86_400_000 }),
      maxDelayMs: fc.integer({ min: 1, max: 86_400_000 }),
      factor: fc.double({ min: 1, max: 100, noNaN: true }),
      jitter: fc.double({ min: 0, max: 1, noNaN: true }),
      attempts: fc.oneof(fc.constant(Infinity), fc.integer({ min: 1, max: 1_000 })),
    });
    const anyChance = fc.double({ min: 0, max: 1, maxExcluded: true, noNaN: true });
    const anyTries = fc.array(fc.tuple(anyChance, fc.option(fc.nat(0xffff_ffff), { nil: 0 })), {
      maxLength: 400,
    });
    fc.assert(
      fc.property(anyOptions, anyTries, (options, tries) => {
        let chance = 0;
        const { backoff: made } = backoff(options, () => chance);
        const { delayMs, maxDelayMs, factor, jitter, attempts } = options;
        for (const [at, [drawn, retryAfterMs]] of tries.entries()) {
          chance = drawn;
          const waitMs = made.next(retryAfterMs);
          if (at >= attempts) {
            assert.equal(waitMs, undefined);
            continue;
          }
          const longestMs = Math.min(maxDelayMs, delayMs * factor ** at);
          const leastMs = Math.max(retryAfterMs, longestMs * (1 - jitter));
          const mostMs = Math.max(longestMs, retryAfterMs + longestMs * jitter);
          const grain = 1e-6 * mostMs;
          assert.ok(waitMs! >= leastMs - grain && waitMs! <= mostMs + grain, `${waitMs}: try ${at}`);
        }
      }),
    );
  });

  it("is up to a minute for ever by default, and never endless", () => {
    const { backoff: made } = backoff();
    for (let tries = 0; tries < 5_000; tries += 1) made.next();
    const waitMs = made.next();
    assert.ok(waitMs! > 59_000 && waitMs! <= 60_000, `${waitMs}`);
  });

  it("refuses options that are none", () => {
    for (const options of [
      { attempts: 0 },
      { attempts: 1.5 },
      { delayMs: 0 },
      { maxDelayMs: Infinity },
      { factor: 0.5 },
      { jitter: 2 },
      { pause: 1 },
    ]) {
      assert.throws(() => backoff(options as BackoffOptions), { code: "ERR_MILLRACE_INVALID_ARGUMENT" });
    }
  });
});
