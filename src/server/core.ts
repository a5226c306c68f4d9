import { halfContext, updateHalf } from "../delivery/half_options.js";
import type { Hello } from "../delivery/hello.js";
import type { MarkingContext } from "../delivery/marking_half.js";
import type { Outgoing } from "../delivery/outbound.js";
import { RequestBudget } from "../delivery/pending_requests.js";
import { RejectCode } from "../delivery/reject.js";
import { ResumeTokens } from "../delivery/resume_token.js";
import { Dispatcher } from "../dispatch/dispatcher.js";
import { SessionClosedError } from "../errors.js";
import { decompressPayload } from "../frame/compression.js";
import type { Codec } from "../frame/message_codec.js";
import { maxFrameBytes } from "../frame/transport_options.js";
import { addressKey } from "../limit/address_key.js";
import { AddressLimits, type AddressLimitsOptions } from "../limit/address_limits.js";
import { IdKind, type Sessions } from "../session/sessions.js";
import { CloseCode } from "../transport/close.js";
import type { SendResult, TransportBehaviour, TransportConnection } from "../transport/connection.js";
import { Waiters } from "../transport/waiters.js";
import { Arrivals } from "./arrivals.js";
import type { AuthenticateContext, ClientHello, ServerBehaviour } from "./behaviour.js";
import { Clock } from "./clock.js";
import { DeadlineQueue } from "./deadline_queue.js";
import { Handlers } from "./handlers.js";
import type { Handshake } from "./handshake.js";
import { layersOf, onion } from "./middleware.js";
import { Nodes } from "./node.js";
import type { ReadLimits, ReadServerOptions } from "./options.js";
import { outgoingOnion } from "./outgoing_onion.js";
import type { Plugin } from "./plugin.js";
import { nodeOf } from "./processes/node_of.js";
import { QueueBudget, queueLimits } from "./queue_budget.js";
import { Receiver } from "./receiver.js";
import { type Refusal, refuse } from "./refusal.js";
import { Registry } from "./registry.js";
import type { ServerSession } from "./server_session.js";
import { ServerTopics } from "./server_topics.js";
import type { SessionEnd, SessionInfo } from "./session.js";
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
}

/** How many slots are looked at in one turn of the clock, so that a round takes a second or less, and a turn no time. */
const slotsPerTurn = 4_096;
const retryWhenFullMs = 5_000;

