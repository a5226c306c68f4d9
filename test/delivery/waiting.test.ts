import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { shed } from "#internal/delivery/making_room.js";
import type { Outcome } from "#internal/delivery/outbound.js";
import { Kind } from "#internal/frame/frame.js";
import { framed, Half, message, roomy, said, text, Wire, words } from "./half.js";

describe("a session whose connection takes no more", () => {
  it("is blocked, keeps what comes, and drains when half of it is gone", () => {
    const half = new Half({ ...roomy, highWaterMarkBytes: 400 });
    const wire = half.attached(new Wire(200));
    const { outbound } = half;
    assert.deepEqual(
      [1, 2, 3].map(() => outbound.sendMessage(1, framed(100))),
      ["sent", "blocked", "blocked"],
    );
    assert.equal(outbound.isBlocked, true);
    assert.equal(outbound.bytesQueued, 300);
    assert.equal(wire.dropped, 0, "the connection was not asked for more");
    assert.equal(outbound.pump(0), false);
    wire.take();
    wire.take();
    assert.equal(outbound.pump(0), true, "100 of 400 bytes are left");
    assert.equal(outbound.isBlocked, false);
    assert.equal(outbound.pump(0), false, "drain comes once");
    assert.equal(wire.frames.length, 1);
  });

  it("drains when the connection says so, however much of what blocked it had left it by the time that was asked", () => {
    const half = new Half({ ...roomy, highWaterMarkBytes: 400 });
    const wire = half.attached(new Wire(400));
    const { outbound } = half;
    const send = wire.send.bind(wire);
    wire.send = (head, payload, lane) => {
      const result = send(head, payload, lane);
      if (result === "blocked") for (let left = 0; left < 2; left++) wire.take(); // as another thread may
      return result;
    };
    assert.deepEqual(
      [1, 2, 3, 4].map(() => outbound.sendMessage(1, framed(100))),
      ["sent", "sent", "sent", "blocked"],
    );
    assert.equal(wire.bytesQueued, 200);
    wire.bytesQueued = 150; // a part of one frame, too
    outbound.drained();
    assert.equal(outbound.pump(0), true, "150 of 400 bytes are left");
    assert.equal(outbound.sendMessage(1, framed(100)), "sent");
    assert.equal(outbound.bytesQueued, 250, "it went out");
  });

  it("sends by priority: control first, the others 8 to 4 to 1 by their bytes", () => {
    const half = new Half();
    const wire = new Wire(1);
    half.attached(wire);
    half.outbound.sendMessage(1, text("the first"));
    const sizes = { bulk: 500, normal: 100, high: 300 };
    for (const priority of ["bulk", "normal", "high"] as const) {
      for (let i = 0; i < 400_000 / sizes[priority] && i < 400; i++) {
        half.outbound.send({ ...message(""), payload: framed(sizes[priority]), priority });
      }
    }
    half.outbound.send({ ...message("now"), priority: "control" });
    wire.take();
    half.outbound.pump(0);
    assert.deepEqual(words(wire), ["now"]);
    const bytes = [0, 0, 0];
    for (let i = 0; i < 300; i++) {
      half.outbound.pump(0);
      for (const frame of wire.takeAll()) bytes[frame.lane]! += frame.bytes;
    }
    const [normal = 0, high = 0, bulk = 0] = bytes;
    assert.ok(Math.abs(normal - 4 * bulk) <= 2_500, `normal ${normal}, bulk ${bulk}`);
    assert.ok(Math.abs(high - 8 * bulk) <= 4_500, `high ${high}, bulk ${bulk}`);
  });

  it("replaces a latest that still waits, in its place, by key", () => {
    const half = new Half();
    half.outbound.send({ ...message("x1"), delivery: "latest", key: "x" });
    half.outbound.sendMessage(1, text("between"));
    half.outbound.send({ ...message("y1"), delivery: "latest", key: "y" });
    half.outbound.send({ ...message("x2 is longer"), delivery: "latest", key: "x" });
    half.outbound.send({ ...message("s1"), delivery: "latest", subject: "s" });
    half.outbound.send({ ...message("s2"), delivery: "latest", subject: "s" });
    const sent = half.attached().takeAll();
    assert.deepEqual(
      sent.map(({ text, seq }) => [text, seq]),
      [
        ["x2 is longer", 0],
        ["between", 1],
        ["y1", 0],
        ["s2", 0],
      ],
    );
  });

  it("replaces one of another priority by one in its own lane, where no later one of that overtakes it", () => {
    const half = new Half();
    half.outbound.send({ ...message("normal"), delivery: "latest", key: "x" });
    half.outbound.send({ ...message("before"), priority: "bulk" });
    half.outbound.send({ ...message("bulk"), delivery: "latest", key: "x", priority: "bulk" });
    half.outbound.send({ ...message("newer"), delivery: "latest", key: "x", priority: "bulk" });
    half.outbound.send({ ...message("after"), priority: "bulk" });
    const sent = half.attached().takeAll();
    assert.deepEqual(
      sent.map(({ text, lane }) => [text, lane]),
      [
        ["before", 2],
        ["newer", 2],
        ["after", 2],
      ],
    );
  });

  it("gives up what has waited until its time came, and says so", () => {
    const outcomes: Outcome[] = [];
    const half = new Half();
    const settled = (outcome: Outcome) => outcomes.push(outcome);
    half.outbound.send({ ...message("late"), expiresAt: 100, settled });
    half.outbound.send({ ...message("in time"), expiresAt: 101, settled });
    half.outbound.pump(100);
    assert.deepEqual([outcomes, half.outbound.rare().messagesExpired], [["expired"], 1]);
    assert.deepEqual(words(half.attached()), ["in time"]);
    half.outbound.acknowledge(0, 1);
    assert.deepEqual(outcomes, ["expired", "received"]);
  });
});

