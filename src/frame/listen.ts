import type { SocketAddress } from "../transport/address.js";
import { CloseCode, type CloseOptions } from "../transport/close.js";
import type { TransportConnection } from "../transport/connection.js";
import type { TransportListener } from "../transport/transport.js";
import { bindAll } from "./bind_all.js";
import type { Behaviour, Connection } from "./connection.js";
import { MessageBehaviour } from "./message_behaviour.js";
import {
  checkBehaviour,
  checkListenerCloseOptions,
  type ListenOptions,
  readListenOptions,
} from "./options.js";

/** How to close a listener: see {@link CloseOptions}. */
export type ListenerCloseOptions = Pick<CloseOptions, "graceful" | "deadlineMs">;

/** Accepts connections on one or more endpoints. */
export interface Listener<Data = unknown> extends AsyncDisposable {
  /** What was bound, in the order of the URLs given. */
  readonly addresses: readonly SocketAddress[];
  /** The URLs for clients, with the ports that were bound. */
  readonly urls: readonly string[];
  /** Connections that are open. */
  readonly connectionCount: number;
  /** The open connections, the oldest first. */
  connections(): IterableIterator<Connection<Data>>;
  /**
   * Stops accepting, and closes the open connections with `CloseCode.goingAway`. Idempotent.
   * @returns resolves when all are closed and the ports are free.
   */
  close(options?: ListenerCloseOptions): Promise<void>;
}

/**
 * Listens on all URLs, or on none.
 * @param urls `quic://host:port`, `ws://host:port/path` or `wss://…`, `tcp://host:port` or `tls://…`, or a scheme of
 *   `options.transports`; port 0 is a free one of the operating system's choice.
 * @throws InvalidArgumentError, UnknownTransportError
 * @throws AddressInUseError, AddressForbiddenError, AddressUnavailableError
 * @throws CredentialMissingError and the other classes of `errors.ts` for what is wrong with `options.tls`
 * @throws AddonUnavailableError for QUIC, where no native addon fits this platform
 */
export async function listen<Data = unknown>(
  urls: string | readonly string[],
  behaviour: Behaviour<Data>,
  options: ListenOptions = {},
): Promise<Listener<Data>> {
  checkBehaviour(behaviour);
  const read = readListenOptions(options);
  const messages = new AcceptingBehaviour<Data>(behaviour, read);
  const bound = await bindAll(urls, messages, read);
  const listener = new MessageListener(bound.listeners, messages);
  if (bound.failure === undefined) return listener;
  await listener.close({ graceful: false });
  throw bound.failure;
}

/** Knows when its listener is closing: a handshake may be done only then. */
class AcceptingBehaviour<Data> extends MessageBehaviour<Data> {
  closing: CloseOptions | undefined = undefined;
  #lastClosed: (() => void) | undefined = undefined;

  override open(transport: TransportConnection): void {
    super.open(transport);
    if (this.closing !== undefined) this.of(transport).close(this.closing);
  }

  override close(...args: Parameters<MessageBehaviour<Data>["close"]>): void {
    super.close(...args);
    if (this.connections.size === 0) this.#lastClosed?.();
  }

  /** Resolves when no connection is open. */
  allClosed(): Promise<void> {
    if (this.connections.size === 0) return Promise.resolve();
    return new Promise((resolve) => {
      this.#lastClosed = resolve;
    });
  }
}

class MessageListener<Data> implements Listener<Data> {
  readonly addresses: readonly SocketAddress[];
  readonly urls: readonly string[];
  readonly #listeners: readonly TransportListener[];
  readonly #messages: AcceptingBehaviour<Data>;
  #closed: Promise<void> | undefined = undefined;

  constructor(listeners: readonly TransportListener[], messages: AcceptingBehaviour<Data>) {
    this.addresses = listeners.map((listener) => listener.address);
    this.urls = listeners.map((listener) => listener.url);
    this.#listeners = listeners;
    this.#messages = messages;
  }

  get connectionCount(): number {
    return this.#messages.connections.size;
  }

  connections(): IterableIterator<Connection<Data>> {
    return this.#messages.connections.values();
  }

  async close(options: ListenerCloseOptions = {}): Promise<void> {
    checkListenerCloseOptions(options);
    this.#closed ??= this.#close({ ...options, code: CloseCode.goingAway });
    await this.#closed;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }

  // The ports and the connections at the same time: one endpoint may not be free before both are.
  async #close(options: CloseOptions): Promise<void> {
    this.#messages.closing = options;
    const freed = Promise.all(this.#listeners.map((listener) => listener.close()));
    for (const connection of this.connections()) connection.close(options);
    await freed;
    await this.#messages.allClosed();
  }
}
