import assert from "node:assert/strict";
import type { SendResult } from "millrace";
import { encodeAck } from "#internal/delivery/ack.js";
import { type Cursors, noCursors } from "#internal/delivery/cursors.js";
import { Inbound } from "#internal/delivery/inbound.js";
import { type Carrier, Outbound, type OutboundLimits } from "#internal/delivery/outbound.js";
import { decodeFrame, encodeFrame, FrameView, Kind } from "#internal/frame/frame.js";

/** A connection's one direction: frames on their way, each a copy, in the order of their lanes. */
export class Wire implements Carrier {
  readonly frames: { readonly bytes: Uint8Array; readonly lane: number }[] = [];
  markBytes: number;
  bytesQueued = 0;
  /** What the owner of this end was told last. */
  last: SendResult | undefined;
  dropped = 0;

  constructor(markBytes = Number.POSITIVE_INFINITY) {
    this.markBytes = markBytes;
  }

  send(head: Uint8Array, payload: Uint8Array | undefined, lane: number): SendResult {
    this.last = this.#send(head, payload, lane);
    return this.last;
  }

  #send(head: Uint8Array, payload: Uint8Array | undefined, lane: number): SendResult {
    if (this.bytesQueued >= this.markBytes) {
      this.dropped += 1;
      return "dropped";
    }
    const bytes = Buffer.concat(payload === undefined ? [head] : [head, payload]);
    this.frames.push({ bytes, lane });
    this.bytesQueued += bytes.length;
    return this.bytesQueued >= this.markBytes ? "blocked" : "sent";
  }

  /** The next frame of any lane, or of the one that `choose` picks among those that have one. */
  take(choose: (lanes: readonly number[]) => number = (lanes) => lanes[0]!): Uint8Array | undefined {
    if (this.frames.length === 0) return undefined;
    const lane = choose([...new Set(this.frames.map((frame) => frame.lane))]);
    const index = this.frames.findIndex((frame) => frame.lane === lane);
    const [frame] = this.frames.splice(index, 1);
    this.bytesQueued -= frame!.bytes.length;
    return frame!.bytes;
  }

  /** All frames, as the peer reads them. */
  takeAll(): Said[] {
    const all: Said[] = [];
    for (let frame = this.take(); frame !== undefined; frame = this.take()) all.push(said(frame));
    return all;
  }
}

/** What a frame says, in its own memory. */
export interface Said {
  readonly kind: number;
  readonly lane: number;
  readonly type: number;
  readonly seq: number;
  readonly ref: number;
  readonly text: string;
  readonly bytes: number;
  readonly subject: string | undefined;
}

export function said(frame: Uint8Array): Said {
  const view = decodeFrame(frame, false, new FrameView());
  const { kind, channel, type, seq, ref, payload, subject } = view;
  return {
    kind,
    lane: channel,
    type,
    seq,
    ref,
    text: Buffer.from(payload).toString(),
    bytes: frame.length,
    subject,
  };
}

export const roomy: OutboundLimits = {
  highWaterMarkBytes: 1 << 20,
  queueBytes: 1 << 20,
  replayBytes: 1 << 20,
  policy: "block",
};

export const windowBytes = 1 << 20;
/** Of all that is sent here. */
export const maxFrameBytes = 8_192;

/** The two halves of one side's session, without a connection. */
export class Half {
  readonly inbound: Inbound;
  readonly outbound: Outbound;

  constructor(limits: OutboundLimits = roomy, window = windowBytes, begun: Cursors = noCursors) {
    this.inbound = new Inbound({ windowBytes: window, maxFrameBytes }, begun);
    this.outbound = new Outbound(limits, this.inbound, begun);
  }

  /** With a connection that takes all. */
  attached(wire = new Wire(), window = windowBytes, cursors: Cursors = noCursors): Wire {
    assert.equal(this.outbound.attach(wire, window, cursors, 0), true);
    return wire;
  }

  /** Sends an Ack for each lane that is due one. */
  sendAcks(wire: Wire, all: boolean): void {
    for (const lane of this.inbound.acksDue(all)) {
      const frame = encodeAck({ lane, sequence: this.inbound.piggyback(lane) });
      const result = wire.send(encodeFrame(frame, frame.payload), undefined, lane);
      if (result === "dropped") this.inbound.untell(lane);
    }
  }
}

export function text(words: string): Uint8Array {
  return Buffer.from(words);
}

/** A message of kind Message. */
export function message(words: string): { kind: number; type: number; payload: Uint8Array } {
  return { kind: Kind.Message, type: 1, payload: text(words) };
}

/** What has gone out since it was asked last, as text. */
export const words = (wire: Wire) => wire.takeAll().map(({ text }) => text);

/** A payload whose frame has so many bytes. */
export const framed = (bytes: number) => new Uint8Array(bytes - 48);
