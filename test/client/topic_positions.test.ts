import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { TopicPositions } from "#internal/client/topic_positions.js";
import { decodeCursor } from "#internal/topic/cursor.js";

describe("a client's positions in its topics", () => {
  it("tell what follows, what came already, and what is missing", () => {
    const positions = new TopicPositions();
    assert.equal(positions.advance("news", { epoch: 1, sequence: 5 }), "next");
    assert.equal(positions.advance("news", { epoch: 1, sequence: 6 }), "next");
    assert.equal(positions.advance("news", { epoch: 1, sequence: 6 }), "again");
    assert.equal(positions.advance("news", { epoch: 1, sequence: 9 }), "gap");
    assert.equal(
      positions.advance("news", { epoch: 2, sequence: 1 }),
      "next",
      "of another history nothing is known",
    );
    assert.deepEqual(positions.get("news"), { epoch: 2, sequence: 1 });
  });

  it("skip what the server says is lost, but nothing that has come meanwhile", () => {
    const positions = new TopicPositions();
    positions.skip({ topic: "news", epoch: 1, oldest: 8 });
    assert.equal(positions.advance("news", { epoch: 1, sequence: 8 }), "next");
    positions.skip({ topic: "news", epoch: 1, oldest: 3 });
    assert.deepEqual(positions.get("news"), { epoch: 1, sequence: 8 });
  });

  it("go on from where a subscription is asked to, and from where it began where nothing is newer", () => {
    const positions = new TopicPositions();
    positions.began("news", { epoch: 1, sequence: 4 });
    positions.began("news", { epoch: 1, sequence: 2 });
    assert.deepEqual(positions.get("news"), { epoch: 1, sequence: 4 });
    positions.begin("news", { epoch: 1, sequence: 1 });
    assert.equal(positions.advance("news", { epoch: 1, sequence: 2 }), "next");
    positions.begin("news", "oldest");
    assert.equal(positions.get("news"), undefined);
  });

  it("are said in a hello as far as they fit, those that moved last before all others", () => {
    const positions = new TopicPositions();
    for (const topic of ["a", "b", "c"]) positions.advance(topic, { epoch: 1, sequence: 1 });
    positions.advance("a", { epoch: 1, sequence: 2 });
    const places = positions.places(100);
    assert.deepEqual([...places.keys()], ["a", "c"]);
    assert.deepEqual(decodeCursor(places.get("a")!), { epoch: 1, sequence: 2 });
  });
});
