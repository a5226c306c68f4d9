import { ConnectionClosedError, FrameTooLargeError, ProtocolViolationError } from "../errors.js";
import type { BatchMessage } from "../frame/batch.js";
import { isCompressed } from "../frame/compressed_payload.js";
import { type FrameContents, Kind, type MetaEntry } from "../frame/frame.js";
import { checkPlain, isPlain, openBatch } from "../frame/opened_payload.js";
import type { SendResult } from "../transport/connection.js";
import type { WaitOptions } from "../transport/wait.js";
import { AckLevel } from "./ack.js";
import { type Acknowledgement, type AckOptions, acknowledgedLevels } from "./acknowledgement.js";
import { failureAnswer, readReply } from "./answer.js";
import { Awaited } from "./awaited.js";
import {
  type Confirmation,
  confirmationOf,
  type Rejection,
  readConfirmation,
  unstorable,
} from "./confirmation.js";
import { CreditHalf } from "./credit_half.js";
import { FailureCode, type Reply } from "./failure.js";
import { costOf } from "./frame_cost.js";
import type { Priority } from "./lane.js";
import { type Marks, marksOf, readMarks } from "./marks.js";
import type { Confirmable, Confirming } from "./message.js";
import { sharedEntries } from "./meta.js";
import type { Outgoing } from "./outbound.js";
import { PendingRequests, type Repeatable } from "./pending_requests.js";
import type { MessageId, ReadMessage } from "./send_options.js";

/** How something is asked. */
export interface AskOptions extends WaitOptions {
  /** Asked again where the peer has lost the session. */
  readonly idempotent?: boolean | undefined;
  readonly priority?: Priority | undefined;
  readonly meta?: readonly MetaEntry[] | undefined;
}

/**
 * One end of a session, the same on both sides: to its lanes it adds what the frames on them are, whom they are for, and
 * who waits for answers and confirmations.
 */
export abstract class SessionHalf extends CreditHalf implements Confirming {
  /** The largest payload that the peer takes. */
  peerMaxBytes = 0x7fff_ffff;

  /** A message has come. Whoever takes it calls {@link handled} when it waits no longer. */
  protected abstract onMessage(frame: Readonly<FrameContents>): void;
  /** A request, subscription or publication has come: the same, and it is answered by {@link respond} or {@link fail}. */
  protected abstract onRequest(frame: Readonly<FrameContents>): void;
  /** A publication has come, of a topic or for one, or a gap of one: the same, where it has a sequence. */
  protected abstract onPublication(frame: Readonly<FrameContents>): void;
  /** A frame that is no part of the exchange of messages. @throws ProtocolViolationError where it may not come */
  protected abstract onOther(frame: Readonly<FrameContents>): void;

  get maxPayloadBytes(): number {
    return Math.min(this.half.maxMessageBytes, this.peerMaxBytes);
  }

  /** @throws FrameTooLargeError */
  protected checkSize(payload: Uint8Array): void {
    const most = this.maxPayloadBytes;
    if (payload.length <= most) return;
    throw new FrameTooLargeError(
      `the message has ${payload.length} bytes; at most ${most} are taken: sendLarge (millrace/large) sends more`,
    );
  }

  get requestsPending(): number {
    return this.rarities?.requests?.size ?? 0;
  }

  /** A frame of the connection that carries the session, valid during the call. @throws ProtocolViolationError … */
  take(came: Readonly<FrameContents>): void {
    if ((came.seq === 0 || isCompressed(came.flags)) && !this.isWanted(came)) return;
    const frame = isCompressed(came.flags) ? this.opened(came) : came;
    if (frame.kind > Kind.Message && frame.kind < Kind.Commit) checkPlain(frame.flags);
    switch (frame.kind) {
      case Kind.Message:
        if (this.isNew(frame)) this.takeMessage(frame);
        break;
      case Kind.Request:
      case Kind.Subscribe:
      case Kind.Unsubscribe:
        if (frame.seq === 0) throw unsequenced(frame.kind);
        if (this.isNew(frame)) this.takeRequest(frame);
        break;
      case Kind.Publish:
      case Kind.Gap:
        if (frame.seq === 0 || this.isNew(frame)) this.onPublication(frame);
        break;
      case Kind.Response:
        if (frame.seq === 0) throw unsequenced(frame.kind);
        if (this.isNew(frame)) takeResponse(this, frame);
        break;
      case Kind.Ack:
        if (frame.seq === 0) this.takeAck(frame);
        else if (this.isNew(frame)) this.takeConfirmation(frame);
        break;
      default:
        this.onOther(frame);
    }
  }

