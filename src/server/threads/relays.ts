import { randomInt } from "node:crypto";
import { MillraceError } from "../../errors.js";
import type { InboxResult } from "../../session/sessions.js";
import { CloseCode } from "../../transport/close.js";
import type { TransportBehaviour, TransportConnection } from "../../transport/connection.js";
import { callGuarded } from "../../transport/uncaught.js";
import { Relay, type RelayKeeper, type RelayLimits } from "./relay.js";
import { type RelayCommand, RelayOp, readRelayCommand, writeRelayCommand } from "./relay_command.js";
import { RelayLine } from "./relay_line.js";
import { maxOpeningBytes, readOpening } from "./relay_opening.js";
import { RelayPipe } from "./relay_pipe.js";
import { type RelayStatus, readStatus } from "./relay_status.js";
import { RelayedConnection, type RelayedKeeper } from "./relayed_connection.js";

/** The environments that share their sessions with this one, as relays need them. */
export interface RelayPeers {
  post(environment: number, kind: number, bytes: Uint8Array): InboxResult;
  onPost(kind: number, handler: (bytes: Uint8Array, sender: number) => void): void;
  onLeft(handler: (environment: number) => void): void;
  onDrain(handler: (environment: number) => void): void;
}

/** An owner's end: of a connection that has not been told whole, its first status alone is known. */
interface OwnedEnd {
  readonly pipe: RelayPipe;
  connection: RelayedConnection | undefined;
  status: RelayStatus | undefined;
}

const nothing = new Uint8Array(0);
const gone = "the thread that had the session is gone";
const damaged = "what goes between threads was damaged";
/** In so many turns every relayed connection has been asked whether its edge still is. */
const turnsPerRound = 600;

/**
 * The relays of one environment, which is the edge of some and the owner of others. A client that takes up again a
 * session of another environment stays connected where it is: its units go to the session, and the session's come back.
 *
 * ```text
 *  client ── transport ── Relay ── pipe ══ inboxes ══ pipe ── RelayedConnection ── session
 *            edge                                             owner
 * ```
 */
export class Relays implements RelayKeeper, RelayedKeeper {
  readonly limits: RelayLimits;
  readonly behaviour: TransportBehaviour;
  readonly #post: (environment: number, command: Uint8Array) => InboxResult;
  readonly #lines = new Map<number, RelayLine>();
  /** By their numbers, which are of this environment. */
  readonly #edges = new Map<number, Relay>();
  /** By the edge's environment and number. */
  readonly #owned = new Map<number, OwnedEnd>();
  #watched = new Set<Relay>();
  #round: Iterator<OwnedEnd> | undefined = undefined;
  #damagedCount = 0;

