import assert from "node:assert/strict";
import { describe, it } from "node:test";
import fc from "fast-check";
import { InternalError, InvalidArgumentError } from "millrace";
import { ByteBudget } from "#internal/limit/byte_budget.js";
import type { ByteShare } from "#internal/limit/byte_share.js";

describe("a budget of bytes", () => {
  it("is over when all shares together hold more than the limit", () => {
    const budget = new ByteBudget<string>(100);
    const a = budget.share("a");
    const b = budget.share("b");
    a.add(60);
    b.add(40);
    assert.deepEqual([budget.totalBytes, budget.isOver], [100, false]);
    b.add(1);
    assert.ok(budget.isOver);
    a.subtract(10);
    assert.deepEqual([budget.totalBytes, budget.isOver], [91, false]);
    a.release();
    b.release();
    assert.deepEqual([budget.totalBytes, budget.largest()], [0, undefined]);
  });

  it("sheds those that hold most, and no more of them than it takes", () => {
    const budget = new ByteBudget<string>(100_000);
    const shares = new Map<string, ByteShare<string>>();
    for (const [owner, bytes] of [
      ["small", 10_000],
      ["huge", 90_000],
      ["large", 40_000],
      ["tiny", 100],
    ] as const) {
      const share = budget.share(owner);
      shares.set(owner, share);
      share.add(bytes);
    }
    const shed: unknown[] = [];
    const drop = (owner: string, heldBytes: number) => {
      shed.push([owner, heldBytes]);
      shares.get(owner)!.release();
    };
    assert.equal(budget.shed(drop), 1);
    assert.deepEqual(shed, [["huge", 90_000]]);
    assert.equal(budget.shed(drop), 0);
    budget.limitBytes = 5_000;
    assert.equal(budget.shed(drop), 2);
    assert.deepEqual(shed.slice(1), [
      ["large", 40_000],
      ["small", 10_000],
    ]);
  });

  it("asks an owner that keeps its bytes once, and goes on to the next", () => {
    const budget = new ByteBudget<string>(1000);
    const stubborn = budget.share("stubborn");
    const willing = budget.share("willing");
    stubborn.add(50_000);
    willing.add(5_000);
    const asked: string[] = [];
    const drop = (owner: string) => {
      asked.push(owner);
      if (owner === "willing") willing.release();
      else stubborn.add(100_000); // it even takes more
    };
    assert.equal(budget.shed(drop), 2);
    assert.deepEqual(asked, ["stubborn", "willing"]);
    assert.equal(budget.largest(), stubborn);
    stubborn.release();
    assert.equal(budget.largest(), undefined);
  });

  it("stays whole when an owner throws while it is asked", () => {
    const budget = new ByteBudget<string>(1000);
    const share = budget.share("a");
    share.add(5000);
    assert.throws(() => budget.shed(() => assert.fail("no")), /no/);
    assert.equal(budget.largest(), share);
  });

  it("among alike takes the one that has been so large for longest", () => {
    const budget = new ByteBudget<number>(1);
    const shares = [0, 1, 2].map((owner) => budget.share(owner));
    for (const share of shares) share.add(5000);
    const order: number[] = [];
    budget.shed((owner) => {
      order.push(owner);
      shares[owner]!.release();
    });
    assert.deepEqual(order, [0, 1, 2]);
  });

  it("keeps its account whatever is added and taken back, and finds one of the largest", () => {
    const step = fc.record({
      at: fc.nat(7),
      bytes: fc.oneof(fc.nat(100), fc.nat(1 << 20), fc.nat(2 ** 40)),
      add: fc.boolean(),
    });
    fc.assert(
      fc.property(fc.array(step, { maxLength: 200 }), (steps) => {
        const budget = new ByteBudget<number>(1000);
        const shares = Array.from({ length: 8 }, (_, at) => budget.share(at));
        const held = new Array<number>(8).fill(0);
        for (const { at, bytes, add } of steps) {
          const changed = add ? bytes : -Math.min(bytes, held[at]!);
          if (changed >= 0) shares[at]!.add(changed);
          else shares[at]!.subtract(-changed);
          held[at]! += changed;
          const total = held.reduce((sum, each) => sum + each, 0);
          assert.equal(budget.totalBytes, total);
          assert.equal(budget.isOver, total > 1000);
          const largest = budget.largest();
          assert.equal(largest === undefined, total === 0);
          const most = Math.max(...held);
          if (largest !== undefined) assert.ok(most < 4096 || largest.heldBytes > most / 2);
        }
      }),
    );
  });

  it("finds the largest of a hundred thousand at every step without looking at them all", () => {
    const budget = new ByteBudget<number>(1);
    const shares = Array.from({ length: 100_000 }, (_, at) => budget.share(at));
    for (const share of shares) share.add(100);
    for (let i = 0; i < 100_000; i += 1) {
      const share = shares[i]!;
      share.add(1_000_000);
      assert.equal(budget.largest(), share);
      share.release();
    }
    assert.equal(budget.totalBytes, 0);
  });

  it("refuses what cannot be", () => {
    for (const wrong of [0, -1, Number.NaN, Number.POSITIVE_INFINITY, "9" as never]) {
      assert.throws(() => new ByteBudget(wrong), InvalidArgumentError);
    }
    const share = new ByteBudget<string>(10).share("a");
    share.add(3);
    assert.throws(() => share.subtract(4), InternalError);
    assert.equal(share.heldBytes, 3);
  });
});
