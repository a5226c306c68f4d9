import { InvalidArgumentError, SessionTableFullError } from "../errors.js";
import { Allocation } from "./allocation.js";
import type { Claim } from "./claim.js";
import type { SlotHolders } from "./directory.js";
import {
  generationIn,
  generationOf,
  handleOf,
  isInUse,
  nextGeneration,
  type SessionHandle,
  slotOf,
  stateIn,
  stateWord,
} from "./handle.js";
import type { SessionIdentity } from "./session_identity.js";
import {
  CHECK,
  CLAIM,
  CONNECTION,
  LAST_ACTIVITY,
  SESSION_ID,
  type SessionNumber,
  STATE,
  sessionIdWords,
  TRANSPORT,
  wordOf,
} from "./slot_words.js";
import type { TableFaults } from "./table_faults.js";
import {
  cellCountOf,
  isSlotCount,
  SlotState,
  TABLE_CELL_COUNT_OFFSET,
  TABLE_DAMAGED_OFFSET,
  TABLE_MAGIC,
  TABLE_MAGIC_OFFSET,
  TABLE_QUARANTINED_OFFSET,
  TABLE_RECOVERED_OFFSET,
  TABLE_SLOT_COUNT_OFFSET,
  TABLE_VERSION,
  TABLE_VERSION_OFFSET,
  type TableMemory,
  tableBytesOf,
} from "./table_layout.js";

export { SessionNumber } from "./slot_words.js";

/**
 * The sessions of all environments in one SharedArrayBuffer: an instance for each environment, over the same memory.
 *
 * Who has a slot is the directory's to say; the table has what everybody may read of its session. A session's state
 * steps by exchanges from opening along open → closing → closed (one that never opened goes from opening to closing):
 * anybody may ask it to close. What begins and ends it are stores of the environment that has the slot. No operation
 * waits for another thread, and one that stops between two steps leaves nothing that `Recovery` does not put in order
 * once its environment has ended.
 *
 * Atomics are where they decide something, each a call of some ten nanoseconds behind which the processor begins anew.
 * Words that only one environment writes are stored plainly, and are others' to see once an exchange behind them has
 * happened; what is read plainly is a guess that an exchange then confirms, or spoils no more than a number.
 *
 * Another thread can write anything anywhere in shared memory. Every index is checked before it is used; what is
 * authoritative is in the directory.
 */
export class SessionTable {
  /** All of the table. */
  readonly memory: TableMemory;
  readonly slotCount: number;
  /** @internal How slots are come by; Recovery and Audit put it in order. */
  readonly allocation: Allocation;
  readonly #words: Int32Array;
  readonly #directory: SlotHolders;

  /**
   * Works with a table that `createTableMemory` made, here or in another thread.
   * @throws InvalidArgumentError when the memory is no table of this version.
   */
  constructor(memory: TableMemory, directory: SlotHolders) {
    const words = memory;
    const slotCount = words[TABLE_SLOT_COUNT_OFFSET >> 2] ?? 0;
    if (
      words[TABLE_MAGIC_OFFSET >> 2] !== TABLE_MAGIC ||
      words[TABLE_VERSION_OFFSET >> 2] !== TABLE_VERSION ||
      !isSlotCount(slotCount) ||
      words[TABLE_CELL_COUNT_OFFSET >> 2] !== cellCountOf(slotCount) ||
      memory.byteLength !== tableBytesOf(slotCount)
    ) {
      throw new InvalidArgumentError("the buffer is not a session table of this version");
    }
    this.memory = memory;
    this.slotCount = slotCount;
    this.allocation = new Allocation(words, slotCount, directory);
    this.#words = words;
    this.#directory = directory;
  }

  /**
   * Takes a free slot for a session that is opening.
   * @throws SessionTableFullError (ERR_MILLRACE_SESSION_TABLE_FULL) when there is none, until one is released.
   */
  allocate(claim: Claim): SessionHandle {
    const handle = this.tryAllocate(claim);
    if (handle === undefined) {
      throw new SessionTableFullError(`all ${this.slotCount} slots of the session table are in use`);
    }
    return handle;
  }

  /** The same; undefined when the table is full. */
  tryAllocate(claim: Claim): SessionHandle | undefined {
    return this.allocation.take(claim);
  }

