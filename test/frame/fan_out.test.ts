import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { FanOut } from "#internal/frame/fan_out.js";
import type { SendResult, TransportConnection } from "#internal/transport/connection.js";

/** A connection of a transport without a publisher of its own, and what it was given. */
function connection(state: "open" | "closing" = "open", result: SendResult = "sent") {
  const given: (readonly [Uint8Array, Uint8Array | undefined])[] = [];
  const send = (head: Uint8Array, payload?: Uint8Array) => {
    given.push([head, payload]);
    return result;
  };
  return { given, transport: { state, send } as unknown as TransportConnection };
}

const refuseUnits = () => assert.fail("nobody here has another codec");

describe("a frame to many connections", () => {
  it("is counted for those that accept it, and not offered to those that are closing", () => {
    const all = [
      connection(),
      connection("closing"),
      connection("open", "dropped"),
      connection("open", "blocked"),
    ];
    const fanOut = new FanOut();
    for (const { transport } of all) fanOut.add(transport, undefined);
    const [head, payload] = [new Uint8Array(48), new Uint8Array(3)];
    assert.equal(fanOut.send(head, payload, refuseUnits), 2);
    assert.deepEqual(
      all.map(({ given }) => given.length),
      [1, 0, 1, 1],
    );
    assert.deepEqual(all[0]!.given, [[head, payload]]);
  });

  it("goes out as it is where it is whole, and is not put together for each", () => {
    const { given, transport } = connection();
    const fanOut = new FanOut();
    fanOut.add(transport, undefined);
    const frame = new Uint8Array(100);
    assert.equal(fanOut.send(frame, new Uint8Array(0), refuseUnits), 1);
    assert.equal(given[0]![0], frame);
    assert.equal(given[0]![1], undefined);
  });
});
