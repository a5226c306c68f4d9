import type { AcknowledgedLevel } from "../delivery/acknowledgement.js";
import { failureAnswer } from "../delivery/answer.js";
import type { SessionCompression } from "../delivery/compression.js";
import { contentsOf } from "../delivery/contents.js";
import type { Cursors } from "../delivery/cursors.js";
import { FailureCode } from "../delivery/failure.js";
import { costOf } from "../delivery/frame_cost.js";
import type { StoringKey } from "../delivery/marked.js";
import { MarkingHalf } from "../delivery/marking_half.js";
import { OwnMessage } from "../delivery/message.js";
import type { Carrier, Outgoing } from "../delivery/outbound.js";
import { takeRest } from "../delivery/rest.js";
import type { MessageId } from "../delivery/send_options.js";
import { idText, parseId } from "../delivery/session_id.js";
import { ProtocolViolationError, SessionClosedError } from "../errors.js";
import { CodecCarrier } from "../frame/codec_carrier.js";
import { type FrameContents, Kind } from "../frame/frame.js";
import { sendFrame } from "../frame/unit.js";
import type { Complete } from "../options/complete.js";
import type { SessionHandle } from "../session/handle.js";
import type { Cursor } from "../topic/cursor.js";
import type { SocketAddress } from "../transport/address.js";
import {
  CloseCode,
  type CloseInfo,
  type CloseOptions,
  firstApplicationCode,
  readCloseOptions,
} from "../transport/close.js";
import type { SendResult, TransportConnection } from "../transport/connection.js";
import type { ServerCore } from "./core.js";
import type { Session, SessionEnd, SessionInfo, SessionState } from "./session.js";

/** What a session begins with. */
export interface SessionSeed<Data> {
  readonly handle: SessionHandle;
  readonly id: Uint8Array;
  readonly clientId: string | undefined;
  readonly data: Data;
}

/** What the client at a connection said of it. */
export interface ConnectionTerms {
  readonly windowBytes: number;
  readonly cursors: Cursors;
  /** The largest payload that it takes. */
  readonly maxMessageBytes: number;
  /** What both sides compress with on it. */
  readonly compression: SessionCompression | undefined;
  /** Of the resume token that it has now. */
  readonly counter: number;
  /** It promised to be heard of at least once a heartbeat. */
  readonly heartbeat: boolean;
}

/** The same, of one that takes a session up again. */
export interface ResumptionTerms extends ConnectionTerms {
  /** Of the resume token that its hello showed. */
  readonly shown: number;
  /** Of the welcomes that its session was promised by, which this was: see {@link ServerSession.welcomed}. */
  readonly order: number;
  /** What the client has of topics. */
  readonly places: ReadonlyMap<string, Cursor>;
}

/** An end that waits for what is queued. */
interface Closing {
  readonly options: Complete<CloseOptions>;
  readonly end: SessionEnd;
  readonly timer: NodeJS.Timeout;
}

const pong = contentsOf(Kind.Pong, {});

/** A {@link Session}. There may be a million, so fields are few and most of what they lead to is made when needed. */
export class ServerSession<Data> extends MarkingHalf implements Session<Data> {
  readonly handle: SessionHandle;
  readonly id: string;
  readonly clientId: string | undefined;
  data: Data;
  readonly #core: ServerCore<Data>;
  #transport: TransportConnection | undefined = undefined;
  #state: SessionState = "detached";
  #tokenCounter = 0;
  /** Of the token by which it was taken up the last time. */
  #shownCounter = 0;
  #welcomes = 0;
  #committed = 0;
  /** Of the clock: since when it has no connection. */
  #detachedAt = 0;
  readonly #connectedAt = Date.now();
  #promisesHeartbeat = false;
  #isOwing = false;
  /** How it ends once its queue is empty, or its time is over. */
  #closing: Closing | undefined = undefined;
  /** Of the clock: when the table was told last that the client was heard. */
  touchedAt = 0;
  /** It has a part in what all sessions may hold. */
  holdsBytes = false;
  heartbeats = 0;
  errors = 0;
  /** Of its last connection: what it counts for there. */
  address = "";
  #resumptions = 0;

  constructor(core: ServerCore<Data>, { handle, id, clientId, data }: SessionSeed<Data>) {
    super(core.half);
    this.#core = core;
    this.handle = handle;
    this.id = idText(id);
    this.clientId = clientId;
    this.data = data;
  }

