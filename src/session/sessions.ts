import { ResourceExhaustedError, SessionsClosedError } from "../errors.js";
import { loadAddon, type NativeSessionDirectory } from "../native/addon.js";
import { createRing } from "../native/ring.js";
import { readOptions } from "../options/read.js";
import { integer, object, powerOfTwo, withDefault } from "../options/schema.js";
import { type Claim, environmentOf } from "./claim.js";
import type { SlotDirectory } from "./directory.js";
import { generationOf, type SessionHandle, slotOf } from "./handle.js";
import { type InboxBehaviour, Inboxes } from "./inboxes.js";
import { Maintenance } from "./maintenance.js";
import { Members } from "./members.js";
import { Outboxes } from "./outboxes.js";
import { Routes } from "./routes.js";
import type { SessionIdentity } from "./session_identity.js";
import { SessionTable } from "./table.js";
import {
  TABLE_MAX_ENVIRONMENTS,
  TABLE_MAX_SLOTS,
  TABLE_MIN_SLOTS,
  type TableMemory,
} from "./table_layout.js";
import { createTableMemory, type TablePlace, writeTableFormat } from "./table_memory.js";

export interface SessionsOptions {
  /** How many sessions there may be at once, 2 to 1,048,576. Default 65,536. */
  readonly maxSessions?: number | undefined;
  /** How many environments share them, 1 to 64. Default 8. */
  readonly maxEnvironments?: number | undefined;
  /** How much one environment may have on its way to another: a power of two, 64 KiB to 1 GiB. Default 64 KiB. */
  readonly inboxBytes?: number | undefined;
}

const MIN_INBOX_BYTES = 65_536;
const MAX_INBOX_BYTES = 2 ** 30;

const schema = object({
  maxSessions: withDefault(integer(TABLE_MIN_SLOTS, TABLE_MAX_SLOTS), 65_536),
  maxEnvironments: withDefault(integer(1, TABLE_MAX_ENVIRONMENTS), 8),
  inboxBytes: withDefault(powerOfTwo(MIN_INBOX_BYTES, MAX_INBOX_BYTES), MIN_INBOX_BYTES),
} satisfies Record<keyof SessionsOptions, unknown>);

/** What another thread needs to join: goes into workerData, or through postMessage. */
export interface SharedSessions {
  readonly table: TableMemory;
  readonly directoryId: number;
  readonly maxSessions: number;
  readonly maxEnvironments: number;
  /** From environment f to environment t: at f * maxEnvironments + t. */
  readonly inboxes: readonly SharedArrayBuffer[];
}

export interface SessionsBehaviour extends InboxBehaviour {
  /** The way to an environment that was blocked, or full, has room again: below half of its high-water mark. */
  drain?(environment: number): void;
  /** An environment has ended: its sessions are gone. Another may have its number by now. */
  left?(environment: number): void;
}

/**
 * What became of what was sent to a session, or to an environment:
 * - `sent`: taken;
 * - `blocked`: taken, and the way to its environment is now at the high-water mark, half of an inbox: wait for `drain`;
 * - `dropped`: not taken, since it found no room: wait for `drain`. Whoever waits when told does not meet it, unless with
 *   more than a quarter of an inbox at once;
 * - `gone`: not taken, since the session, or the environment, lives no longer.
 */
export type InboxResult = "sent" | "blocked" | "dropped" | "gone";

/** What an id is of. */
export const IdKind = { session: 1, client: 2 } as const;
export type IdKind = (typeof IdKind)[keyof typeof IdKind];

/** Two MiB each, where the table has as much and the kernel gives them. */
const largePages: TablePlace = {
  slackBytes: 2 ** 21,
  offsetIn: (memory, bytes) => loadAddon().largePagesIn(new Uint8Array(memory), bytes),
};

/**
 * One environment's part in the sessions of the process: the table, the directory that it is checked against, and the
 * inboxes by which any environment reaches a session of any other. Needs the native addon.
 */
export class Sessions {
  readonly table: SessionTable;
  readonly claim: Claim;
  readonly #shared: SharedSessions;
  readonly #directory: NativeSessionDirectory;
  readonly #routes: Routes;
  readonly #members: Members;
  readonly #outboxes: Outboxes;
  readonly #inboxes: Inboxes;
  readonly #maintenance: Maintenance;
  #isClosed = false;