function takenRefusal(): Refusal {
  return refuse("the client id has a session already", { code: RejectCode.clientIdTaken });
}

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
  readonly clock: Clock;
  readonly handlers: Handlers<Data>;
  readonly receiver: Receiver<Data>;
  readonly topics: ServerTopics<Data>;
  readonly dispatcher: Dispatcher;
  readonly queues: QueueBudget<Data>;
  readonly storing: Storing<Data>;
  readonly half: MarkingContext;
  readonly requestBudget: RequestBudget;
  /** Woken when no request waits for its answer any more. */
  readonly answered = new Waiters();
  readonly handshakes: DeadlineQueue<Handshake<Data>>;
  readonly counters: ServerCounters = { opened: 0, closed: 0, rejected: 0, heartbeatTimeouts: 0 };
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
  readonly #sessionAddresses: AddressLimits;
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
    this.storing = new Storing(options, (session, cause) => this.handlers.report(session, cause));
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
      (current, limit) =>
        this.handlers.call("warning", undefined, { kind: "pendingRequests", current, limit }),
      () => this.answered.wake(),
    );
    this.queues = new QueueBudget(queueLimits(options), (current, limit) =>
      this.handlers.call("warning", undefined, { kind: "queueBytes", current, limit }),
    );
    this.half = {
      ...halfContext(options, this.requestBudget, decompressPayload, options.queuePolicy),
      ids: options.messageIds,
    };
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
    this.#sessionAddresses = new AddressLimits({ maxPerAddress: limits.sessionsPerAddress });
    this.peers = peers;
    peers.onFault((cause) => this.handlers.report(undefined, cause));
    this.sessions = peers.sessions;
    this.relays = new Relays(peers, PeerKind.relay, frames, {
      highWaterMarkBytes: options.highWaterMarkBytes,
      windowBytes: options.windowBytes,
      maxUnitBytes: maxFrameBytes(options.maxMessageBytes, options.codecs),
    });
    this.elsewhere = new Elsewhere(peers, this.half);
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
    this.#sessionAddresses.update({ maxPerAddress: limits.sessionsPerAddress }, this.clock.tick);
    updateHalf(this.half, options, queuePolicy);
    this.queues.update(queueLimits(options));
  }

  /** What a refusal says that another time may not. */
  readonly fullRefusal = { code: RejectCode.full, retryAfterMs: retryWhenFullMs };

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
    this.sessions.table.touch(session.handle, this.clock.tick);
  }

  mint(session: ServerSession<Data>, counter: number): Uint8Array {
    const { idBytes, clientId = "" } = session;
    return this.#tokens.mint({ session: idBytes, counter, principal: clientId, node: this.nodes.number });
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
  relay(handshake: Handshake<Data>, { resumption }: Hello, unit: Uint8Array): Relay | undefined {
    const { transport } = handshake;
    if (resumption === undefined || transport instanceof RelayedConnection) return undefined;
    const found = this.sessions.find(IdKind.session, idWords(resumption.session));
    if (found === undefined || found.owner === this.sessions.environment) return undefined;
    return this.relays.begin(found.owner, transport, unit, handshake);
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

  /** Why a new session of this client is not begun; undefined where it is. */
  refuses(transport: TransportConnection, clientId: string | undefined): Refusal | undefined {
    return this.#refusalOf(transport.remoteAddress.address, clientId);
  }

  #refusalOf(address: string, clientId: string | undefined): Refusal | undefined {
    const { sessionsPerAddress = Number.POSITIVE_INFINITY } = this.options.limits;
    if (this.#sessionAddresses.count(address) - this.#replacedAt(address, clientId) >= sessionsPerAddress) {
      return refuse("there are as many sessions of this address as may be", this.fullRefusal);
    }
    if (this.isClosing) {
      return refuse("the server stops", { code: RejectCode.goingAway, retryAfterMs: retryWhenFullMs });
    }
    const isTaken =
      this.options.sameClient === "reject" && clientId !== undefined && this.registry.isTaken(clientId);
    return isTaken ? takenRefusal() : undefined;
  }

  /** How many sessions of an address a new one of a client puts an end to. */
  #replacedAt(address: string, clientId: string | undefined): number {
    if (this.options.sameClient !== "replace" || clientId === undefined) return 0;
    const key = addressKey(address);
    return this.registry.ofClient(clientId).filter((old) => addressKey(old.address) === key).length;
  }

  /** Enters a session whose client has committed. @returns why not, where things have changed since it was welcomed. */
  admit(session: ServerSession<Data>, address: string): Refusal | undefined {
    const { clientId, handle } = session;
    // What was true when it was welcomed may be so no more.
    const refusal = this.#refusalOf(address, clientId);
    if (refusal !== undefined) return refusal;
    if (this.options.sameClient === "replace" && clientId !== undefined) {
      for (const old of [...this.registry.ofClient(clientId)]) {
        old.endBy("replaced", CloseCode.superseded, "its client connected again", false);
      }
    }
    if (this.#sessionAddresses.admit(address, this.clock.tick) !== undefined) {
      return refuse("there are as many sessions of this address as may be", this.fullRefusal);
    }
    if (this.options.sameClient === "reject" && clientId !== undefined) {
      if (!this.registry.reserve(clientId, handle)) {
        this.#sessionAddresses.leave(address);
        return takenRefusal();
      }
    }
    const identity = { transport: 0, connection: 0, id: idWords(session.idBytes) };
    if (!this.sessions.open(handle, identity, this.clock.tick)) {
      throw new SessionClosedError("the session's slot was damaged");
    }
    const known = this.registry.add(session);
    // Of several threads at once each displaces the one before it, so one session remains.
    if (known !== undefined && this.options.sameClient === "replace") this.elsewhere.replace(known);
    this.counters.opened += 1;
    return undefined;
  }

  /**
   * A session goes on from another address. Who is let in already is not turned away for that.
   * @returns whether it counts there: where it is one too many, it does not.
   */
  move(before: string, address: string): boolean {
    this.#sessionAddresses.leave(before);
    return this.#sessionAddresses.admit(address, this.clock.tick) === undefined;
  }

  /** A session is over. */
  forget(session: ServerSession<Data>, end: SessionEnd): void {
    this.counters.closed += 1;
    this.dispatcher.cancel(session, new SessionClosedError(`session ${session.id} is over`));
    this.#sessionAddresses.leave(session.address);
    this.topics.forget(session);
    this.registry.delete(session);
    try {
      this.handlers.watch(session, this.#closing(session, end));
    } catch (cause) {
      this.handlers.report(session, cause);
    }
  }

  /** The figures of this environment's sessions in a part of the slots. */
  infosOf({ cursor, budget, clientId, transport }: ListRange): readonly SessionInfo[] {
    const infos: SessionInfo[] = [];
    this.registry.visit(cursor, budget, (session) => {
      if (clientId !== undefined && session.clientId !== clientId) return;
      if (transport === undefined || session.transport === transport) infos.push(session.info);
    });
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
