import assert from "node:assert/strict";
import type { Cursors } from "#internal/delivery/cursors.js";
import { encodeHello, readHello } from "#internal/delivery/hello.js";
import type { Delivery, Priority } from "#internal/delivery/lane.js";
import type { OutboundLimits, Outcome } from "#internal/delivery/outbound.js";
import { decodeFrame, encodeFrame, FrameView, Kind } from "#internal/frame/frame.js";
import { Half, maxFrameBytes, type Said, said, Wire } from "./half.js";

/** What one side was asked to send, and what became of it. */
export interface Sent {
  readonly id: number;
  readonly delivery: Delivery;
  readonly priority: Priority;
  readonly key: string | undefined;
  /** Its time may come before it goes, or another may take its place. */
  readonly mayGo: boolean;
  /** `untold` where nobody asked for it. */
  outcome: Outcome | "waiting" | "untold";
}

/** One side of a session: what it was asked to send, and what came from the other. */
export class Side {
  readonly half: Half;
  readonly limits: OutboundLimits;
  readonly windowBytes: number;
  /** Those that were accepted. */
  readonly sent: Sent[] = [];
  /** The ids of what was applied, by lane, in order. */
  readonly applied = new Map<number, number[]>();
  /** Received, and not handled yet. */
  readonly toHandle: Said[] = [];
  wire: Wire;

  constructor(limits: OutboundLimits, windowBytes: number, begun: Cursors) {
    this.half = new Half(limits, windowBytes, begun);
    this.limits = limits;
    this.windowBytes = windowBytes;
    this.wire = new Wire(0);
  }

  send(
    id: number,
    { delivery, priority, key }: Pick<Sent, "delivery" | "priority" | "key">,
    bytes: number,
    expiresAt: number | undefined,
  ): void {
    const sequenced = delivery === "ordered" || delivery === "unordered";
    const asks = sequenced && id % 2 === 0;
    const { policy } = this.limits;
    const mayGo = expiresAt !== undefined || policy === "drop-oldest" || policy === "conflate";
    const sent: Sent = { id, delivery, priority, key, mayGo, outcome: asks ? "waiting" : "untold" };
    const payload = new Uint8Array(bytes);
    const result = this.half.outbound.send({
      kind: Kind.Message,
      type: id,
      payload,
      delivery,
      priority,
      key,
      expiresAt,
      ...(id % 3 === 0 ? { subject: `subject ${id}` } : {}),
      ...(asks ? { settled: (outcome: Outcome) => settle(sent, outcome) } : {}),
    });
    payload.fill(0xff); // it is the caller's again
    if (result !== "dropped") this.sent.push(sent);
    this.check();
  }

  /** Takes a frame as a session does. */
  receive(bytes: Uint8Array): void {
    const frame = said(bytes);
    const { inbound, outbound } = this.half;
    if (frame.ref !== 0) assert.equal(outbound.acknowledge(frame.lane, frame.ref), true);
    if (frame.kind === Kind.Ack) return;
    const receipt = inbound.receive(frame.lane, frame.seq, frame.bytes);
    assert.ok(receipt === "apply" || receipt === "duplicate", receipt);
    if (receipt === "duplicate") return;
    assert.match(frame.text, /^\0*$/);
    assert.equal(frame.subject, frame.type % 3 === 0 ? `subject ${frame.type}` : undefined);
    const applied = this.applied.get(frame.lane) ?? [];
    applied.push(frame.type);
    this.applied.set(frame.lane, applied);
    this.toHandle.push(frame);
    this.check();
  }

  handle(index: number): void {
    const [frame] = this.toHandle.splice(index, 1);
    if (frame !== undefined) this.half.inbound.handled(frame.lane, frame.seq, frame.bytes);
  }

  /** That memory is bounded, at any time. */
  check(): void {
    const { outbound, inbound } = this.half;
    const { replayBytes, queueBytes } = this.limits;
    assert.ok(outbound.bytesUnacknowledged <= replayBytes + maxFrameBytes);
    assert.ok(outbound.bytesQueued - this.wire.bytesQueued <= queueBytes + outbound.bytesUnacknowledged);
    assert.ok(inbound.bytesUnhandled <= this.windowBytes + maxFrameBytes);
  }
}

