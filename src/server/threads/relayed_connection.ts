import type { X509Certificate } from "node:crypto";
import {
  ConnectionClosedError,
  ConnectionLostError,
  FrameTooLargeError,
  InternalError,
} from "../../errors.js";
import { streamFraming } from "../../frame/control.js";
import type { Complete } from "../../options/complete.js";
import type { SocketAddress } from "../../transport/address.js";
import { CloseCode, type CloseInfo, type CloseOptions, readCloseOptions } from "../../transport/close.js";
import {
  type ConnectionState,
  nextConnectionId,
  type SendResult,
  type TransportBehaviour,
  type TransportConnection,
} from "../../transport/connection.js";
import type { Control } from "../../transport/control.js";
import { callGuarded } from "../../transport/uncaught.js";
import type { RelayLimits } from "./relay.js";
import { encodeClose, readClosed } from "./relay_close.js";
import { RelayOp } from "./relay_command.js";
import { certificateOf, type RelayOpening } from "./relay_opening.js";
import type { RelayPipe, RelayUnit } from "./relay_pipe.js";
import { encodeStatus, type RelayStatus } from "./relay_status.js";

/** What a relayed connection asks of those that keep it. */
export interface RelayedKeeper {
  readonly limits: RelayLimits;
  readonly behaviour: TransportBehaviour;
  /** It is over. */
  forgetRelayed(connection: RelayedConnection): void;
}

const nothing = new Uint8Array(0);
/** Writes controls as frames. */
const framing = streamFraming([]);
/** So that the transport at the edge is full before this is: it says when it has room. */
const marks = 2;
/** How much a paused connection holds before it is given up, in marks of the transport. */
const heldMarks = 4;

/**
 * A client's connection in another environment, as the owner of its session sees it. What is sent goes there in whole
 * units; so much may be on its way, and queued in the transport there, as twice the transport's own high-water mark.
 */
export class RelayedConnection implements TransportConnection {
  readonly id = nextConnectionId();
  readonly pipe: RelayPipe;
  owner: unknown = undefined;
  readonly control?: (control: Control) => void;
  readonly sendText?: (text: Uint8Array) => SendResult;
  readonly sendDatagram?: (head: Uint8Array, payload?: Uint8Array) => "sent" | "dropped";
  readonly #keeper: RelayedKeeper;
  readonly #opening: RelayOpening;
  #certificate: X509Certificate | undefined = undefined;
  #state: ConnectionState = "open";
  #sentBytes = 0;
  #takenBytes = 0;
  #isBlocked = false;
  #status: RelayStatus | undefined = undefined;
  #isPaused = false;
  /** What came while it was paused, and the end behind it. */
  readonly #held: Uint8Array[] = [];
  #heldBytes = 0;
  #end: CloseInfo | undefined = undefined;
  #deadline: NodeJS.Timeout | undefined = undefined;
  /** Its end is about to be told. */
  #isFinishing = false;

  constructor(keeper: RelayedKeeper, opening: RelayOpening, pipe: RelayPipe) {
    this.#keeper = keeper;
    this.#opening = opening;
    this.pipe = pipe;
    const { control, text, datagrams } = opening.takes;
    if (control) this.control = (said) => this.#control(said);
    if (text) this.sendText = (bytes) => this.#send(RelayOp.text, 0, bytes, nothing);
    if (datagrams) this.sendDatagram = (head, payload = nothing) => this.#sendDatagram(head, payload);
  }

  get transport(): string {
    return this.#opening.transport;
  }

  get state(): ConnectionState {
    return this.#end !== undefined && this.#state === "open" ? "closing" : this.#state;
  }

  get remoteAddress(): SocketAddress {
    return this.#opening.remoteAddress;
  }

  get localAddress(): SocketAddress {
    return this.#opening.localAddress;
  }

  get protocol(): string {
    return this.#opening.protocol;
  }