  /**
   * Sets what the session is, and opens it: opening → open. `tick` is when, as for `touch`.
   * @returns false when it is not opening, or the handle is stale.
   */
  open(handle: SessionHandle, identity: SessionIdentity, tick: number): boolean {
    const base = this.#baseOf(handle);
    const generation = generationOf(handle);
    const opening = stateWord(generation, SlotState.opening);
    const words = this.#words;
    if (base < 0 || words[base + STATE] !== opening) return false;
    const { id } = identity;
    words[base + TRANSPORT] = identity.transport;
    words[base + CONNECTION] = identity.connection;
    words[base + SESSION_ID] = id[0]!;
    words[base + SESSION_ID + 1] = id[1]!;
    words[base + SESSION_ID + 2] = id[2]!;
    words[base + SESSION_ID + 3] = id[3]!;
    words[base + LAST_ACTIVITY] = tick;
    const check = this.#checkOf(base, generation);
    words[base + CHECK] = check;
    const open = stateWord(generation, SlotState.open);
    return Atomics.compareExchange(words, base + STATE, opening, open) === opening;
  }

  /** opening or open → closing, by anyone. False when it is neither, or the handle is stale. */
  startClose(handle: SessionHandle): boolean {
    return (
      this.#step(handle, SlotState.open, SlotState.closing) ||
      this.#step(handle, SlotState.opening, SlotState.closing)
    );
  }

  /** closing → closed, by its owner. */
  finishClose(handle: SessionHandle, claim: Claim): boolean {
    return this.isOwn(handle, claim) && this.#step(handle, SlotState.closing, SlotState.closed);
  }

  /**
   * closed → free, by its owner: the handle names nobody from now on.
   * @returns false when it is not closed, not the caller's, or stale.
   */
  release(handle: SessionHandle, claim: Claim): boolean {
    const base = this.#baseOf(handle);
    const words = this.#words;
    if (base < 0 || words[base + CLAIM] !== claim) return false;
    if (words[base + STATE] !== stateWord(generationOf(handle), SlotState.closed)) return false;
    return this.end(handle, claim);
  }

  /**
   * startClose, finishClose and release in one step, by its owner.
   * @returns false when the session is not the caller's, or stale.
   */
  end(handle: SessionHandle, claim: Claim): boolean {
    const free = stateWord(nextGeneration(generationOf(handle)), SlotState.free);
    return this.allocation.end(handle, claim, free);
  }

