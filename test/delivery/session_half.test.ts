import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { ConnectionClosedError, type FrameContents, ProtocolViolationError } from "millrace";
import { noCursors } from "#internal/delivery/cursors.js";
import { RequestBudget } from "#internal/delivery/pending_requests.js";
import { SessionHalf } from "#internal/delivery/session_half.js";
import { batchFlag, encodeBatch } from "#internal/frame/batch.js";
import { decompressPayload } from "#internal/frame/compression.js";
import { Kind, type MetaEntry } from "#internal/frame/frame.js";
import { roomy, Wire } from "./half.js";

/** One that handles what comes at once. */
class Session extends SessionHalf {
  owes = 0;
  readonly got: string[] = [];
  onRoom: (() => void) | undefined;
  onText: ((text: string) => void) | undefined;

  constructor(wire: Wire) {
    super({
      outbound: roomy,
      inbound: { windowBytes: 1_000, maxFrameBytes: 1_000 },
      maxMessageBytes: 1_000,
      requestBudget: new RequestBudget(1, () => {}),
      requestTimeoutMs: 1_000,
      decompress: decompressPayload,
      maxAwaitedAcks: 10,
    });
    this.carrier = wire;
    this.outbound.attach(wire, 1_000, noCursors, 0);
  }

  receive(seq: number): void {
    const payload = new Uint8Array(300); // more than a quarter of the window
    this.take({ kind: Kind.Message, flags: 0, channel: 0, type: 0, seq, ref: 0, payload });
  }

  receiveBatch(seq: number, texts: readonly string[], meta: readonly MetaEntry[] = []): void {
    const payload = encodeBatch(texts.map((text, type) => ({ type, payload: Buffer.from(text) })));
    this.take({ kind: Kind.Message, flags: batchFlag, channel: 0, type: 0, seq, ref: 0, payload, meta });
  }

  lose(): void {
    this.carrier = undefined;
    this.outbound.detach();
  }

  end(): void {
    this.endHalf("over");
  }

  protected override onMessage({ channel, seq, payload }: Readonly<FrameContents>): void {
    this.handled(channel, seq, payload.length + 48);
    const text = Buffer.from(payload).toString();
    this.got.push(text);
    this.onText?.(text);
  }
  protected override onRequest(): void {}
  protected override onPublication(): void {}
  protected override onOther(): void {}
  protected override onSent(): void {}
  protected override onAcknowledged(): void {}
  protected override onDrain(): void {
    this.onRoom?.();
  }
  protected override onOwing(): void {
    this.owes += 1;
  }
}

describe("an acknowledgement", () => {
  it("is owed still where the connection took no more, and goes when it does", () => {
    const wire = new Wire(10);
    const session = new Session(wire);
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
    const session = new Session(wire);
    wire.send = () => {
      throw new ConnectionClosedError("closing");
    };
    session.receive(1);
    assert.deepEqual([...session.inbound.cursors()], [[0, 1]]);
  });
});

describe("a batch", () => {
  it("is handled as a whole, also where the handler of one of its messages loses the connection", () => {
    const session = new Session(new Wire());
    session.onText = (text) => text === "b" && session.lose();
    session.receiveBatch(1, ["a", "b", "c"]);
    assert.deepEqual(session.got, ["a", "b", "c"]);
    assert.deepEqual([...session.inbound.cursors()], [[0, 1]]);
    assert.equal(session.inbound.bytesUnhandled, 0);
  });

  it("goes no farther than to the end of its session", () => {
    const session = new Session(new Wire());
    session.onText = (text) => text === "b" && session.end();
    session.receiveBatch(1, ["a", "b", "c"]);
    assert.deepEqual(session.got, ["a", "b"]);
    assert.deepEqual([...session.inbound.cursors()], []);
  });

  it("has no id, and asks for no more than to be handled: those are of one message", () => {
    const session = new Session(new Wire());
    const id = [{ key: "id", value: Buffer.from("1") }];
    assert.throws(() => session.receiveBatch(1, ["a"], id), ProtocolViolationError);
    session.receiveBatch(2, ["b"]);
    assert.deepEqual(session.got, ["b"]);
    assert.deepEqual([...session.inbound.cursors()], [[0, 2]]);
  });
});

describe("a session that ends by an acknowledgement", () => {
  it("handles nothing of the message that has brought it", () => {
    const wire = new Wire(10);
    const session = new Session(wire);
    session.onRoom = () => session.end();
    assert.equal(session.sendPlain(1, new Uint8Array(100)), "blocked");
    wire.takeAll();
    const payload = Buffer.from("late");
    session.take({ kind: Kind.Message, flags: 0, channel: 0, type: 0, seq: 1, ref: 1, payload });
    assert.deepEqual(session.got, []);
  });
});
