import assert from "node:assert/strict";
import { describe, it } from "node:test";
import {
  ConnectionClosedError,
  FrameMalformedError,
  ProtocolViolationError,
  ResourceExhaustedError,
} from "millrace";
import { deflate } from "millrace/compression";
import type { SessionCompression } from "#internal/delivery/compression.js";
import { OwnMessage } from "#internal/delivery/message.js";
import { hotHeadBytes } from "#internal/frame/codec.js";
import { CompressionCode } from "#internal/frame/compressed_payload.js";
import { compressPayload } from "#internal/frame/compression.js";
import { Kind } from "#internal/frame/frame.js";
import { Wire } from "./half.js";
import { PlainSession } from "./plain_session.js";

describe("an acknowledgement", () => {
  it("is owed still where the connection took no more, and goes when it does", () => {
    const wire = new Wire(10);
    const session = new PlainSession(wire);
    session.sendPlain(1, new Uint8Array(100)); // above the mark now
    session.receive(1);
    assert.deepEqual([wire.dropped, session.owes], [1, 1]);
    wire.takeAll();
    session.sendAcks(true);
    assert.deepEqual(
      wire.takeAll().map(({ kind, ref }) => [kind, ref]),
      [[Kind.Ack, 1]],
    );
    session.sendAcks(true);
    assert.equal(wire.frames.length, 0, "it is told once");
  });

  it("needs no connection that is closing: the next one begins with what is acknowledged", () => {
    const wire = new Wire();
    const session = new PlainSession(wire);
    wire.send = () => {
      throw new ConnectionClosedError("closing");
    };
    session.receive(1);
    assert.deepEqual([...session.inbound.cursors()], [[0, 1]]);
  });
});

describe("a batch", () => {
  it("is handled as a whole, also where the handler of one of its messages loses the connection", () => {
    const session = new PlainSession(new Wire());
    session.onText = (text) => text === "b" && session.lose();
    session.receiveBatch(1, ["a", "b", "c"]);
    assert.deepEqual(session.got, ["a", "b", "c"]);
    assert.deepEqual([...session.inbound.cursors()], [[0, 1]]);
    assert.equal(session.inbound.bytesUnhandled, 0);
  });

  it("goes no farther than to the end of its session", () => {
    const session = new PlainSession(new Wire());
    session.onText = (text) => text === "b" && session.end();
    session.receiveBatch(1, ["a", "b", "c"]);
    assert.deepEqual(session.got, ["a", "b"]);
    assert.deepEqual([...session.inbound.cursors()], []);
  });

  it("without a sequence is taken message by message, as far as there is room", () => {
    const session = new PlainSession(new Wire());
    session.onText = (text) => {
      session.hasRoom = text !== "b";
    };
    session.receiveBatch(0, ["a", "b", "c"]);
    assert.deepEqual(session.got, ["a", "b"]);
    session.receiveBatch(1, ["d"]);
    assert.deepEqual(session.got, ["a", "b", "d"], "the window has counted what has a sequence");
  });

  for (const [name, seq] of [
    ["with a sequence", 1],
    ["without one", 0],
  ] as const) {
    it(`${name} has metadata that is copied once, and that all its messages own`, () => {
      const session = new PlainSession(new Wire());
      const value = Buffer.from("said");
      const own: OwnMessage[] = [];
      session.onFrame = (frame) => own.push(new OwnMessage(frame, session));
      session.receiveBatch(seq, ["a", "b", "c"], [{ key: "tone", value }]);
      value.fill(0); // the connection's memory is used again
      const [first, ...others] = own.map(({ meta }) => meta[0]!.value);
      assert.equal(Buffer.from(first!).toString(), "said");
      assert.equal(others.length, 2);
      for (const other of others) assert.equal(other.buffer, first!.buffer);
    });
  }

  it("has no id, and asks for no more than to be handled: those are of one message", () => {
    const session = new PlainSession(new Wire());
    const id = [{ key: "id", value: Buffer.from("1") }];
    assert.throws(() => session.receiveBatch(1, ["a"], id), ProtocolViolationError);
    session.receiveBatch(2, ["b"]);
    assert.deepEqual(session.got, ["b"]);
    assert.deepEqual([...session.inbound.cursors()], [[0, 2]]);
  });
});

