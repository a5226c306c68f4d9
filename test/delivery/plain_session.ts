import type { FrameContents } from "millrace";
import type { Acknowledgement } from "#internal/delivery/acknowledgement.js";
import type { CompressionFigures, SessionCompression } from "#internal/delivery/compression.js";
import { noCursors } from "#internal/delivery/cursors.js";
import type { Reply } from "#internal/delivery/failure.js";
import { RequestBudget } from "#internal/delivery/pending_requests.js";
import { readSendAcked } from "#internal/delivery/send_options.js";
import { SessionHalf } from "#internal/delivery/session_half.js";
import { batchFlag, encodeBatch } from "#internal/frame/batch.js";
import { Kind, type MetaEntry } from "#internal/frame/frame.js";
import { roomy, text, type Wire } from "./half.js";

/** One that handles what comes at once. */
export class PlainSession extends SessionHalf {
  owes = 0;
  /** The test handles what comes. */
  isSlow = false;
  readonly got: string[] = [];
  onRoom: (() => void) | undefined;
  onText: ((text: string) => void) | undefined;
  onFrame: ((frame: Readonly<FrameContents>) => void) | undefined;
  hasRoom = true;

  readonly answers: Reply[] = [];
  readonly outcomes: Acknowledgement[] = [];
  requests: number[] = [];

  constructor(wire: Wire, limits = roomy) {
    super({
      outbound: limits,
      inbound: { windowBytes: 1_000, maxFrameBytes: 1_000 },
      maxMessageBytes: 1_000,
      requestBudget: new RequestBudget(10),
      requestTimeoutMs: 1_000,
      maxAwaitedAcks: 10,
    });
    this.attach(wire);
  }

  attach(wire: Wire, windowBytes = 1_000, compression?: SessionCompression): void {
    this.carrier = compression?.carry(wire, this.compressionFigures) ?? wire;
    this.keepFigures(this.carrier.compressing?.figures);
    this.outbound.attach(this.carrier, windowBytes, noCursors, 0);
  }

  get figures(): CompressionFigures | undefined {
    return this.compressionFigures;
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

  /** The peer has lost the session. */
  restart(): void {
    this.restartHalf("lost");
  }

  end(): void {
    this.endHalf("over");
  }

  asks(subject: string): void {
    const nothing = new Uint8Array(0);
    void this.ask(Kind.Request, subject, nothing, {}).then((reply) => this.answers.push(reply));
  }

  sendsAcked(words: string, level: "received" | "delivered"): void {
    const { wait, ...read } = readSendAcked(text(words), { level }, 0);
    void this.sendAwaited(read, wait).then((outcome) => this.outcomes.push(outcome));
  }

  protected override hasRoomFor(): boolean {
    return this.hasRoom;
  }

  protected override onMessage(frame: Readonly<FrameContents>): void {
    const { channel, seq, payload } = frame;
    if (!this.isSlow) this.handled(channel, seq, payload.length + 48);
    const text = Buffer.from(payload).toString();
    this.got.push(text);
    this.onText?.(text);
    this.onFrame?.(frame);
  }
  protected override onRequest({ type }: Readonly<FrameContents>): void {
    this.requests.push(type);
  }
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