  /** What was received before, or finds no room, is not to cost its decompression, but it may acknowledge something. */
  private isWanted(frame: Readonly<FrameContents>): boolean {
    const { kind, channel, seq } = frame;
    if (seq === 0 ? kind !== Kind.Message || this.hasRoomFor(frame) : this.inbound.isNext(channel, seq)) {
      return true;
    }
    this.isNew(frame);
    return false;
  }

  /** Whether a message without a sequence, which no window counts, may be taken. It may be compressed still. */
  protected hasRoomFor(_message: Readonly<FrameContents>): boolean {
    return true;
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
    const rarities = this.rare();
    rarities.awaited ??= new Awaited(this.half.maxAwaitedAcks);
    const told = {
      sent: () => messageId !== undefined && this.onSent(messageId),
      acknowledged: (reached: number) =>
        messageId !== undefined && this.onAcknowledged(messageId, acknowledgedLevels[reached]!),
    };
    const send = (followed: Partial<Outgoing>) => this.sendMessage({ ...message, ...followed });
    return rarities.awaited.wait(acknowledgedLevels.indexOf(level), { timeoutMs, signal }, told, send);
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
    { timeoutMs = this.half.requestTimeoutMs, signal, idempotent, priority, meta }: AskOptions,
  ): Promise<Reply> {
    const rarities = this.rare();
    rarities.requests ??= new PendingRequests(this.half.requestBudget);
    return rarities.requests.ask({ timeoutMs, signal, idempotent }, (type, watch) => {
      const sent = this.sendMessage({ kind, type, subject, payload, priority, meta, watch });
      return sent !== "dropped";
    });
  }

  /** A request of this side that may be done twice, and waits for its answer. */
  repeatable(id: number): Repeatable | undefined {
    return this.rarities?.requests?.repeatable(id);
  }

  /** A request of this side is answered in another way than by its session's frames. */
  settleRequest(id: number, reply: Reply): void {
    this.rarities?.requests?.answer(id, reply);
  }

  /** Answers a request. An answer is never dropped: who asked waits for it, and so bounds how many there are. */
  respond(id: number, payload: Uint8Array, meta?: readonly MetaEntry[]): void {
    const most = this.maxPayloadBytes;
    if (payload.length > most) this.fail(id, FailureCode.internal, `the answer has more than ${most} bytes`);
    else this.answer({ kind: Kind.Response, type: id, payload, ...(meta && { meta }) }, true);
  }

