import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { Inbound } from "#internal/delivery/inbound.js";

const limits = { windowBytes: 10_000, maxFrameBytes: 1_000 };

/** Receives and handles so many frames of 10 bytes. */
function take(inbound: Inbound, lane: number, from: number, to: number): void {
  for (let sequence = from; sequence <= to; sequence++) {
    assert.equal(inbound.receive(lane, sequence, 10), "apply");
    inbound.handled(lane, sequence, 10);
  }
}

describe("what a session receives", () => {
  it("is applied once, in order, and each lane is numbered by itself", () => {
    const inbound = new Inbound(limits);
    assert.equal(inbound.receive(0, 1, 50), "apply");
    assert.equal(inbound.receive(0, 2, 50), "apply");
    assert.equal(inbound.receive(15, 1, 50), "apply");
    assert.equal(inbound.receive(0, 1, 50), "duplicate");
    assert.equal(inbound.receive(0, 2, 50), "duplicate");
    assert.equal(inbound.receive(0, 4, 50), "ahead");
    assert.equal(inbound.receive(0, 3, 50), "apply");
  });

  it("is applied each time where it has no number", () => {
    const inbound = new Inbound(limits);
    assert.equal(inbound.receive(0, 0, 5_000_000), "apply");
    assert.equal(inbound.receive(0, 0, 5_000_000), "apply");
    assert.deepEqual([inbound.bytesUnhandled, inbound.cursors().size], [0, 0]);
  });

  it("breaks the protocol on a lane that there is not, and by a number from nowhere", () => {
    const inbound = new Inbound(limits);
    for (const lane of [4, 7, 16, 65_535]) {
      assert.equal(inbound.receive(lane, 1, 50), "ahead");
      assert.equal(inbound.receive(lane, 0, 50), "ahead");
    }
    for (const low32 of [2, 0x7fff_ffff, 0x8000_0000, 0xffff_ffff]) {
      assert.equal(inbound.receive(0, low32, 50), "ahead");
    }
    assert.equal(inbound.cursors().size, 0);
  });

  it("is an overrun above the window and one frame, until some is handled", () => {
    const inbound = new Inbound(limits);
    for (let sequence = 1; sequence <= 11; sequence++) {
      assert.equal(inbound.receive(0, sequence, 1_000), "apply");
    }
    assert.equal(inbound.receive(0, 12, 1), "overrun");
    assert.equal(inbound.receive(1, 1, 1), "overrun", "lanes share the window");
    inbound.handled(0, 1, 1_000);
    assert.equal(inbound.receive(0, 12, 1_000), "apply");
    assert.equal(inbound.bytesUnhandled, 11_000);
  });
});

describe("what a session has handled", () => {
  it("is told by the next frame of the lane, and then no more", () => {
    const inbound = new Inbound(limits);
    take(inbound, 0, 1, 3);
    take(inbound, 1, 1, 1);
    assert.deepEqual(inbound.acksDue(), []);
    assert.deepEqual(inbound.acksDue(true), [0, 1]);
    assert.equal(inbound.piggyback(0), 3);
    assert.deepEqual(inbound.acksDue(true), [1]);
    assert.equal(inbound.piggyback(0), 3);
    assert.equal(inbound.piggyback(2), 0);
    assert.equal(inbound.piggyback(9), 0);
  });

  it("is due after a quarter of the window, or 64 messages", () => {
    const inbound = new Inbound(limits);
    take(inbound, 0, 1, 63);
    assert.deepEqual(inbound.acksDue(), []);
    take(inbound, 0, 64, 64);
    assert.deepEqual(inbound.acksDue(), [0]);
    inbound.receive(9, 1, 2_500);
    inbound.handled(9, 1, 2_500);
    assert.deepEqual(inbound.acksDue(), [0]);
    inbound.receive(9, 2, 1);
    inbound.handled(9, 2, 1);
    assert.deepEqual(inbound.acksDue(), [0, 9]);
    inbound.piggyback(0);
    inbound.piggyback(9);
    assert.deepEqual(inbound.acksDue(true), []);
    take(inbound, 0, 65, 65);
    assert.deepEqual(inbound.acksDue(), [], "it counts from what was told");
  });

  it("goes up to the first that is not, whatever is handled behind it", () => {
    const inbound = new Inbound(limits);
    for (const sequence of [1, 2, 3, 4, 5]) inbound.receive(0, sequence, 100);
    inbound.handled(0, 3, 100);
    inbound.handled(0, 2, 100);
    inbound.handled(0, 3, 100); // twice
    assert.deepEqual([inbound.piggyback(0), inbound.bytesUnhandled], [0, 300]);
    inbound.handled(0, 1, 100);
    assert.deepEqual([inbound.piggyback(0), inbound.bytesUnhandled], [3, 200]);
    inbound.handled(0, 5, 100);
    inbound.handled(0, 9, 100); // never received
    assert.deepEqual([...inbound.cursors()], [[0, 3]]);
    inbound.handled(0, 4, 100);
    assert.deepEqual([...inbound.cursors()], [[0, 5]]);
    assert.equal(inbound.bytesUnhandled, 0);
  });

  it("is what the next connection goes on from: what was received and not handled comes again, and is passed over", () => {
    const inbound = new Inbound(limits);
    take(inbound, 0, 1, 2);
    inbound.receive(0, 3, 10);
    assert.deepEqual([...inbound.cursors()], [[0, 2]]);
    inbound.piggyback(0);
    inbound.reattach();
    assert.deepEqual(inbound.acksDue(true), [0]);
    assert.equal(inbound.receive(0, 3, 10), "duplicate");
    assert.equal(inbound.receive(0, 4, 10), "apply");
  });

  it("counts on beyond 32 bits, past the number that says that there is none", () => {
    const inbound = new Inbound(limits, new Map([[0, 0xffff_fffe]]));
    assert.equal(inbound.receive(0, 0xffff_ffff, 10), "apply");
    assert.equal(inbound.receive(0, 1, 10), "apply");
    assert.equal(inbound.receive(0, 3, 10), "ahead");
    inbound.handled(0, 1, 10);
    assert.equal(inbound.piggyback(0), 0xffff_fffe);
    inbound.handled(0, 0xffff_ffff, 10);
    assert.equal(inbound.piggyback(0), 1);
    assert.deepEqual([...inbound.cursors()], [[0, 0x1_0000_0001]]);
  });

  it("begins anew with the peer's new session", () => {
    const inbound = new Inbound(limits);
    take(inbound, 0, 1, 3);
    inbound.receive(1, 1, 10);
    inbound.restart();
    assert.deepEqual([inbound.cursors().size, inbound.bytesUnhandled, inbound.acksDue(true)], [0, 0, []]);
    take(inbound, 0, 1, 1);
  });
});
