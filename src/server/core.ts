import { halfContext, updateHalf } from "../delivery/half_options.js";
import type { Hello } from "../delivery/hello.js";
import { largeSubject } from "../delivery/large_subject.js";
import type { Outgoing } from "../delivery/outbound.js";
import { RequestBudget } from "../delivery/pending_requests.js";
import { PreparedWelcomes } from "../delivery/prepared_welcome.js";
import { ResumeTokens } from "../delivery/resume_token.js";
import { Dispatcher } from "../dispatch/dispatcher.js";
import { SessionClosedError } from "../errors.js";
import type { Codec } from "../frame/message_codec.js";
import { maxFrameBytes } from "../frame/transport_options.js";
import type { AddressLimitsOptions } from "../limit/address_limits.js";
import { IdKind, type Sessions } from "../session/sessions.js";
import type { SendResult, TransportBehaviour, TransportConnection } from "../transport/connection.js";
import { NearLimit } from "../transport/near_limit.js";
import { Waiters } from "../transport/waiters.js";
import { Arrivals } from "./arrivals.js";
import type { AuthenticateContext, ClientHello, ServerBehaviour } from "./behaviour.js";
import { Clock } from "./clock.js";
import { DeadlineQueue } from "./deadline_queue.js";
import { EarlyDesk } from "./early_desk.js";
import { Handlers } from "./handlers.js";
import type { Handshake } from "./handshake.js";
import { layersOf, onion } from "./middleware.js";
import { Nodes } from "./node.js";
import type { ReadLimits, ReadServerOptions } from "./options.js";
import { outgoingOnion } from "./outgoing_onion.js";
import type { Plugin } from "./plugin.js";
import { nodeOf } from "./processes/node_of.js";
import { QueueBudget, queueLimits } from "./queue_budget.js";
import { gapInsteadOf } from "./queued_places.js";
import { Receiver } from "./receiver.js";
import type { Refusal } from "./refusal.js";
import { Registry } from "./registry.js";
import type { ServerContext } from "./server_half.js";
import type { ServerSession } from "./server_session.js";
import { ServerTopics } from "./server_topics.js";
import type { SessionEnd, SessionInfo } from "./session.js";
import { SessionAdmission } from "./session_admission.js";
import { idWords } from "./session_id.js";
import { Storing } from "./storing.js";
import { Answers } from "./threads/answers.js";
import { Elsewhere } from "./threads/elsewhere.js";
import { leaveSessions } from "./threads/entering.js";
import { Listing, type ListRange } from "./threads/listing.js";
import { PeerKind } from "./threads/peer_kind.js";
import type { Peers } from "./threads/peers.js";
import type { Relay } from "./threads/relay.js";
import { RelayedConnection } from "./threads/relayed_connection.js";
import { Relays } from "./threads/relays.js";

/** What has happened since the server began. */
export interface ServerCounters {
  /** Sessions that began. */
  opened: number;
  /** And ended. */
  closed: number;
  /** Hellos and connections that were not let in. */
  rejected: number;
  /** Connections given up because nothing was heard of them. */
  heartbeatTimeouts: number;
  /** Hellos that were judged before their connection's handshake was complete: see `earlyData`. */
  early: number;
}

/** How many slots are looked at in one turn of the clock, so that a round takes a second or less, and a turn no time. */
const slotsPerTurn = 4_096;

/** What a server's parts share. One for each environment. */
export class ServerCore<Data> {
  options: ReadServerOptions<Data>;
  /** The environments that share its sessions with it. */
  readonly peers: Peers;
  /** The servers that take its tokens, and whose it takes. */
  readonly nodes: Nodes;
  /** Connections whose session another of them has. */
  readonly relays: Relays;
  readonly sessions: Sessions;
  /** The sessions of those environments. */
  readonly elsewhere: Elsewhere;
  readonly listing: Listing;
  readonly registry: Registry<Data>;
  readonly admission: SessionAdmission<Data>;
  readonly clock: Clock;
  readonly handlers: Handlers<Data>;
  readonly receiver: Receiver<Data>;
  readonly topics: ServerTopics<Data>;
  readonly dispatcher: Dispatcher;
  readonly early: EarlyDesk<Data>;
  readonly queues: QueueBudget<Data>;
  readonly storing: Storing<Data>;
  readonly half: ServerContext<Data>;
  readonly requestBudget: RequestBudget;
  /** Woken when no request waits for its answer any more. */
  readonly answered = new Waiters();
  readonly welcomes = new PreparedWelcomes();
  readonly handshakes: DeadlineQueue<Handshake<Data>>;
  readonly counters: ServerCounters = { opened: 0, closed: 0, rejected: 0, heartbeatTimeouts: 0, early: 0 };
  /** Clients whose `authenticate` has not settled, though some of them may have gone. */
  unsettled = 0;
  /** Sessions that owe acknowledgements which nothing else has carried yet. */
  owing: ServerSession<Data>[] = [];
  readonly authenticate: (
    hello: ClientHello,
    context: AuthenticateContext,
  ) => Data | Refusal | PromiseLike<Data | Refusal>;
  /** Tells the middleware what came of a client that was let in. */
  readonly settled: (hello: ClientHello, context: AuthenticateContext, refusal: Refusal | undefined) => void;
  /** Around what is sent; undefined where there is no middleware. */
  readonly outgoing: ((session: ServerSession<Data>, message: Outgoing) => SendResult) | undefined;
  readonly codecOf: (transport: TransportConnection) => Codec | undefined;
  readonly #tokens: ResumeTokens;
  readonly #arrivals: Arrivals;
  readonly #closing: (session: ServerSession<Data>, end: SessionEnd) => unknown;
  #cursor = 0;
  isClosing = false;

