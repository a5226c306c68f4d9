import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { type ProbeFigures, rank } from "#internal/client/probe_score.js";

const even = { connect: 1, message: 1, throughput: 1, success: 1 };
const none = { connect: 0, message: 0, throughput: 0, success: 0 };

const figures = (url: string, given: Partial<ProbeFigures> = {}): ProbeFigures => ({
  ...{ url, connectMs: 10, messageMs: 10, bytesPerSecond: 1_000, successRate: 1, error: undefined },
  ...given,
});

const order = (among: readonly ProbeFigures[], weights = even) => rank(among, weights).map(({ url }) => url);

describe("the comparison of transports", () => {
  it("gives 1 to who is the best in everything, and to others how near they come", () => {
    const [first, second] = rank(
      [figures("a", { connectMs: 20, messageMs: 40, bytesPerSecond: 500, successRate: 0.5 }), figures("b")],
      even,
    );
    assert.deepEqual([first?.url, first?.score], ["b", 1]);
    assert.deepEqual([second?.url, second?.score], ["a", (0.5 + 0.25 + 0.5 + 0.5) / 4]);
  });

  it("is by the weights", () => {
    const quickToConnect = figures("a", { messageMs: 20 });
    const quickToAnswer = figures("b", { connectMs: 30 });
    const wide = figures("c", { connectMs: 30, messageMs: 20, bytesPerSecond: 9_000, successRate: 0.9 });
    const all = [quickToConnect, quickToAnswer, wide];
    assert.equal(order(all, { ...none, connect: 1 })[0], "a");
    assert.equal(order(all, { ...none, message: 1 })[0], "b");
    assert.equal(order(all, { ...none, throughput: 1 })[0], "c");
    assert.equal(order(all, { ...none, success: 1 })[2], "c");
    assert.deepEqual(order(all, none), ["a", "b", "c"], "without any, nobody is better");
  });

  it("leaves equals in their order, and puts those last that have no connection", () => {
    const dead = figures("x", {
      connectMs: undefined,
      messageMs: undefined,
      bytesPerSecond: undefined,
      successRate: 0,
    });
    const ranked = rank([dead, figures("a"), figures("b")], even);
    assert.deepEqual(
      ranked.map(({ url, score }) => [url, score]),
      [
        ["a", 1],
        ["b", 1],
        ["x", 0],
      ],
    );
    assert.deepEqual(order([dead]), ["x"]);
  });

  it("counts nothing for what could not be measured", () => {
    const [, other] = rank([figures("a", { bytesPerSecond: undefined }), figures("b")], even);
    assert.deepEqual([other?.url, other?.score], ["a", 0.75]);
  });
});