  get state(): SessionState {
    return this.#state;
  }

  get idBytes(): Uint8Array {
    return parseId(this.id)!;
  }

  get transport(): string | undefined {
    return this.#transport?.transport;
  }

  get remoteAddress(): SocketAddress | undefined {
    return this.#transport?.remoteAddress;
  }

  get bytesQueued(): number {
    return this.outbound.bytesQueued;
  }

  /** Undefined while it is detached. */
  get connection(): TransportConnection | undefined {
    return this.#transport;
  }

  get tokenCounter(): number {
    return this.#tokenCounter;
  }

  get info(): SessionInfo {
    const { id, clientId, state, transport, remoteAddress, heartbeats, errors } = this;
    const { messagesSent, bytesSent, bytesQueued, bytesUnacknowledged } = this.outbound;
    return {
      ...{ id, clientId, state, transport, remoteAddress, heartbeats, errors },
      ...{ messagesSent, bytesSent, bytesQueued, bytesUnacknowledged },
      connectedAt: this.#connectedAt,
      idleMs: this.#core.registry.idleMs(this, this.#core.clock.tick),
      roundTripMs: this.#transport?.roundTripMs,
      messagesReceived: this.messagesReceived,
      bytesReceived: this.bytesReceived,
      requestsPending: this.requestsPending,
      resumptions: this.#resumptions,
      compression: this.compressionFigures && { ...this.compressionFigures },
    };
  }

  override get isLayered(): boolean {
    return this.#core.outgoing !== undefined;
  }

  override sendPlain(type: number, payload: Uint8Array): SendResult {
    return this.#judged(super.sendPlain(type, payload));
  }

