import assert from "node:assert/strict";
import { describe, it } from "node:test";
import fc from "fast-check";
import { InvalidArgumentError } from "millrace";
import { AddressLimits } from "#internal/limit/address_limits.js";
import { Rate } from "#internal/limit/token_bucket.js";

const a = "192.0.2.1";
const b = "192.0.2.2";

/** An IPv4 address for a number. */
const nth = (n: number) => `10.${(n >> 16) & 255}.${(n >> 8) & 255}.${n & 255}`;

describe("the limits of addresses", () => {
  it("admit as many at a time as an address may have, however it is written", () => {
    const limits = new AddressLimits({ maxPerAddress: 2 });
    assert.equal(limits.admit(a, 0), undefined);
    assert.equal(limits.admit(`::ffff:${a}`, 0), undefined);
    assert.equal(limits.admit(a, 0), "address-count");
    assert.equal(limits.admit(b, 0), undefined);
    limits.leave(a);
    assert.equal(limits.count(a), 1);
    assert.equal(limits.admit(a, 0), undefined);
  });

  it("count a network of IPv6 as one address", () => {
    const limits = new AddressLimits({ maxPerAddress: 1 });
    assert.equal(limits.admit("2001:db8::1", 0), undefined);
    assert.equal(limits.admit("2001:db8::2", 0), "address-count");
    assert.equal(limits.admit("2001:db8:0:1::1", 0), undefined);
  });

  it("admit an address as fast as it may come, also when it leaves in between", () => {
    const limits = new AddressLimits({ ratePerAddress: new Rate(10, 2) });
    const visit = (address: string, now: number) => {
      const refusal = limits.admit(address, now);
      if (refusal === undefined) limits.leave(address);
      return refusal;
    };
    assert.deepEqual([visit(a, 0), visit(a, 0), visit(a, 0)], [undefined, undefined, "address-rate"]);
    assert.equal(visit(b, 0), undefined);
    assert.deepEqual([visit(a, 100), visit(a, 100)], [undefined, "address-rate"]);
  });

  it("admit all together as fast as they may come, and who is refused for that pays nothing", () => {
    const limits = new AddressLimits({ ratePerAddress: new Rate(1, 1), totalRate: new Rate(1, 1) });
    assert.equal(limits.admit(a, 0), undefined);
    assert.equal(limits.admit(b, 0), "total-rate");
    assert.equal(limits.admit(b, 1000), undefined);
  });

  it("do not let an address that is over its own limits use up what all have", () => {
    const limits = new AddressLimits({ maxPerAddress: 1, totalRate: new Rate(1, 2) });
    assert.equal(limits.admit(a, 0), undefined);
    for (let i = 0; i < 100; i += 1) assert.equal(limits.admit(a, 0), "address-count");
    assert.equal(limits.admit(b, 0), undefined);
  });

  it("forget an address that has nothing when its rate has recovered", () => {
    const limits = new AddressLimits({ ratePerAddress: new Rate(1, 10) });
    for (let i = 0; i < 1000; i += 1) {
      limits.admit(nth(i), 0);
      limits.leave(nth(i));
    }
    assert.equal(limits.addressCount, 1000);
    limits.sweep(999);
    assert.equal(limits.addressCount, 1000);
    limits.sweep(1000);
    assert.equal(limits.addressCount, 0);
  });

  it("forget an address at once where no rate is kept", () => {
    const limits = new AddressLimits({ maxPerAddress: 5 });
    limits.admit(a, 0);
    limits.leave(a);
    assert.equal(limits.addressCount, 0);
  });

  it("remember no more than they may, and keep those that have something whatever comes", () => {
    const limits = new AddressLimits({
      maxPerAddress: 1,
      ratePerAddress: new Rate(0.001, 1),
      maxIdleAddresses: 100,
    });
    limits.admit(a, 0);
    for (let i = 0; i < 10_000; i += 1) {
      limits.admit(nth(i), 0);
      limits.leave(nth(i));
    }
    assert.equal(limits.addressCount, 101);
    assert.equal(limits.admit(a, 0), "address-count");
    assert.equal(limits.admit(nth(9999), 0), "address-rate"); // of the last hundred
    assert.equal(limits.admit(nth(0), 0), undefined); // forgiven
  });

  it("make no entry for who is refused", () => {
    const limits = new AddressLimits({ maxPerAddress: 1, totalRate: new Rate(1, 1) });
    for (let i = 0; i < 1000; i += 1) limits.admit(nth(i), 0);
    assert.equal(limits.addressCount, 1);
  });

  it("ignore who leaves without having come", () => {
    const limits = new AddressLimits({ maxPerAddress: 1, ratePerAddress: new Rate(1, 2) });
    limits.leave(a);
    limits.admit(a, 0);
    limits.leave(a);
    limits.leave(a);
    assert.equal(limits.count(a), 0);
    assert.equal(limits.admit(a, 0), undefined);
  });

  it("can be changed while addresses are there", () => {
    const limits = new AddressLimits({ maxPerAddress: 3, ratePerAddress: new Rate(1, 3) });
    for (let i = 0; i < 3; i += 1) limits.admit(a, 0);
    limits.admit(b, 0);
    limits.leave(b);
    assert.throws(() => limits.update({ maxPerAddress: 0 }, 0), InvalidArgumentError);
    limits.update({ maxPerAddress: 4, ratePerAddress: new Rate(100, 1) }, 0);
    assert.equal(limits.admit(a, 0), "address-rate");
    assert.equal(limits.admit(a, 10), undefined);
    assert.equal(limits.admit(a, 20), "address-count");
    limits.update({ maxPerAddress: 5 }, 20);
    assert.equal(limits.addressCount, 1); // nothing is to be remembered of b
    assert.equal(limits.admit(a, 20), undefined);
    limits.update({ maxPerAddress: 5, totalRate: new Rate(1, 1) }, 20);
    assert.deepEqual([limits.admit(b, 20), limits.admit(b, 20)], [undefined, "total-rate"]);
  });

  it("agree with a model that forgets nothing", () => {
    const step = fc.record({
      address: fc.integer({ min: 0, max: 4 }),
      action: fc.constantFrom("admit", "leave"),
      afterMs: fc.constantFrom(0, 0, 50, 100, 300),
    });
    fc.assert(
      fc.property(fc.array(step, { maxLength: 100 }), (steps) => {
        const limits = new AddressLimits({
          maxPerAddress: 3,
          ratePerAddress: new Rate(10, 2),
          totalRate: new Rate(20, 4),
        });
        const model = Array.from({ length: 5 }, () => ({ count: 0, level: 2 }));
        let total = 4;
        let now = 0;
        for (const { address, action, afterMs } of steps) {
          now += afterMs;
          for (const each of model) each.level = Math.min(2, each.level + afterMs / 100);
          total = Math.min(4, total + afterMs / 50);
          const it = model[address]!;
          if (action === "leave") {
            limits.leave(nth(address));
            it.count = Math.max(0, it.count - 1);
            continue;
          }
          const refusal =
            it.count >= 3
              ? "address-count"
              : it.level < 1
                ? "address-rate"
                : total < 1
                  ? "total-rate"
                  : undefined;
          assert.equal(limits.admit(nth(address), now), refusal);
          if (refusal !== undefined) continue;
          it.count += 1;
          it.level -= 1;
          total -= 1;
        }
        for (const [index, { count }] of model.entries()) assert.equal(limits.count(nth(index)), count);
        for (const [index, { count }] of model.entries()) {
          for (let i = 0; i < count; i += 1) limits.leave(nth(index));
        }
        limits.sweep(now + 1000);
        assert.equal(limits.addressCount, 0);
      }),
    );
  });

  it("refuse limits that are none", () => {
    for (const wrong of [0, -1, 1.5, Number.NaN, "2" as never]) {
      assert.throws(() => new AddressLimits({ maxPerAddress: wrong }), /maxPerAddress must be an integer/);
    }
    assert.throws(() => new AddressLimits({ maxIdleAddresses: -1 }), /maxIdleAddresses must be/);
  });
});
