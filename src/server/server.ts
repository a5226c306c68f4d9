import { FailureCode, type Reply } from "../delivery/failure.js";
import { payloadOf } from "../delivery/session_half.js";
import { parseId } from "../delivery/session_id.js";
import { FrameTooLargeError, InvalidArgumentError, SessionClosedError } from "../errors.js";
import { bindAll } from "../frame/bind_all.js";
import { checkCodecs } from "../frame/message_codec.js";
import { checkHandlers } from "../options/handlers.js";
import { readOptions, show } from "../options/read.js";
import { integer, object, withDefault } from "../options/schema.js";
import type { Subscribed, SubscribeFrom, TopicsStatistics } from "../topic/topics.js";
import type { SocketAddress } from "../transport/address.js";
import { CloseCode, type CloseOptions } from "../transport/close.js";
import type { SendResult } from "../transport/connection.js";
import type { TransportListener } from "../transport/transport.js";
import type { ServerBehaviour } from "./behaviour.js";
import { ServerCore, type ServerCounters } from "./core.js";
import { type ReadServerOptions, readServerOptions, type ServerOptions } from "./options.js";
import { inOrder, type Plugin } from "./plugin.js";
import type { ServerSession } from "./server_session.js";
import type { PublishResult } from "./server_topics.js";
import type { RequestOptions, SendOptions, Session } from "./session.js";
import { SessionFrames } from "./session_frames.js";
import { readShutdown, type ShutdownOptions, shutDown } from "./shutdown.js";
import { enterSessions, leaveSessions } from "./threads/entering.js";
import type { Peers } from "./threads/peers.js";

/** Whom something is for: a session, the id of one, or all sessions of a client id. */
export type Target<Data> = Session<Data> | string | { readonly clientId: string };

/** Which sessions are wanted. */
export interface SessionFilter<Data> {
  /** 0, or what the last call returned. */
  readonly cursor?: number;
  /** How many slots of the table are looked at, 1..1,048,576; 1,000 by default. */
  readonly budget?: number;
  readonly clientId?: string;
  readonly transport?: string;
  /** Any other condition. */
  readonly where?: (session: Session<Data>) => boolean;
}

/** Some of the sessions, and where to go on. */
export interface SessionPage<Data> {
  readonly sessions: readonly Session<Data>[];
  /** For the next call; 0 when this was the last of a round. */
  readonly cursor: number;
}

/** One application over every transport that it listens on. */
export interface Server<Data = unknown> extends AsyncDisposable {
  /** What was bound, in the order of `options.listen`. */
  readonly addresses: readonly SocketAddress[];
  /** The URLs for clients, with the ports that were bound. */
  readonly urls: readonly string[];
  /** Sessions that are open or detached. */
  readonly sessionCount: number;
  /** Connections, those that have not begun a session among them. */
  readonly connectionCount: number;
  /** Requests of this server that wait for answers. */
  readonly pendingRequests: number;
  readonly counters: Readonly<ServerCounters>;

  /** The session of an id; undefined where there is none. */
  session(id: string): Session<Data> | undefined;
  /** The sessions of a client id, the oldest first. */
  sessionsOf(clientId: string): readonly Session<Data>[];
  /** Sessions a page at a time: one that lasts for a whole round is in exactly one page. */
  sessions(filter?: SessionFilter<Data>): SessionPage<Data>;
  /** Every session; they may come and go meanwhile. */
  [Symbol.iterator](): Iterator<Session<Data>>;

  /**
   * Sends a message to a session, or to all of a client id.
   * @returns as `Session.send`, of several the worst; `gone` where there is none.
   */
  sendTo(target: Target<Data>, message: Uint8Array | string, options?: SendOptions): SendResult | "gone";
  /** Asks a session, of several the newest. @returns a failure with `FailureCode.lost` where there is none. */
  request(
    target: Target<Data>,
    subject: string,
    payload?: Uint8Array | string,
    options?: RequestOptions,
  ): Promise<Reply>;
  /** Sends a message to every session. @returns how many it was handed to. */
  broadcast(message: Uint8Array | string, options?: SendOptions): number;

  /**
   * Sends a message to the sessions that subscribe to its topic, or to a pattern that matches it: the same bytes to all.
   * One that can take no more misses it, and is told where the topic is when it can.
   * @throws InvalidArgumentError, TopicLimitError
   */
  publish(topic: string, message: Uint8Array | string, options?: { readonly type?: number }): PublishResult;
  /**
   * Subscribes a session, without it having asked.
   * @throws InvalidArgumentError, SubscriptionLimitError, TopicLimitError, SessionClosedError
   */
  subscribe(session: Session<Data>, pattern: string, options?: { readonly from?: SubscribeFrom }): Subscribed;
  /** @returns false where it was not subscribed to that. */
  unsubscribe(session: Session<Data>, pattern: string): boolean;
  /** What a session subscribes to. */
  subscriptionsOf(session: Session<Data>): readonly string[];
  readonly topicStatistics: TopicsStatistics;