  /** What the session's state is; undefined when the handle is stale. */
  lookup(handle: SessionHandle): SlotState | undefined {
    const base = this.#baseOf(handle);
    if (base < 0) return undefined;
    const word = Atomics.load(this.#words, base + STATE);
    if (generationIn(word) !== generationOf(handle) || !isInUse(word)) return undefined;
    return stateIn(word) as SlotState;
  }

  /** Notes that the open session had traffic. False when it is not open, or the handle is stale. */
  touch(handle: SessionHandle, tick: number): boolean {
    const slot = slotOf(handle);
    if (slot >= this.slotCount) return false;
    const words = this.#words;
    const base = wordOf(slot);
    const open = stateWord(generationOf(handle), SlotState.open);
    if (words[base + STATE] !== open) return false;
    words[base + LAST_ACTIVITY] = tick;
    return true;
  }

  /** Sets a number, by the session's owner; modulo 2^32. False when the handle is stale. */
  set(handle: SessionHandle, number: SessionNumber, value: number): boolean {
    if (this.lookup(handle) === undefined) return false;
    Atomics.store(this.#words, this.#baseOf(handle) + number, value);
    return true;
  }

  /** Adds to a number; modulo 2^32. False when the handle is stale. */
  add(handle: SessionHandle, number: SessionNumber, value: number): boolean {
    if (this.lookup(handle) === undefined) return false;
    Atomics.add(this.#words, this.#baseOf(handle) + number, value);
    return true;
  }

  /** A number of a session, 0 to 2^32 - 1; undefined when the handle is stale, also when it became so meanwhile. */
  get(handle: SessionHandle, number: SessionNumber): number | undefined {
    const base = this.#baseOf(handle);
    if (base < 0) return undefined;
    // The number first: whose handle is not stale behind it, whose number it was.
    const value = Atomics.load(this.#words, base + number);
    return this.lookup(handle) === undefined ? undefined : value >>> 0;
  }

  /** What the session was opened as; undefined when it was not yet, and as for `get`. */
  identity(handle: SessionHandle): SessionIdentity | undefined {
    const state = this.lookup(handle);
    if (state === undefined || state === SlotState.opening) return undefined;
    const base = this.#baseOf(handle);
    const transport = Atomics.load(this.#words, base + TRANSPORT) >>> 0;
    const connection = Atomics.load(this.#words, base + CONNECTION) >>> 0;
    const id = new Uint32Array(sessionIdWords);
    for (let word = 0; word < sessionIdWords; word += 1) {
      id[word] = Atomics.load(this.#words, base + SESSION_ID + word);
    }
    return this.lookup(handle) === undefined ? undefined : { transport, connection, id };
  }

  /** The environment that has the session; -1 when the handle is stale. The directory's word. */
  ownerOf(handle: SessionHandle): number {
    return this.#directory.ownerOf(slotOf(handle), generationOf(handle));
  }

  /** @internal Whether this environment has the session. The same, from its own memory. */
  has(handle: SessionHandle): boolean {
    return this.allocation.own.has(slotOf(handle), generationOf(handle));
  }

  /** Whether the slot is claimed by this environment; says nothing of a handle that is stale. */
  isOwn(handle: SessionHandle, claim: Claim): boolean {
    const base = this.#baseOf(handle);
    const words = this.#words;
    return base >= 0 && words[base + CLAIM] === claim;
  }

  /** @internal For how long an open session that has this claim had no traffic; -1 where there is none. */
  idleTicksAt(slot: number, claim: Claim, tick: number): number {
    const words = this.#words;
    const base = wordOf(slot);
    if (words[base + CLAIM] !== claim || stateIn(words[base + STATE]!) !== SlotState.open) return -1;
    return Math.max(0, (tick - words[base + LAST_ACTIVITY]!) | 0);
  }

  /** @internal Whether the table says so, at a glance. */
  isLive(handle: SessionHandle): boolean {
    const base = this.#baseOf(handle);
    if (base < 0) return false;
    const words = this.#words;
    const word = words[base + STATE]!;
    return generationIn(word) === generationOf(handle) && isInUse(word);
  }

  /** @internal A slot's first word as it stands. */
  wordAt(slot: number): number {
    return Atomics.load(this.#words, wordOf(slot) + STATE);
  }

  /** The session that has a slot now; undefined when none has. */
  sessionAt(slot: number): SessionHandle | undefined {
    const word = this.wordAt(slot);
    return isInUse(word) ? handleOf(slot, generationIn(word)) : undefined;
  }

  faults(): TableFaults {
    return {
      damaged: Atomics.load(this.#words, TABLE_DAMAGED_OFFSET >> 2) >>> 0,
      quarantined: Atomics.load(this.#words, TABLE_QUARANTINED_OFFSET >> 2) >>> 0,
      recovered: Atomics.load(this.#words, TABLE_RECOVERED_OFFSET >> 2) >>> 0,
    };
  }

  /** @internal Who says that it has a slot; 0 for nobody. */
  claimAt(slot: number): number {
    return Atomics.load(this.#words, wordOf(slot) + CLAIM);
  }

  /** @internal Whether what an open session was opened as is still what stands there. */
  isIntact(slot: number, generation: number): boolean {
    const base = wordOf(slot);
    return this.#checkOf(base, generation) === Atomics.load(this.#words, base + CHECK);
  }

  /** @internal Takes a damaged slot out of use. `word` is what it was found with; false when it is no longer that. */
  quarantine(slot: number, word: number): boolean {
    const quarantined = stateWord(generationIn(word), SlotState.quarantined);
    const at = wordOf(slot) + STATE;
    if (Atomics.compareExchange(this.#words, at, word, quarantined) !== word) return false;
    Atomics.add(this.#words, TABLE_DAMAGED_OFFSET >> 2, 1);
    Atomics.add(this.#words, TABLE_QUARANTINED_OFFSET >> 2, 1);
    return true;
  }

  /** @internal Brings a slot that nobody has back into use, in a generation that nobody had. */
  pardon(slot: number, word: number, claim: number, generation: number): void {
    const base = wordOf(slot);
    const free = stateWord(generation, SlotState.free);
    if (Atomics.compareExchange(this.#words, base + STATE, word, free) !== word) return;
    if (claim === 0) {
      this.allocation.offer(slot);
    } else {
      this.allocation.giveBack(slot, claim as Claim);
    }
  }

  #step(handle: SessionHandle, from: SlotState, to: SlotState): boolean {
    const base = this.#baseOf(handle);
    if (base < 0) return false;
    const generation = generationOf(handle);
    const before = stateWord(generation, from);
    const after = stateWord(generation, to);
    return Atomics.compareExchange(this.#words, base + STATE, before, after) === before;
  }

  /** Of the words that do not change while a session is open: a change of any one of them changes it. */
  #checkOf(base: number, generation: number): number {
    const words = this.#words;
    return (
      (Math.imul(generation, 0x9e3779b1) +
        Math.imul(words[base + TRANSPORT]!, 0x85ebca6b) +
        Math.imul(words[base + CONNECTION]!, 0xc2b2ae35) +
        Math.imul(words[base + SESSION_ID]!, 0x27d4eb2f) +
        Math.imul(words[base + SESSION_ID + 1]!, 0x165667b1) +
        Math.imul(words[base + SESSION_ID + 2]!, 0x9e3779b9) +
        Math.imul(words[base + SESSION_ID + 3]!, 0x85ebca77)) |
      0
    );
  }

  #baseOf(handle: SessionHandle): number {
    const slot = slotOf(handle);
    return slot < this.slotCount && generationOf(handle) > 0 ? wordOf(slot) : -1;
  }
}
