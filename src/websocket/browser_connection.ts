import type { SocketAddress } from "../transport/address.js";
import { CloseCode } from "../transport/close.js";
import { unref } from "../transport/timer.js";
import { lostCloseInfo, peerCloseInfo, toWireCode, WireCode } from "./close_code.js";
import { BaseConnection } from "./connection.js";
import type { WebSocketContext } from "./context.js";
import type { Opening } from "./opening.js";

/** What is used of a page's WebSocket (WHATWG's standard of that name); those of Node.js 22 and of `ws` have it, too. */
export interface PageSocket {
  binaryType: string;
  readonly protocol: string;
  readonly readyState: number;
  readonly bufferedAmount: number;
  onopen: (() => void) | null;
  onerror: (() => void) | null;
  onmessage: ((event: { readonly data: unknown }) => void) | null;
  onclose: ((event: { readonly code: number; readonly reason: string }) => void) | null;
  send(data: Uint8Array | string): void;
  close(code?: number, reason?: string): void;
}

/** `PageSocket.readyState`. */
const isOpen = 1;
/** How often a full queue is looked at: a page is not told when some of it has gone. */
const lookMs = 10;
/** A page does not learn addresses. */
const unknownAddress: SocketAddress = { address: "", family: "ipv4", port: 0 };
const decoder = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });
const encoder = new TextEncoder();

/** A connection of a browser's own WebSocket. It cannot be paused, and has no pings: what is above sends heartbeats. */
export class BrowserConnection extends BaseConnection {
  readonly remoteAddress = unknownAddress;
  readonly localAddress = unknownAddress;
  readonly #socket: PageSocket;
  #look: NodeJS.Timeout | undefined = undefined;
  #heard = false;

  constructor(context: WebSocketContext, socket: PageSocket, opening: Opening) {
    super(context, opening);
    this.#socket = socket;
    socket.onerror = null; // `close` follows
    socket.onmessage = ({ data }) => {
      this.#heard = true;
      if (typeof data === "string") this.receive(encoder.encode(data), false);
      else this.receive(new Uint8Array(data as ArrayBuffer), true);
    };
    socket.onclose = ({ code, reason }) => {
      const lost = code === WireCode.abnormal;
      this.#end(
        code,
        lost ? lostCloseInfo("the connection ended without a close frame") : peerCloseInfo(code, reason),
      );
    };
    this.opened();
  }

  /** Also "closing" from the peer's close frame on. */
  override get state() {
    const state = super.state;
    return state === "open" && this.#socket.readyState !== isOpen ? "closing" : state;
  }

  /** What a socket held when it closed counts there for ever. */
  get bytesQueued(): number {
    return super.state === "closed" ? 0 : this.#socket.bufferedAmount;
  }

  pause(): boolean {
    return false;
  }

  resume(): void {}

  takeHeard(): boolean {
    const heard = this.#heard;
    this.#heard = false;
    return heard;
  }

  ping(): void {}

  protected get pressed(): boolean {
    return true;
  }

  protected isText(bytes: Uint8Array): boolean {
    try {
      decoder.decode(bytes);
      return true;
    } catch {
      return false;
    }
  }

  protected write(head: Uint8Array, payload: Uint8Array | undefined, binary: boolean): void {
    const message = new Uint8Array(head.length + (payload?.length ?? 0));
    message.set(head);
    if (payload !== undefined) message.set(payload, head.length);
    this.#socket.send(binary ? message : decoder.decode(message));
    if (this.bytesQueued >= this.context.highWaterMarkBytes) this.#watchQueue();
  }

  /** Scripts may use no codes but 1000 and those from 3000 on. */
  protected shutDown(wireCode: number, reason: string): void {
    this.#socket.close(
      wireCode === WireCode.messageTooBig ? toWireCode(CloseCode.frameTooLarge) : wireCode,
      reason,
    );
  }

  /**
   * A page can only ask for the end, and would be told of it much later where the peer is gone. What it asks for may
   * arrive when the network is back: by no code, or by 1000, the peer would take it for the end of the session.
   */
  protected terminate(): void {
    this.#socket.onmessage = null;
    this.#socket.onclose = null;
    this.#socket.close(toWireCode(CloseCode.goingAway));
    this.#end(WireCode.abnormal, lostCloseInfo("the connection was cut off"));
  }

  #end(wireCode: number, info: ReturnType<typeof lostCloseInfo>): void {
    clearTimeout(this.#look);
    this.finish(wireCode, info);
  }

  #watchQueue(): void {
    this.#look ??= unref(
      setTimeout(() => {
        this.#look = undefined;
        if (this.bytesQueued < this.context.highWaterMarkBytes / 2) this.writable();
        else this.#watchQueue();
      }, lookMs),
    );
  }
}