  private constructor(
    shared: SharedSessions,
    directory: NativeSessionDirectory,
    behaviour: SessionsBehaviour,
  ) {
    this.#shared = shared;
    this.#directory = directory;
    const changes = new Int32Array(1);
    this.claim = directory.join(() => this.#inboxes.receive(), changes, shared.table) as Claim;
    if ((this.claim as number) === 0) {
      directory.leave();
      throw new ResourceExhaustedError(`these sessions have at most ${shared.maxEnvironments} environments`);
    }
    try {
      this.table = new SessionTable(shared.table, directory);
    } catch (cause) {
      directory.leave(); // who finds no table keeps nobody's place
      throw cause;
    }
    this.#routes = new Routes(this.table, directory, changes);
    this.#members = new Members(directory, changes);
    this.#outboxes = new Outboxes({
      environment: this.environment,
      inboxOf: (receiver) => this.#inbox(this.environment, receiver),
      wake: (receiver) => directory.wake(receiver),
      drain: (receiver) => behaviour.drain?.(receiver),
    });
    this.#inboxes = new Inboxes({
      behaviour,
      maxEnvironments: shared.maxEnvironments,
      inboxOf: (sender) => this.#inbox(sender, this.environment),
      wake: (sender) => directory.wake(sender),
      has: (handle) => this.table.has(handle),
      received: () => this.#outboxes.drainAll(),
    });
    this.#maintenance = new Maintenance(this.table, this.claim, directory, () => {
      this.#outboxes.maintain();
      this.#members.tellLeft((environment) => behaviour.left?.(environment));
    });
    this.#inboxes.receive();
  }

  /**
   * Makes sessions that other threads may join.
   * @throws InvalidArgumentError (ERR_MILLRACE_INVALID_ARGUMENT)
   */
  static create(options: SessionsOptions = {}, behaviour: SessionsBehaviour = {}): Sessions {
    const { maxSessions, maxEnvironments, inboxBytes } = readOptions(schema, options);
    const table = createTableMemory(maxSessions, largePages);
    const inboxes = Array.from({ length: maxEnvironments ** 2 }, () => createRing(inboxBytes));
    const directory = new (loadAddon().SessionDirectory)(maxSessions, maxEnvironments);
    return new Sessions(
      { table, directoryId: directory.id(), maxSessions, maxEnvironments, inboxes },
      directory,
      behaviour,
    );
  }

  /**
   * Joins the sessions of another thread.
   * @throws ResourceExhaustedError when as many have joined as may.
   * @throws InvalidArgumentError for a table that is none, or when a thread writes over what says so just then.
   */
  static join(shared: SharedSessions, behaviour: SessionsBehaviour = {}): Sessions {
    // Known here, so that nobody who wrote over it keeps others from joining.
    writeTableFormat(shared.table, shared.maxSessions);
    const directory = new (loadAddon().SessionDirectory)(0, shared.directoryId);
    return new Sessions(shared, directory, behaviour);
  }

  /** For `join` in another thread. */
  get shared(): SharedSessions {
    return this.#shared;
  }

  /** @internal */
  get directory(): SlotDirectory {
    return this.#directory;
  }

  /** This environment's number. */
  get environment(): number {
    return environmentOf(this.claim);
  }

  /** What came for a session that is not this environment's: stale, or written by a thread that writes anything. */
  get misdirected(): number {
    return this.#inboxes.misdirected;
  }

  /** How many damaged slots this environment has taken out of use. They come back when nobody has them. */
  get quarantined(): number {
    return this.#maintenance.quarantined;
  }

  /** How often an inbox contradicted itself and was emptied. */
  get spoiledInboxes(): number {
    return this.#inboxes.spoiled;
  }

  /**
   * Takes a free slot for a session that is opening.
   * @throws SessionTableFullError (ERR_MILLRACE_SESSION_TABLE_FULL) when there is none, until one is released.
   * @throws SessionsClosedError (ERR_MILLRACE_SESSIONS_CLOSED)
   */
  allocate(): SessionHandle {
    if (this.#isClosed) throw new SessionsClosedError("this environment has left the sessions");
    return this.table.allocate(this.claim);
  }

  /** Opens a session of this environment; `id` names it from now on. */
  open(handle: SessionHandle, identity: SessionIdentity, tick: number): boolean {
    if (!this.table.open(handle, identity, tick)) return false;
    this.#directory.assign(IdKind.session, identity.id, handle, false);
    return true;
  }

  /**
   * Names a session of any environment, in place of what the id named before; with `keeps` only where it named none.
   * Of several environments at once each displaces the one before it.
   * @returns the session that the id named, where that lives.
   */
  assign(kind: IdKind, id: Uint32Array, handle: SessionHandle, keeps = false): SessionHandle | undefined {
    const before = this.#directory.assign(kind, id, handle, keeps) as SessionHandle;
    return before === 0 ? undefined : before;
  }

  /** The session that an id names, and who has it; undefined for none. */
  find(
    kind: IdKind,
    id: Uint32Array,
  ): { readonly handle: SessionHandle; readonly owner: number } | undefined {
    const handle = this.#directory.find(kind, id) as SessionHandle;
    if (handle === 0) return undefined;
    const owner = this.table.has(handle) ? this.environment : this.ownerOf(handle);
    return owner < 0 ? undefined : { handle, owner };
  }

  /** Ends what the id names, if that is this session. */
  forget(kind: IdKind, id: Uint32Array, handle: SessionHandle): boolean {
    return this.#directory.erase(kind, id, handle);
  }

  /**
   * Closes a session of this environment and gives its slot back, whatever the table says of it: a slot that was
   * written over comes back into use after an audit.
   */
  release(handle: SessionHandle): void {
    this.table.end(handle, this.claim);
  }

  /** The environment that has the session; -1 when it lives no longer. The directory's word, not the table's. */
  ownerOf(handle: SessionHandle): number {
    return this.#directory.ownerOf(slotOf(handle), generationOf(handle));
  }

  /**
   * Hands a frame or a command to the environment that has the session, which may be this one: as soon as what calls
   * this has returned to the event loop (its microtasks), or more is sent.
   * @param kind 1 to 65535, for the receiver.
   * @throws InvalidArgumentError for more bytes than half of an inbox.
   */
  sendTo(handle: SessionHandle, kind: number, bytes: Uint8Array): InboxResult {
    const owner = this.#routes.ownerOf(handle);
    if (owner < 0) return "gone";
    return this.#outboxes.write(owner, kind, slotOf(handle), generationOf(handle), bytes);
  }

  /**
   * The same for an environment itself: see `SessionsBehaviour.posted`. Who has just ended may have a successor of the
   * same number, which gets it.
   */
  post(environment: number, kind: number, bytes: Uint8Array): InboxResult {
    if (!this.#members.numbers.includes(environment)) return "gone";
    return this.#outboxes.write(environment, kind, 0, 0, bytes);
  }

  /** The longest that `sendTo` and `post` take. */
  get maxPostBytes(): number {
    return this.#outboxes.maxPayloadBytes;
  }

  /** The numbers of the environments that live, by the directory: ascending, this one's among them. */
  get environments(): readonly number[] {
    return this.#members.numbers;
  }

  /** By what an environment is told from others that had its number before it; undefined where none has it. */
  claimOf(environment: number): Claim | undefined {
    return this.#members.claimOf(environment);
  }

  /** Lets the others see at once what was sent to them, for who tells them something on another way. */
  flush(): void {
    this.#outboxes.publishAll();
  }

  /**
   * Takes at once what has come, for who was told something on another way. A handler that calls it gets nothing more
   * before it has returned: the bytes that it was given are valid until then.
   */
  receive(): void {
    this.#inboxes.receive();
  }

  /** Takes back what ended environments had, and looks for damage; a timer calls it four times a second. */
  maintain(): void {
    this.#maintenance.run();
  }

  /** Leaves: whatever this environment still has is taken back by the others. */
  close(): void {
    this.#outboxes.publishAll();
    this.#isClosed = true;
    this.#inboxes.close();
    this.#maintenance.close();
    this.#directory.leave();
  }

  #inbox(sender: number, receiver: number): SharedArrayBuffer {
    return this.#shared.inboxes[sender * this.#shared.maxEnvironments + receiver]!;
  }
}
