import type { X509Certificate } from "node:crypto";
import type { Socket } from "node:net";
import { TLSSocket } from "node:tls";
import {
  ConnectionClosedError,
  ConnectionLostError,
  type FrameTooLargeError,
  type MillraceError,
  PolicyViolationError,
} from "../errors.js";
import { type SocketAddress, socketAddress } from "../transport/address.js";
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
  type Publisher,
  type SendResult,
  type TransportConnection,
} from "../transport/connection.js";
import type { Control } from "../transport/control.js";
import type { Watched } from "../transport/liveness.js";
import { peerCertificate } from "../transport/node_tls.js";
import { throwUncaught } from "../transport/uncaught.js";
import type { TcpContext } from "./context.js";
import type { Unfinished } from "./frame_deadlines.js";
import { Outgoing, type Sender } from "./outgoing.js";
import { Splitter } from "./splitter.js";

/**
 * How long the peer has to read why it is closed where nothing more is sent. A socket that is closed with bytes unread
 * resets the connection, and the reset overtakes the reason; so what still comes is read, and nobody sees it.
 */
const lingerMs = 1_000;

const newline = 0x0a;
const nothing = new Uint8Array(0);

/** A socket knows its connection, so that no connection needs closures of its own for the socket's events. */
const connectionOf = Symbol("connection");
type OwnedSocket = Socket & { [connectionOf]: TcpConnection };

/** A TCP connection, clear or in TLS, that carries frames, or lines where the protocol has those. */
export class TcpConnection implements TransportConnection, Watched, Unfinished, Sender {
  readonly id = nextConnectionId();
  readonly protocol: string;
  readonly remoteAddress: SocketAddress;
  readonly localAddress: SocketAddress;
  owner: unknown = undefined;
  quietChecks = 0;
  unfinishedChecks = 0;
  readonly #context: TcpContext;
  readonly #socket: Socket;
  readonly #lines: boolean;
  readonly #splitter: Splitter;
  readonly #outgoing: Outgoing;
  #state: ConnectionState = "open";
  #started: boolean;
  #paused = false;
  #heard = true;
  /** The peer has sent all it will; what is left of it may wait in the splitter. */
  #ended = false;
  /** The socket is closed. */
  #gone = false;
  /** The beginning of a unit has come and its end has not: a clock runs. */
  #unfinished = false;
  /** What was queued was not to be sent. */
  #dropped = false;
  /** This side has sent its last byte. */
  #shut = false;
  /** How the connection ends, from the moment that it begins to. */
  #info: CloseInfo | undefined = undefined;
  #deadline: NodeJS.Timeout | undefined = undefined;

