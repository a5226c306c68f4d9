import type { SessionHandle } from "../session/handle.js";
import { slotOf } from "../session/handle.js";
import { IdKind, type Sessions } from "../session/sessions.js";
import { SessionNumber } from "../session/table.js";
import type { ServerSession } from "./server_session.js";
import { clientWords, idWords, idWordsOf } from "./session_id.js";
import type { ListRange } from "./threads/listing.js";
import type { Peers } from "./threads/peers.js";

/** What `same client id` policy a server has: see ServerOptions.sameClient. */
export type SameClientPolicy = "allow" | "replace" | "reject";

/** How many client ids are looked at in one turn of the clock: each takes a hash. */
const renamesPerTurn = 1_000;

/**
 * The sessions of this environment, by handle, id and client id. Those of others are in the process's index, by which
 * they can be addressed.
 */
export class Registry<Data> {
  readonly #peers: Peers;
  readonly #sessions: Sessions;
  readonly #unnamed: (clientId: string) => void;
  /** By slot. */
  readonly #bySlot: (ServerSession<Data> | undefined)[];
  /** Nearly every client id has one session. */
  readonly #byClient = new Map<string, ServerSession<Data> | ServerSession<Data>[]>();
  #size = 0;
  #renames: Iterator<string, undefined> | undefined = undefined;

  /** @param unnamed told of client ids by which no session here is known any more, but perhaps one of another thread. */
  constructor(peers: Peers, unnamed: (clientId: string) => void) {
    this.#peers = peers;
    this.#sessions = peers.sessions;
    this.#unnamed = unnamed;
    this.#bySlot = new Array<ServerSession<Data> | undefined>(this.#sessions.table.slotCount).fill(undefined);
  }

  get size(): number {
    return this.#size;
  }

  /** Whether a session of any thread is known by a client id. */
  isTaken(clientId: string): boolean {
    return (
      this.#byClient.has(clientId) || this.#sessions.find(IdKind.client, clientWords(clientId)) !== undefined
    );
  }

  /** Takes a client id for a session that is to be entered. False where one of any thread has it. */
  reserve(clientId: string, handle: SessionHandle): boolean {
    return this.#sessions.assign(IdKind.client, clientWords(clientId), handle, true) === undefined;
  }

  /** The opposite, of one that was not entered. */
  giveBack(clientId: string, handle: SessionHandle): void {
    this.#sessions.forget(IdKind.client, clientWords(clientId), handle);
  }

  /** Enters a session whose slot is open. @returns the one that was known by its client id until now. */
  add(session: ServerSession<Data>): SessionHandle | undefined {
    this.#bySlot[slotOf(session.handle)] = session;
    const known = this.#addClient(session);
    this.#resize(1); // who sees it counted finds it
    return known;
  }

  #addClient(session: ServerSession<Data>): SessionHandle | undefined {
    const { clientId } = session;
    if (clientId === undefined) return undefined;
    const others = this.#byClient.get(clientId);
    if (others === undefined) this.#byClient.set(clientId, session);
    else if (Array.isArray(others)) others.push(session);
    else this.#byClient.set(clientId, [others, session]);
    return this.#sessions.assign(IdKind.client, clientWords(clientId), session.handle);
  }

  /** Takes a session out, and gives its slot back. */
  delete(session: ServerSession<Data>): void {
    const slot = slotOf(session.handle);
    if (this.#bySlot[slot] !== session) return;
    this.#bySlot[slot] = undefined;
    this.#sessions.forget(IdKind.session, idWordsOf(session.id), session.handle);
    if (session.clientId !== undefined) this.#deleteClient(session, session.clientId);
    this.#sessions.release(session.handle);
    this.#resize(-1); // who sees it counted no more, in whatever thread, finds nothing of it
  }

  #deleteClient(session: ServerSession<Data>, clientId: string): void {
    const named = this.#byClient.get(clientId);
    const rest = Array.isArray(named) ? named.filter((other) => other !== session) : [];
    const [first] = rest;
    if (first === undefined) this.#byClient.delete(clientId);
    else this.#byClient.set(clientId, rest.length === 1 ? first : rest);
    if (!this.#sessions.forget(IdKind.client, clientWords(clientId), session.handle)) return; // another is known by it
    if (rest.length > 0) this.rename(clientId);
    else this.#unnamed(clientId);
  }

  /** Makes the newest session of a client id the one that is known by it, where none of another thread is. */
  rename(clientId: string): void {
    const last = this.ofClient(clientId).at(-1);
    if (last !== undefined) this.reserve(clientId, last.handle);
  }

  /** A thread has ended without a word: whatever client ids it had, others' sessions are to be known by. */
  renameAll(): void {
    this.#renames = this.#byClient.keys();
  }

  /** Does a part of that: once in each turn of the clock. */
  renameSome(): void {
    for (let left = renamesPerTurn; this.#renames !== undefined && left > 0; left -= 1) {
      const { value, done } = this.#renames.next();
      if (done) this.#renames = undefined;
      else this.rename(value);
    }
  }

  #resize(by: number): void {
    this.#size += by;
    this.#peers.countSessions(this.#size);
  }

  /** The session of a handle, if it is of this environment. */
  at(handle: SessionHandle): ServerSession<Data> | undefined {
    const session = this.#bySlot[slotOf(handle)];
    return session?.handle === handle ? session : undefined;
  }

  /** The session of an id, if it is of this environment. */
  byId(id: Uint8Array): ServerSession<Data> | undefined {
    const found = this.#sessions.find(IdKind.session, idWords(id));
    return found === undefined ? undefined : this.at(found.handle);
  }

  /** The sessions of a client id in this environment, the oldest first. */
  ofClient(clientId: string): readonly ServerSession<Data>[] {
    const named = this.#byClient.get(clientId);
    if (named === undefined) return [];
    return Array.isArray(named) ? named : [named];
  }

  /** Those of a part of the slots. @param visit may end sessions. @returns where to go on; 0 after the last. */
  visit(cursor: number, slots: number, visit: (session: ServerSession<Data>) => void): number {
    const end = Math.min(cursor + slots, this.#bySlot.length);
    for (let slot = cursor; slot < end; slot += 1) {
      const session = this.#bySlot[slot];
      if (session !== undefined) visit(session);
    }
    return end < this.#bySlot.length ? end : 0;
  }

  /** The same, of a client alone, or over a transport, where that is asked. */
  visitThose(
    { cursor, budget, clientId, transport }: ListRange,
    visit: (session: ServerSession<Data>) => void,
  ): number {
    return this.visit(cursor, budget, (session) => {
      if (clientId !== undefined && session.clientId !== clientId) return;
      if (transport === undefined || session.transport === transport) visit(session);
    });
  }

  *[Symbol.iterator](): Generator<ServerSession<Data>> {
    for (const session of this.#bySlot) if (session !== undefined) yield session;
  }

  /** Milliseconds since a session was last heard, by the table. */
  idleMs(session: ServerSession<Data>, tick: number): number {
    const last = this.#sessions.table.get(session.handle, SessionNumber.lastActivity);
    return last === undefined ? 0 : (tick - last) >>> 0;
  }
}