describe("a compressed message", () => {
  it("counts in the window for what it holds once it is opened, until it is handled", () => {
    const session = new PlainSession(new Wire());
    session.attach(new Wire(), 1_000, deflate() as SessionCompression);
    session.isSlow = true;
    const compress = () => compressPayload(new Uint8Array(900), CompressionCode.deflate);
    const take = (seq: number, flags: number, payload = compress()) =>
      session.take({ kind: Kind.Message, flags, channel: 0, type: 0, seq, ref: 0, payload });
    take(1, CompressionCode.deflate);
    const bytes = session.inbound.bytesUnhandled;
    assert.equal(bytes, hotHeadBytes + 900, "as if it had come so");
    take(2, CompressionCode.deflate);
    assert.throws(() => take(3, CompressionCode.deflate), ResourceExhaustedError);
    session.handled(0, 1, bytes);
    session.handled(0, 2, bytes);
    assert.equal(session.inbound.bytesUnhandled, 0);
    assert.throws(() => take(3, CompressionCode.deflate, compress().subarray(0, 8)), FrameMalformedError);
    assert.equal(session.inbound.bytesUnhandled, 0, "one that cannot be opened holds nothing");
  });

  it("is refused where nothing was agreed on, and counts as handled: it is not to be sent again", () => {
    const session = new PlainSession(new Wire());
    const payload = compressPayload(new Uint8Array(900), CompressionCode.deflate);
    const frame = {
      kind: Kind.Message,
      flags: CompressionCode.deflate,
      channel: 0,
      type: 0,
      seq: 1,
      ref: 0,
      payload,
    };
    assert.throws(() => session.take(frame), ProtocolViolationError);
    assert.deepEqual([...session.inbound.cursors()], [[0, 1]]);
    session.attach(new Wire(), 1_000, deflate() as SessionCompression);
    session.take({ ...frame, seq: 2 });
    session.attach(new Wire());
    assert.throws(() => session.take({ ...frame, seq: 3 }), ProtocolViolationError);
    assert.equal(session.got.length, 1);
  });

  it("is counted in what is sent again as in what is sent, over each connection", () => {
    const compression = deflate({ thresholdBytes: 100 }) as SessionCompression;
    const first = new Wire();
    const session = new PlainSession(first);
    session.attach(first, 1_000, compression);
    session.sendPlain(1, new Uint8Array(300));
    const [sent] = first.takeAll();
    const bytes = sent!.bytes - hotHeadBytes;
    assert.deepEqual(session.figures?.sent, { messages: 1, plainBytes: 300, bytes });
    assert.ok(bytes < 50);
    assert.equal(session.outbound.bytesUnacknowledged, hotHeadBytes + 300, "it is kept as it was");
    const second = new Wire();
    session.attach(second, 1_000, compression);
    assert.equal(second.takeAll().length, 1);
    assert.deepEqual(session.figures?.sent, { messages: 2, plainBytes: 600, bytes: 2 * bytes });
  });
});

describe("a session that ends by an acknowledgement", () => {
  it("handles nothing of the message that has brought it", () => {
    const wire = new Wire(10);
    const session = new PlainSession(wire);
    session.onRoom = () => session.end();
    assert.equal(session.sendPlain(1, new Uint8Array(100)), "blocked");
    wire.takeAll();
    const payload = Buffer.from("late");
    session.take({ kind: Kind.Message, flags: 0, channel: 0, type: 0, seq: 1, ref: 1, payload });
    assert.deepEqual(session.got, []);
  });
});