  get origin(): string | undefined {
    return this.#opening.origin;
  }

  get path(): string | undefined {
    return this.#opening.path;
  }

  /** Without those that signed it: they stay with the connection. */
  get peerCertificate(): X509Certificate | undefined {
    this.#certificate ??= certificateOf(this.#opening);
    return this.#certificate;
  }

  /** On the way to the edge, or in the transport's queue there, by what the edge last said. */
  get bytesQueued(): number {
    return this.#state === "closed" ? 0 : this.#sentBytes - this.#takenBytes;
  }

  get roundTripMs(): number | undefined {
    return this.#status?.roundTripMs;
  }

  get maxDatagramBytes(): number | undefined {
    return this.#status?.maxDatagramBytes;
  }

  /** False, though the transport may have: other threads can write where they have been since. */
  get framesVerified(): boolean {
    return false;
  }

  get carriesFrames(): boolean {
    return this.#opening.carriesFrames;
  }

  send(head: Uint8Array, payload: Uint8Array = nothing, lane = 0): SendResult {
    return this.#send(RelayOp.frame, lane, head, payload);
  }

  pause(): boolean {
    if (this.#state === "open" && !this.#isPaused) {
      this.#isPaused = true;
      this.#tell();
    }
    return true;
  }

  resume(): void {
    if (!this.#isPaused) return;
    this.#isPaused = false;
    this.#tell();
    if (this.#held.length > 0) setImmediate(() => this.#release());
  }

  close(options: CloseOptions = {}): void {
    const read = readCloseOptions(options);
    if (this.#state === "closed") return;
    const isFirst = this.#state === "open";
    if (isFirst && this.#end !== undefined) {
      this.#dropHeld();
      this.#finishLater(this.#end);
    } else if (!read.graceful) this.#cut(read);
    else if (isFirst) this.#closeGently(read);
  }

  /** Says how it stands, so that an edge that has lost this one learns it. */
  probe(): void {
    if (this.#state !== "closed") this.#tell();
  }

  /** Takes what the edge said. @throws where it is damaged: see {@link fail} */
  take({ op, bytes }: RelayUnit): void {
    if (op === RelayOp.frame) this.#onFrame(bytes);
    else if (op === RelayOp.closed) this.#onClosed(readClosed(bytes));
    else throw new InternalError(`an edge said ${op}, which it never does`);
  }

  /** @throws InternalError where more was taken than was sent. */
  takeStatus(status: RelayStatus): void {
    const taken = (status.takenBytes - this.#takenBytes) >>> 0;
    if (taken > this.#sentBytes - this.#takenBytes) throw new InternalError("a relay took what was not sent");
    this.#status = status;
    this.#takenBytes += taken;
    if (!this.#isBlocked || this.bytesQueued >= this.#keeper.limits.highWaterMarkBytes / 2) return;
    this.#isBlocked = false;
    if (this.state === "open") callGuarded(() => this.#keeper.behaviour.drain(this));
  }

  /** The edge is gone, or cannot be understood. */
  fail(code: number, reason: string): void {
    if (this.#end !== undefined) return; // it had said its last before
    this.#dropHeld();
    this.#finish({ by: "transport", code, reason, error: new ConnectionLostError(reason) });
  }

  #send(op: RelayOp, lane: number, head: Uint8Array, payload: Uint8Array): SendResult {
    if (this.#end !== undefined) return "dropped"; // who answers what waited cannot know
    if (this.#state !== "open") {
      throw new ConnectionClosedError(`connection ${this.id} is ${this.#state}; open a new one to send`);
    }
    const mark = marks * this.#keeper.limits.highWaterMarkBytes;
    if (this.bytesQueued >= mark) return this.#blocked("dropped");
    this.#sentBytes += head.length + payload.length;
    this.pipe.send(op, lane, head, payload);
    return this.bytesQueued >= mark ? this.#blocked("blocked") : "sent";
  }

  #blocked(result: SendResult): SendResult {
    this.#isBlocked = true;
    return result;
  }

  /** What waits for room would come too late for what may be lost. */
  #sendDatagram(head: Uint8Array, payload: Uint8Array): "sent" | "dropped" {
    if (this.#end !== undefined) return "dropped";
    if (this.#state !== "open") {
      throw new ConnectionClosedError(`connection ${this.id} is ${this.#state}; open a new one to send`);
    }
    const bytes = head.length + payload.length;
    const most = this.maxDatagramBytes ?? 0;
    if (bytes > most) throw new FrameTooLargeError(`a datagram of ${bytes} bytes; ${most} go on this path`);
    if (this.pipe.bytesWaiting > 0 || this.bytesQueued >= this.#keeper.limits.highWaterMarkBytes)
      return "dropped";
    this.pipe.send(RelayOp.datagram, 0, head, payload);
    return "sent";
  }

  #control(control: Control): void {
    if (this.#state === "open") this.pipe.send(RelayOp.control, 0, framing.encodeControl("", control));
  }

  #tell(): void {
    const nothingTaken = { takenBytes: 0, roundTripMs: undefined, maxDatagramBytes: undefined };
    this.pipe.tell(encodeStatus({ ...nothingTaken, isPaused: this.#isPaused }));
  }

  #onFrame(bytes: Uint8Array): void {
    if (this.#state !== "open") return;
    if (!this.#isPaused && this.#held.length === 0) {
      callGuarded(() => this.#keeper.behaviour.frame(this, bytes));
      return;
    }
    this.#held.push(bytes.slice());
    this.#heldBytes += bytes.length;
    const { highWaterMarkBytes, maxUnitBytes } = this.#keeper.limits;
    if (this.#heldBytes <= heldMarks * highWaterMarkBytes + maxUnitBytes) return;
    const reason = "sends faster than it is read";
    this.#cut({ code: CloseCode.exhausted, reason, graceful: false, deadlineMs: 0 });
  }

  #onClosed(info: CloseInfo): void {
    if (this.#isFinishing) return;
    if (this.#held.length > 0 && this.#state === "open") this.#end = info;
    else this.#finish(info);
  }

  #release(): void {
    while (!this.#isPaused && this.#state === "open") {
      const bytes = this.#held.shift();
      if (bytes === undefined) break;
      this.#heldBytes -= bytes.length;
      callGuarded(() => this.#keeper.behaviour.frame(this, bytes));
    }
    if (this.#held.length === 0 && this.#end !== undefined) this.#finish(this.#end);
  }

  #closeGently(options: Complete<CloseOptions>): void {
    this.#state = "closing";
    this.#dropHeld();
    this.pipe.send(RelayOp.close, 0, encodeClose(options));
    this.#deadline = setTimeout(() => this.#cut({ ...options, graceful: false }), options.deadlineMs);
  }

  /** Whatever becomes of the edge: this end is over. */
  #cut(options: Complete<CloseOptions>): void {
    if (this.#isFinishing) return;
    this.#state = "closing";
    this.#dropHeld();
    this.pipe.clear();
    this.pipe.send(RelayOp.close, 0, encodeClose(options));
    this.#finishLater({ by: "local", code: options.code, reason: options.reason });
  }

  /** Not from inside a call of the owner's. */
  #finishLater(info: CloseInfo): void {
    this.#state = "closing";
    this.#isFinishing = true;
    setImmediate(() => this.#finish(info));
  }

  #finish(info: CloseInfo): void {
    if (this.#state === "closed") return;
    this.#state = "closed";
    clearTimeout(this.#deadline);
    this.#keeper.forgetRelayed(this);
    callGuarded(() => this.#keeper.behaviour.close(this, info));
  }

  #dropHeld(): void {
    this.#held.length = 0;
    this.#heldBytes = 0;
  }
}
