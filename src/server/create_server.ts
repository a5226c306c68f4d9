import type { Reply } from "../delivery/failure.js";
import { payloadOf } from "../delivery/payload.js";
import type { RequestOptions, SendOptions } from "../delivery/send_options.js";
import { parseId } from "../delivery/session_id.js";
import { InvalidArgumentError, ListenerClosedError, SessionClosedError } from "../errors.js";
import { checkCodecs } from "../frame/message_codec.js";
import { checkHandlers, checkHandlersBySubject } from "../options/handlers.js";
import { inOrder } from "../options/in_order.js";
import { readOptions, show } from "../options/read.js";
import { readSubscribeFrom, type SubscribeFrom } from "../topic/subscribe_from.js";
import type { TopicsStatistics } from "../topic/topics.js";
import type { SocketAddress } from "../transport/address.js";
import { CloseCode, type CloseOptions } from "../transport/close.js";
import type { SendResult } from "../transport/connection.js";
import type { TransportListener } from "../transport/transport.js";
import type { ServerBehaviour } from "./behaviour.js";
import { ServerCore, type ServerCounters } from "./core.js";
import { checkMiddleware } from "./middleware.js";
import { type ReadServerOptions, readServerOptions, type ServerOptions } from "./options.js";
import { checkPlugins, hookNames, type Plugin } from "./plugin.js";
import { publishSchema } from "./publish_options.js";
import type { PublishResult } from "./publish_result.js";
import { Reach } from "./reach.js";
import { type ReloadOptions, reloaded, reloadTls } from "./reload.js";
import type { Server, SessionFilter, SessionPage, Target } from "./server.js";
import type { ServerSession } from "./server_session.js";
import type { SubscribeResult } from "./server_topics.js";
import type { Session } from "./session.js";
import { SessionFrames } from "./session_frames.js";
import { readShutdown, type ShutdownOptions, shutDown } from "./shutdown.js";
import { type Entrance, enterSessions, leaveSessions } from "./threads/entering.js";
import type { Place } from "./threads/group.js";
import { listenInPlace } from "./threads/listening.js";
import { type ListFilter, readFilter, type SessionList } from "./threads/listing.js";

const handlerNames = [
  "authenticate",
  "message",
  "request",
  "subscribe",
  "publish",
  ...hookNames,
] satisfies (keyof ServerBehaviour)[];

const earlyHandlerNames = ["earlyRequests", "earlyEvents"] as const satisfies (keyof ServerBehaviour)[];

/**
 * Makes a server, and listens on all of its URLs, or on none.
 * @throws InvalidArgumentError; AddonUnavailableError where no native addon fits this platform
 * @throws ServerInUseError in a worker of `startWorkers` that has a server
 * @throws AddressInUseError and the other classes of `listen`; whatever a plugin's `setup` throws
 */
export async function createServer<Data = unknown, Events = unknown>(
  options: ServerOptions<NoInfer<Data>>,
  typed: ServerBehaviour<Data, Events>,
): Promise<Server<Data, Events>> {
  checkHandlers(typed, handlerNames);
  const behaviour = typed as unknown as ServerBehaviour<Data>; // what is carried is for the compiler alone
  const read = readServerOptions<Data>(options);
  if (read.codecs !== undefined) checkCodecs(read.codecs);
  checkHandlersBySubject(behaviour, "requests", "events", ...earlyHandlerNames);
  for (const name of earlyHandlerNames) {
    if (behaviour[name] === undefined || read.earlyData) continue;
    throw new InvalidArgumentError(`${name} need the option earlyData: true; without, nothing comes early`);
  }
  checkMiddleware(read.middleware);
  checkPlugins(read.plugins);
  const plugins = inOrder(read.plugins);
  const entrance = enterSessions(read.maxSessions);
  let server: SessionServer<Data>;
  try {
    server = new SessionServer<Data>(options, read, behaviour, plugins, entrance);
  } catch (cause) {
    leaveSessions(entrance.peers);
    throw cause;
  }
  try {
    await server.start();
  } catch (cause) {
    await server.close({ graceful: false });
    throw cause;
  }
  return server as unknown as Server<Data, Events>;
}

/** A {@link Server}: one thread's, which reaches the sessions of all. */
class SessionServer<Data> implements Server<Data> {
  /** As they were given, and have been changed since. */
  #given: ServerOptions<Data>;
  readonly #options: ReadServerOptions<Data>;
  readonly #plugins: readonly Plugin<Data>[];
  readonly #place: Place | undefined;
  readonly #frames: SessionFrames<Data>;
  readonly #core: ServerCore<Data>;
  readonly #reach: Reach<Data>;
  #listeners: readonly TransportListener[] = [];
  readonly #ready: Plugin<Data>[] = [];
  /** One at a time. */
  #reloading: Promise<void> = Promise.resolve();
  #closed: Promise<void> | undefined = undefined;
  #hasEnded = false;

  constructor(
    given: ServerOptions<Data>,
    options: ReadServerOptions<Data>,
    behaviour: ServerBehaviour<Data>,
    plugins: readonly Plugin<Data>[],
    { peers, place }: Entrance,
  ) {
    this.#given = { ...given };
    this.#options = options;
    this.#plugins = plugins;
    this.#place = place;
    this.#frames = new SessionFrames(options.codecs, () => this.#core);
    this.#core = new ServerCore(options, behaviour, plugins, this.#frames, peers);
    this.#reach = new Reach(this.#core);
  }

