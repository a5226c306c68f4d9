import type { AcknowledgedLevel } from "../delivery/acknowledgement.js";
import { failureAnswer } from "../delivery/answer.js";
import type { SessionCompression } from "../delivery/compression.js";
import { contentsOf } from "../delivery/contents.js";
import { FailureCode } from "../delivery/failure.js";
import type { StoringKey } from "../delivery/marked.js";
import { type MarkingContext, MarkingHalf } from "../delivery/marking_half.js";
import { OwnMessage } from "../delivery/message.js";
import type { Outgoing } from "../delivery/outbound.js";
import { takeRest } from "../delivery/rest.js";
import { checkServers, type MessageId } from "../delivery/send_options.js";
import { ProtocolViolationError } from "../errors.js";
import { type FrameContents, Kind } from "../frame/frame.js";
import { sendFrame } from "../frame/unit.js";
import { CloseCode } from "../transport/close.js";
import type { SendResult, TransportConnection } from "../transport/connection.js";
import type { ServerCore } from "./core.js";
import type { ServerSession } from "./server_session.js";
import type { SessionEnd } from "./session.js";

const pong = contentsOf(Kind.Pong, {});

/** What all sessions of one server share. */
export interface ServerContext<Data> extends MarkingContext {
  readonly core: ServerCore<Data>;
}

/** The end of a session that a server has: what is sent goes through its middleware, and what comes to its handlers. */
export abstract class ServerHalf<Data> extends MarkingHalf {
  declare protected readonly half: ServerContext<Data>;
  #isOwing = false;
  /** It has a part in what all sessions may hold. */
  holdsBytes = false;
  heartbeats = 0;

  protected constructor(core: ServerCore<Data>) {
    super(core.half);
  }

  protected get core(): ServerCore<Data> {
    return this.half.core;
  }

  /** Itself, as others of the server know it. */
  protected abstract get session(): ServerSession<Data>;
  /** Undefined while it is detached. */
  abstract get connection(): TransportConnection | undefined;
  /** Its end was asked for. */
  abstract get isClosing(): boolean;
  /** Ends it for a reason that is not the application's. */
  abstract endBy(
    by: SessionEnd["by"],
    code: number,
    reason: string,
    graceful?: boolean,
    deadlineMs?: number,
  ): void;

  /** What both sides compress with on the connection of now. */
  get compressedBy(): SessionCompression | undefined {
    return this.carrier?.compressing?.compression;
  }

  override get isLayered(): boolean {
    return this.core.outgoing !== undefined;
  }

  override sendPlain(type: number, payload: Uint8Array): SendResult {
    return this.judged(super.sendPlain(type, payload));
  }

  /** Through the middleware, where there is any. */
  override sendMessage(message: Outgoing): SendResult {
    checkServers(message);
    const { outgoing } = this.core;
    return outgoing === undefined ? this.sendDirectly(message) : outgoing(this.session, message);
  }

  /**
   * A publication of a topic, through the middleware: what that throws is the application's to hear, and keeps nobody else
   * from it.
   * @returns `refused` where it did not let it pass.
   */
  sendPublication(message: Outgoing): SendResult | "refused" {
    try {
      const result = this.sendMessage(message);
      return result === "dropped" && this.isLayered && !this.outbound.isHeld ? "refused" : result;
    } catch (cause) {
      this.core.handlers.report(this.session, cause);
      return "refused";
    }
  }

  /** What middleware throws around an answer is the application's to hear, and who asked is told past all middleware. */
  protected override sendAnswer(answer: Outgoing): SendResult {
    if (this.core.outgoing === undefined) return this.sendDirectly(answer);
    try {
      return this.sendMessage(answer);
    } catch (cause) {
      this.core.handlers.report(this.session, cause);
      return this.sendDirectly(failureAnswer(answer.type, FailureCode.internal, "a fault of the server"));
    }
  }

  /** Behind the middleware. */
  override sendDirectly(message: Outgoing): SendResult {
    return this.judged(super.sendDirectly(message));
  }

  /** Where the policy is to close whose queue is full, it is closed. */
  private judged(result: SendResult): SendResult {
    if (result === "dropped" && this.outbound.rarities?.mustClose && !this.isClosing) {
      this.endBy("local", CloseCode.exhausted, "its queue is full", false);
    }
    if (this.outbound.isHeld || this.holdsBytes) this.core.queues.note(this.session);
    return result;
  }

  /** The next turn of the clock has come: acknowledgements are sent that nothing else has carried. */
  payAcks(): void {
    this.#isOwing = false;
    this.sendAcks(true);
  }

  override pump(nowMs: number): void {
    super.pump(nowMs);
    if (this.outbound.isHeld || this.holdsBytes) this.core.queues.note(this.session);
    if (!this.outbound.isBlocked) this.core.topics.goOn(this.session);
  }

  protected override get canStore(): boolean {
    return this.core.storing.canStore;
  }

  protected override storeAgain(frame: Readonly<FrameContents>): void {
    this.core.storing.take(this.session, new OwnMessage(frame, this.session));
  }

  protected override holdsConfirmation(key: StoringKey, level: number): boolean {
    return this.core.storing.hold(this.session, key, level);
  }

  protected override onSent(id: MessageId): void {
    this.core.handlers.call("sent", this.session, id);
  }

  protected override onAcknowledged(id: MessageId, level: AcknowledgedLevel): void {
    this.core.handlers.call("delivered", this.session, id, level);
  }

  protected override onMessage(frame: Readonly<FrameContents>): void {
    this.core.receiver.message(this.session, frame);
  }

  protected override hasRoomFor(message: Readonly<FrameContents>): boolean {
    const { options, queues, receiver, half } = this.core;
    const { windowBytes, maxFrameBytes } = half.inbound;
    return receiver.hasRoomFor(this.session, message, {
      sessionBytes: windowBytes + maxFrameBytes,
      totalBytes: options.limits.queueBytes - queues.bytes,
    });
  }

  protected override onRequest(frame: Readonly<FrameContents>): void {
    if (this.isClosing) {
      // Its handler could send nothing any more.
      this.pass(frame);
      this.fail(frame.type, FailureCode.goingAway, "the session ends");
    } else if (frame.kind === Kind.Request) this.core.receiver.request(this.session, frame);
    else this.core.receiver.topicRequest(this.session, frame);
  }

  protected override onPublication(frame: Readonly<FrameContents>): void {
    if (frame.seq === 0 || frame.kind !== Kind.Publish) {
      throw new ProtocolViolationError(
        "a client's publication has a sequence, and gaps are the server's to tell",
      );
    }
    this.core.receiver.topicRequest(this.session, frame);
  }

  protected override onOther(frame: Readonly<FrameContents>): void {
    const transport = this.connection!;
    const isPing = frame.kind === Kind.Ping;
    if (isPing) this.heartbeats += 1;
    if (!isPing || transport.control !== undefined) takeRest(transport, frame);
    else {
      this.sendAcks(true);
      if (transport.state === "open") sendFrame(transport, this.core.codecOf(transport), pong);
    }
  }

  protected override onOwing(): void {
    if (this.#isOwing) return;
    this.#isOwing = true;
    this.core.owing.push(this.session);
  }

  protected override onDrain(): void {
    this.core.handlers.call("drain", this.session);
  }

  protected override onUndeliverable(): void {
    if (!this.outbound.isHeld) return; // middleware did not let it pass
    this.endBy("local", CloseCode.exhausted, "answers found no room", false);
  }
}
