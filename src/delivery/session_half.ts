import {
  ConnectionClosedError,
  FrameTooLargeError,
  ProtocolViolationError,
  ResourceExhaustedError,
} from "../errors.js";
import { encodeFrame, type FrameContents, FrameView, Kind, type MetaEntry } from "../frame/frame.js";
import { isBatch, isPlain, openMessages } from "../frame/opened_payload.js";
import type { SendResult } from "../transport/connection.js";
import type { WaitOptions } from "../transport/wait.js";
import { AckLevel, checkAck, encodeAck } from "./ack.js";
import { type Acknowledgement, type AckOptions, acknowledgedLevels } from "./acknowledgement.js";
import { failureAnswer, readReply } from "./answer.js";
import { Awaited } from "./awaited.js";
import { Batches } from "./batches.js";
import {
  type Confirmation,
  confirmationOf,
  type Rejection,
  readConfirmation,
  unstorable,
} from "./confirmation.js";
import { FailureCode, type Reply } from "./failure.js";
import { costOf } from "./frame_cost.js";
import type { HalfContext } from "./half_options.js";
import { Inbound } from "./inbound.js";
import type { Priority } from "./lane.js";
import { type Marks, marksOf, readMarks } from "./marks.js";
import type { Confirmable, Confirming } from "./message.js";
import { type Carrier, Outbound, type Outgoing } from "./outbound.js";
import { PendingRequests } from "./pending_requests.js";
import type { MessageId, ReadMessage } from "./send_options.js";

/** How something is asked. */
interface AskOptions extends WaitOptions {
  readonly priority?: Priority | undefined;
  readonly meta?: readonly MetaEntry[] | undefined;
}

const nothing = new Uint8Array(0);

/**
 * One end of a session, the same on both sides: what is sent and kept until it is acknowledged, what has come and is
 * owed an acknowledgement, the requests that wait for answers. It outlives connections.
 */
export abstract class SessionHalf implements Confirming {
  readonly outbound: Outbound;
  readonly inbound: Inbound;
  protected readonly half: HalfContext;
  /** What carries it now. */
  protected carrier: Carrier | undefined = undefined;
  #requests: PendingRequests | undefined = undefined;
  #awaited: Awaited | undefined = undefined;
  #batches: Batches | undefined = undefined;
  /** The largest payload that the peer takes. */
  peerMaxBytes = 0x7fff_ffff;
  messagesReceived = 0;
  bytesReceived = 0;

  protected constructor(context: HalfContext) {
    this.half = context;
    this.inbound = new Inbound(context.inbound);
    this.outbound = new Outbound(context.outbound, this.inbound);
  }

  /** A message has come. Whoever takes it calls {@link handled} when it waits no longer. */
  protected abstract onMessage(frame: Readonly<FrameContents>): void;
  /** A request, subscription or publication has come: the same, and it is answered by {@link respond} or {@link fail}. */
  protected abstract onRequest(frame: Readonly<FrameContents>): void;
  /** A publication has come, of a topic or for one, or a gap of one: the same, where it has a sequence. */
  protected abstract onPublication(frame: Readonly<FrameContents>): void;
  /** A frame that is no part of the exchange of messages. @throws ProtocolViolationError where it may not come */
  protected abstract onOther(frame: Readonly<FrameContents>): void;
  /** Acknowledgements are owed, which the next turn of the clock is to send: called once until it does. */
  protected abstract onOwing(): void;
  /** The queue is below half of its high-water mark again. */
  protected abstract onDrain(): void;

  /** The largest payload that both sides take. */
  get maxPayloadBytes(): number {
    return Math.min(this.half.maxMessageBytes, this.peerMaxBytes);
  }

  /** @throws FrameTooLargeError */
  protected checkSize(payload: Uint8Array): void {
    const most = this.maxPayloadBytes;
    if (payload.length <= most) return;
    throw new FrameTooLargeError(`the message has ${payload.length} bytes; at most ${most} are taken`);
  }

  get requestsPending(): number {
    return this.#requests?.size ?? 0;
  }

