import type { WebSocket } from "uWebSockets.js";
import { FrameTooLargeError, ResourceExhaustedError } from "../errors.js";
import type { SocketAddress } from "../transport/address.js";
import { socketAddress } from "../transport/address.js";
import { CloseCode, type CloseInfo } from "../transport/close.js";
import { lostCloseInfo, peerCloseInfo, WireCode } from "./close_code.js";
import { BaseConnection, localFault } from "./connection.js";
import type { WebSocketContext } from "./context.js";

/** What uWebSockets.js keeps beside its socket. */
export interface UwsUserData {
  readonly connection: UwsConnection;
}

/** Newer builds of uWebSockets.js tell the peer's port; 20.49, the last one for Node 20, does not. */
interface SocketWithPort {
  getRemotePort?(): number;
}

/** How uWebSockets.js words a close of its own, for a message above its limit. */
const tooBigReason = "Received too big message";

/** How much above the high-water mark the answers to pings may take a queue. */
const MAX_QUEUED_PONG_BYTES = 64 * 1024;

/** What the library's `send` answers when the operating system took all that was queued. */
const SENT = 1;

/** The two parts of a message are put together here; the library copies it before `send` returns. */
let scratch = new Uint8Array(64 * 1024);
/** The part of it that the last message took: one after the other is often of the same size. */
let joined = scratch;

/** A connection that uWebSockets.js accepted. */
export class UwsConnection extends BaseConnection {
  /** The listener's: the library does not tell a connection's own. */
  readonly localAddress: SocketAddress;
  #socket: WebSocket<UwsUserData> | undefined = undefined;
  #remoteHost = "";
  #remotePort = 0;
  #heard = false;
  #pressed = false;

  constructor(context: WebSocketContext, protocol: string, localAddress: SocketAddress) {
    super(context, protocol);
    this.localAddress = localAddress;
  }

  /** The port is 0 where the build of uWebSockets.js does not tell it. */
  get remoteAddress(): SocketAddress {
    return socketAddress(this.#remoteHost, this.#remotePort);
  }

  get bytesQueued(): number {
    return this.#socket === undefined ? 0 : this.#socket.getBufferedAmount();
  }

  protected get pressed(): boolean {
    return this.#pressed;
  }

  /** The library cannot stop reading a socket. */
  pause(): boolean {
    return false;
  }

  resume(): void {}

  takeHeard(): boolean {
    const heard = this.#heard;
    this.#heard = false;
    return heard;
  }

  ping(): void {
    this.#socket?.ping();
  }

  onOpen(socket: WebSocket<UwsUserData>): void {
    this.#socket = socket;
    // Read now: the library forgets the address before it tells of the close.
    this.#remoteHost = Buffer.from(socket.getRemoteAddressAsText()).toString("latin1");
    this.#remotePort = (socket as SocketWithPort).getRemotePort?.() ?? 0;
    this.opened();
    this.context.behaviour.open(this);
  }

  onMessage(message: ArrayBuffer, binary: boolean): void {
    this.#heard = true;
    this.receive(new Uint8Array(message), binary);
  }

  onDrain(): void {
    this.writable();
  }

  onHeard(): void {
    this.#heard = true;
  }

  /** The library answers by itself, and queues the answers of a peer that does not read them without a bound. */
  onPing(): void {
    this.#heard = true;
    if (this.bytesQueued < this.context.highWaterMarkBytes + MAX_QUEUED_PONG_BYTES) return;
    const what = "the peer sends pings and does not read the answers";
    this.lose(localFault(CloseCode.exhausted, "too many pings", new ResourceExhaustedError(what)));
  }

  onClose(code: number, message: ArrayBuffer): void {
    this.#socket = undefined;
    this.finish(code, closeInfo(code, Buffer.from(message).toString()));
  }

  protected write(head: Uint8Array, payload: Uint8Array | undefined, binary: boolean): void {
    const message = payload === undefined ? head : join(head, payload);
    if (this.#socket !== undefined) this.#pressed = this.#socket.send(message, binary) !== SENT;
  }

  protected shutDown(wireCode: number, reason: string): void {
    // The library would flush by itself, but after end() nothing could hold it to a deadline.
    if (this.bytesQueued === 0) this.#socket?.end(wireCode, reason);
  }

  protected terminate(): void {
    this.#socket?.close();
  }
}

function join(head: Uint8Array, payload: Uint8Array): Uint8Array {
  const bytes = head.length + payload.length;
  if (bytes > scratch.length) scratch = new Uint8Array(bytes);
  if (joined.length !== bytes || joined.buffer !== scratch.buffer)
    joined = new Uint8Array(scratch.buffer, 0, bytes);
  joined.set(head);
  joined.set(payload, head.length);
  return joined;
}

function closeInfo(code: number, reason: string): CloseInfo {
  if (code !== WireCode.abnormal) return peerCloseInfo(code, reason);
  if (reason.startsWith(tooBigReason)) {
    const what = "the peer sent a message far above the limit; the connection was cut";
    return localFault(CloseCode.frameTooLarge, "message too large", new FrameTooLargeError(what));
  }
  return lostCloseInfo(reason === "" ? "the connection ended without a close frame" : reason);
}