  /** Sets plugins up, then listens. */
  async start(): Promise<void> {
    for (const plugin of this.#plugins) {
      await plugin.setup?.(this);
      this.#ready.push(plugin);
    }
    const { heartbeat, highWaterMarkBytes, authenticateTimeoutMs } = this.#options;
    const bound = await listenInPlace(this.#place, this.#options.listen, this.#frames, {
      ...this.#options,
      highWaterMarkBytes,
      idleTimeoutMs: 2 * heartbeat.timeoutMs, // for those who promise no heartbeat; others are given up before
      handshakeTimeoutMs: Math.max(authenticateTimeoutMs, 1_000),
      admit: ({ address }) => this.#core.admitsConnection(address),
    });
    this.#listeners = bound.listeners;
    if (bound.failure !== undefined) throw bound.failure;
    const { maxMessageBytes } = this.#options;
    this.#place?.listens({ urls: this.urls, maxMessageBytes, close: (options) => this.close(options) });
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
    return Math.max(0, this.#frames.connections.size - this.#core.relays.ownedCount);
  }

  get pendingRequests(): number {
    return this.#core.requestBudget.current;
  }

  get bytesHeld(): number {
    return this.#core.queues.bytes;
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

  sessions(filter: SessionFilter<Data> = {}): SessionPage<Data> {
    const { where, ...range } = readFilter<(session: Session<Data>) => boolean>(filter);
    const sessions: Session<Data>[] = [];
    const next = this.#core.registry.visitThose(range, (session) => {
      if (where === undefined || where(session)) sessions.push(session);
    });
    return { sessions, cursor: next };
  }

  [Symbol.iterator](): Iterator<Session<Data>> {
    return this.#core.registry[Symbol.iterator]();
  }

  sendTo(target: Target<Data>, message: Uint8Array | string, options?: SendOptions): SendResult | "gone" {
    return this.#reach.sendTo(target, message, options);
  }

  request(
    target: Target<Data>,
    subject: string,
    payload?: Uint8Array | string,
    options?: RequestOptions,
  ): Promise<Reply> {
    return this.#reach.request(target, subject, payload, options);
  }

  broadcast(message: Uint8Array | string, options?: SendOptions): number {
    return this.#reach.broadcast(message, options);
  }

  publish(
    topic: string,
    message: Uint8Array | string,
    options: { readonly type?: number } = {},
  ): PublishResult {
    const payload = payloadOf(message, "a message");
    const { type } = readOptions(publishSchema, options);
    this.#checkServing();
    return this.#core.topics.publish(topic, payload, type);
  }

  /** @throws ListenerClosedError once it has ended; while it ends, what is left of its sessions goes on */
  #checkServing(): void {
    if (this.#hasEnded) throw new ListenerClosedError("the server is closed");
  }

  subscribe(
    session: Session<Data>,
    pattern: string,
    options: { readonly from?: SubscribeFrom } = {},
  ): SubscribeResult {
    const from = readSubscribeFrom(options);
    const [own] = this.#reach.named(session);
    if (own === undefined) throw new SessionClosedError(`session ${session.id} is closed`);
    return this.#core.topics.subscribe(own, pattern, from);
  }

  unsubscribe(session: Session<Data>, pattern: string): boolean {
    return this.#reach.named(session).some((own) => this.#core.topics.unsubscribe(own, pattern));
  }

  subscriptionsOf(session: Session<Data>): readonly string[] {
    return this.#reach.named(session).flatMap((own) => this.#core.topics.patternsOf(own));
  }

  get topicStatistics(): TopicsStatistics {
    return this.#core.topics.statistics;
  }

  closeSession(id: string, options?: CloseOptions): boolean {
    return this.#reach.close(id, options);
  }

  revoke(clientId: string, reason = "revoked"): number {
    return this.#reach.revoke(clientId, reason);
  }

  list(filter: ListFilter = {}): Promise<SessionList> {
    return this.#core.listing.list(filter, (range) => this.#core.infosOf(range));
  }

  async reauthorise(mayStay: (session: Session<Data>) => boolean | PromiseLike<boolean>): Promise<number> {
    if (typeof mayStay !== "function") {
      throw new InvalidArgumentError(`mayStay must be a function, and not ${show(mayStay)}`);
    }
    let ended = 0;
    let cursor = 0;
    do {
      const page = this.sessions({ cursor });
      const verdicts = page.sessions.map(async (session) => {
        let end: readonly [code: number, reason: string] = [
          CloseCode.unauthenticated,
          "not authorised any more",
        ];
        try {
          if (await mayStay(session)) return;
        } catch (cause) {
          if (session.state === "closed") return; // it may have failed for that
          end = [CloseCode.internal, "a fault of the server"];
          this.#core.handlers.report(session as ServerSession<Data>, cause);
        }
        if (session.state === "closed") return;
        (session as ServerSession<Data>).endBy("local", ...end, false);
        ended += 1;
      });
      await Promise.all(verdicts);
      ({ cursor } = page);
    } while (cursor !== 0);
    return ended;
  }

  reload(options: ReloadOptions): Promise<void> {
    const done = this.#reloading.then(() => this.#reload(options));
    this.#reloading = done.catch(() => {});
    return done;
  }

  async #reload(options: ReloadOptions): Promise<void> {
    const given = reloaded(this.#given, options);
    this.#checkServing();
    const read = readServerOptions(given);
    if (options.tls !== undefined) await reloadTls(this.#listeners, this.#given.tls, options.tls);
    this.#core.reload(read);
    this.#given = given;
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
    if (options.graceful) this.#core.sessions.receive(); // what other threads have sent to its sessions before
    this.#core.isClosing = true;
    const freed = Promise.all(this.#listeners.map((listener) => listener.close()));
    await shutDown(this.#core, this.#frames, options);
    await freed;
    try {
      for (const plugin of [...this.#ready].reverse()) await plugin.dispose?.();
    } finally {
      this.#hasEnded = true;
      this.#core.stop();
    }
  }
}
