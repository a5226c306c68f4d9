import type { WebSocket } from "uWebSockets.js";
import { isUtf8 } from "node:buffer";
import { FrameTooLargeError, ResourceExhaustedError } from "../errors.js";
import type { SocketAddress } from "../transport/address.js";
import { CloseCode, type CloseInfo } from "../transport/close.js";
import type { ConnectionState } from "../transport/connection.js";
import { socketAddress } from "../transport/socket_address.js";
import { lostCloseInfo, peerCloseInfo, toWireCode, WireCode } from "./close_code.js";
import { BaseConnection, localFault } from "./connection.js";
import type { WebSocketContext } from "./context.js";
import { HeldMessages } from "./held.js";
import type { Opening } from "./opening.js";
import { PlacedMessage } from "./placed_message.js";

/** What uWebSockets.js keeps beside its socket. */
export interface UwsUserData {
  readonly connection: UwsConnection;
}

/** How uWebSockets.js words a close of its own, for a message above its limit. */
const tooBigReason = "Received too big message";

/** How much above the high-water mark the answers to pings may take a queue. */
const MAX_QUEUED_PONG_BYTES = 64 * 1024;

/** How much a paused connection holds before its peer is closed, in high-water marks. */
const heldMarks = 4;

/** What the library's `send` answers when the operating system took all that was queued. */
const SENT = 1;

/** The two parts of a message are put together here; the library copies it before `send` returns. */
let scratch = new Uint8Array(64 * 1024);
/** The part of it that the last message took: one after the other is often of the same size. */
let joined = scratch;

/** Each message lies in a memory of its own until its handler returns: one object shows where, for all of them. */
const placed = new PlacedMessage();

/** A connection that uWebSockets.js accepted. */
export class UwsConnection extends BaseConnection {
  /** The listener's: the library does not tell a connection's own. */
  readonly localAddress: SocketAddress;
  #socket: WebSocket<UwsUserData> | undefined = undefined;
  readonly #remoteHost: string;
  readonly #remotePort: number;
  #heard = false;
  #pressed = false;
  #paused = false;
  /** What came while it was paused, and since, until all of that is delivered. */
  #held: HeldMessages | undefined = undefined;

  /** @param remoteAddress read before: the library forgets it before it tells of the close. */
  constructor(
    context: WebSocketContext,
    opening: Opening,
    localAddress: SocketAddress,
    { address, port }: SocketAddress,
  ) {
    super(context, opening);
    this.localAddress = localAddress;
    this.#remoteHost = address;
    this.#remotePort = port;
  }

  /** The port is 0 where the build of uWebSockets.js does not tell it. */
  get remoteAddress(): SocketAddress {
    return socketAddress(this.#remoteHost, this.#remotePort);
  }

  get bytesQueued(): number {
    return this.#socket === undefined ? 0 : this.#socket.getBufferedAmount();
  }

  /** Also "closing" where the connection has ended already, and what came before is yet to be delivered. */
  override get state(): ConnectionState {
    return this.#held?.end !== undefined && super.state === "open" ? "closing" : super.state;
  }

  protected get pressed(): boolean {
    return this.#pressed;
  }

  /** The library cannot stop reading a socket, so what still comes is held here, and its peer closed in the end. */
  pause(): boolean {
    this.#paused = true;
    return true;
  }

  resume(): void {
    if (!this.#paused) return;
    this.#paused = false;
    // Not from inside this call: the behaviour is called from the event loop.
    if (this.#held !== undefined) setImmediate(() => this.#release());
  }

  takeHeard(): boolean {
    const heard = this.#heard || this.#held?.end !== undefined;
    this.#heard = false;
    return heard;
  }

  ping(): void {
    this.#socket?.ping();
  }

  onOpen(socket: WebSocket<UwsUserData>): void {
    this.#socket = socket;
    this.opened();
    this.tellOpen();
  }

  onMessage(message: ArrayBuffer, binary: boolean): void {
    this.#heard = true;
    if (this.#paused || this.#held !== undefined) this.#hold(message, binary);
    else if (binary && this.context.placesFrames && placed.holds(message)) this.receivePlaced(placed);
    else this.receive(new Uint8Array(message), binary);
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
    this.#pressed = false;
    const info = closeInfo(code, Buffer.from(message).toString());
    if (super.state !== "open" || this.#held === undefined || this.#held.isEmpty) {
      this.finish(code, info);
      return;
    }
    this.#held.end = { wireCode: code, info };
    this.writable(); // nothing is queued any more: who waits for that goes on reading
  }

  protected write(head: Uint8Array, payload: Uint8Array | undefined, binary: boolean): void {
    const message = payload === undefined ? head : join(head, payload);
    if (this.#socket === undefined) return;
    const deflated = message.length >= this.context.deflatedFromBytes;
    this.#pressed = this.#socket.send(message, binary, deflated) !== SENT;
  }

  protected shutDown(wireCode: number, reason: string): void {
    this.#discardHeld();
    // The library would flush by itself, but after end() nothing could hold it to a deadline.
    if (this.bytesQueued === 0) this.#socket?.end(wireCode, reason);
  }

  protected isText(bytes: Uint8Array): boolean {
    return isUtf8(bytes);
  }

  protected terminate(): void {
    this.#discardHeld();
    this.#socket?.close();
  }

  #hold(message: ArrayBuffer, binary: boolean): void {
    if (super.state !== "open") return;
    this.#held ??= new HeldMessages();
    const limit = heldMarks * this.context.highWaterMarkBytes;
    if (this.#held.bytes < limit) {
      this.#held.push({ bytes: new Uint8Array(message.slice(0)), binary });
      return;
    }
    const cap = `${heldMarks} × highWaterMarkBytes (${this.context.highWaterMarkBytes})`;
    const error = new ResourceExhaustedError(`the peer sent more than ${cap} to a paused connection`);
    const info = localFault(CloseCode.exhausted, "sends faster than it is read", error);
    this.beginClose(info, toWireCode(CloseCode.exhausted));
  }

  #release(): void {
    const held = this.#held;
    while (!this.#paused && this.#held === held && held !== undefined) {
      const message = held.shift();
      if (message !== undefined) {
        this.receive(message.bytes, message.binary);
      } else {
        this.#held = undefined;
        if (held.end !== undefined) this.finish(held.end.wireCode, held.end.info);
      }
    }
  }

  /** This side closes: what has come is for nobody now. */
  #discardHeld(): void {
    const end = this.#held?.end;
    this.#held = undefined;
    if (end !== undefined) this.finish(end.wireCode, end.info);
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