  /** A frame of the connection that carries the session, valid during the call. @throws ProtocolViolationError … */
  take(frame: Readonly<FrameContents>): void {
    switch (frame.kind) {
      case Kind.Message:
        if (this.#isNew(frame)) this.#takeMessage(frame);
        break;
      case Kind.Request:
      case Kind.Subscribe:
      case Kind.Unsubscribe:
        if (frame.seq === 0) throw unsequenced(frame.kind);
        if (this.#isNew(frame)) this.#takeRequest(frame);
        break;
      case Kind.Publish:
      case Kind.Gap:
        if (frame.seq === 0 || this.#isNew(frame)) this.onPublication(frame);
        break;
      case Kind.Response:
        if (frame.seq === 0) throw unsequenced(frame.kind);
        if (this.#isNew(frame)) this.#takeResponse(frame);
        break;
      case Kind.Ack:
        if (frame.seq === 0) this.#takeAck(frame);
        else if (this.#isNew(frame)) this.#takeConfirmation(frame);
        break;
      default:
        this.onOther(frame);
    }
  }

  /** The hot path: one small message of the default class. */
  sendPlain(type: number, payload: Uint8Array): SendResult {
    return this.outbound.sendMessage(type, payload);
  }

  sendMessage(message: Outgoing): SendResult {
    return this.sendDirectly(message);
  }

  /** What nothing of the application's stands before. */
  sendDirectly(message: Outgoing): SendResult {
    return this.outbound.send(message);
  }

  protected sendRead({ message, messageId }: ReadMessage): SendResult {
    if (messageId === undefined) return this.sendMessage(message);
    return this.sendMessage({ ...message, watch: { placed() {}, sent: () => this.onSent(messageId) } });
  }

  /**
   * Sends a message, and waits until it has come as far as was asked.
   * @throws AbortedError, ResourceExhaustedError; InvalidArgumentError where its class has no acknowledgements
   */
  protected sendAwaited(
    { message, messageId }: ReadMessage,
    { level = "received", timeoutMs = this.half.requestTimeoutMs, signal }: AckOptions,
  ): Promise<Acknowledgement> {
    this.#awaited ??= new Awaited(this.half.maxAwaitedAcks);
    const told = {
      sent: () => messageId !== undefined && this.onSent(messageId),
      acknowledged: (reached: number) =>
        messageId !== undefined && this.onAcknowledged(messageId, acknowledgedLevels[reached]!),
    };
    const send = (followed: Partial<Outgoing>) => this.sendMessage({ ...message, ...followed });
    return this.#awaited.wait(acknowledgedLevels.indexOf(level), { timeoutMs, signal }, told, send);
  }

  /** A message with an id has gone out. */
  protected abstract onSent(id: MessageId): void;
  /** The other side has said that a message with an id, which was to be acknowledged, has come so far. */
  protected abstract onAcknowledged(id: MessageId, level: AckOptions["level"]): void;

  /**
   * @throws AbortedError, ResourceExhaustedError
   */
  ask(
    kind: number,
    subject: string,
    payload: Uint8Array,
    { timeoutMs = this.half.requestTimeoutMs, signal, priority, meta }: AskOptions,
  ): Promise<Reply> {
    this.#requests ??= new PendingRequests(this.half.requestBudget);
    return this.#requests.ask({ timeoutMs, signal }, (type) => {
      const sent = this.sendMessage({ kind, type, subject, payload, priority, meta });
      return sent !== "dropped";
    });
  }

  /** Answers a request. An answer is never dropped: who asked waits for it, and so bounds how many there are. */
  respond(id: number, payload: Uint8Array, meta?: readonly MetaEntry[]): void {
    const most = this.maxPayloadBytes;
    if (payload.length > most) this.fail(id, FailureCode.internal, `the answer has more than ${most} bytes`);
    else this.answer({ kind: Kind.Response, type: id, payload, ...(meta && { meta }) }, true);
  }

  /** Says that a request failed. @param code see {@link FailureCode}. */
  fail(id: number, code: number, reason: string): void {
    this.answer(failureAnswer(id, code, reason), code !== FailureCode.overloaded);
  }

  /** Counts how often the peer has lost the session, where it may. */
  get life(): number {
    return 0;
  }

  /** @throws FrameMalformedError, ProtocolViolationError where its marks are none: not of one that was handled */
  confirmMessage({ lane, sequence, meta }: Confirmable, level: number): boolean {
    const asked = readMarks(meta)?.level ?? AckLevel.received;
    return asked !== AckLevel.received && sequence !== 0 && this.tellOf({ lane, sequence, level });
  }

  /** Says something of a message to its sender. @returns false where there is no room for that. */
  protected tellOf(confirmation: Confirmation): boolean {
    return this.sendDirectly(confirmationOf(confirmation)) !== "dropped";
  }

  /**
   * A frame that had come waits no longer: that is acknowledged, and the peer may send more.
   * @param low32 its sequence. @param cost of {@link costOf}.
   */
  handled(lane: number, low32: number, cost: number): void {
    if (low32 === 0) return;
    const whole = this.#batches === undefined ? cost : this.#batches.handled(lane, low32, cost);
    if (whole === undefined) return;
    this.inbound.handled(lane, low32, whole);
    if (this.inbound.acksDue().length > 0) this.sendAcks(false);
    else this.onOwing();
  }

  /** Sends the acknowledgements that are owed. @param all those, too, that no window waits for yet. */
  sendAcks(all: boolean): void {
    if (this.carrier === undefined) return;
    for (const lane of this.inbound.acksDue(all)) {
      const result = this.#tell(ackFrame(lane, this.inbound.piggyback(lane)), lane);
      if (result !== "dropped") continue;
      this.inbound.untell(lane);
      this.onOwing(); // the peer may have nothing left to send until it hears of it
    }
  }

  /** A connection that is closing is as good as none: the next one is told all that was handled. */
  #tell(frame: Uint8Array, lane: number): SendResult {
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

  /** The peer has lost the session: nobody there knows what was asked, or sent before. */
  protected restartHalf(reason: string): void {
    this.outbound.restart();
    this.inbound.restart();
    this.#batches = undefined;
    this.#awaited?.restart();
    this.#requests?.end(reason);
  }

  /** The session is over. */
  protected endHalf(reason: string): void {
    this.carrier = undefined;
    this.#batches = undefined;
    this.outbound.end();
    this.#awaited?.end();
    this.#requests?.end(reason);
  }

  protected get nowMs(): number {
    return performance.now();
  }

  /** @param _isDone false where nothing was done for what was asked. */
  protected answer(answer: Outgoing, _isDone: boolean): void {
    // Behind the session's end there is nobody to tell.
    if (this.sendAnswer({ ...answer, priority: "normal" }) === "dropped") this.onUndeliverable();
  }

  protected sendAnswer(answer: Outgoing): SendResult {
    return this.sendMessage(answer);
  }

  /** An answer found no room in the session's queue. */
  protected onUndeliverable(): void {
    throw new ConnectionClosedError("an answer found no room in the session's queue");
  }

  /** Judges a frame by its sequence, and takes what it acknowledges. */
  #isNew(frame: Readonly<FrameContents>): boolean {
    const { channel, seq, ref } = frame;
    const bytes = costOf(frame);
    const payloadBytes = frame instanceof FrameView ? frame.payloadBytes : frame.payload.length;
    if (payloadBytes > this.half.maxMessageBytes) {
      throw new FrameTooLargeError(
        `a message has ${payloadBytes} bytes; this side takes ${this.half.maxMessageBytes}`,
      );
    }
    if (ref !== 0) {
      this.#acknowledge(channel, ref);
      if (this.outbound.hasEnded) return false; // that was what its end waited for
    }
    switch (this.inbound.receive(channel, seq, bytes)) {
      case "apply":
        this.bytesReceived += payloadBytes;
        this.messagesReceived += 1;
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

  #takeMessage(frame: Readonly<FrameContents>): void {
    if (isPlain(frame.flags)) {
      const marks = marksOf(frame);
      if (marks === undefined || this.isToHandle(frame, marks)) this.onMessage(frame);
      else this.handled(frame.channel, frame.seq, costOf(frame));
      return;
    }
    const { kind, channel, seq, ref, subject, meta } = frame;
    const messages = this.#opened(frame);
    const marks = marksOf(frame);
    if (seq !== 0) {
      this.#batches ??= new Batches();
      this.#batches.begin(channel, seq, costOf(frame), messages.length);
    }
    for (const { type, payload } of messages) {
      if (this.outbound.hasEnded) return; // by the handler of one before
      const message = { kind, flags: 0, channel, type, seq, ref, payload, subject, meta };
      if (marks === undefined || this.isToHandle(message, marks)) this.onMessage(message);
      else this.handled(channel, seq, 0);
    }
  }

  /** One that cannot be opened would not be the next time either: the peer is not to send it again. */
  #opened(
    frame: Readonly<FrameContents>,
  ): readonly { readonly type: number; readonly payload: Uint8Array }[] {
    const { maxMessageBytes, decompress } = this.half;
    try {
      if (isBatch(frame.flags) && marksOf(frame) !== undefined) {
        throw new ProtocolViolationError('"id" and "ack" are of one message, and not of a batch');
      }
      return openMessages(frame, maxMessageBytes, decompress);
    } catch (cause) {
      this.handled(frame.channel, frame.seq, costOf(frame));
      throw cause;
    }
  }

  /** A message is rejected. @returns false where its sender was told so already, of another one of its batch. */
  protected isFirstRejection({ lane, sequence }: Confirmable): boolean {
    return this.#batches?.reject(lane, sequence) ?? true;
  }

  #takeResponse(frame: Readonly<FrameContents>): void {
    const reply = readReply(frame);
    this.handled(frame.channel, frame.seq, costOf(frame));
    this.#requests?.answer(frame.type, reply); // one that came too late is no fault
  }

  #takeRequest(frame: Readonly<FrameContents>): void {
    const marks = frame.kind === Kind.Request ? marksOf(frame) : undefined;
    if (marks === undefined || this.isToAnswer(frame, marks)) this.onRequest(frame);
    else this.handled(frame.channel, frame.seq, costOf(frame));
  }

