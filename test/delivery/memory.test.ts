import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";
import { chunkBytesInUse } from "#internal/delivery/chunk.js";
import { noCursors } from "#internal/delivery/cursors.js";
import { Inbound } from "#internal/delivery/inbound.js";
import { Outbound } from "#internal/delivery/outbound.js";
import { roomy, text } from "./half.js";

setFlagsFromString("--expose-gc");
const gc = runInNewContext("gc") as () => void;

/** Bytes of the heap that each of many sessions takes when `use` is done with it. */
function bytesEach(use: (inbound: Inbound, outbound: Outbound) => void): number {
  const count = 200_000;
  const kept: object[] = new Array(count).fill(carrier);
  const make = (first: number, end: number) => {
    for (let i = first; i < end; i++) {
      const inbound = new Inbound(limits);
      const outbound = new Outbound(roomy, inbound);
      use(inbound, outbound);
      kept[i] = outbound; // which has the other half
    }
  };
  const part = count / 4;
  make(0, part);
  const bytes: number[] = [];
  // The least of some: V8 makes compiled code whenever it comes to it.
  for (let first = part; first < count; first += part) {
    gc();
    const before = process.memoryUsage().heapUsed;
    make(first, first + part);
    gc();
    bytes.push((process.memoryUsage().heapUsed - before) / part);
  }
  assert.equal(new Set(kept).size, count);
  return Math.min(...bytes);
}

const limits = { windowBytes: 1_000, maxFrameBytes: 1_000 };
const carrier = { bytesQueued: 0, send: () => "sent" as const };

describe("a session that has nothing to do", () => {
  it("costs 190 bytes at most for both halves, while it never had anything", () => {
    const bytes = bytesEach((_, outbound) => outbound.attach(carrier, 1_000, noCursors, 0));
    assert.ok(bytes <= 190, `${bytes} bytes`);
  });

  it("costs 330 at most after messages both ways, and holds none of what it sent", () => {
    const before = chunkBytesInUse();
    const bytes = bytesEach((inbound, outbound) => {
      outbound.attach(carrier, 1_000, noCursors, 0);
      outbound.sendMessage(1, text("a"));
      inbound.receive(0, 1, 49);
      inbound.handled(0, 1, 49);
      outbound.acknowledge(0, 1);
    });
    assert.ok(bytes <= 330, `${bytes} bytes`);
    assert.equal(chunkBytesInUse(), before);
  });
});