  constructor(
    options: ReadServerOptions<Data>,
    behaviour: ServerBehaviour<Data>,
    plugins: readonly Plugin<Data>[],
    frames: TransportBehaviour & Pick<ServerCore<Data>, "codecOf">,
    peers: Peers,
  ) {
    this.options = options;
    this.codecOf = (transport) => frames.codecOf(transport);
    const { middleware, limits, authenticateTimeoutMs } = options;
    this.handlers = new Handlers(behaviour, plugins);
    this.dispatcher = new Dispatcher(options.dispatcher);
    this.topics = new ServerTopics(options.topics, this.codecOf, peers, options.maxMessageBytes);
    this.storing = new Storing(
      options,
      (session, cause) => this.handlers.report(session, cause),
      Object.hasOwn(behaviour.events ?? {}, largeSubject),
    );
    this.receiver = new Receiver(
      behaviour,
      middleware,
      this.handlers,
      this.dispatcher,
      this.topics,
      this.storing,
    );
    this.requestBudget = new RequestBudget(
      options.maxPendingRequests,
      new NearLimit((current, limit) =>
        this.handlers.call("warning", undefined, { kind: "pendingRequests", current, limit }),
      ),
      () => this.answered.wake(),
    );
    this.queues = new QueueBudget(queueLimits(options), (current, limit) =>
      this.handlers.call("warning", undefined, { kind: "queueBytes", current, limit }),
    );
    const half = halfContext(options, this.requestBudget, options.queuePolicy);
    const outbound = { ...half.outbound, insteadOf: gapInsteadOf };
    this.half = { ...half, outbound, ids: options.messageIds, core: this };
    this.authenticate = onion(
      layersOf(middleware, "connect") as never[],
      (hello: ClientHello, context: AuthenticateContext) =>
        behaviour.authenticate?.(hello, context) ?? (undefined as Data),
    );
    const settled = middleware.filter((layer) => layer.settled !== undefined);
    this.settled = (...outcome) => {
      for (const layer of settled) this.handlers.tell(() => layer.settled!(...outcome));
    };
    this.outgoing = outgoingOnion(middleware);
    this.#closing = onion(
      layersOf(middleware, "close") as never[],
      (session: ServerSession<Data>, end: SessionEnd) => this.handlers.call("close", session, end),
    );
    this.nodes = new Nodes(options.node ?? nodeOf(peers.group), (cause) =>
      this.handlers.report(undefined, cause),
    );
    this.#tokens = new ResumeTokens(this.nodes.secret);
    this.admission = new SessionAdmission(this);
    this.peers = peers;
    peers.onFault((cause) => this.handlers.report(undefined, cause));
    this.sessions = peers.sessions;
    this.relays = new Relays(peers, PeerKind.relay, frames, {
      highWaterMarkBytes: options.highWaterMarkBytes,
      windowBytes: options.windowBytes,
      maxUnitBytes: maxFrameBytes(options.maxMessageBytes, options.codecs),
    });
    this.elsewhere = new Elsewhere(peers, this.half);
    this.early = new EarlyDesk(behaviour, this.handlers, this.dispatcher, peers, this.elsewhere);
    this.listing = new Listing(peers, this.elsewhere);
    this.registry = new Registry(peers, (clientId) => this.#unnamed(clientId));
    peers.onLeft(() => {
      if (options.sameClient === "allow") this.registry.renameAll();
    });
    new Answers(this);
    this.clock = new Clock(() => this.#turn());
    this.#arrivals = new Arrivals(arrivalLimits(limits), () => performance.now());
    this.handshakes = new DeadlineQueue(this.clock, authenticateTimeoutMs);
  }

  /** Goes on by other options, of which only those of `ReloadOptions` may differ. */
  reload(options: ReadServerOptions<Data>): void {
    const { limits, dispatcher, maxPendingRequests, authenticateTimeoutMs, queuePolicy } = options;
    this.options = options;
    this.dispatcher.update(dispatcher);
    this.requestBudget.limit = maxPendingRequests;
    this.handshakes.timeoutMs = authenticateTimeoutMs;
    this.#arrivals.update(arrivalLimits(limits));
    this.admission.update();
    updateHalf(this.half, options, queuePolicy);
    this.queues.update(queueLimits(options));
  }

  /** How many are in the middle of being let in. */
  get unauthenticated(): number {
    return Math.max(this.handshakes.size, this.unsettled);
  }

  /** Whether one more connection may come from an address. */
  admitsConnection(address: string): boolean {
    const admits = !this.isClosing && this.#arrivals.admits(address);
    if (!admits) this.counters.rejected += 1;
    return admits;
  }

  /** Something was heard of a session. */
  touch(session: ServerSession<Data>): void {
    const { tick } = this.clock;
    if (session.touchedAt === tick) return; // the table's memory is seldom in the processor's cache
    session.touchedAt = tick;
    this.sessions.table.touch(session.handle, tick);
  }

  /** The token by which a client of a name, or of none, resumes a session. */
  mint(session: Uint8Array, clientId: string | undefined, counter: number): Uint8Array {
    return this.#tokens.mint({ session, counter, principal: clientId ?? "", node: this.nodes.number });
  }

  /** How often a client is to be heard of that asks for this; undefined where it promises nothing. */
  heartbeatFor(askedMs: number | undefined): number | undefined {
    if (askedMs === undefined) return undefined;
    const { intervalMs, timeoutMs } = this.options.heartbeat;
    // Sooner, as its network may need it; later only as far as this side's patience reaches three times.
    return Math.min(Math.max(askedMs, 1_000), Math.max(intervalMs, Math.floor(timeoutMs / 3)));
  }

  /**
   * Relays the connection of a client that takes up a session which another environment has: that one judges its hello.
   * @param unit the hello as it came.
   * @returns undefined where it is to be judged here.
   */
  relay(handshake: Handshake<Data>, hello: Hello, unit: Uint8Array): Relay | undefined {
    const { transport } = handshake;
    const owner = this.#ownerElsewhere(transport, hello);
    return owner === undefined ? undefined : this.relays.begin(owner, transport, unit, handshake);
  }

  /** Whether a client takes up a session that another environment has. */
  isElsewhere(transport: TransportConnection, hello: Hello): boolean {
    return this.#ownerElsewhere(transport, hello) !== undefined;
  }

  #ownerElsewhere(transport: TransportConnection, { resumption }: Hello): number | undefined {
    if (resumption === undefined || transport instanceof RelayedConnection) return undefined;
    const found = this.sessions.find(IdKind.session, idWords(resumption.session));
    return found === undefined || found.owner === this.sessions.environment ? undefined : found.owner;
  }

