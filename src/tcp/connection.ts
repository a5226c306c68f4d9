import type { X509Certificate } from "node:crypto";
import type { Socket } from "node:net";
import { TLSSocket } from "node:tls";
import {
  ConnectionClosedError,
  type FrameTooLargeError,
  type MillraceError,
  PolicyViolationError,
} from "../errors.js";
import type { SocketAddress } from "../transport/address.js";
import {
  CloseCode,
  type CloseInfo,
  type CloseOptions,
  defaultCloseDeadlineMs,
  readCloseOptions,
} from "../transport/close.js";
import { peerCloseError } from "../transport/close_error.js";
import {
  type ConnectionState,
  nextConnectionId,
  type PlacedFrame,
  type Publisher,
  type SendResult,
} from "../transport/connection.js";
import type { Control } from "../transport/control.js";
import type { Watched } from "../transport/liveness.js";
import { peerCertificate } from "../transport/node_tls.js";
import { resetSocket } from "../transport/reset.js";
import { socketAddress } from "../transport/socket_address.js";
import { callGuarded, throwUncaught } from "../transport/uncaught.js";
import type { TcpContext } from "./context.js";
import { cutOff, Ending, lost } from "./ending.js";
import { Incoming, type Receiver } from "./incoming.js";
import { keepAlive } from "./keep_alive.js";
import { Outgoing, type Sender } from "./outgoing.js";
import { joinParts, publisher, type Recipient } from "./publisher.js";
import { own, type SocketOwner } from "./socket_events.js";
import { Splitter } from "./splitter.js";

/**
 * How long the peer has to read why it is closed where nothing more is sent. A socket that is closed with bytes unread
 * resets the connection, and the reset overtakes the reason; so what still comes is read, and nobody sees it.
 */
const lingerMs = 1_000;

const newline = 0x0a;
const nothing = new Uint8Array(0);

/** A TCP connection, clear or in TLS, that carries frames, or lines where the protocol has those. */
export class TcpConnection implements Recipient, Watched, Sender, Receiver, SocketOwner {
  readonly id = nextConnectionId();
  readonly protocol: string;
  readonly remoteAddress: SocketAddress;
  readonly localAddress: SocketAddress;
  owner: unknown = undefined;
  quietChecks = 0;
  readonly #context: TcpContext;
  readonly #socket: Socket;
  readonly #lines: boolean;
  readonly #incoming: Incoming;
  readonly #outgoing: Outgoing;
  #state: ConnectionState = "open";
  #heard = true;
  /** The peer has sent all it will; what is left of it may wait for the reader. */
  #ended = false;
  /** The socket is closed. */
  #gone = false;
  /** This side has sent its last byte. */
  #shut = false;
  #ending: Ending | undefined = undefined;