describe("a session whose queue is full", () => {
  /** Room for three frames of 100 bytes, with what they cost beside. */
  const limits = { ...roomy, queueBytes: 3 * (100 + 256) };
  const fill = (half: Half) =>
    ["a", "b", "c", "d"].map((word) =>
      half.outbound.send({ ...message(""), payload: Buffer.alloc(52, word), key: word === "d" ? "a" : word }),
    );
  const first = (wire: Wire) => words(wire).map((text) => text[0]);

  it("accepts nothing more by block, and takes more when it has drained", () => {
    const half = new Half({ ...limits, policy: "block" });
    assert.deepEqual(fill(half), ["sent", "sent", "sent", "dropped"]);
    assert.equal(half.outbound.isBlocked, true);
    assert.equal(half.outbound.rare().messagesDropped, 0);
    assert.deepEqual(first(half.attached()), ["a", "b", "c"]);
    assert.equal(half.outbound.pump(0), true);
  });

  it("counts what it turns away by drop-newest", () => {
    const half = new Half({ ...limits, policy: "drop-newest" });
    assert.deepEqual(fill(half), ["sent", "sent", "sent", "dropped"]);
    assert.equal(half.outbound.rare().messagesDropped, 1);
    assert.deepEqual(first(half.attached()), ["a", "b", "c"]);
  });

  it("gives up no answer that waits by drop-oldest, nor what is said of a message", () => {
    const half = new Half({ ...limits, policy: "drop-oldest" });
    const send = (word: string, kind: number = Kind.Message) =>
      half.outbound.send({ kind, type: 1, payload: Buffer.alloc(52, word) });
    assert.deepEqual([send("a", Kind.Response), send("b"), send("c", Kind.Ack)], ["sent", "sent", "sent"]);
    assert.equal(send("d"), "sent", "b has given way");
    assert.equal(send("e", Kind.Response), "sent", "d has given way");
    assert.equal(send("f", Kind.Response), "dropped");
    assert.equal(shed(half.outbound, 1), 0);
    assert.deepEqual(
      words(half.attached()).map((word) => word[0]),
      ["a", "c", "e"],
    );
    assert.equal(half.outbound.rare().messagesDropped, 2);
  });

  it("gives up the oldest of the least priority by drop-oldest, leaves no hole, and says so", () => {
    const outcomes: string[] = [];
    const half = new Half({ ...limits, policy: "drop-oldest" });
    const send = (word: string, priority: "high" | "normal" | "bulk") =>
      half.outbound.send({
        ...message(""),
        payload: Buffer.alloc(52, word),
        priority,
        settled: (outcome) => outcomes.push(word + outcome),
      });
    assert.deepEqual(
      [send("a", "high"), send("b", "normal"), send("c", "bulk"), send("d", "normal"), send("e", "high")],
      ["sent", "sent", "sent", "sent", "sent"],
    );
    assert.deepEqual(outcomes, ["cdropped", "bdropped"]);
    assert.equal(send("f", "bulk"), "dropped", "what waits is more urgent");
    assert.equal(
      half.outbound.send({ ...message(""), payload: new Uint8Array(2_000) }),
      "dropped",
      "and what would never fit has nothing give way",
    );
    const sent = half.attached().takeAll();
    assert.deepEqual(
      sent.map(({ text, seq }) => `${text[0]}${seq}`),
      ["a1", "e2", "d1"],
    );
    assert.equal(half.outbound.rare().messagesDropped, 2);
  });

  it("says what has given way by drop-oldest where somebody is to hear of it, in its place, and once for each key", () => {
    const insteadOf = (frame: Uint8Array) => {
      const [key] = said(frame).text;
      return key === "z" ? undefined : { ...message(`no ${key}`), kind: Kind.Gap, key };
    };
    const half = new Half({ ...limits, policy: "drop-oldest", insteadOf });
    const send = (word: string) => half.outbound.send({ ...message(""), payload: Buffer.alloc(52, word) });
    for (const word of ["a", "b", "a", "z", "z"]) assert.equal(send(word), "sent");
    assert.equal(half.outbound.rare().messagesDropped, 4, "what is said instead takes room, too");
    assert.deepEqual(first(half.attached()), ["n", "n", "z"]);
    half.outbound.detach();
    for (const word of ["z", "a", "z"]) send(word);
    shed(half.outbound, 3 * (100 + 256));
    assert.deepEqual(words(half.attached()).slice(-1), ["no a"]);
  });

  it("lets a message with a key take the place of one that waits with it by conflate", () => {
    const half = new Half({ ...limits, policy: "conflate" });
    assert.deepEqual(fill(half), ["sent", "sent", "sent", "sent"]);
    assert.equal(half.outbound.send({ ...message(""), payload: framed(100), key: "z" }), "dropped");
    assert.deepEqual(first(half.attached()), ["d", "b", "c"]);
  });

  it("is to be closed by close", () => {
    const half = new Half({ ...limits, policy: "close" });
    assert.equal(half.outbound.rare().mustClose, false);
    fill(half);
    assert.equal(half.outbound.rare().mustClose, true);
  });
});