  /** The session that a hello takes up again, where it may, and the number of the token that it showed. */
  resumable(
    { resumption }: Hello,
    clientId: string | undefined,
  ): { readonly session: ServerSession<Data>; readonly shown: number } | undefined {
    if (resumption === undefined) return undefined;
    const { session: id, resume, cursors } = resumption;
    const grant = this.#tokens.verify(resume, { session: id, principal: clientId ?? "" });
    const session = grant && this.registry.byId(id);
    if (session === undefined || session.clientId !== clientId) return undefined;
    // The token of a welcome whose commit was lost on its way is one ahead: it was given to who had proved itself.
    const ahead = (grant!.counter - session.tokenCounter) >>> 0;
    return ahead <= 1 && session.outbound.canResume(cursors) ? { session, shown: grant!.counter } : undefined;
  }

  /** A session is over. */
  forget(session: ServerSession<Data>, end: SessionEnd): void {
    this.counters.closed += 1;
    if (this.dispatcher.has(session)) {
      this.dispatcher.cancel(session, new SessionClosedError(`session ${session.id} is over`));
    }
    this.receiver.forget(session);
    this.admission.leave(session.address);
    this.topics.forget(session);
    this.registry.delete(session);
    try {
      this.handlers.watch(session, this.#closing(session, end));
    } catch (cause) {
      this.handlers.report(session, cause);
    }
  }

  /** The figures of this environment's sessions in a part of the slots. */
  infosOf(range: ListRange): readonly SessionInfo[] {
    const infos: SessionInfo[] = [];
    this.registry.visitThose(range, (session) => infos.push(session.info));
    return infos;
  }

  /** Another thread may have a session of a client whose own here have ended. */
  #unnamed(clientId: string): void {
    if (this.options.sameClient === "allow" && !this.isClosing) this.elsewhere.rename(clientId);
  }

  /** The server's end: nothing of it goes on. */
  stop(): void {
    this.clock.stop();
    this.topics.close();
    this.elsewhere.end();
    this.listing.end();
    this.dispatcher.cancelAll(new SessionClosedError("the server is closed"));
    leaveSessions(this.peers);
  }

  /** 20 times a second. */
  #turn(): void {
    const { owing } = this;
    this.owing = [];
    for (const session of owing) session.payAcks();
    this.topics.sweep(performance.now());
    this.handshakes.expire((handshake) => handshake.expire());
    this.relays.turn();
    this.registry.renameSome();
    const { tick } = this.clock;
    this.#cursor = this.registry.visit(this.#cursor, slotsPerTurn, (session) => {
      try {
        session.age(tick);
      } catch (cause) {
        this.handlers.report(session, cause);
      }
    });
  }
}

function arrivalLimits({ connectionRatePerAddress, connectionRate }: ReadLimits): AddressLimitsOptions {
  return { ratePerAddress: connectionRatePerAddress, totalRate: connectionRate };
}