  /** Through the middleware, where there is any. */
  override sendMessage(message: Outgoing): SendResult {
    const { outgoing } = this.#core;
    return outgoing === undefined ? this.sendDirectly(message) : outgoing(this, message);
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
      this.#core.handlers.report(this, cause);
      return "refused";
    }
  }

  /** What middleware throws around an answer is the application's to hear, and who asked is told past all middleware. */
  protected override sendAnswer(answer: Outgoing): SendResult {
    if (this.#core.outgoing === undefined) return this.sendDirectly(answer);
    try {
      return this.sendMessage(answer);
    } catch (cause) {
      this.#core.handlers.report(this, cause);
      return this.sendDirectly(failureAnswer(answer.type, FailureCode.internal, "a fault of the server"));
    }
  }

  /** Behind the middleware. */
  override sendDirectly(message: Outgoing): SendResult {
    return this.#judged(super.sendDirectly(message));
  }

  /** Where the policy is to close whose queue is full, it is closed. */
  #judged(result: SendResult): SendResult {
    if (result === "dropped" && this.outbound.mustClose && !this.isClosing) {
      this.endBy("local", CloseCode.exhausted, "its queue is full", false);
    }
    if (this.outbound.isHeld || this.holdsBytes) this.#core.queues.note(this);
    return result;
  }

  /** Its end was asked for. */
  get isClosing(): boolean {
    return this.#closing !== undefined || this.#state === "closed";
  }

  close(options: CloseOptions = {}): void {
    const read = readCloseOptions(options);
    this.#beginEnd(read, { by: "local", code: read.code, reason: read.reason });
  }

  /** Ends it for a reason that is not the application's. */
  endBy(by: SessionEnd["by"], code: number, reason: string, graceful = true, deadlineMs?: number): void {
    const read = readCloseOptions({ code, reason, graceful, deadlineMs });
    this.#beginEnd(read, { by, code, reason });
  }

  /** The client has committed: the first connection is the session's. */
  begin(transport: TransportConnection, terms: ConnectionTerms): void {
    this.#attach(transport, terms);
    this.#core.handlers.call("open", this);
  }

  /** It is promised to a client once more. @returns the how manieth time */
  welcomed(): number {
    this.#welcomes += 1;
    return this.#welcomes;
  }

  /** The same, of any later one. False where the session is over, or cannot go on from there. */
  resume(transport: TransportConnection, terms: ResumptionTerms, data: Data): boolean {
    // One whose client has shown its token elsewhere since: it comes late, by another way, and fences nobody. Where no
    // commit has come in time, several welcomes in a row give the same token; then the later one is not late.
    const wasShown = ((terms.counter - this.#shownCounter) | 0) <= 0;
    const isLate = wasShown && terms.order < this.#committed;
    if (isLate || this.isClosing) return false;
    const before = this.#transport;
    if (!this.#attach(transport, terms)) return false;
    this.#shownCounter = terms.shown;
    this.#committed = Math.max(this.#committed, terms.order);
    this.#resumptions += 1;
    if (before !== undefined && before !== transport) {
      before.owner = fenced;
      before.close({ code: CloseCode.superseded, reason: "the session goes on elsewhere", graceful: false });
    }
    this.sendAcks(true); // what the client was told meanwhile, on the connection before, it may never hear
    this.#core.topics.resume(this, terms.places);
    this.pump(this.nowMs);
    if (!this.isClosing) this.#core.handlers.call("resumed", this, data);
    return true;
  }

  /** Its connection has ended. */
  lose(transport: TransportConnection, { by, code, reason }: CloseInfo): void {
    if (transport !== this.#transport || this.#state === "closed") return;
    const closedByPeer = by === "peer" && (code === CloseCode.normal || code >= firstApplicationCode);
    if (closedByPeer) {
      this.#over({ by: "peer", code, reason });
    } else if (this.#closing !== undefined) {
      this.#over(this.#closing.end);
    } else {
      this.#detach();
    }
  }

  /** One look at what time has brought. */
  age(tick: number): void {
    const { resumeWindowMs, heartbeat, idleTimeoutMs } = this.#core.options;
    // Messages have deadlines; and nobody is held for good because a connection did not say that it takes more.
    const isHeld = this.#state === "open" ? this.outbound.isHeld : this.outbound.hasWaiting;
    if (isHeld) this.pump(this.nowMs);
    if (this.isClosing) return;
    if (this.#state === "detached") {
      if ((tick - this.#detachedAt) >>> 0 >= resumeWindowMs)
        this.endBy("expired", CloseCode.goingAway, "not resumed");
      return;
    }
    const idleMs = this.#core.registry.idleMs(this, tick);
    if (this.#promisesHeartbeat && idleMs >= heartbeat.timeoutMs) {
      this.#core.counters.heartbeatTimeouts += 1;
      this.#core.handlers.call("heartbeatTimeout", this);
      const transport = this.#transport;
      if (transport === undefined) return; // the application has ended it
      this.#detach();
      transport.owner = fenced;
      transport.close({ code: CloseCode.idle, reason: "nothing was heard", graceful: false });
    } else if (idleTimeoutMs > 0 && idleMs >= idleTimeoutMs) {
      this.endBy("local", CloseCode.idle, "idle");
    }
  }

  /** The next turn of the clock has come: acknowledgements are sent that nothing else has carried. */
  payAcks(): void {
    this.#isOwing = false;
    this.sendAcks(true);
  }

  override pump(nowMs: number): void {
    super.pump(nowMs);
    if (this.outbound.isHeld || this.holdsBytes) this.#core.queues.note(this);
    if (!this.outbound.isBlocked) this.#core.topics.goOn(this);
    if (this.#closing === undefined || this.outbound.hasWaiting || this.#state === "closed") return;
    this.#finish(this.#closing.options, this.#closing.end);
  }

  protected override get canStore(): boolean {
    return this.#core.storing.canStore;
  }

  protected override storeAgain(frame: Readonly<FrameContents>): void {
    this.#core.storing.take(this, new OwnMessage(frame, this));
  }

  protected override holdsConfirmation(key: StoringKey, level: number): boolean {
    return this.#core.storing.hold(this, key, level);
  }

  protected override onSent(id: MessageId): void {
    this.#core.handlers.call("sent", this, id);
  }

  protected override onAcknowledged(id: MessageId, level: AcknowledgedLevel): void {
    this.#core.handlers.call("delivered", this, id, level);
  }

  protected override onMessage(frame: Readonly<FrameContents>): void {
    this.#core.receiver.message(this, frame);
  }

  protected override onRequest(frame: Readonly<FrameContents>): void {
    if (this.isClosing) {
      // Its handler could send nothing any more.
      this.handled(frame.channel, frame.seq, costOf(frame));
      this.fail(frame.type, FailureCode.goingAway, "the session ends");
    } else if (frame.kind === Kind.Request) this.#core.receiver.request(this, frame);
    else this.#core.receiver.topicRequest(this, frame);
  }

  protected override onPublication(frame: Readonly<FrameContents>): void {
    if (frame.seq === 0 || frame.kind !== Kind.Publish) {
      throw new ProtocolViolationError(
        "a client's publication has a sequence, and gaps are the server's to tell",
      );
    }
    this.#core.receiver.topicRequest(this, frame);
  }

  protected override onOther(frame: Readonly<FrameContents>): void {
    const transport = this.#transport!;
    const isPing = frame.kind === Kind.Ping;
    if (isPing) this.heartbeats += 1;
    if (!isPing || transport.control !== undefined) takeRest(transport, frame);
    else {
      this.sendAcks(true);
      if (transport.state === "open") sendFrame(transport, this.#core.codecOf(transport), pong);
    }
  }

  protected override onOwing(): void {
    if (this.#isOwing) return;
    this.#isOwing = true;
    this.#core.owing.push(this);
  }

  protected override onDrain(): void {
    this.#core.handlers.call("drain", this);
  }

  protected override onUndeliverable(): void {
    if (!this.outbound.isHeld) return; // middleware did not let it pass
    this.endBy("local", CloseCode.exhausted, "answers found no room", false);
  }

  protected override checkOpen(): void {
    if (!this.isClosing) return;
    throw new SessionClosedError(`session ${this.id} is closed; nothing more can be sent to it`);
  }

  #attach(
    transport: TransportConnection,
    { windowBytes, maxMessageBytes, cursors, heartbeat, counter, compression }: ConnectionTerms,
  ): boolean {
    const codec = this.#core.codecOf(transport);
    const plain = codec === undefined ? transport : new CodecCarrier(transport, codec);
    const carrier: Carrier = compression?.carry(plain, this.compressionFigures) ?? plain;
    if (!this.outbound.attach(carrier, windowBytes, cursors, this.nowMs)) return false;
    if (this.#state === "closed") return false; // by who was told what became of a message just now
    this.carrier = carrier;
    this.compressionFigures = carrier.compressing?.figures ?? this.compressionFigures;
    this.#transport = transport;
    this.#state = "open";
    // Of several welcomes at once each has given the same token.
    this.#tokenCounter = Math.max(this.#tokenCounter, counter);
    this.peerMaxBytes = maxMessageBytes;
    this.#promisesHeartbeat = heartbeat;
    transport.owner = this;
    this.#core.touch(this);
    const { address } = transport.remoteAddress;
    const isCounted =
      this.address === "" || this.address === address || this.#core.admission.move(this.address, address);
    this.address = isCounted ? address : uncounted;
    return true;
  }

  #detach(): void {
    this.#state = "detached";
    this.#detachedAt = this.#core.clock.tick;
    this.#transport = undefined;
    this.carrier = undefined;
    this.outbound.detach();
    if (this.#core.options.resumeWindowMs === 0)
      this.#over({ by: "expired", code: CloseCode.goingAway, reason: "" });
    else this.#core.handlers.call("detached", this);
    this.#core.queues.note(this);
  }

  /** Ends it when what is queued is sent, or at once. */
  #beginEnd(options: Complete<CloseOptions>, end: SessionEnd): void {
    if (this.#state === "closed") return;
    const waits = options.graceful && this.#transport !== undefined && this.outbound.hasWaiting;
    if (!waits) {
      this.#finish(options, end);
    } else if (this.#closing === undefined) {
      const timer = setTimeout(() => this.#finish({ ...options, graceful: false }, end), options.deadlineMs);
      this.#closing = { options, end, timer };
    }
  }

  /** Says so to the client, and ends. */
  #finish({ code, reason, graceful, deadlineMs }: Complete<CloseOptions>, end: SessionEnd): void {
    const transport = this.#transport;
    if (transport !== undefined) {
      if (graceful) this.sendAcks(true);
      transport.owner = fenced;
      transport.close({ code, reason, graceful, deadlineMs });
    }
    this.#over(end);
  }

  #over(end: SessionEnd): void {
    this.#state = "closed";
    this.#transport = undefined;
    clearTimeout(this.#closing?.timer);
    this.endHalf(`session ${this.id} ended: ${end.reason || end.by}`);
    this.#core.queues.note(this);
    this.#core.forget(this, end);
  }
}

/** The address of a session that counts nowhere. */
const uncounted = "-";

/** Owns connections that are no session's any more: what they still bring is nobody's. */
const fenced = Symbol("fenced");
