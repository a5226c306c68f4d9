import type { Message } from "../delivery/message.js";
import {
  decodeSocketClose,
  encodeSocketClose,
  type SocketClose,
  SocketMessage,
} from "../delivery/socket_message.js";
import { watchAbort } from "../transport/abort_watch.js";
import { type CloseInfo, defaultCloseDeadlineMs } from "../transport/close.js";
import { toWireCode, WireCode } from "../websocket/close_code.js";
import type { ClientBehaviour } from "./behaviour.js";
import { type ChoiceReading, type ClientOptions, readClientOptions } from "./options.js";
import type { ClientSession } from "./session.js";
import {
  bytesOfData,
  checkSocketClose,
  readSocketProtocols,
  readSocketUrl,
  type SocketData,
} from "./web_socket_arguments.js";
import { closeEvent, SocketEvents } from "./web_socket_events.js";

/** How a session is begun where this runs. */
export type Connect = (
  urls: string,
  options: ClientOptions,
  behaviour: ClientBehaviour,
) => Promise<ClientSession>;

const states = { CONNECTING: 0, OPEN: 1, CLOSING: 2, CLOSED: 3 } as const;
const decoder = new TextDecoder("utf-8", { ignoreBOM: true });
const encoder = new TextEncoder();
const lost: SocketClose = { code: WireCode.abnormal, reason: "" };

/**
 * A session behind the interface of a WebSocket (WHATWG's standard of that name), for libraries that take a class of
 * those. What is different: the connection below may be lost and come again, which nobody sees; `protocol` is the first
 * that was offered; there are no extensions.
 */
export class SessionSocket extends SocketEvents {
  static readonly CONNECTING = states.CONNECTING;
  static readonly OPEN = states.OPEN;
  static readonly CLOSING = states.CLOSING;
  static readonly CLOSED = states.CLOSED;
  readonly CONNECTING = states.CONNECTING;
  readonly OPEN = states.OPEN;
  readonly CLOSING = states.CLOSING;
  readonly CLOSED = states.CLOSED;
  readonly url: string;
  readonly extensions = "";
  readonly #protocols: readonly string[];
  readonly #giveUp = new AbortController();
  #session: ClientSession | undefined = undefined;
  #state: 0 | 1 | 2 | 3 = states.CONNECTING;
  #binaryType: "blob" | "arraybuffer" = "blob";
  /** Once it is known how the socket ends; only then is the end a clean one. */
  #close: SocketClose | undefined = undefined;
  /** A Blob's bytes are read, and what is sent meanwhile goes behind them. */
  #reading: Promise<void> | undefined = undefined;
  #bytesRead = 0;
  /** What was sent when it was too late counts for ever, as the standard wants it. */
  #bytesDiscarded = 0;

  constructor(
    connect: Connect,
    options: ClientOptions,
    url: string | URL,
    protocols: string | readonly string[],
  ) {
    super();
    this.url = readSocketUrl(url);
    this.#protocols = readSocketProtocols(protocols);
    void this.#open(connect, options);
  }

  /** One of the class's constants. */
  get readyState(): 0 | 1 | 2 | 3 {
    return this.#state;
  }

  /** The first of those that were offered, from `open` on. */
  get protocol(): string {
    return this.#state === states.CONNECTING ? "" : (this.#protocols[0] ?? "");
  }