function settle(sent: Sent, outcome: Outcome): void {
  assert.equal(sent.outcome, "waiting", "settled twice");
  sent.outcome = outcome;
}

/** Two sides, and what is between them: any frame may be the last that gets through. */
export class Pair {
  readonly sides: readonly [Side, Side];
  #nowMs = 0;
  #attached = false;
  /** How far both said to be, on a connection that may replace the one that works. */
  #said: readonly Cursors[] | undefined;
  cuts = 0;
  moves = 0;

  constructor(sides: readonly [Side, Side]) {
    this.sides = sides;
  }

  tick(ms: number): void {
    this.#nowMs += ms;
    for (const side of this.sides) this.pump(side);
  }

  get nowMs(): number {
    return this.#nowMs;
  }

  pump(side: Side): void {
    const { outbound } = side.half;
    const wasBlocked = outbound.isBlocked;
    const drained = outbound.pump(this.#nowMs);
    assert.equal(drained, wasBlocked && !outbound.isBlocked);
    side.check();
  }

  /** All that is on its way is lost. */
  cut(): void {
    if (!this.#attached) return;
    this.#attached = false;
    this.#said = undefined;
    this.cuts += 1;
    for (const side of this.sides) {
      side.half.outbound.detach();
      side.wire = new Wire(0);
    }
  }

  attach(markBytes: number): void {
    if (this.#attached) return;
    this.hello();
    this.#attached = true;
    this.#connect(markBytes);
  }

  /** Both sides say how far they are. */
  hello(): void {
    this.#said = this.sides.map((side) => overTheWire(side.half.inbound.cursors()));
  }

  /** The connection over which they said so takes over from the one that still works. */
  move(markBytes: number): void {
    if (!this.#attached || this.#said === undefined) return;
    this.moves += 1;
    this.#connect(markBytes);
  }

  #connect(markBytes: number): void {
    for (const [index, side] of this.sides.entries()) {
      const other = this.sides[1 - index]!;
      const cursors = this.#said![1 - index]!;
      side.wire = new Wire(markBytes);
      assert.equal(side.half.outbound.attach(side.wire, other.windowBytes, cursors, this.#nowMs), true);
      side.check();
    }
    this.#said = undefined;
  }

  /** Brings the other side a frame of this one's. @returns false where there is none. */
  deliver(from: 0 | 1, choose?: (lanes: readonly number[]) => number): boolean {
    const frame = this.sides[from].wire.take(choose);
    if (frame === undefined) return false;
    this.sides[1 - from]!.receive(frame);
    return true;
  }

  acks(side: Side, all: boolean): void {
    side.half.sendAcks(side.wire, all);
  }

  /** Lets everything arrive, be handled and be acknowledged. */
  settle(): void {
    this.attach(1_000);
    for (let round = 0; ; round++) {
      assert.ok(round < 1_000, "it comes to rest");
      let moved = false;
      for (const from of [0, 1] as const) {
        while (this.deliver(from)) moved = true;
        const side = this.sides[from];
        while (side.toHandle.length > 0) side.handle(0);
        this.acks(side, true);
        this.pump(side);
        moved ||= side.wire.frames.length > 0;
      }
      if (!moved) return;
    }
  }
}

/** As they arrive in a Hello. */
function overTheWire(cursors: Cursors): Cursors {
  const hello = encodeHello({
    version: 1,
    clientId: undefined,
    token: new Uint8Array(0),
    resumption: { session: new Uint8Array(16), resume: new Uint8Array(25), cursors },
    heartbeatMs: undefined,
    windowBytes: 0,
    maxMessageBytes: 1,
    meta: [],
  });
  const bytes = encodeFrame(hello, hello.payload, hello);
  return readHello(decodeFrame(bytes, false, new FrameView())).resumption!.cursors;
}