  /** Ends a session. False where there is none. */
  closeSession(id: string, options?: CloseOptions): boolean;
  /** Ends all sessions of a client id, with `CloseCode.unauthenticated`: they cannot be taken up again. @returns how many */
  revoke(clientId: string, reason?: string): number;
  /**
   * Asks of every session whether it may go on, and ends those that may not, a part of them at a time.
   * @param mayStay where it throws, the session ends.
   * @returns how many ended.
   */
  reauthorise(mayStay: (session: Session<Data>) => boolean | PromiseLike<boolean>): Promise<number>;

  /** Stops accepting, tells clients, finishes what is in flight, and ends. Idempotent. */
  close(options?: ShutdownOptions): Promise<void>;
}

const publishSchema = object({ type: withDefault(integer(0, 0xffff_ffff), 0) });

const handlerNames = [
  "authenticate",
  "open",
  "message",
  "request",
  "subscribe",
  "publish",
  "drain",
  "detached",
  "resumed",
  "heartbeatTimeout",
  "close",
  "error",
  "warning",
] satisfies (keyof ServerBehaviour)[];

/**
 * Makes a server, and listens on all of its URLs, or on none.
 * @throws InvalidArgumentError; AddonUnavailableError where no native addon fits this platform
 * @throws ServerInUseError in a worker of `startWorkers` that has a server
 * @throws AddressInUseError and the other classes of `listen`; whatever a plugin's `setup` throws
 */
export async function createServer<Data = unknown>(
  options: ServerOptions<Data>,
  behaviour: ServerBehaviour<Data>,
): Promise<Server<Data>> {
  checkHandlers(behaviour, handlerNames);
  const read = readServerOptions(options);
  if (read.codecs !== undefined) checkCodecs(read.codecs);
  checkRequests(behaviour);
  const plugins = inOrder(read.plugins);
  const peers = enterSessions(read.maxSessions);
  let server: SessionServer<Data>;
  try {
    server = new SessionServer(read, behaviour, plugins, peers);
  } catch (cause) {
    leaveSessions(peers);
    throw cause;
  }
  try {
    await server.start();
  } catch (cause) {
    await server.close({ graceful: false });
    throw cause;
  }
  return server;
}

function checkRequests<Data>({ requests }: ServerBehaviour<Data>): void {
  for (const [subject, handler] of Object.entries(requests ?? {})) {
    if (typeof handler === "function") continue;
    throw new InvalidArgumentError(
      `behaviour.requests["${subject}"] must be a function, and not ${show(handler)}`,
    );
  }
}

/** A {@link Server}. */
class SessionServer<Data> implements Server<Data> {
  readonly #options: ReadServerOptions<Data>;
  readonly #plugins: readonly Plugin<Data>[];
  readonly #frames: SessionFrames<Data>;
  readonly #core: ServerCore<Data>;
  #listeners: readonly TransportListener[] = [];
  readonly #ready: Plugin<Data>[] = [];
  #closed: Promise<void> | undefined = undefined;

  constructor(
    options: ReadServerOptions<Data>,
    behaviour: ServerBehaviour<Data>,
    plugins: readonly Plugin<Data>[],
    peers: Peers,
  ) {
    this.#options = options;
    this.#plugins = plugins;
    this.#frames = new SessionFrames(options.codecs, () => this.#core);
    this.#core = new ServerCore(options, behaviour, plugins, this.#frames, peers);
  }