  /**
   * The owner has yet to attach: nothing is delivered until {@link start}.
   * @param rest what the peer has sent behind the handshake.
   */
  constructor(context: TcpContext, socket: Socket, protocol: string, rest: Buffer) {
    this.#context = context;
    this.#socket = socket;
    this.protocol = protocol;
    this.#lines = context.framing.lineProtocols.includes(protocol);
    const splitter = new Splitter(context.framing, this.#lines, context.maxFrameBytes);
    if (rest.length > 0) splitter.push(rest);
    this.#incoming = new Incoming(splitter, context.frameDeadlines, this);
    this.#outgoing = new Outgoing(socket, context.highWaterMarkBytes, this);
    this.remoteAddress = socketAddress(socket.remoteAddress ?? "", socket.remotePort ?? 0);
    this.localAddress =
      context.localAddress ?? socketAddress(socket.localAddress ?? "", socket.localPort ?? 0);
    own(socket, this);
    context.connectionCount += 1;
    // Nobody at the other end of lines need answer pings: there the operating systems do (keep_alive.ts).
    if (this.#lines) keepAlive(socket, context.idleTimeoutMs);
    else context.liveness?.add(this);
  }

  get transport(): string {
    return "tcp";
  }

  get state(): ConnectionState {
    return this.#state;
  }

  /** Node does not tell what the operating system measures; the layers above can, by messages. */
  get roundTripMs(): undefined {
    return undefined;
  }

  get framesVerified(): boolean {
    return false;
  }

  get carriesFrames(): boolean {
    return !this.#lines;
  }

  get peerCertificate(): X509Certificate | undefined {
    return peerCertificate(this.#socket);
  }

  get bytesQueued(): number {
    return this.#state === "closed" ? 0 : this.#outgoing.bytesQueued;
  }

  get isOpen(): boolean {
    return this.#state === "open";
  }

  get publisher(): Publisher {
    return publisher;
  }

  /** A peer has connected: nothing of it was told before. */
  tellOpen(): void {
    callGuarded(() => this.#context.behaviour.open(this));
  }

  /** The end of the handshake: it leaves together with what the peer is sent in this turn, and is never dropped. */
  sayFirst(answer: Uint8Array): void {
    this.#outgoing.open(answer);
  }

  /** The owner has attached: what has come is delivered, and what comes. */
  start(): void {
    this.#incoming.start();
    this.#release();
  }

  send(head: Uint8Array, payload?: Uint8Array): SendResult {
    if (this.#state !== "open") {
      throw new ConnectionClosedError(`connection ${this.id} is ${this.#state}; open a new one to send`);
    }
    if (!this.#outgoing.admit()) return "dropped";
    if (!this.#lines) return this.#outgoing.copy(head, payload);
    return this.#outgoing.add(joinParts(head, payload ?? nothing, true));
  }

  /** A line: its newline is added where it has none. */
  sendText(text: Uint8Array): SendResult {
    return this.send(text);
  }

  sendShared(part: Uint8Array): boolean {
    if (this.#state !== "open" || !this.#outgoing.admit()) return false;
    this.#outgoing.add(part);
    return true;
  }

  pause(): boolean {
    if (this.#state === "open") {
      this.#incoming.pause();
      this.#socket.pause();
    }
    return true;
  }

  resume(): void {
    if (!this.#incoming.paused) return;
    this.#incoming.resume();
    // Not from inside this call: the behaviour is called from the event loop.
    setImmediate(() => this.#release());
  }

  close(options: CloseOptions = {}): void {
    const { code, reason, graceful, deadlineMs } = readCloseOptions(options);
    if (this.#state === "open") this.#beginEnd({ by: "local", code, reason }, deadlineMs);
    if (this.#state !== "closing") return;
    if (graceful) this.#shutDown();
    else this.#abort(Math.min(deadlineMs, lingerMs));
  }

  control({ kind, code, text: reason }: Control): void {
    if (this.#state !== "open") return;
    if (kind === "ping") {
      this.#sendControl("pong");
    } else if (kind === "close") {
      const error = peerCloseError(code, reason);
      this.#endWith({ by: "peer", code, reason, ...(error && { error }) });
    }
  }

  /** A paused connection cannot hear its peer, so it counts as heard; and it tells the peer that it lives. */
  takeHeard(): boolean {
    const { paused } = this.#incoming;
    if (paused) this.#sendControl("pong");
    const heard = paused || this.#heard;
    this.#heard = false;
    return heard;
  }

  ping(): void {
    this.#sendControl("ping");
  }

  expire(): void {
    if (this.#state === "closed") return;
    const info = lost("nothing was heard from the peer for the idle timeout");
    if (this.#state === "open") this.#beginEnd(info, lingerMs);
    this.#terminate();
  }

  onUnfinished(): void {
    const unit = this.#lines ? "line" : "frame";
    const error = new PolicyViolationError(`the peer left a ${unit} unfinished for too long`);
    this.#refuse(CloseCode.policy, `unfinished ${unit}`, error);
  }

  onDrain(): void {
    if (this.#state === "open") callGuarded(() => this.#context.behaviour.drain(this));
  }

  onData(chunk: Buffer): void {
    this.#heard = true;
    if (this.#state !== "open") return;
    this.#incoming.push(chunk);
    this.#outgoing.flushMuch(); // what it was answered with
  }

  onEnd(): void {
    this.#ended = true;
    if (!this.#incoming.isHeld) this.#onPeerEnd();
  }

  onError(error: NodeJS.ErrnoException): void {
    if (this.#state !== "open") return;
    this.#beginEnd(lost(`the connection broke: ${error.message}`, error), lingerMs);
  }

  onClose(): void {
    this.#gone = true;
    if (this.#state !== "open" || !this.#incoming.isHeld) this.#finish();
  }

  onTooLarge(error: FrameTooLargeError): void {
    this.#refuse(CloseCode.frameTooLarge, "message too large", error);
  }

  get takesPlaced(): boolean {
    return !this.#lines && this.#context.behaviour.placedFrame !== undefined;
  }

  onPlaced(frame: PlacedFrame): void {
    try {
      this.#context.behaviour.placedFrame!(this, frame);
    } catch (cause) {
      throwUncaught(cause); // as of other units
    }
  }

  onUnit(unit: Uint8Array): void {
    const { behaviour } = this.#context;
    try {
      if (!this.#lines) behaviour.frame(this, unit);
      else if (!isBlank(unit)) behaviour.text?.(this, unit);
    } catch (cause) {
      throwUncaught(cause); // the units behind it are delivered all the same
    }
  }

  #release(): void {
    if (!this.#incoming.flowing) return;
    this.#incoming.deliver();
    if (!this.#incoming.flowing) return;
    if (this.#ended) this.#onPeerEnd();
    if (this.#gone) this.#finish();
    else if (this.#socket.isPaused()) this.#socket.resume();
  }

  /** Lines end as a program's output does; frames with a close frame, or they were cut off. */
  #onPeerEnd(): void {
    if (this.#state !== "open") return;
    if (!this.#lines) {
      this.#endWith(cutOff());
      return;
    }
    this.#incoming.deliverRest();
    if (this.#state === "open") this.#endWith({ by: "peer", code: CloseCode.normal, reason: "" });
  }

  /** To a peer that does not read it would add up; and one that has much to read hears this side anyway. */
  #sendControl(kind: "ping" | "pong"): void {
    if (this.#state !== "open" || this.bytesQueued >= this.#context.highWaterMarkBytes) return;
    this.#addControl({ kind, code: 0, text: "" });
  }

  #addControl(control: Control): void {
    this.#outgoing.copy(this.#context.framing.encodeControl(this.protocol, control));
  }

  /** This side closes, because of what the peer did. */
  #refuse(code: number, reason: string, error: MillraceError): void {
    this.#beginEnd({ by: "local", code, reason, error }, defaultCloseDeadlineMs);
    this.#abort(lingerMs);
  }

  /** Ends with what the peer did: what is queued is sent still, and nothing said. */
  #endWith(info: CloseInfo): void {
    this.#beginEnd(info, lingerMs);
    this.#end();
  }

  /** From here on nothing is delivered; what comes is read, for the peer's end is behind it. */
  #beginEnd(info: CloseInfo, deadlineMs: number): void {
    this.#state = "closing";
    this.#ending = new Ending(info);
    this.#incoming.stop();
    if (this.#gone) queueMicrotask(() => this.#finish());
    if (this.#socket.destroyed) return; // its close comes by itself
    this.#ending.setDeadline(deadlineMs, () => this.#missDeadline(deadlineMs));
    this.#socket.resume();
  }

  #shutDown(): void {
    const info = this.#ending?.info;
    if (this.#shut || info?.by !== "local") return;
    const { code, reason } = info;
    this.#addControl({ kind: "close", code, text: reason });
    this.#end();
  }

  #end(): void {
    this.#shut = true;
    this.#outgoing.flush();
    this.#socket.end();
  }

  /** Drops what is queued; where that is nothing, the peer still learns the code. */
  #abort(deadlineMs: number): void {
    this.#ending?.drop();
    this.#outgoing.drop();
    if (this.#isStuck) {
      this.#terminate();
      return;
    }
    this.#shutDown();
    this.#ending?.setDeadline(deadlineMs, () => this.#terminate());
  }

  /** The operating system has not taken what it was given. TLS says so a turn late, of little that it has taken as well. */
  get #isStuck(): boolean {
    const { writableNeedDrain, writableLength } = this.#socket;
    return this.#socket instanceof TLSSocket ? writableNeedDrain : writableLength > 0;
  }

  #missDeadline(deadlineMs: number): void {
    this.#ending?.tellLoss(`the close did not finish within ${deadlineMs} ms; what was queued may be lost`);
    this.#terminate();
  }

  #terminate(): void {
    if (this.#socket instanceof TLSSocket) this.#socket.destroy();
    else resetSocket(this.#socket);
  }

  #finish(): void {
    if (this.#state === "closed") return;
    const ending = this.#ending;
    if (!this.#socket.writableFinished)
      ending?.tellLoss("the peer was gone before all that was queued was sent");
    this.#state = "closed";
    this.#outgoing.drop();
    this.#incoming.stop();
    ending?.finish();
    this.#context.liveness?.remove(this);
    this.#context.connectionCount -= 1;
    callGuarded(() => this.#context.behaviour.close(this, ending?.info ?? cutOff()));
  }
}

/** White space only: a line that somebody typed to see whether the other end lives. */
function isBlank(line: Uint8Array): boolean {
  return line.every((byte) => byte === newline || byte === 0x20 || byte === 0x09 || byte === 0x0d);
}
