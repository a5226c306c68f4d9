import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { ConnectionClosedError, FrameTooLargeError, InvalidArgumentError } from "millrace";
import { chunkBytesInUse } from "#internal/delivery/chunk.js";
import { shed } from "#internal/delivery/making_room.js";
import type { Outcome } from "#internal/delivery/outbound.js";
import { Kind } from "#internal/frame/frame.js";
import { Half, message, roomy, said, text, Wire } from "./half.js";

const words = (wire: Wire) => wire.takeAll().map(({ text }) => text);

/** A payload whose frame has so many bytes. */
const framed = (bytes: number) => new Uint8Array(bytes - 48);

describe("what a session sends", () => {
  it("goes out at once, numbered by lane, with what the other half has handled", () => {
    const half = new Half();
    const wire = half.attached();
    assert.equal(half.outbound.sendMessage(7, text("a")), "sent");
    assert.equal(half.outbound.send({ ...message("b"), priority: "high" }), "sent");
    half.inbound.receive(0, 1, 50);
    half.inbound.handled(0, 1, 50);
    assert.equal(half.outbound.send({ ...message("c"), subject: "s", meta: [] }), "sent");
    assert.deepEqual(
      wire.takeAll().map(({ lane, type, seq, ref, text, subject }) => [lane, type, seq, ref, text, subject]),
      [
        [0, 7, 1, 0, "a", undefined],
        [1, 1, 1, 0, "b", undefined],
        [0, 1, 2, 1, "c", "s"],
      ],
    );
    assert.equal(half.outbound.messagesSent, 3);
  });

  it("is counted until it is acknowledged, and holds no memory then", () => {
    const before = chunkBytesInUse();
    const half = new Half();
    const wire = half.attached();
    for (let i = 0; i < 100; i++) half.outbound.sendMessage(1, framed(100));
    half.outbound.sendMessage(1, framed(100_000));
    assert.equal(half.outbound.bytesUnacknowledged, 110_000);
    assert.equal(half.outbound.bytesSent, 110_000);
    assert.ok(chunkBytesInUse() - before >= 110_000);
    assert.equal(half.outbound.acknowledge(0, 50), true);
    assert.equal(half.outbound.bytesUnacknowledged, 105_000);
    assert.equal(half.outbound.acknowledge(0, 20), true, "an older one is no fault");
    assert.equal(half.outbound.acknowledge(0, 101), true);
    assert.equal(half.outbound.bytesUnacknowledged, 0);
    assert.equal(chunkBytesInUse(), before);
    assert.equal(wire.frames.length, 101);
  });

  it("holds little memory where little is on its way, however much has been sent", () => {
    const before = chunkBytesInUse();
    const half = new Half();
    half.attached();
    for (let sequence = 1; sequence <= 10_000; sequence++) {
      half.outbound.sendMessage(1, framed(100));
      if (sequence > 2) assert.equal(half.outbound.acknowledge(0, sequence - 2), true);
      assert.ok(chunkBytesInUse() - before <= 2_048);
    }
    half.outbound.end();
    assert.equal(chunkBytesInUse(), before);
  });

  it("is not what a peer acknowledges that was never sent", () => {
    const half = new Half();
    half.attached();
    half.outbound.sendMessage(1, text("a"));
    assert.equal(half.outbound.acknowledge(0, 2), false);
    assert.equal(half.outbound.acknowledge(0, 0xffff_ffff), false);
    assert.equal(half.outbound.acknowledge(1, 1), false);
    assert.equal(half.outbound.acknowledge(99, 1), false);
  });

  it("goes round the unordered lanes, and each is numbered by itself", () => {
    const half = new Half();
    const wire = half.attached();
    for (let i = 0; i < 16; i++) half.outbound.send({ ...message("x"), delivery: "unordered" });
    const lanes = wire.takeAll().map(({ lane, seq }) => `${lane}:${seq}`);
    assert.equal(new Set(lanes).size, 16);
    assert.ok(
      lanes.every((lane) => /^([89]|1[0-5]):[12]$/.test(lane)),
      lanes.join(),
    );
  });

  it("waits for a connection, and takes its number only when it goes", () => {
    const half = new Half();
    assert.equal(half.outbound.sendMessage(1, text("a")), "sent");
    assert.equal(half.outbound.send({ ...message("b"), priority: "control" }), "sent");
    assert.equal(half.outbound.bytesUnacknowledged, 0);
    assert.equal(half.outbound.bytesQueued, 98);
    const wire = half.attached();
    assert.deepEqual(words(wire), ["b", "a"]);
    assert.equal(half.outbound.bytesQueued, 0);
  });

  it("is kept by a connection that is closing, as by none", () => {
    const half = new Half();
    const wire = half.attached();
    wire.send = () => {
      throw new ConnectionClosedError("closing");
    };
    assert.equal(half.outbound.sendMessage(1, text("a")), "sent");
    assert.equal(half.outbound.bytesUnacknowledged, 0);
    assert.deepEqual(words(half.attached()), ["a"]);
  });
});

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
    assert.deepEqual([outcomes, half.outbound.messagesExpired], [["expired"], 1]);
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
    assert.equal(half.outbound.messagesDropped, 0);
    assert.deepEqual(first(half.attached()), ["a", "b", "c"]);
    assert.equal(half.outbound.pump(0), true);
  });

  it("counts what it turns away by drop-newest", () => {
    const half = new Half({ ...limits, policy: "drop-newest" });
    assert.deepEqual(fill(half), ["sent", "sent", "sent", "dropped"]);
    assert.equal(half.outbound.messagesDropped, 1);
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
    assert.equal(half.outbound.messagesDropped, 2);
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
    assert.equal(half.outbound.messagesDropped, 2);
  });

  it("says what has given way by drop-oldest where somebody is to hear of it, in its place, and once for each key", () => {
    const insteadOf = (frame: Uint8Array) => {
      const [key] = said(frame).text;
      return key === "z" ? undefined : { ...message(`no ${key}`), kind: Kind.Gap, key };
    };
    const half = new Half({ ...limits, policy: "drop-oldest", insteadOf });
    const send = (word: string) => half.outbound.send({ ...message(""), payload: Buffer.alloc(52, word) });
    for (const word of ["a", "b", "a", "z", "z"]) assert.equal(send(word), "sent");
    assert.equal(half.outbound.messagesDropped, 4, "what is said instead takes room, too");
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
    assert.equal(half.outbound.mustClose, false);
    fill(half);
    assert.equal(half.outbound.mustClose, true);
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

describe("a session that has another connection", () => {
  it("sends again what the peer lacks, before what waits", () => {
    const half = new Half();
    half.attached();
    for (const word of ["a", "b", "c"]) half.outbound.sendMessage(1, text(word));
    half.outbound.send({ ...message("high"), priority: "high", subject: "s" });
    half.outbound.detach();
    half.outbound.sendMessage(1, text("d"));
    const sent = half.attached(new Wire(), 1 << 20, new Map([[0, 1]])).takeAll();
    assert.deepEqual(
      sent.map(({ text, seq }) => [text, seq]),
      [
        ["high", 1],
        ["b", 2],
        ["c", 3],
        ["d", 4],
      ],
    );
    assert.equal(half.outbound.messagesSent, 5, "each counts once");
  });

  it("sends again no faster than the connection and the peer take it", () => {
    const half = new Half();
    half.attached();
    for (let i = 0; i < 6; i++) half.outbound.sendMessage(i, framed(100));
    half.outbound.detach();
    const wire = half.attached(new Wire(150), 300);
    const types: number[] = [];
    const deliver = () => {
      for (const { type } of wire.takeAll()) types.push(type);
    };
    deliver();
    half.outbound.pump(0);
    deliver();
    half.outbound.pump(0);
    deliver();
    assert.deepEqual(types, [0, 1, 2], "the peer's window is full");
    assert.equal(half.outbound.bytesQueued, 300);
    half.outbound.acknowledge(0, 4); // of the connection before
    half.outbound.pump(0);
    deliver();
    assert.deepEqual(types, [0, 1, 2, 4, 5]);
    assert.equal(half.outbound.bytesQueued, 0);
  });

  it("does not resume where a peer claims what was not sent, or lacks what is gone", () => {
    const half = new Half();
    half.attached();
    half.outbound.sendMessage(1, text("a"));
    half.outbound.sendMessage(1, text("b"));
    half.outbound.acknowledge(0, 1);
    half.outbound.detach();
    for (const cursors of [
      new Map([[0, 3]]),
      new Map([
        [0, 2],
        [1, 1],
      ]),
    ]) {
      assert.equal(half.outbound.canResume(cursors), false);
      assert.equal(half.outbound.attach(new Wire(), 1_000, cursors, 0), false);
    }
    assert.equal(half.outbound.canResume(new Map()), false, "what it lacks is gone");
    assert.equal(half.outbound.bytesUnacknowledged, 49, "nothing was changed");
    assert.equal(half.outbound.canResume(new Map([[0, 1]])), true);
    assert.deepEqual(words(half.attached(new Wire(), 1_000, new Map([[0, 1]]))), ["b"]);
  });

  it("moves though more was acknowledged, since its cursors were true, on a connection that has ended meanwhile", () => {
    const half = new Half();
    half.attached();
    for (const word of ["a", "b", "c"]) half.outbound.sendMessage(1, text(word));
    const cursors = new Map([[0, 1]]);
    assert.equal(half.outbound.canResume(cursors), true);
    half.outbound.acknowledge(0, 2);
    half.outbound.detach();
    assert.deepEqual(words(half.attached(new Wire(), 1_000, cursors)), ["c"]);
  });

  it("moves from a connection that still works, where acknowledgements overtake the cursors", () => {
    const half = new Half();
    half.attached();
    half.outbound.sendMessage(1, text("a"));
    half.outbound.sendMessage(1, text("b"));
    const cursors = new Map<number, number>(); // said before any was handled
    half.outbound.acknowledge(0, 1);
    assert.deepEqual(words(half.attached(new Wire(), 1_000, cursors)), ["b"]);
  });

  it("tells again what it told on the one before", () => {
    const half = new Half();
    half.attached();
    half.inbound.receive(0, 1, 50);
    half.inbound.handled(0, 1, 50);
    half.outbound.sendMessage(1, text("a"));
    assert.deepEqual(half.inbound.acksDue(true), []);
    half.outbound.detach();
    half.attached(new Wire(), 1_000, new Map());
    assert.deepEqual(half.inbound.acksDue(true), [0]);
  });

  it("begins anew where the peer has lost the session: what waited goes, what was on its way is lost", () => {
    const outcomes: string[] = [];
    const half = new Half();
    half.attached();
    half.outbound.send({ ...message("gone"), settled: (outcome) => outcomes.push(outcome) });
    half.outbound.detach();
    half.outbound.send({ ...message("waits"), settled: (outcome) => outcomes.push(outcome) });
    half.outbound.restart();
    assert.deepEqual(outcomes, ["lost"]);
    const [sent] = half.attached().takeAll();
    assert.deepEqual([sent?.text, sent?.seq], ["waits", 1]);
  });
});

describe("whoever wants to know what became of a message", () => {
  it("is told once, and may send at that very moment", () => {
    const half = new Half();
    const wire = half.attached();
    const outcomes: string[] = [];
    const send = (word: string) =>
      half.outbound.send({
        ...message(word),
        settled: (outcome) => {
          outcomes.push(`${word} ${outcome}`);
          if (word.length < 3) send(`${word}${word[0]}`);
        },
      });
    send("a");
    send("b");
    half.outbound.acknowledge(0, 2);
    assert.deepEqual(outcomes, ["a received", "b received"]);
    half.outbound.acknowledge(0, 4);
    half.outbound.end();
    assert.deepEqual(outcomes, [
      "a received",
      "b received",
      "aa received",
      "bb received",
      "aaa lost",
      "bbb lost",
    ]);
    assert.deepEqual(words(wire), ["a", "b", "aa", "bb", "aaa", "bbb"]);
  });

  it("cannot ask it of classes that nobody acknowledges", () => {
    const half = new Half();
    for (const delivery of ["latest", "unreliable"] as const) {
      assert.throws(
        () => half.outbound.send({ ...message("x"), delivery, settled: () => {} }),
        InvalidArgumentError,
      );
    }
  });

  it("hears that it is lost when the session ends, which gives back all memory and takes nothing more", () => {
    const before = chunkBytesInUse();
    const half = new Half();
    const outcomes: string[] = [];
    half.attached(new Wire(100));
    for (let i = 0; i < 4; i++)
      half.outbound.send({ ...message("x"), settled: (outcome) => outcomes.push(outcome) });
    half.outbound.end();
    assert.deepEqual(outcomes, ["lost", "lost", "lost", "lost"]);
    assert.equal(chunkBytesInUse(), before);
    assert.equal(half.outbound.send(message("x")), "dropped");
    assert.equal(half.outbound.attach(new Wire(), 1_000, new Map(), 0), false);
  });
});

describe("what is sent unreliably", () => {
  class DatagramWire extends Wire {
    readonly datagrams: Uint8Array[] = [];
    maxDatagramBytes: number | undefined = 200;
    takes = true;
    sendDatagram(head: Uint8Array): "sent" | "dropped" {
      if (!this.takes) return "dropped";
      this.datagrams.push(Uint8Array.from(head));
      return "sent";
    }
  }
  const unreliable = (bytes: number) =>
    ({ ...message(""), payload: framed(bytes), delivery: "unreliable" }) as const;

  it("goes in a datagram, has no number, and is refused where it is too large for one", () => {
    const half = new Half();
    const wire = new DatagramWire();
    half.attached(wire);
    assert.equal(half.outbound.send(unreliable(200)), "sent");
    assert.throws(
      () => half.outbound.send(unreliable(201)),
      (error: unknown) => {
        return error instanceof FrameTooLargeError && error.message.includes("200");
      },
    );
    wire.takes = false;
    assert.equal(half.outbound.send(unreliable(200)), "dropped");
    assert.deepEqual(
      [wire.datagrams.length, wire.frames.length, half.outbound.bytesUnacknowledged],
      [1, 0, 0],
    );
  });

  it("goes among the frames where there are no datagrams, and is dropped where it would have to wait", () => {
    const half = new Half();
    assert.equal(half.outbound.send(unreliable(100)), "dropped");
    const wire = half.attached(new Wire(150));
    assert.deepEqual(
      [1, 2, 3].map(() => half.outbound.send(unreliable(100))),
      ["sent", "blocked", "dropped"],
    );
    assert.deepEqual(
      wire.takeAll().map(({ seq, kind }) => [seq, kind]),
      [
        [0, Kind.Message],
        [0, Kind.Message],
      ],
    );
  });
});

describe("a frame that was made for many", () => {
  it("goes out as it is, unless it would have to wait", () => {
    const half = new Half();
    const head = text("head");
    assert.equal(half.outbound.sendPrepared(head, undefined, 0), "dropped");
    const wire = half.attached(new Wire(8));
    assert.equal(half.outbound.sendPrepared(head, text("tail"), 5), "blocked");
    assert.equal(half.outbound.sendPrepared(head, undefined, 5), "dropped");
    assert.deepEqual(Buffer.from(wire.take()!).toString(), "headtail");
    assert.equal(half.outbound.pump(0), true);
  });
});