  /** Bytes that `send` has taken and that have not left yet; with those of what was sent too late. */
  get bufferedAmount(): number {
    return (this.#session?.bytesQueued ?? 0) + this.#bytesRead + this.#bytesDiscarded;
  }

  /** What the data of binary messages is. */
  get binaryType(): "blob" | "arraybuffer" {
    return this.#binaryType;
  }

  /** What is neither of the two is not taken, silently, as of all enumerations. */
  set binaryType(type: "blob" | "arraybuffer") {
    if (type === "blob" || type === "arraybuffer") this.#binaryType = type;
  }

  /**
   * Sends a message. Where the session's queue is full (`queueBytes`), the socket is closed, as the standard has it:
   * look at `bufferedAmount`.
   * @throws DOMException InvalidStateError while it is connecting
   */
  send(data: SocketData): void {
    if (this.#state === states.CONNECTING) {
      throw new DOMException("the WebSocket is connecting still: wait for open", "InvalidStateError");
    }
    const bytes = bytesOfData(data);
    const type =
      bytes instanceof Blob || typeof data !== "string" ? SocketMessage.binary : SocketMessage.text;
    if (this.#state !== states.OPEN) this.#bytesDiscarded += sizeOf(bytes);
    else if (bytes instanceof Blob || this.#reading !== undefined) this.#sendLater(bytes, type);
    else this.#send(bytes, type);
  }

  /** @throws DOMException InvalidAccessError, SyntaxError where it is not a script's to say */
  close(code?: number, reason = ""): void {
    checkSocketClose(code, reason);
    if (this.#state === states.CONNECTING) {
      this.#state = states.CLOSING;
      this.#giveUp.abort();
    } else if (this.#state === states.OPEN) {
      this.#state = states.CLOSING;
      void this.#shutDown({ code: code ?? WireCode.none, reason });
    }
  }

  async #open(connect: Connect, options: ClientOptions): Promise<void> {
    const offered = this.#protocols.join(", ");
    const { meta = [], signal } = options;
    const protocols = offered === "" ? [] : [{ key: "protocols", value: encoder.encode(offered) }];
    const onAbort = () => this.#giveUp.abort(signal?.reason);
    if (signal?.aborted) onAbort();
    const unwatch = watchAbort(signal, onAbort);
    try {
      const told = { ...options, meta: [...meta, ...protocols], signal: this.#giveUp.signal };
      this.#opened(await connect(this.url, told, this.#behaviour()));
    } catch {
      this.#end(lost); // who scripts does not learn why, but that it failed
    } finally {
      unwatch();
    }
  }

  #behaviour(): ClientBehaviour {
    return {
      message: (session, message) => this.#receive(session, message),
      // A connection that is lost comes back; what is lost with a session a WebSocket cannot tell.
      gap: (_session, { topic }) => topic === undefined && this.#fail(),
      close: (_session, info) => this.#end(this.#close ?? closeOf(info)),
    };
  }

  /** The session has begun: by what `connect` returns, or by a message that is there before that is looked at. */
  #opened(session: ClientSession): void {
    if (this.#session !== undefined) return;
    this.#session = session;
    if (this.#state === states.CONNECTING) {
      this.#state = states.OPEN;
      this.dispatchEvent(new Event("open"));
    } else void session.close();
  }

  #receive(session: ClientSession, message: Message): void {
    this.#opened(session);
    if (message.type === SocketMessage.close) {
      this.#state = states.CLOSING;
      this.#close = decodeSocketClose(message.payload);
      void session.close();
    } else if (this.#state === states.OPEN) {
      const data =
        message.type === SocketMessage.text ? decoder.decode(message.payload.slice()) : this.#binary(message);
      this.dispatchEvent(new MessageEvent("message", { data, origin: this.url }));
    }
  }

  #binary({ payload }: Message): ArrayBuffer | Blob {
    const { buffer } = new Uint8Array(payload);
    return this.#binaryType === "blob" ? new Blob([buffer]) : buffer;
  }

  #send(bytes: Uint8Array, type: number): void {
    try {
      if (this.#session!.send(bytes, { type }) !== "dropped") return;
    } catch {
      // Too large: what a WebSocket cannot send ends it, too.
    }
    this.#bytesDiscarded += bytes.length;
    this.#fail();
  }

  #sendLater(data: Uint8Array | Blob, type: number): void {
    const size = sizeOf(data);
    // The caller may write to its bytes again.
    const bytes = data instanceof Blob ? data.arrayBuffer() : Promise.resolve(data.slice().buffer);
    this.#bytesRead += size;
    const before = this.#reading ?? Promise.resolve();
    const reading = before.then(async () => {
      const read = new Uint8Array(await bytes);
      this.#bytesRead -= size;
      if (this.#reading === reading) this.#reading = undefined;
      if (this.#state !== states.CLOSED) this.#send(read, type);
    });
    this.#reading = reading;
    reading.catch(() => this.#fail());
  }

  /** What was sent before goes before: the close is a message like any other, and is waited for. */
  async #shutDown(close: SocketClose): Promise<void> {
    await this.#reading?.catch(() => {});
    const session = this.#session!;
    const told = { type: SocketMessage.close, timeoutMs: defaultCloseDeadlineMs };
    const ack = await session.sendAcked(encodeSocketClose(close), told).catch(() => undefined);
    if (ack?.status === "acknowledged") this.#close ??= close;
    await session.close();
  }

  #fail(): void {
    if (this.#state === states.CLOSED) return;
    this.#close = lost;
    this.#state = states.CLOSING;
    void this.#session!.close({ graceful: false });
  }

  #end(close: SocketClose): void {
    if (this.#state === states.CLOSED) return;
    this.#state = states.CLOSED;
    const wasClean = close.code !== WireCode.abnormal;
    if (!wasClean) this.dispatchEvent(new Event("error"));
    this.dispatchEvent(closeEvent({ wasClean, ...close }));
  }
}

/** How a session's end looks to a WebSocket where none of its own messages said so. */
function closeOf({ by, code, reason }: CloseInfo): SocketClose {
  return by === "peer" ? { code: toWireCode(code), reason } : lost;
}

function sizeOf(data: Uint8Array | Blob): number {
  return data instanceof Blob ? data.size : data.length;
}

/** A class to be used as `WebSocket` is. */
export interface SessionSocketClass {
  new (url: string | URL, protocols?: string | readonly string[]): SessionSocket;
  readonly CONNECTING: 0;
  readonly OPEN: 1;
  readonly CLOSING: 2;
  readonly CLOSED: 3;
}

/** The class whose sockets are sessions that begin so. */
export function webSocketClass(
  connect: Connect,
  options: ClientOptions,
  choice?: ChoiceReading,
): SessionSocketClass {
  readClientOptions(options, choice);
  return class WebSocket extends SessionSocket {
    constructor(url: string | URL, protocols: string | readonly string[] = []) {
      super(connect, options, url, protocols);
    }
  };
}
