import {
  ConnectionClosedError,
  FrameTooLargeError,
  ProtocolViolationError,
  ResourceExhaustedError,
} from "../errors.js";
import { encodeFrame, type FrameContents, FrameView } from "../frame/frame.js";
import type { SendResult } from "../transport/connection.js";
import { checkAck, encodeAck } from "./ack.js";
import type { CompressionFigures } from "./compression.js";
import { costOf } from "./frame_cost.js";
import type { HalfContext } from "./half_options.js";
import { HalfRarities } from "./half_rarities.js";
import { Inbound } from "./inbound.js";
import { type Carrier, Outbound } from "./outbound.js";

const nothing = new Uint8Array(0);

/**
 * One end of a session as far as its lanes go: what is sent and kept until it is acknowledged, and what has come and is
 * owed an acknowledgement, which is the other side's credit. It outlives connections.
 */
export abstract class CreditHalf {
  readonly outbound: Outbound;
  readonly inbound: Inbound;
  protected readonly half: HalfContext;
  /** What carries it now. */
  protected carrier: Carrier | undefined = undefined;
  /** Undefined where nothing of it was ever needed. */
  protected rarities: HalfRarities | undefined = undefined;
  messagesReceived = 0;
  bytesReceived = 0;

  protected constructor(context: HalfContext) {
    this.half = context;
    this.inbound = new Inbound(context.inbound);
    this.outbound = new Outbound(context.outbound, this.inbound);
  }

  protected rare(): HalfRarities {
    this.rarities ??= new HalfRarities();
    return this.rarities;
  }

  /** Of all connections on which both sides have compressed. */
  protected get compressionFigures(): CompressionFigures | undefined {
    return this.rarities?.figures;
  }

  /** @param figures of a connection on which both sides compress, which goes on with those of the ones before. */
  protected keepFigures(figures: CompressionFigures | undefined): void {
    if (figures !== undefined) this.rare().figures = figures;
  }

  /** Acknowledgements are owed, which the next turn of the clock is to send: called once until it does. */
  protected abstract onOwing(): void;
  /** The queue is below half of its high-water mark again. */
  protected abstract onDrain(): void;

  /**
   * A frame that had come waits no longer: that is acknowledged, and the peer may send more.
   * @param low32 its sequence. @param cost of {@link costOf}.
   */
  handled(lane: number, low32: number, cost: number): void {
    if (low32 === 0) return;
    const { rarities } = this;
    const whole = rarities === undefined ? cost : rarities.batches.handled(lane, low32, cost);
    if (whole === undefined) return;
    this.inbound.handled(lane, low32, whole);
    if (this.inbound.acksDue().length > 0) this.sendAcks(false);
    else this.onOwing();
  }

  /** The same, of a frame that waited for nothing. */
  pass(frame: Readonly<FrameContents>): void {
    this.handled(frame.channel, frame.seq, costOf(frame));
  }

  /** Sends the acknowledgements that are owed. @param all those, too, that no window waits for yet. */
  sendAcks(all: boolean): void {
    if (this.carrier === undefined) return;
    for (const lane of this.inbound.acksDue(all)) {
      const result = this.tell(ackFrame(lane, this.inbound.piggyback(lane)), lane);
      if (result !== "dropped") continue;
      this.inbound.untell(lane);
      this.onOwing(); // the peer may have nothing left to send until it hears of it
    }
  }

  /** A connection that is closing is as good as none: the next one is told all that was handled. */
  private tell(frame: Uint8Array, lane: number): SendResult {
    try {
      return this.carrier?.send(frame, undefined, lane) ?? "dropped";
    } catch (error) {
      if (!(error instanceof ConnectionClosedError)) throw error;
      return "dropped";
    }
  }

  /** More may be able to go out. */
  pump(nowMs: number): void {
    if (this.outbound.pump(nowMs)) this.onDrain();
  }

  /** The connection takes more again. */
  drained(nowMs: number): void {
    this.outbound.drained();
    this.pump(nowMs);
  }

  protected get nowMs(): number {
    return performance.now();
  }

  /** Judges a frame by its sequence, and takes what it acknowledges. */
  protected isNew(frame: Readonly<FrameContents>): boolean {
    const { channel, seq, ref } = frame;
    const bytes = costOf(frame);
    const payloadBytes = frame instanceof FrameView ? frame.payloadBytes : frame.payload.length;
    if (payloadBytes > this.half.maxMessageBytes) {
      throw new FrameTooLargeError(
        `a message has ${payloadBytes} bytes; this side takes ${this.half.maxMessageBytes}`,
      );
    }
    if (ref !== 0) {
      this.acknowledge(channel, ref);
      if (this.outbound.hasEnded) return false; // that was what its end waited for
    }
    switch (this.inbound.receive(channel, seq, bytes)) {
      case "apply":
        this.count(payloadBytes);
        return true;
      case "duplicate":
        return false;
      case "ahead":
        throw new ProtocolViolationError(`lane ${channel} has a hole before sequence ${seq}`);
      case "overrun":
        throw new ResourceExhaustedError(
          `the peer sent more than the ${this.half.inbound.windowBytes} bytes it was allowed`,
        );
    }
  }

  protected count(payloadBytes: number): void {
    this.bytesReceived += payloadBytes;
    this.messagesReceived += 1;
  }

  /**
   * A compressed frame, as it was before. It counts in the window as if it had come so: however small it came, all of that
   * waits to be handled.
   * @throws ProtocolViolationError where the two sides have not agreed on that; FrameTooLargeError, FrameMalformedError
   */
  protected opened(frame: Readonly<FrameContents>): Readonly<FrameContents> {
    const compressing = this.carrier?.compressing;
    try {
      if (compressing === undefined) {
        throw new ProtocolViolationError("a frame is compressed, and that was not agreed on");
      }
      return compressing.open(frame, this.half.maxMessageBytes);
    } catch (cause) {
      // One that cannot be opened would not be the next time either: the peer is not to send it again.
      if (this.isNew(frame)) this.pass(frame);
      throw cause;
    }
  }

  protected takeAck(frame: Readonly<FrameContents>): void {
    checkAck(frame);
    this.acknowledge(frame.channel, frame.ref);
  }

  private acknowledge(lane: number, low32: number): void {
    if (!this.outbound.acknowledge(lane, low32)) {
      throw new ProtocolViolationError(`the peer acknowledges what was not sent on lane ${lane}`);
    }
    if (this.outbound.isHeld) this.pump(this.nowMs);
  }
}

function ackFrame(lane: number, sequence: number): Uint8Array {
  return encodeFrame(encodeAck({ lane, sequence }), nothing);
}
