import type { Carrier } from "../delivery/outbound.js";
import { idText, parseId } from "../delivery/session_id.js";
import { SessionClosedError } from "../errors.js";
import { CodecCarrier } from "../frame/codec_carrier.js";
import type { Complete } from "../options/complete.js";
import type { SessionHandle } from "../session/handle.js";
import type { SocketAddress } from "../transport/address.js";
import {
  CloseCode,
  type CloseInfo,
  type CloseOptions,
  firstApplicationCode,
  readCloseOptions,
} from "../transport/close.js";
import type { TransportConnection } from "../transport/connection.js";
import { Comebacks } from "./comebacks.js";
import type { ConnectionTerms, ResumptionTerms } from "./connection_terms.js";
import type { ServerCore } from "./core.js";
import { ServerHalf } from "./server_half.js";
import type { Session, SessionEnd, SessionInfo, SessionState } from "./session.js";

/** What times of sessions are counted from: such a small number needs no memory of its own beside its session. */
const epoch = Date.now();

/** What a session begins with. */
export interface SessionSeed<Data> {
  readonly handle: SessionHandle;
  readonly id: Uint8Array;
  readonly clientId: string | undefined;
  readonly data: Data;
}

/** An end that waits for what is queued. */
interface Closing {
  readonly options: Complete<CloseOptions>;
  readonly end: SessionEnd;
  readonly timer: NodeJS.Timeout | undefined;
}

/**
 * A {@link Session}. There may be a million, so fields are few and most of what they lead to is made when needed. What is a
 * method of it, or of its two halves, is no `#method`: V8 marks each object with a word for every class of it that has such.
 */
export class ServerSession<Data> extends ServerHalf<Data> implements Session<Data> {
  readonly handle: SessionHandle;
  readonly id: string;
  readonly clientId: string | undefined;
  data: Data;
  #transport: TransportConnection | undefined = undefined;
  #state: SessionState = "detached";
  /** Undefined where it has its first connection, and nobody has asked for another. */
  #comebacks: Comebacks | undefined = undefined;
  /** Since {@link epoch}. */
  readonly #connectedAt = Math.floor(Date.now() - epoch);
  #promisesHeartbeat = false;
  /** How it ends once its queue is empty, or its time is over. */
  #closing: Closing | undefined = undefined;
  /** Of the clock: when the table was told last that the client was heard. */
  touchedAt = 0;
  /** Of its last connection: what it counts for there. */
  address = "";