  /** Says that a request failed. @param code see {@link FailureCode}. @param retryAfterMs when it may be asked again. */
  fail(id: number, code: number, reason: string, retryAfterMs?: number): void {
    // Who says when to come again says that it is not done: what comes then under the same id is to be handled.
    const isRefused = code === FailureCode.overloaded || code === FailureCode.goingAway;
    this.answer(failureAnswer(id, code, reason, retryAfterMs), !isRefused && retryAfterMs === undefined);
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

  rejectMessage({ lane, sequence }: Confirmable, rejection: Rejection): boolean {
    if (sequence === 0 || this.outbound.hasEnded || !this.isFirstRejection({ lane, sequence })) return false;
    return this.tellSurely({ lane, sequence, level: AckLevel.rejected, rejection });
  }

  /** Says something of a message to its sender. @returns false where there is no room for that. */
  protected tellOf(confirmation: Confirmation): boolean {
    return this.sendDirectly(confirmationOf(confirmation)) !== "dropped";
  }

  /** The same, of what nobody says again: who waits to hear of it would wait for nothing. */
  protected tellSurely(confirmation: Confirmation): boolean {
    const isTold = this.tellOf(confirmation);
    if (!isTold) this.onUndeliverable();
    return isTold;
  }

  /**
   * The peer has lost the session: nobody there knows what was asked, or sent before. What waits goes to a new one.
   * @returns how many messages were sent and not acknowledged, and how many requests have failed.
   */
  protected restartHalf(reason: string): { readonly messages: number; readonly requests: number } {
    const messages = this.outbound.restart();
    this.inbound.restart();
    const { rarities } = this;
    rarities?.batches.clear();
    rarities?.awaited?.restart();
    return { messages, requests: rarities?.requests?.restart(reason) ?? 0 };
  }

  /** The session is over. */
  protected endHalf(reason: string): void {
    this.carrier = undefined;
    this.rarities?.batches.clear();
    this.outbound.end();
    this.rarities?.awaited?.end();
    this.rarities?.requests?.end(reason);
  }

  /** @param _isDone false where nothing was done for what was asked. */
  protected answer(answer: Outgoing, _isDone: boolean): void {
    // Behind the session's end there is nobody to tell.
    if (this.sendAnswer({ ...answer, priority: "normal" }) === "dropped") this.onUndeliverable();
  }

  protected sendAnswer(answer: Outgoing): SendResult {
    return this.sendMessage(answer);
  }

  /** An answer, or what has become of a message, found no room in the session's queue. */
  protected onUndeliverable(): void {
    throw new ConnectionClosedError("an answer found no room in the session's queue");
  }

  private takeMessage(frame: Readonly<FrameContents>): void {
    if (isPlain(frame.flags)) {
      const marks = marksOf(frame);
      if (marks === undefined || this.isToHandle(frame, marks)) this.onMessage(frame);
      else this.pass(frame);
      return;
    }
    const { kind, channel, seq, ref, subject } = frame;
    const messages = this.opening(frame);
    const meta = sharedEntries(frame.meta); // the frame counts once: a copy for each message would be 1,024
    if (seq !== 0) {
      this.rare().batches.begin(channel, seq, costOf(frame), messages.length);
    }
    for (const { type, payload } of messages) {
      if (this.outbound.hasEnded) return; // by the handler of one before
      const message = { kind, flags: 0, channel, type, seq, ref, payload, subject, meta };
      if (seq !== 0 || this.hasRoomFor(message)) this.onMessage(message);
    }
  }

  /** One that is none would not be one the next time either: the peer is not to send it again. */
  private opening(frame: Readonly<FrameContents>): readonly BatchMessage[] {
    try {
      if (marksOf(frame) !== undefined) {
        throw new ProtocolViolationError('"id" and "ack" are of one message, and not of a batch');
      }
      return openBatch(frame);
    } catch (cause) {
      this.pass(frame);
      throw cause;
    }
  }

  /** A message is rejected. @returns false where its sender was told so already, of another one of its batch. */
  protected isFirstRejection({ lane, sequence }: Pick<Confirmable, "lane" | "sequence">): boolean {
    return this.rarities?.batches.reject(lane, sequence) ?? true;
  }

  private takeRequest(frame: Readonly<FrameContents>): void {
    const marks = frame.kind === Kind.Request ? marksOf(frame) : undefined;
    if (marks === undefined || this.isToAnswer(frame, marks)) this.onRequest(frame);
    else this.pass(frame);
  }

  /** @returns false where a message is dealt with otherwise. */
  protected isToHandle({ channel: lane, seq: sequence }: Readonly<FrameContents>, marks: Marks): boolean {
    if (marks.level !== AckLevel.stored) return true;
    if (sequence !== 0) this.tellSurely({ lane, sequence, level: AckLevel.rejected, rejection: unstorable });
    return false;
  }

  /** The same of a request. */
  protected isToAnswer(_frame: Readonly<FrameContents>, _marks: Marks): boolean {
    return true;
  }

  private takeConfirmation(frame: Readonly<FrameContents>): void {
    const confirmation = readConfirmation(frame);
    this.pass(frame);
    this.settleMessage(confirmation);
  }

  /** What is said of a message of this side, by its session's frames or in another way. */
  settleMessage(confirmation: Confirmation): void {
    this.rarities?.awaited?.confirmed(confirmation);
    if (confirmation.rejection !== undefined) this.onRejected(confirmation, confirmation.rejection);
  }

  /** The peer has not handled a message of this side. */
  protected onRejected(_message: Confirmation, _rejection: Rejection): void {}
}

function unsequenced(kind: number): ProtocolViolationError {
  return new ProtocolViolationError(`a frame of kind ${kind} has a sequence`);
}

function takeResponse(half: SessionHalf, frame: Readonly<FrameContents>): void {
  const reply = readReply(frame);
  half.pass(frame);
  half.settleRequest(frame.type, reply); // one that came too late is no fault
}
