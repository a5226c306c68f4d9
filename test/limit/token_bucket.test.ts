import assert from "node:assert/strict";
import { describe, it } from "node:test";
import fc from "fast-check";
import { InvalidArgumentError } from "millrace";
import { Rate, TokenBucket } from "#internal/limit/token_bucket.js";

describe("a token bucket", () => {
  it("gives its burst at once, and then as many a second as its rate says", () => {
    const bucket = new TokenBucket(new Rate(10, 3));
    const granted = (nowMs: number) => bucket.take(1, nowMs);
    assert.deepEqual([0, 0, 0, 0].map(granted), [true, true, true, false]);
    assert.deepEqual([99, 100, 100].map(granted), [false, true, false]);
    assert.deepEqual([10_000, 10_000, 10_000, 10_000].map(granted), [true, true, true, false]);
  });

  it("says how long to wait, and gives when that time is over, not before", () => {
    const bucket = new TokenBucket(new Rate(1000, 500));
    assert.equal(bucket.waitMs(500, 7), 0);
    assert.ok(bucket.take(500, 7));
    assert.equal(bucket.waitMs(200, 7), 200);
    assert.equal(bucket.take(200, 206), false);
    assert.ok(bucket.take(200, 207));
  });

  it("loses nothing by a refusal", () => {
    const bucket = new TokenBucket(new Rate(1, 2));
    bucket.take(2, 0);
    for (let i = 0; i < 100; i += 1) assert.equal(bucket.take(1, 999), false);
    assert.ok(bucket.take(1, 1000));
  });

  it("gives who takes more than the burst all of it when full, and has it pay afterwards", () => {
    const bucket = new TokenBucket(new Rate(100, 50));
    assert.ok(bucket.take(200, 0));
    assert.equal(bucket.waitMs(1, 0), 1510);
    assert.equal(bucket.take(200, 1999), false);
    assert.ok(bucket.take(200, 2000));
  });

  it("charges what has happened already, and says when it is paid for", () => {
    const bucket = new TokenBucket(new Rate(100, 10));
    assert.equal(bucket.charge(10, 0), 0);
    assert.equal(bucket.charge(5, 0), 50);
    assert.equal(bucket.charge(5, 50), 50);
  });

  it("is full again when what was taken has come back", () => {
    const bucket = new TokenBucket(new Rate(2, 4));
    assert.ok(bucket.isFull(0));
    bucket.take(3, 0);
    assert.deepEqual([bucket.isFull(1499), bucket.isFull(1500)], [false, true]);
  });

  it("goes on with another rate, what was taken staying taken", () => {
    const bucket = new TokenBucket(new Rate(1, 100));
    bucket.take(100, 0);
    bucket.adopt(new Rate(1000, 50), 0);
    assert.equal(bucket.waitMs(50, 0), 50);
    bucket.adopt(new Rate(1, 100), 50);
    assert.equal(bucket.waitMs(100, 50), 0);
  });

  it("never gives more than burst + rate · time, nor refuses who stays below", () => {
    const step = fc.record({ afterMs: fc.nat(2000), n: fc.integer({ min: 1, max: 20 }) });
    fc.assert(
      fc.property(
        fc.integer({ min: 1, max: 1000 }),
        fc.integer({ min: 20, max: 100 }),
        fc.array(step, { maxLength: 60 }),
        (perSecond, burst, steps) => {
          const bucket = new TokenBucket(new Rate(perSecond, burst));
          let now = 0;
          let level = burst; // of a bucket kept in the plain way
          for (const { afterMs, n } of steps) {
            now += afterMs;
            level = Math.min(burst, level + (afterMs * perSecond) / 1000);
            if (Math.abs(level - n) < 1e-6) return; // either answer is right
            assert.equal(bucket.take(n, now), level >= n);
            if (level >= n) level -= n;
          }
        },
      ),
    );
  });

  it("takes rates that are one, and no others", () => {
    for (const wrong of [0, -1, Number.NaN, Number.POSITIVE_INFINITY, "5" as never]) {
      assert.throws(() => new Rate(wrong), InvalidArgumentError);
      assert.throws(() => new Rate(1, wrong), InvalidArgumentError);
    }
    assert.throws(() => new Rate(1, 0.5), /burst must be a number from 1/);
    assert.equal(new Rate(0.5).burst, 1);
    assert.equal(new Rate(20).burst, 20);
  });
});
