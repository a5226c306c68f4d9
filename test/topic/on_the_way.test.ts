import assert from "node:assert/strict";
import { describe, it } from "node:test";
import type { Cursor } from "#internal/topic/cursor.js";
import { OnTheWay } from "#internal/topic/on_the_way.js";

const at = (sequence: number): Cursor => ({ epoch: 7, sequence });

describe("what was on its way to a subscriber", () => {
  const everything = { patterns: [">"], gets: () => true };

  it("is all that came after the newest that it has, also of topics of which it has nothing", () => {
    const way = new OnTheWay<string>();
    way.published("before", at(1));
    way.subscribed("ann");
    way.published("a", at(1));
    way.published("b", at(4));
    way.published("b", at(5));
    way.published("c", at(1));
    const places = new Map([["b", at(4)]]);
    assert.deepEqual(way.returned("ann", { ...everything, places }), {
      places: new Map([
        ["b", at(4)],
        ["c", at(0)],
      ]),
      isComplete: true,
    });
  });

  it("still is when it was sent again over a connection that broke as well, until something newer is named", () => {
    const way = new OnTheWay<string>();
    way.subscribed("ann");
    way.published("a", at(1));
    const nothing = { ...everything, places: new Map() };
    for (let time = 0; time < 3; time += 1) {
      assert.deepEqual(way.returned("ann", nothing).places, new Map([["a", at(0)]]));
    }
    way.published("b", at(1));
    const places = new Map([["b", at(1)]]);
    assert.deepEqual(way.returned("ann", { ...everything, places }).places, places);
    assert.deepEqual(way.returned("ann", nothing).places, new Map());
  });

  it("is nothing that goes to others", () => {
    const way = new OnTheWay<string>();
    way.subscribed("ann");
    for (const subject of ["a", "b"]) way.published(subject, at(1));
    const places = new Map([["b", at(0)]]);
    const missed = way.returned("ann", { patterns: ["*"], gets: (subject) => subject === "a", places });
    assert.deepEqual(missed.places, new Map([["a", at(0)]]));
    assert.deepEqual(way.returned("bob", { ...everything, places }), { places: new Map(), isComplete: true });
  });

  it("is not known where too much was published since, unless all topics are named", () => {
    const way = new OnTheWay<string>();
    way.subscribed("ann");
    way.subscribed("bob");
    for (let sequence = 1; sequence <= 1_025; sequence += 1) way.published("a", at(sequence));
    assert.equal(way.returned("ann", { ...everything, places: new Map() }).isComplete, false);
    const named = { patterns: ["a"], gets: () => true, places: new Map([["a", at(1)]]) };
    assert.deepEqual(way.returned("bob", named), { places: new Map([["a", at(1)]]), isComplete: true });
    way.forget("ann");
    assert.equal(way.returned("ann", { ...everything, places: new Map() }).isComplete, true);
  });
});
