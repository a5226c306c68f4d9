import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { createEarlyClaims, SharedEarlyClaims } from "#internal/server/threads/early_claims.js";

/** Environments that share claims, and a clock of theirs. */
function claims(count = 3) {
  const shared = createEarlyClaims(count)!;
  const time = { nowS: 65_500 };
  const each = Array.from({ length: count }, (_, i) => new SharedEarlyClaims(shared, i, () => time.nowS));
  return { time, each, shared };
}

describe("claims of early requests", () => {
  it("are those of who was first, for all of them, also where they ask again", () => {
    const { each } = claims();
    for (let i = 0; i < 5_000; i += 1) {
      const first = i % 3;
      assert.equal(each[first]!.claim(`request ${i}`), first);
      for (const other of each) assert.equal(other.claim(`request ${i}`), first);
    }
  });

  it("end when they are as old as what is remembered, also where the clock's number begins anew", () => {
    const { time, each } = claims();
    assert.equal(each[0]!.claim("a"), 0);
    time.nowS += 120;
    assert.equal(each[1]!.claim("a"), 0);
    time.nowS += 10;
    assert.equal(each[1]!.claim("a"), 1);
  });

  it("are given back by who has them, and by nobody else", () => {
    const { each } = claims();
    each[0]!.claim("a");
    each[1]!.release("a");
    assert.equal(each[2]!.claim("a"), 0);
    each[0]!.release("a");
    assert.equal(each[2]!.claim("a"), 2);
  });

  it("are refused where there is no room, and take nobody's", () => {
    const { each } = claims();
    const owned: string[] = [];
    let refused = 0;
    for (let i = 0; i < 100_000; i += 1) {
      if (each[0]!.claim(`request ${i}`) === 0) owned.push(`request ${i}`);
      else refused += 1;
    }
    assert.ok(refused > 0 && owned.length > 50_000, `${owned.length} of 100,000`);
    assert.ok(owned.every((key) => each[1]!.claim(key) === 0));
  });

  it("are of somebody who may not be there, and never more than one's, where a thread scribbles over them", () => {
    const { each, shared } = claims();
    new BigUint64Array(shared).fill(0xffff_ffff_ffff_ffffn);
    for (let i = 0; i < 100; i += 1) {
      const owner = each[0]!.claim(`request ${i}`);
      assert.ok(owner === undefined || owner === 0 || owner === 254);
    }
  });

  it("take no memory where one has nobody to share them with", () => {
    assert.equal(createEarlyClaims(1), undefined);
  });
});