  /**
   * @param rest what the peer has sent behind the handshake.
   * @param started false where the owner has yet to attach: nothing is delivered until {@link start}.
   */
  constructor(context: TcpContext, socket: Socket, protocol: string, rest: Buffer, started: boolean) {
    this.#context = context;
    this.#socket = socket;
    this.#started = started;
    this.protocol = protocol;
    this.#lines = context.framing.lineProtocols.includes(protocol);
    this.#splitter = new Splitter(context.framing, this.#lines, context.maxFrameBytes);
    this.#outgoing = new Outgoing(socket, context.highWaterMarkBytes, this);
    if (rest.length > 0) this.#splitter.push(rest);
    this.remoteAddress = socketAddress(socket.remoteAddress ?? "", socket.remotePort ?? 0);
    this.localAddress = socketAddress(socket.localAddress ?? "", socket.localPort ?? 0);
    (socket as OwnedSocket)[connectionOf] = this;
    socket.on("data", onData).on("end", onEnd).on("error", onError).on("close", onClose);
    if (!started) socket.pause();
    context.connectionCount += 1;
    // Nobody at the other end of lines need answer pings: there the operating systems do (keep_alive.ts).
    if (!this.#lines) context.liveness?.add(this);
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

  get paused(): boolean {
    return this.#paused;
  }

  get publisher(): Publisher {
    return publisher;
  }

  /** A peer has connected: nothing of it was told before. */
  tellOpen(): void {
    try {
      this.#context.behaviour.open(this);
    } catch (cause) {
      throwUncaught(cause);
    }
  }

  /** The owner has attached: what has come is delivered, and what comes. */
  start(): void {
    this.#started = true;
    this.#release();
  }

  send(head: Uint8Array, payload: Uint8Array = nothing): SendResult {
    if (this.#state !== "open") {
      throw new ConnectionClosedError(`connection ${this.id} is ${this.#state}; open a new one to send`);
    }
    if (!this.#outgoing.admit()) return "dropped";
    return this.#outgoing.add(joinParts(head, payload, this.#lines));
  }

  /** A line: its newline is added where it has none. */
  sendText(text: Uint8Array): SendResult {
    return this.send(text);
  }

  /** Sends what is shared with others. @returns whether it was accepted. */
  sendShared(part: Uint8Array): boolean {
    if (this.#state !== "open" || !this.#outgoing.admit()) return false;
    this.#outgoing.add(part);
    return true;
  }

  pause(): boolean {
    if (this.#state === "open") {
      this.#paused = true;
      this.#socket.pause();
    }
    return true;
  }

  resume(): void {
    if (!this.#paused) return;
    this.#paused = false;
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
    if (this.#paused) this.#sendControl("pong");
    const heard = this.#paused || this.#heard;
    this.#heard = false;
    return heard;
  }

  ping(): void {
    this.#sendControl("ping");
  }

  expire(): void {
    this.#lose("nothing was heard from the peer for the idle timeout");
  }

  missFrameDeadline(): void {
    const unit = this.#lines ? "line" : "frame";
    const error = new PolicyViolationError(`the peer left a ${unit} unfinished for too long`);
    this.#refuse(CloseCode.policy, `unfinished ${unit}`, error);
  }

  onDrain(): void {
    if (this.#state !== "open") return;
    try {
      this.#context.behaviour.drain(this);
    } catch (cause) {
      throwUncaught(cause);
    }
  }

  /** The socket has read more. */
  onData(chunk: Buffer): void {
    this.#heard = true;
    if (this.#state !== "open") return;
    this.#splitter.push(chunk);
    this.#deliver();
  }

  /** The peer sends no more. */
  onEnd(): void {
    this.#ended = true;
    if (!this.#isHeld) this.#onPeerEnd();
  }

  onError(error: NodeJS.ErrnoException): void {
    if (this.#state !== "open") return;
    this.#beginEnd(lost(`the connection broke: ${error.message}`, error), lingerMs);
  }

  onClose(): void {
    this.#gone = true;
    if (this.#state !== "open" || !this.#isHeld) this.#finish();
  }

  get #flowing(): boolean {
    return this.#started && !this.#paused;
  }

  /** Whether units that came before the end wait for the reader. */
  get #isHeld(): boolean {
    return !this.#started || (this.#paused && this.#splitter.hasMore);
  }

  #deliver(): void {
    let delivered = 0;
    while (this.#flowing && this.#state === "open") {
      const unit = this.#next();
      if (unit === undefined) break;
      delivered += 1;
      this.#deliverUnit(unit);
    }
    this.#watchUnfinished(delivered > 0);
  }

  /** @param isAnother whether the unit that is unfinished now is another one than before. */
  #watchUnfinished(isAnother: boolean): void {
    const { frameDeadlines } = this.#context;
    if (isAnother) this.#unfinished = false;
    // Where more is here than this side has taken, the peer is not the one to wait for.
    const isUnfinished = this.#state === "open" && this.#splitter.isInside && !this.#splitter.hasMore;
    if (!isUnfinished) frameDeadlines?.end(this);
    else if (!this.#unfinished) frameDeadlines?.begin(this);
    this.#unfinished = isUnfinished;
  }

  #next(): Uint8Array | undefined {
    try {
      return this.#splitter.next();
    } catch (error) {
      this.#refuse(CloseCode.frameTooLarge, "message too large", error as FrameTooLargeError);
      return undefined;
    }
  }

  #deliverUnit(unit: Uint8Array): void {
    const { behaviour } = this.#context;
    try {
      if (!this.#lines) behaviour.frame(this, unit);
      else if (!isBlank(unit)) behaviour.text?.(this, unit);
    } catch (cause) {
      throwUncaught(cause); // the units behind it are delivered all the same
    }
  }

  #release(): void {
    if (!this.#flowing) return;
    this.#deliver();
    if (!this.#flowing) return;
    if (this.#ended) this.#onPeerEnd();
    if (this.#gone) this.#finish();
    else this.#socket.resume();
  }

  /** Lines end as a program's output does; frames with a close frame, or they were cut off. */
  #onPeerEnd(): void {
    if (this.#state !== "open") return;
    if (!this.#lines) {
      this.#endWith(lost("the connection ended without a close frame"));
      return;
    }
    const rest = this.#splitter.rest();
    if (rest !== undefined) this.#deliverUnit(rest);
    if (this.#state === "open") this.#endWith({ by: "peer", code: CloseCode.normal, reason: "" });
  }

  /** To a peer that does not read it would add up; and one that has much to read hears this side anyway. */
  #sendControl(kind: "ping" | "pong"): void {
    if (this.#state !== "open" || this.bytesQueued >= this.#context.highWaterMarkBytes) return;
    this.#addControl({ kind, code: 0, text: "" });
  }

  #addControl(control: Control): void {
    this.#outgoing.add(this.#context.framing.encodeControl(this.protocol, control));
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

  #lose(why: string): void {
    if (this.#state === "closed") return;
    if (this.#state === "open") this.#beginEnd(lost(why), lingerMs);
    this.#terminate();
  }

  /** From here on nothing is delivered; what comes is read, for the peer's end is behind it. */
  #beginEnd(info: CloseInfo, deadlineMs: number): void {
    this.#state = "closing";
    this.#info = info;
    this.#paused = false;
    this.#context.frameDeadlines?.end(this);
    this.#deadline = setTimeout(() => this.#missDeadline(deadlineMs), deadlineMs);
    if (this.#gone) queueMicrotask(() => this.#finish());
    else this.#socket.resume();
  }

  #shutDown(): void {
    if (this.#shut || this.#info?.by !== "local") return;
    const { code, reason } = this.#info;
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
    this.#dropped = true;
    this.#outgoing.drop();
    if (this.#outgoing.bytesQueued > 0) {
      this.#terminate();
      return;
    }
    this.#shutDown();
    clearTimeout(this.#deadline);
    this.#deadline = setTimeout(() => this.#terminate(), deadlineMs);
  }

  #missDeadline(deadlineMs: number): void {
    const why = `the close did not finish within ${deadlineMs} ms; what was queued may be lost`;
    this.#tellLoss(why);
    this.#terminate();
  }

  /** This side wanted to send all that was queued, and could not. */
  #tellLoss(why: string): void {
    const info = this.#info;
    if (info?.by !== "local" || info.error !== undefined || this.#dropped) return;
    this.#info = { ...info, error: new ConnectionLostError(why) };
  }

  #terminate(): void {
    if (this.#socket instanceof TLSSocket) this.#socket.destroy();
    else this.#socket.resetAndDestroy();
  }

  #finish(): void {
    if (this.#state === "closed") return;
    if (!this.#socket.writableFinished)
      this.#tellLoss("the peer was gone before all that was queued was sent");
    this.#state = "closed";
    this.#outgoing.drop();
    clearTimeout(this.#deadline);
    this.#context.liveness?.remove(this);
    this.#context.frameDeadlines?.end(this);
    this.#context.connectionCount -= 1;
    try {
      this.#context.behaviour.close(this, this.#info ?? lost("the connection ended without a close frame"));
    } catch (cause) {
      throwUncaught(cause);
    }
  }
}

function onData(this: Socket, chunk: Buffer): void {
  (this as OwnedSocket)[connectionOf].onData(chunk);
}

function onEnd(this: Socket): void {
  (this as OwnedSocket)[connectionOf].onEnd();
}

function onError(this: Socket, error: Error): void {
  (this as OwnedSocket)[connectionOf].onError(error);
}

function onClose(this: Socket): void {
  (this as OwnedSocket)[connectionOf].onClose();
}

/** One copy for all. */
const publisher: Publisher = {
  publish(connections, head, payload) {
    const part = joinParts(head, payload, connections[0]?.carriesFrames === false);
    let accepted = 0;
    for (const connection of connections as readonly TcpConnection[]) {
      if (connection.sendShared(part)) accepted += 1;
    }
    return accepted;
  },
};

/** Copies what is sent, which the caller keeps. */
function joinParts(head: Uint8Array, payload: Uint8Array, isLine: boolean): Uint8Array {
  const needsNewline = isLine && (payload.at(-1) ?? head.at(-1)) !== newline;
  const bytes = head.length + payload.length;
  const part = Buffer.allocUnsafe(needsNewline ? bytes + 1 : bytes);
  part.set(head);
  part.set(payload, head.length);
  if (needsNewline) part[bytes] = newline;
  return part;
}

/** White space only: a line that somebody typed to see whether the other end lives. */
function isBlank(line: Uint8Array): boolean {
  return line.every((byte) => byte === newline || byte === 0x20 || byte === 0x09 || byte === 0x0d);
}

/** The transport's own end. */
function lost(why: string, cause?: NodeJS.ErrnoException): CloseInfo {
  const error = new ConnectionLostError(why, { cause });
  return { by: "transport", code: Math.abs(cause?.errno ?? 0), reason: "", error };
}