  /** Sets plugins up, then listens. */
  async start(): Promise<void> {
    for (const plugin of this.#plugins) {
      await plugin.setup?.(this);
      this.#ready.push(plugin);
    }
    const { heartbeat, highWaterMarkBytes, authenticateTimeoutMs } = this.#options;
    const bound = await bindAll(this.#options.listen, this.#frames, {
      ...this.#options,
      highWaterMarkBytes,
      idleTimeoutMs: 2 * heartbeat.timeoutMs, // for those who promise no heartbeat; others are given up before
      handshakeTimeoutMs: Math.max(authenticateTimeoutMs, 1_000),
      admit: ({ address }) => this.#core.admitsConnection(address),
    });
    this.#listeners = bound.listeners;
    if (bound.failure !== undefined) throw bound.failure;
  }

  get addresses(): readonly SocketAddress[] {
    return this.#listeners.map(({ address }) => address);
  }

  get urls(): readonly string[] {
    return this.#listeners.map(({ url }) => url);
  }

  get sessionCount(): number {
    return this.#core.registry.size;
  }

  get connectionCount(): number {
    return this.#frames.connections.size;
  }

  get pendingRequests(): number {
    return this.#core.requestBudget.current;
  }

  get counters(): Readonly<ServerCounters> {
    return { ...this.#core.counters };
  }

  session(id: string): Session<Data> | undefined {
    const bytes = parseId(id);
    return bytes && this.#core.registry.byId(bytes);
  }

  sessionsOf(clientId: string): readonly Session<Data>[] {
    return [...this.#core.registry.ofClient(clientId)];
  }

  sessions({
    cursor = 0,
    budget = 1_000,
    clientId,
    transport,
    where,
  }: SessionFilter<Data> = {}): SessionPage<Data> {
    const sessions: Session<Data>[] = [];
    const next = this.#core.registry.visit(cursor, Math.max(1, budget), (session) => {
      if (clientId !== undefined && session.clientId !== clientId) return;
      if (transport !== undefined && session.transport !== transport) return;
      if (where === undefined || where(session)) sessions.push(session);
    });
    return { sessions, cursor: next };
  }

  [Symbol.iterator](): Iterator<Session<Data>> {
    return this.#core.registry[Symbol.iterator]();
  }

  sendTo(target: Target<Data>, message: Uint8Array | string, options?: SendOptions): SendResult | "gone" {
    const results = this.#named(target).map((session) => session.send(message, options));
    if (results.length === 0) return "gone";
    if (results.includes("dropped")) return "dropped";
    return results.includes("blocked") ? "blocked" : "sent";
  }

  async request(
    target: Target<Data>,
    subject: string,
    payload?: Uint8Array | string,
    options?: RequestOptions,
  ): Promise<Reply> {
    const session = this.#named(target).at(-1);
    if (session === undefined)
      return { status: "failure", code: FailureCode.lost, reason: "there is no such session" };
    return session.request(subject, payload, options);
  }

  broadcast(message: Uint8Array | string, options: SendOptions = {}): number {
    let handed = 0;
    for (const session of this.#core.registry) {
      if (!session.isClosing && session.send(message, options) !== "dropped") handed += 1;
    }
    return handed;
  }

  publish(
    topic: string,
    message: Uint8Array | string,
    options: { readonly type?: number } = {},
  ): PublishResult {
    const payload = payloadOf(message, "a message");
    if (payload.length > this.#options.maxMessageBytes) {
      throw new FrameTooLargeError(
        `the message has ${payload.length} bytes, and maxMessageBytes allows fewer`,
      );
    }
    return this.#core.topics.publish(topic, payload, readOptions(publishSchema, options).type);
  }

  subscribe(
    session: Session<Data>,
    pattern: string,
    { from }: { readonly from?: SubscribeFrom } = {},
  ): Subscribed {
    const [own] = this.#named(session);
    if (own === undefined) throw new SessionClosedError(`session ${session.id} is closed`);
    return this.#core.topics.subscribe(own, pattern, from);
  }

  unsubscribe(session: Session<Data>, pattern: string): boolean {
    return this.#named(session).some((own) => this.#core.topics.unsubscribe(own, pattern));
  }

  subscriptionsOf(session: Session<Data>): readonly string[] {
    return this.#named(session).flatMap((own) => this.#core.topics.patternsOf(own));
  }

  get topicStatistics(): TopicsStatistics {
    return this.#core.topics.statistics;
  }

  closeSession(id: string, options: CloseOptions = {}): boolean {
    const session = this.session(id);
    session?.close(options);
    return session !== undefined;
  }

  revoke(clientId: string, reason = "revoked"): number {
    const sessions = [...this.#core.registry.ofClient(clientId)];
    for (const session of sessions) session.endBy("local", CloseCode.unauthenticated, reason, false);
    return sessions.length;
  }

  async reauthorise(mayStay: (session: Session<Data>) => boolean | PromiseLike<boolean>): Promise<number> {
    let ended = 0;
    let cursor = 0;
    do {
      const page = this.sessions({ cursor });
      const verdicts = page.sessions.map(async (session) => {
        const stays = await judge(mayStay, session);
        if (stays || session.state === "closed") return;
        (session as ServerSession<Data>).endBy(
          "local",
          CloseCode.unauthenticated,
          "not authorised any more",
          false,
        );
        ended += 1;
      });
      await Promise.all(verdicts);
      ({ cursor } = page);
    } while (cursor !== 0);
    return ended;
  }

  async close(options: ShutdownOptions = {}): Promise<void> {
    const read = readShutdown(options);
    this.#closed ??= this.#close(read);
    await this.#closed;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }

  async #close(options: ReturnType<typeof readShutdown>): Promise<void> {
    this.#core.isClosing = true;
    const freed = Promise.all(this.#listeners.map((listener) => listener.close()));
    await shutDown(this.#core, this.#frames, options);
    await freed;
    try {
      for (const plugin of [...this.#ready].reverse()) await plugin.dispose?.();
    } finally {
      this.#core.stop();
    }
  }

  #named(target: Target<Data>): readonly ServerSession<Data>[] {
    const { registry } = this.#core;
    if (typeof target === "object" && "clientId" in target && !("id" in target)) {
      return [...registry.ofClient(target.clientId)].filter((session) => !session.isClosing);
    }
    const id = typeof target === "string" ? target : target.id;
    const bytes = parseId(id);
    const session = bytes && registry.byId(bytes);
    return session === undefined || session.isClosing ? [] : [session];
  }
}

async function judge<Data>(
  mayStay: (session: Session<Data>) => boolean | PromiseLike<boolean>,
  session: Session<Data>,
): Promise<boolean> {
  try {
    return await mayStay(session);
  } catch {
    return false;
  }
}
