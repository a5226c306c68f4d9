import { isUtf8 } from "node:buffer";
import type { X509Certificate } from "node:crypto";
import type { Socket } from "node:net";
import { TLSSocket } from "node:tls";
import { WebSocket } from "ws";
import { FrameTooLargeError, ProtocolViolationError } from "../errors.js";
import type { SocketAddress } from "../transport/address.js";
import { CloseCode, type CloseInfo, type CloseOptions } from "../transport/close.js";
import type { ConnectionState } from "../transport/connection.js";
import { peerCertificate } from "../transport/node_tls.js";
import { socketAddress } from "../transport/socket_address.js";
import { lostCloseInfo, peerCloseInfo, toWireCode, WireCode } from "./close_code.js";
import { BaseConnection, localFault } from "./connection.js";
import type { WebSocketContext } from "./context.js";
import type { Opening } from "./opening.js";

/** So much does not wait for the end of the tick. */
const muchBytes = 16 * 1024;

/** The longest header of a WebSocket frame (RFC 6455 section 5.2). */
const maxHeaderBytes = 14;

/** An event that arrived while nothing was to be delivered. */
type Held =
  | { readonly bytes: Uint8Array; readonly binary: boolean }
  | { readonly wireCode: number; readonly info: CloseInfo };

/** A connection of the ws package: every client's, and a server's where uWebSockets.js cannot be used. */
export class WsConnection extends BaseConnection {
  readonly remoteAddress: SocketAddress;
  readonly localAddress: SocketAddress;
  readonly #socket: WebSocket;
  readonly #tcp: Socket;
  /** Shared by all writes that a `drain` may have to follow. */
  readonly #onWritten = (error?: Error | null): void => {
    if (!error) this.writable();
  };
  #bytesReadBefore = 0;
  /** What was sent in this tick waits for its end, so that it leaves in one write. */
  #isCorked = false;
  #started: boolean;
  #paused = false;
  /** What ws had read already when it was paused: at most one chunk of TCP's. */
  #held: Held[] = [];
  /** ws has told the end, which may be among what is held. */
  #ended = false;

  /** @param started false where the owner has yet to attach: nothing is delivered until {@link start}. */
  constructor(context: WebSocketContext, socket: WebSocket, tcp: Socket, opening: Opening, started: boolean) {
    super(context, opening);
    this.#socket = socket;
    this.#tcp = tcp;
    this.remoteAddress = socketAddress(tcp.remoteAddress ?? "", tcp.remotePort ?? 0);
    this.localAddress = socketAddress(tcp.localAddress ?? "", tcp.localPort ?? 0);
    this.#started = started;
    if (!started) socket.pause();
    socket.on("message", (data: Buffer, binary: boolean) => {
      // Not as a Buffer: its slice() would not copy.
      this.#deliver({ bytes: new Uint8Array(data.buffer, data.byteOffset, data.byteLength), binary });
    });
    socket.on("error", (error: NodeJS.ErrnoException) => this.#onFault(error));
    socket.on("close", (wireCode: number, reason: Buffer) => {
      this.#onEnd({ wireCode, info: closeInfo(wireCode, reason.toString()) });
    });
    this.opened();
  }

  get peerCertificate(): X509Certificate | undefined {
    return peerCertificate(this.#tcp);
  }

  /** Also "closing" from the peer's close frame on, of which ws tells at the end only. */
  override get state(): ConnectionState {
    const state = super.state;
    return state === "open" && this.#socket.readyState !== WebSocket.OPEN ? "closing" : state;
  }

  /** The library always tells, and at no cost. */
  protected get pressed(): boolean {
    return true;
  }

  get bytesQueued(): number {
    return this.#ended ? 0 : this.#socket.bufferedAmount;
  }

  start(): void {
    this.#started = true;
    this.#release();
  }

  pause(): boolean {
    this.#paused = true;
    this.#socket.pause();
    return true;
  }

  resume(): void {
    if (!this.#paused) return;
    this.#paused = false;
    // Not from inside this call: the behaviour is called from the event loop.
    setImmediate(() => this.#release());
  }

  /** A paused connection cannot hear its peer, so it counts as heard. */
  takeHeard(): boolean {
    const bytesRead = this.#tcp.bytesRead;
    const heard = this.#paused || bytesRead !== this.#bytesReadBefore;
    this.#bytesReadBefore = bytesRead;
    return heard;
  }

  ping(): void {
    if (this.#socket.readyState === WebSocket.OPEN) this.#socket.ping();
  }

  /** What was sent before goes before the end. */
  override close(options?: CloseOptions): void {
    this.#uncork();
    super.close(options);
  }

  protected write(head: Uint8Array, payload: Uint8Array | undefined, binary: boolean): void {
    if (this.#ended) return;
    const bytes = head.length + (payload?.length ?? 0);
    // ws keeps what it is given until TCP took it.
    const message = Buffer.allocUnsafe(bytes);
    message.set(head);
    if (payload !== undefined) message.set(payload, head.length);
    const queued = this.#socket.bufferedAmount + bytes + maxHeaderBytes;
    const mayBlock = this.blocked || queued >= this.context.highWaterMarkBytes;
    this.#cork();
    this.#socket.send(message, { binary }, mayBlock ? this.#onWritten : undefined);
    if (this.#tcp.writableLength >= muchBytes) this.#uncork();
  }

  /** The library makes a system call for each message, which costs more than all else. */
  #cork(): void {
    if (this.#isCorked) return;
    this.#isCorked = true;
    this.#tcp.cork();
    process.nextTick(() => this.#uncork());
  }

  #uncork(): void {
    if (!this.#isCorked) return;
    this.#isCorked = false;
    this.#tcp.uncork();
  }

  protected shutDown(wireCode: number, reason: string): void {
    this.#discardHeld();
    this.#socket.close(wireCode, reason);
  }

  /** TLS says a turn late that it has sent something, and sends nothing more before. */
  protected override get isStuck(): boolean {
    if (!(this.#tcp instanceof TLSSocket)) return super.isStuck;
    const isCompressing = this.#socket.bufferedAmount > this.#tcp.writableLength;
    return isCompressing || this.#tcp.writableNeedDrain;
  }

  protected override leave(): void {
    if (this.#tcp instanceof TLSSocket) this.#tcp.destroySoon();
    else super.leave();
  }

  protected isText(bytes: Uint8Array): boolean {
    return isUtf8(bytes);
  }

  protected terminate(): void {
    this.#discardHeld();
    this.#socket.terminate();
  }

  #deliver(event: Held): void {
    const mustWait = !this.#flowing || (this.#held.length > 0 && super.state === "open");
    if (mustWait) this.#held.push(event);
    else this.#dispatch(event);
  }

  /** As soon as nothing waits before it; a paused connection is told of its end, too. */
  #onEnd(end: Held): void {
    this.#ended = true;
    if (this.#started && this.#held.length === 0) {
      this.#dispatch(end);
    } else {
      this.#deliver(end);
      this.writable(); // nothing is queued any more: who waits for that goes on reading
    }
  }

  get #flowing(): boolean {
    return this.#started && !this.#paused;
  }

  #dispatch(event: Held): void {
    if ("bytes" in event) this.receive(event.bytes, event.binary);
    else this.finish(event.wireCode, event.info);
  }

  #release(): void {
    while (this.#flowing) {
      const event = this.#held.shift();
      if (event === undefined) {
        this.#socket.resume();
        return;
      }
      this.#dispatch(event);
    }
  }

  /** This side closes: frames are for nobody now, but the peer's close frame must be read. */
  #discardHeld(): void {
    this.#paused = false;
    const end = this.#held.find((event) => "info" in event);
    this.#held = [];
    if (end !== undefined) this.#dispatch(end);
    this.#socket.resume();
  }

  /** ws found the peer breaking RFC 6455, and sends the close frame itself. */
  #onFault(error: NodeJS.ErrnoException): void {
    if (super.state !== "open") return;
    const tooLarge = error.code === "WS_ERR_UNSUPPORTED_MESSAGE_LENGTH";
    const code = tooLarge ? CloseCode.frameTooLarge : CloseCode.protocolViolation;
    const fault = tooLarge
      ? new FrameTooLargeError(`the peer sent a message of more than ${this.context.maxFrameBytes} bytes`)
      : new ProtocolViolationError(`the peer broke RFC 6455: ${error.message}`, { cause: error });
    const reason = tooLarge ? "message too large" : "protocol violation";
    this.markClosing(localFault(code, reason, fault), toWireCode(code));
  }
}

function closeInfo(wireCode: number, reason: string): CloseInfo {
  if (wireCode !== WireCode.abnormal) return peerCloseInfo(wireCode, reason);
  return lostCloseInfo("the connection ended without a close frame");
}