  constructor(core: ServerCore<Data>, { handle, id, clientId, data }: SessionSeed<Data>) {
    super(core);
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

  protected override get session(): this {
    return this;
  }

  /** Undefined while it is detached. */
  override get connection(): TransportConnection | undefined {
    return this.#transport;
  }

  get tokenCounter(): number {
    return this.#comebacks?.tokenCounter ?? 1;
  }

  private comeback(): Comebacks {
    this.#comebacks ??= new Comebacks();
    return this.#comebacks;
  }

  get errors(): number {
    return this.rarities?.errors ?? 0;
  }

  /** A handler has thrown. */
  countError(): void {
    this.rare().errors += 1;
  }

  get info(): SessionInfo {
    const { id, clientId, state, transport, remoteAddress, heartbeats, errors } = this;
    const { messagesSent, bytesSent, bytesQueued, bytesUnacknowledged } = this.outbound;
    return {
      ...{ id, clientId, state, transport, remoteAddress, heartbeats, errors },
      ...{ messagesSent, bytesSent, bytesQueued, bytesUnacknowledged },
      connectedAt: epoch + this.#connectedAt,
      idleMs: this.core.registry.idleMs(this, this.core.clock.tick),
      roundTripMs: this.#transport?.roundTripMs,
      messagesReceived: this.messagesReceived,
      bytesReceived: this.bytesReceived,
      requestsPending: this.requestsPending,
      resumptions: this.#comebacks?.count ?? 0,
      compression: this.compressionFigures && { ...this.compressionFigures },
    };
  }

  /** Its end was asked for. */
  override get isClosing(): boolean {
    return this.#closing !== undefined || this.#state === "closed";
  }

  /** How it ends, or has ended; undefined while nobody has asked for that. */
  get end(): SessionEnd | undefined {
    return this.#closing?.end;
  }

  close(options: CloseOptions = {}): void {
    const read = readCloseOptions(options);
    this.beginEnd(read, { by: "local", code: read.code, reason: read.reason });
  }

  /** Ends it for a reason that is not the application's. */
  override endBy(
    by: SessionEnd["by"],
    code: number,
    reason: string,
    graceful = true,
    deadlineMs?: number,
  ): void {
    const read = readCloseOptions({ code, reason, graceful, deadlineMs });
    this.beginEnd(read, { by, code, reason });
  }

  /** The client has committed: the first connection is the session's. */
  begin(transport: TransportConnection, terms: ConnectionTerms): void {
    this.attach(transport, terms);
    this.core.handlers.call("open", this);
  }

  /** It is promised to a client once more. @returns the how manieth time */
  welcomed(): number {
    const comebacks = this.comeback();
    comebacks.welcomes += 1;
    return comebacks.welcomes;
  }

  /** The same, of any later one. False where the session is over, or cannot go on from there. */
  resume(transport: TransportConnection, terms: ResumptionTerms, data: Data): boolean {
    // One whose client has shown its token elsewhere since: it comes late, by another way, and fences nobody. Where no
    // commit has come in time, several welcomes in a row give the same token; then the later one is not late.
    const comebacks = this.comeback();
    const wasShown = ((terms.counter - comebacks.shownCounter) | 0) <= 0;
    const isLate = wasShown && terms.order < comebacks.committed;
    if (isLate || this.isClosing) return false;
    const before = this.#transport;
    if (!this.attach(transport, terms)) return false;
    comebacks.shownCounter = terms.shown;
    comebacks.committed = Math.max(comebacks.committed, terms.order);
    comebacks.count += 1;
    if (before !== undefined && before !== transport) {
      before.owner = fenced;
      before.close({ code: CloseCode.superseded, reason: "the session goes on elsewhere", graceful: false });
    }
    this.sendAcks(true); // what the client was told meanwhile, on the connection before, it may never hear
    this.core.topics.resume(this, terms.places);
    this.pump(this.nowMs);
    if (!this.isClosing) this.core.handlers.call("resumed", this, data);
    return true;
  }

  /** Its connection has ended. */
  lose(transport: TransportConnection, { by, code, reason }: CloseInfo): void {
    if (transport !== this.#transport || this.#state === "closed") return;
    const closedByPeer = by === "peer" && (code === CloseCode.normal || code >= firstApplicationCode);
    if (closedByPeer) {
      this.over({ by: "peer", code, reason });
    } else if (this.#closing !== undefined) {
      this.over(this.#closing.end);
    } else {
      this.detach();
    }
  }

  /** One look at what time has brought. */
  age(tick: number): void {
    const { resumeWindowMs, heartbeat, idleTimeoutMs } = this.core.options;
    // Messages have deadlines; and nobody is held for good because a connection did not say that it takes more.
    const isHeld = this.#state === "open" ? this.outbound.isHeld : this.outbound.hasWaiting;
    if (isHeld) this.pump(this.nowMs);
    if (this.isClosing) return;
    if (this.#state === "detached") {
      if ((tick - this.comeback().detachedAt) >>> 0 >= resumeWindowMs)
        this.endBy("expired", CloseCode.goingAway, "not resumed");
      return;
    }
    const idleMs = this.core.registry.idleMs(this, tick);
    if (this.#promisesHeartbeat && idleMs >= heartbeat.timeoutMs) {
      this.core.counters.heartbeatTimeouts += 1;
      this.core.handlers.call("heartbeatTimeout", this);
      const transport = this.#transport;
      if (transport === undefined) return; // the application has ended it
      this.detach();
      transport.owner = fenced;
      transport.close({ code: CloseCode.idle, reason: "nothing was heard", graceful: false });
    } else if (idleTimeoutMs > 0 && idleMs >= idleTimeoutMs) {
      this.endBy("local", CloseCode.idle, "idle");
    }
  }

  override pump(nowMs: number): void {
    super.pump(nowMs);
    if (this.#closing === undefined || this.outbound.hasWaiting || this.#state === "closed") return;
    this.finish(this.#closing.options, this.#closing.end);
  }

  protected override checkOpen(): void {
    if (!this.isClosing) return;
    throw new SessionClosedError(`session ${this.id} is closed; nothing more can be sent to it`);
  }

  private attach(
    transport: TransportConnection,
    { windowBytes, maxMessageBytes, cursors, heartbeat, counter, compression }: ConnectionTerms,
  ): boolean {
    const codec = this.core.codecOf(transport);
    const plain = codec === undefined ? transport : new CodecCarrier(transport, codec);
    const carrier: Carrier = compression?.carry(plain, this.compressionFigures) ?? plain;
    if (!this.outbound.attach(carrier, windowBytes, cursors, this.nowMs)) return false;
    if (this.#state === "closed") return false; // by who was told what became of a message just now
    this.carrier = carrier;
    this.keepFigures(carrier.compressing?.figures);
    this.#transport = transport;
    this.#state = "open";
    // Of several welcomes at once each has given the same token.
    if (counter > this.tokenCounter) this.comeback().tokenCounter = counter;
    this.peerMaxBytes = maxMessageBytes;
    this.#promisesHeartbeat = heartbeat;
    transport.owner = this;
    this.core.touch(this);
    const { address } = transport.remoteAddress;
    const isCounted =
      this.address === "" || this.address === address || this.core.admission.move(this.address, address);
    this.address = isCounted ? address : uncounted;
    return true;
  }

  private detach(): void {
    this.#state = "detached";
    this.comeback().detachedAt = this.core.clock.tick;
    this.#transport = undefined;
    this.carrier = undefined;
    this.outbound.detach();
    if (this.core.options.resumeWindowMs === 0)
      this.over({ by: "expired", code: CloseCode.goingAway, reason: "" });
    else this.core.handlers.call("detached", this);
    this.core.queues.note(this);
  }

  /** Ends it when what is queued is sent, or at once. */
  private beginEnd(options: Complete<CloseOptions>, end: SessionEnd): void {
    if (this.#state === "closed") return;
    const waits = options.graceful && this.#transport !== undefined && this.outbound.hasWaiting;
    if (!waits) {
      this.finish(options, end);
    } else if (this.#closing === undefined) {
      const timer = setTimeout(() => this.finish({ ...options, graceful: false }, end), options.deadlineMs);
      this.#closing = { options, end, timer };
    }
  }

  /** Says so to the client, and ends. */
  private finish({ code, reason, graceful, deadlineMs }: Complete<CloseOptions>, end: SessionEnd): void {
    const transport = this.#transport;
    if (transport !== undefined) {
      if (graceful) this.sendAcks(true);
      transport.owner = fenced;
      transport.close({ code, reason, graceful, deadlineMs });
    }
    this.over(end);
  }

  private over(end: SessionEnd): void {
    this.#state = "closed";
    this.#transport = undefined;
    clearTimeout(this.#closing?.timer);
    this.#closing = { options: atOnce, end, timer: undefined };
    this.endHalf(`session ${this.id} ended: ${end.reason || end.by}`);
    this.core.queues.note(this);
    this.core.forget(this, end);
  }
}

const atOnce = readCloseOptions({});

/** The address of a session that counts nowhere. */
const uncounted = "-";

/** Owns connections that are no session's any more: what they still bring is nobody's. */
const fenced = Symbol("fenced");