  /** @returns false where a message is dealt with otherwise. */
  protected isToHandle({ channel: lane, seq: sequence }: Readonly<FrameContents>, marks: Marks): boolean {
    if (marks.level !== AckLevel.stored) return true;
    if (sequence !== 0) this.tellOf({ lane, sequence, level: AckLevel.rejected, rejection: unstorable });
    return false;
  }

  /** The same of a request. */
  protected isToAnswer(_frame: Readonly<FrameContents>, _marks: Marks): boolean {
    return true;
  }

  #takeAck(frame: Readonly<FrameContents>): void {
    checkAck(frame);
    this.#acknowledge(frame.channel, frame.ref);
  }

  #takeConfirmation(frame: Readonly<FrameContents>): void {
    const confirmation = readConfirmation(frame);
    this.handled(frame.channel, frame.seq, costOf(frame));
    this.#awaited?.confirmed(confirmation);
    if (confirmation.rejection !== undefined) this.onRejected(confirmation, confirmation.rejection);
  }

  /** The peer has not handled a message of this side. */
  protected onRejected(_message: Confirmation, _rejection: Rejection): void {}

  #acknowledge(lane: number, low32: number): void {
    if (!this.outbound.acknowledge(lane, low32)) {
      throw new ProtocolViolationError(`the peer acknowledges what was not sent on lane ${lane}`);
    }
    if (this.outbound.isHeld) this.pump(this.nowMs);
  }
}

function ackFrame(lane: number, sequence: number): Uint8Array {
  return encodeFrame(encodeAck({ lane, sequence }), nothing);
}

function unsequenced(kind: number): ProtocolViolationError {
  return new ProtocolViolationError(`a frame of kind ${kind} has a sequence`);
}
