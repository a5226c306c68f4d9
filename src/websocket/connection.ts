import {
  ConnectionClosedError,
  ConnectionLostError,
  FrameTooLargeError,
  InvalidArgumentError,
  type MillraceError,
  ProtocolViolationError,
} from "../errors.js";
import { checkBytes } from "../options/bytes.js";
import type { SocketAddress } from "../transport/address.js";
import {
  CloseCode,
  type CloseInfo,
  type CloseOptions,
  defaultCloseDeadlineMs,
  readCloseOptions,
} from "../transport/close.js";
import {
  type ConnectionState,
  nextConnectionId,
  type PlacedFrame,
  type SendResult,
} from "../transport/connection.js";
import type { Watched } from "../transport/liveness.js";
import { callGuarded, throwUncaught } from "../transport/uncaught.js";
import type { WebSocketConnection } from "./behaviour.js";
import { lostCloseInfo, toWireCode, WireCode } from "./close_code.js";
import type { WebSocketContext } from "./context.js";
import type { Opening } from "./opening.js";

/** How long a connection that is ended at once has, to send why. */
const lingerMs = 1_000;

/** A close that this side began. */
interface Closing {
  info: CloseInfo;
  readonly wireCode: number;
  deadline: NodeJS.Timeout | undefined;
}

/**
 * One WebSocket, whichever library carries it: the backpressure words, the close handshake with its deadline
 * and the order of the behaviour's calls are here; a subclass moves bytes. There may be very many, so the
 * object is small and holds no closure.
 */
export abstract class BaseConnection implements WebSocketConnection, Watched {
  readonly id = nextConnectionId();
  owner: unknown = undefined;
  quietChecks = 0;
  wireCloseCode = 0;
  protected readonly context: WebSocketContext;
  /** True from `blocked` or `dropped` until `drain`. */
  protected blocked = false;
  readonly #opening: Opening;
  #state: ConnectionState = "open";
  #closing: Closing | undefined = undefined;

  constructor(context: WebSocketContext, opening: Opening) {
    this.context = context;
    this.#opening = opening;
  }

  abstract readonly remoteAddress: SocketAddress;
  abstract readonly localAddress: SocketAddress;
  abstract readonly bytesQueued: number;
  abstract pause(): boolean;
  abstract resume(): void;
  abstract takeHeard(): boolean;
  abstract ping(): void;
  /** False where the last message went straight to the operating system, so nothing is queued worth counting. */
  protected abstract readonly pressed: boolean;
  /** Copies one message to the library. */
  protected abstract write(head: Uint8Array, payload: Uint8Array | undefined, binary: boolean): void;
  /** Sends a close frame behind what is queued; called again by {@link writable} until it could. */
  protected abstract shutDown(wireCode: number, reason: string): void;
  /** The operating system has not taken what it was given. */
  protected get isStuck(): boolean {
    return this.bytesQueued > 0;
  }
  /** Ends the TCP connection as soon as the close frame has left. */
  protected leave(): void {
    this.terminate();
  }
  /** Whether these bytes are UTF-8. */
  protected abstract isText(bytes: Uint8Array): boolean;
  /** Ends the TCP connection at once. */
  protected abstract terminate(): void;

  get transport(): string {
    return "websocket";
  }

  get protocol(): string {
    return this.#opening.protocol;
  }

  get origin(): string | undefined {
    return this.#opening.origin;
  }

  get path(): string {
    return this.#opening.path;
  }

  get state(): ConnectionState {
    return this.#state;
  }

  /** Neither library measures it; the layers above can, by messages. */
  get roundTripMs(): undefined {
    return undefined;
  }

  get framesVerified(): boolean {
    return false;
  }

  send(head: Uint8Array, payload?: Uint8Array): SendResult {
    checkBytes(head);
    if (payload !== undefined) checkBytes(payload, "payload");
    return this.#queue(head, payload, true);
  }

  sendText(text: Uint8Array): SendResult {
    checkBytes(text, "text");
    if (!this.isText(text))
      throw new InvalidArgumentError("text must be UTF-8: the peer would close for anything else");
    return this.#queue(text, undefined, false);
  }

