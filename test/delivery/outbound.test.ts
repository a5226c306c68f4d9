import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { ConnectionClosedError, FrameTooLargeError, InvalidArgumentError } from "millrace";
import { chunkBytesInUse } from "#internal/delivery/chunk.js";
import { Kind } from "#internal/frame/frame.js";
import { framed, Half, message, text, Wire, words } from "./half.js";

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

describe("a session that has ended", () => {
  it("is refused what it sends, and no other one that has ended is blocked by that", () => {
    const [one, other] = [new Half(), new Half()];
    for (const { outbound } of [one, other]) outbound.end();
    assert.equal(one.outbound.send(message("late")), "dropped");
    assert.deepEqual([other.outbound.isBlocked, other.outbound.pump(0)], [false, false]);
  });
});