describe("a session whose peer takes no more for now", () => {
  it("sends up to the peer's window, and goes on as it is acknowledged", () => {
    const half = new Half({ ...roomy, highWaterMarkBytes: 1_000 });
    const wire = half.attached(new Wire(), 250);
    const results = [1, 2, 3].map(() => half.outbound.sendMessage(1, framed(100)));
    assert.deepEqual(results, ["sent", "sent", "sent"]);
    assert.equal(wire.frames.length, 2);
    half.outbound.acknowledge(0, 1);
    half.outbound.pump(0);
    assert.equal(wire.frames.length, 3);
  });

  it("sends one message larger than the window when nothing else is on its way", () => {
    const half = new Half();
    const wire = half.attached(new Wire(), 250);
    half.outbound.sendMessage(1, framed(100));
    half.outbound.sendMessage(1, framed(5_000));
    assert.equal(wire.frames.length, 1);
    half.outbound.acknowledge(0, 1);
    half.outbound.pump(0);
    assert.equal(wire.frames.length, 2);
  });

  it("lets only what is more urgent go before what does not fit", () => {
    const half = new Half();
    const wire = half.attached(new Wire(), 300);
    half.outbound.sendMessage(1, framed(100));
    half.outbound.sendMessage(1, framed(250));
    half.outbound.send({ ...message("bulk".repeat(8)), priority: "bulk" });
    half.outbound.send({ ...message("high"), priority: "high" });
    assert.deepEqual(
      wire.takeAll().map(({ lane }) => lane),
      [0, 1],
    );
  });

  it("keeps no more to send again than it may", () => {
    const half = new Half({ ...roomy, replayBytes: 250 });
    const wire = half.attached();
    for (let i = 0; i < 5; i++) half.outbound.sendMessage(1, framed(100));
    assert.equal(wire.frames.length, 2);
    assert.equal(half.outbound.bytesUnacknowledged, 200);
  });

  it("is blocked from its high-water mark on", () => {
    const half = new Half({ ...roomy, highWaterMarkBytes: 200 });
    const wire = half.attached(new Wire(), 100);
    const results = [1, 2, 3].map(() => {
      const result = half.outbound.sendMessage(1, framed(100));
      wire.takeAll();
      return result;
    });
    assert.deepEqual(results, ["sent", "sent", "blocked"]);
    half.outbound.acknowledge(0, 1);
    assert.equal(half.outbound.pump(0), false, "half of the mark waits");
    half.outbound.acknowledge(0, 2);
    wire.takeAll();
    half.outbound.pump(0);
    wire.takeAll();
    assert.equal(half.outbound.pump(0), true);
  });
});