  close(options: CloseOptions = {}): void {
    const { code, reason, graceful, deadlineMs } = readCloseOptions(options);
    if (this.#state === "open") this.markClosing({ by: "local", code, reason }, toWireCode(code), deadlineMs);
    if (this.#state !== "closing") return;
    if (graceful) this.#shutDown();
    else this.#abort(Math.min(deadlineMs, lingerMs));
  }

  expire(): void {
    this.lose(lostCloseInfo("nothing was heard from the peer for the idle timeout"));
  }

  /** A peer has connected: nothing of it was told before. */
  tellOpen(): void {
    callGuarded(() => this.context.behaviour.open?.(this));
  }

  /** The handshake is done. */
  protected opened(): void {
    this.context.connectionCount += 1;
    this.context.liveness?.add(this);
  }

  /** The library received a message. */
  protected receive(bytes: Uint8Array, binary: boolean): void {
    if (this.#state !== "open") return;
    const { behaviour } = this.context;
    if (bytes.length > this.context.maxFrameBytes) this.#refuseSize(bytes.length);
    else if ((binary ? behaviour.frame : behaviour.text) !== undefined) {
      this.#deliver(bytes, binary);
    } else {
      const [sent, taken] = binary ? ["binary", "text"] : ["text", "binary"];
      const error = new ProtocolViolationError(
        `the peer sent a ${sent} message; only ${taken} ones are taken`,
      );
      const code = CloseCode.protocolViolation;
      this.beginClose(localFault(code, `${sent} message`, error), toWireCode(code));
    }
  }

  /** The same of a frame for a behaviour that takes it where it lies. */
  protected receivePlaced(frame: PlacedFrame): void {
    if (this.#state !== "open") return;
    const { behaviour, maxFrameBytes } = this.context;
    if (frame.length > maxFrameBytes) {
      this.#refuseSize(frame.length);
      return;
    }
    try {
      behaviour.placedFrame!(this, frame);
    } catch (cause) {
      throwUncaught(cause);
    }
  }

  #refuseSize(bytes: number): void {
    const most = this.context.maxFrameBytes;
    const what = `the peer sent a message of ${bytes} bytes; at most ${most} are taken`;
    const info = localFault(CloseCode.frameTooLarge, "message too large", new FrameTooLargeError(what));
    this.beginClose(info, WireCode.messageTooBig);
  }

  /** What a handler throws must not reach the library: ws would read no further from the socket. */
  #deliver(bytes: Uint8Array, binary: boolean): void {
    const { behaviour } = this.context;
    try {
      if (binary) behaviour.frame?.(this, bytes);
      else behaviour.text?.(this, bytes);
    } catch (cause) {
      throwUncaught(cause);
    }
  }

  /** The library wrote some of the queue. */
  protected writable(): void {
    if (this.#state === "closing") {
      this.#shutDown();
    } else if (this.blocked && this.bytesQueued < this.context.highWaterMarkBytes / 2) {
      this.blocked = false;
      callGuarded(() => this.context.behaviour.drain?.(this));
    }
  }

  /** Begins the close handshake; `info` is told in the end, whatever the peer answers. */
  protected beginClose(info: CloseInfo, wireCode: number, deadlineMs = defaultCloseDeadlineMs): void {
    this.markClosing(info, wireCode, deadlineMs);
    this.#shutDown();
  }

  /** As {@link beginClose}, where the library sends the close frame by itself. */
  protected markClosing(info: CloseInfo, wireCode: number, deadlineMs = defaultCloseDeadlineMs): void {
    this.#state = "closing";
    const deadline = setTimeout(() => this.#missDeadline(deadlineMs), deadlineMs);
    this.#closing = { info, wireCode, deadline };
  }

  /** Ends the connection at once, for a reason that is not an application's. */
  protected lose(info: CloseInfo): void {
    if (this.#state === "closed") return;
    this.#state = "closing";
    this.#closing ??= { info, wireCode: WireCode.abnormal, deadline: undefined };
    this.terminate();
  }

  /** The library's connection is gone; `info` says how, where this side did not begin it. */
  protected finish(wireCode: number, info: CloseInfo): void {
    if (this.#state === "closed") return;
    this.#state = "closed";
    this.wireCloseCode = wireCode;
    const told = this.#closing?.info ?? info;
    clearTimeout(this.#closing?.deadline);
    this.#closing = undefined;
    this.context.liveness?.remove(this);
    this.context.connectionCount -= 1;
    // The libraries may call this from inside our close(); the behaviour is called from the event loop.
    queueMicrotask(() => this.context.behaviour.close?.(this, told));
  }

  #queue(head: Uint8Array, payload: Uint8Array | undefined, binary: boolean): SendResult {
    if (this.#state !== "open") {
      throw new ConnectionClosedError(`connection ${this.id} is ${this.#state}; open a new one to send`);
    }
    const mark = this.context.highWaterMarkBytes;
    if (this.pressed && this.bytesQueued >= mark) {
      this.blocked = true;
      return "dropped";
    }
    this.write(head, payload, binary);
    if (!this.pressed || this.bytesQueued < mark) return "sent";
    this.blocked = true;
    return "blocked";
  }

  #shutDown(): void {
    const closing = this.#closing;
    if (closing !== undefined) this.shutDown(closing.wireCode, closing.info.reason);
  }

  /** Drops what is queued; where that is nothing, the peer still learns the code. */
  #abort(deadlineMs: number): void {
    if (this.isStuck) {
      this.terminate();
      return;
    }
    this.#shutDown();
    const closing = this.#closing;
    if (closing === undefined) return;
    clearTimeout(closing.deadline);
    closing.deadline = setTimeout(() => this.terminate(), deadlineMs);
    this.leave();
  }

  #missDeadline(deadlineMs: number): void {
    const closing = this.#closing;
    if (closing === undefined) return;
    const why = `the close did not finish within ${deadlineMs} ms; what was queued may be lost`;
    closing.info = { ...closing.info, error: closing.info.error ?? new ConnectionLostError(why) };
    this.terminate();
  }
}

/** This side closes, because of what the peer did. */
export function localFault(code: number, reason: string, error: MillraceError): CloseInfo {
  return { by: "local", code, reason, error };
}