  /** @param behaviour of whoever has the sessions here: relayed connections are opened there. */
  constructor(peers: RelayPeers, kind: number, behaviour: TransportBehaviour, limits: RelayLimits) {
    this.limits = limits;
    this.behaviour = behaviour;
    this.#post = (environment, command) => peers.post(environment, kind, command);
    peers.onPost(kind, (bytes, sender) => this.#onCommand(bytes, sender));
    peers.onLeft((environment) => this.#onLeft(environment));
    peers.onDrain((environment) => this.#lines.get(environment)?.drained());
  }

  /** Clients' connections here, whose sessions are elsewhere. */
  get edgeCount(): number {
    return this.#edges.size;
  }

  /** The same, themselves. */
  *transports(): IterableIterator<TransportConnection> {
    for (const { transport } of this.#edges.values()) yield transport;
  }

  /** Connections elsewhere, whose sessions are here. */
  get ownedCount(): number {
    return this.#owned.size;
  }

  /** Commands of other threads that were none, or were not what had to come next. */
  get damagedCount(): number {
    return this.#damagedCount;
  }

  /**
   * Relays a connection from now on: the caller gives what the client sends, its drain and its end to the relay.
   * @param applicant ended when the owner has answered.
   */
  begin(owner: number, transport: TransportConnection, hello: Uint8Array, applicant: { end(): void }): Relay {
    const pipe = new RelayPipe(this.#lineTo(owner), {
      id: this.#newNumber(),
      toOwner: true,
      maxUnitBytes: this.limits.maxUnitBytes,
      onRoom: () => relay.roomMade(),
    });
    const relay: Relay = new Relay(this, transport, applicant, pipe);
    this.#edges.set(pipe.id, relay);
    relay.begin(hello);
    return relay;
  }

  /** One turn of the server's clock. */
  turn(): void {
    const watched = this.#watched;
    this.#watched = new Set();
    for (const relay of watched) if (relay.look(true)) this.#watched.add(relay);
    for (let left = Math.ceil(this.#owned.size / turnsPerRound); left > 0; left -= 1) this.#probeNext();
  }

  watch(relay: Relay): void {
    this.#watched.add(relay);
  }

  forget(relay: Relay): void {
    this.#edges.delete(relay.pipe.id);
  }

  forgetRelayed({ pipe }: RelayedConnection): void {
    this.#owned.delete(keyOf(pipe.environment, pipe.id));
  }

  #probeNext(): void {
    this.#round ??= this.#owned.values();
    const { value, done } = this.#round.next();
    if (done) this.#round = undefined;
    else value.connection?.probe();
  }

  #lineTo(environment: number): RelayLine {
    let line = this.#lines.get(environment);
    if (line === undefined) {
      line = new RelayLine(environment, this.#post);
      this.#lines.set(environment, line);
    }
    return line;
  }

  /** Not one after the other: a number that another thread damages is nobody's, and one of an earlier thread's neither. */
  #newNumber(): number {
    let id = randomInt(2 ** 32);
    while (this.#edges.has(id)) id = randomInt(2 ** 32);
    return id;
  }

  #onCommand(bytes: Uint8Array, sender: number): void {
    const read = readRelayCommand(bytes);
    if (read === undefined) this.#damagedCount += 1;
    else if (read.command.toOwner) this.#onOwnersCommand(read.command, read.part, sender);
    else this.#onEdgesCommand(read.command, read.part, sender);
  }

  /** For an edge here. */
  #onEdgesCommand(command: RelayCommand, part: Uint8Array, sender: number): void {
    const relay = this.#edges.get(command.relay);
    if (relay === undefined || relay.pipe.environment !== sender) {
      if (command.op !== RelayOp.close) this.#reset(command, sender);
      return;
    }
    this.#guard(
      () => {
        if (command.op === RelayOp.reset) relay.fail(CloseCode.goingAway, gone);
        else if (command.op === RelayOp.status) relay.takeStatus(readStatus(part));
        else {
          const unit = relay.pipe.take(command, part);
          if (unit !== undefined) relay.take(unit);
        }
      },
      () => {
        this.#reset(command, sender);
        relay.fail(CloseCode.internal, damaged);
      },
    );
  }

  /** For an owner here. */
  #onOwnersCommand(command: RelayCommand, part: Uint8Array, sender: number): void {
    const key = keyOf(sender, command.relay);
    const end = this.#owned.get(key) ?? this.#ownedOf(command, sender, key);
    if (end === undefined) {
      if (command.op !== RelayOp.closed) this.#reset(command, sender);
      return;
    }
    this.#guard(
      () => this.#takeOwners(end, command, part),
      () => {
        this.#reset(command, sender);
        this.#failOwned(end, CloseCode.internal, damaged);
      },
    );
  }

  #takeOwners(end: OwnedEnd, command: RelayCommand, part: Uint8Array): void {
    if (command.op === RelayOp.reset) {
      this.#failOwned(end, CloseCode.goingAway, gone);
    } else if (command.op === RelayOp.status) {
      const status = readStatus(part);
      if (end.connection === undefined) end.status = status;
      else end.connection.takeStatus(status);
    } else {
      const unit = end.pipe.take(command, part);
      if (unit === undefined) return;
      if (end.connection !== undefined) end.connection.take(unit);
      else if (unit.op === RelayOp.open) this.#open(end, unit.bytes);
      else this.#failOwned(end, CloseCode.normal, ""); // it ended before it was told whole
    }
  }

  /** The first command of a relay makes it. */
  #ownedOf({ op, sequence, relay }: RelayCommand, sender: number, key: number): OwnedEnd | undefined {
    if (op !== RelayOp.open || sequence !== 1) return undefined;
    const pipe = new RelayPipe(this.#lineTo(sender), {
      id: relay,
      toOwner: false,
      maxUnitBytes: Math.max(this.limits.maxUnitBytes, maxOpeningBytes),
      onRoom: () => {},
    });
    const end: OwnedEnd = { pipe, connection: undefined, status: undefined };
    this.#owned.set(key, end);
    return end;
  }

  #open(end: OwnedEnd, bytes: Uint8Array): void {
    const connection = new RelayedConnection(this, readOpening(bytes), end.pipe);
    end.connection = connection;
    connection.probe(); // the first word of the owner: it has taken over
    if (end.status !== undefined) connection.takeStatus(end.status);
    callGuarded(() => this.behaviour.open(connection));
  }

  #failOwned({ pipe, connection }: OwnedEnd, code: number, reason: string): void {
    pipe.clear();
    if (connection === undefined) this.#owned.delete(keyOf(pipe.environment, pipe.id));
    else connection.fail(code, reason);
  }

  /** The other end does not know yet that there is none here. A reset is not answered, or it would be for ever. */
  #reset({ op, toOwner, relay }: RelayCommand, environment: number): void {
    if (op === RelayOp.reset) return;
    const command = { op: RelayOp.reset, toOwner: !toOwner, relay, lane: 0, sequence: 0, totalBytes: 0 };
    this.#post(environment, writeRelayCommand(command, nothing));
  }

  #onLeft(environment: number): void {
    this.#lines.delete(environment);
    for (const relay of [...this.#edges.values()]) {
      if (relay.pipe.environment === environment) relay.fail(CloseCode.goingAway, gone);
    }
    for (const end of [...this.#owned.values()]) {
      if (end.pipe.environment === environment) this.#failOwned(end, CloseCode.goingAway, gone);
    }
  }

  /** What another thread damaged ends the relay that it is of. */
  #guard(take: () => void, onDamage: () => void): void {
    try {
      take();
    } catch (cause) {
      if (!(cause instanceof MillraceError)) throw cause;
      this.#damagedCount += 1;
      onDamage();
    }
  }
}

/** Exact: environments are 6 bits. */
function keyOf(environment: number, relay: number): number {
  return environment * 2 ** 32 + relay;
}
