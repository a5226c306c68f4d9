import { InvalidArgumentError, SessionTableFullError } from "../errors.js";
import type { SlotHolders } from "./directory.js";
import { type Claim, Environments, environmentOf } from "./environments.js";
import { DAMAGED, FreeRing, NO_SLOT } from "./free_ring.js";
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
import { RecentSlots } from "./recent_slots.js";
import {
  cellCountOf,
  isSlotCount,
  RECENT_HEADER_WORDS,
  recentSlotsOf,
  recentWordsOf,
  SLOT_ACK_SEQUENCE_OFFSET,
  SLOT_BYTES,
  SLOT_CHECK_OFFSET,
  SLOT_CLAIM_OFFSET,
  SLOT_CONNECTION_OFFSET,
  SLOT_LAST_ACTIVITY_OFFSET,
  SLOT_MESSAGES_OFFSET,
  SLOT_QUEUED_BYTES_OFFSET,
  SLOT_RECEIVE_SEQUENCE_OFFSET,
  SLOT_ROUND_TRIP_US_OFFSET,
  SLOT_SEND_SEQUENCE_OFFSET,
  SLOT_SESSION_ID_OFFSET,
  SLOT_STATE_OFFSET,
  SLOT_TRANSPORT_OFFSET,
  SlotState,
  TABLE_CELL_COUNT_OFFSET,
  TABLE_DAMAGED_OFFSET,
  TABLE_HEADER_BYTES,
  TABLE_MAGIC,
  TABLE_MAGIC_OFFSET,
  TABLE_MAX_ENVIRONMENTS,
  TABLE_QUARANTINED_OFFSET,
  TABLE_RECOVERED_OFFSET,
  TABLE_SLOT_COUNT_OFFSET,
  TABLE_SUSPECT_OFFSET,
  TABLE_VERSION,
  TABLE_VERSION_OFFSET,
  type TableMemory,
  tableBytesOf,
} from "./table_layout.js";

const STATE = SLOT_STATE_OFFSET >> 2;
const CLAIM = SLOT_CLAIM_OFFSET >> 2;
const TRANSPORT = SLOT_TRANSPORT_OFFSET >> 2;
const CONNECTION = SLOT_CONNECTION_OFFSET >> 2;
const SESSION_ID = SLOT_SESSION_ID_OFFSET >> 2;
const LAST_ACTIVITY = SLOT_LAST_ACTIVITY_OFFSET >> 2;
const CHECK = SLOT_CHECK_OFFSET >> 2;
const SUSPECT = TABLE_SUSPECT_OFFSET >> 2;

const firstSlot = TABLE_HEADER_BYTES >> 2;
const slotWords = SLOT_BYTES >> 2;
const slotShift = Math.log2(slotWords);
const sessionIdWords = 4;
/** At how many slots themselves a refused allocation looks when, by the directory, one is free. */
const maxLooks = 1024;

/** The numbers of a session that its owner keeps and everybody may read, modulo 2^32: where each stands in its slot. */
export const SessionNumber = {
  /** Of the table's clock, when there was traffic. */
  lastActivity: LAST_ACTIVITY,
  /** Smoothed. */
  roundTripUs: SLOT_ROUND_TRIP_US_OFFSET >> 2,
  queuedBytes: SLOT_QUEUED_BYTES_OFFSET >> 2,
  sendSequence: SLOT_SEND_SEQUENCE_OFFSET >> 2,
  receiveSequence: SLOT_RECEIVE_SEQUENCE_OFFSET >> 2,
  ackSequence: SLOT_ACK_SEQUENCE_OFFSET >> 2,
  messages: SLOT_MESSAGES_OFFSET >> 2,
} as const;

export type SessionNumber = (typeof SessionNumber)[keyof typeof SessionNumber];

/** What does not change while a session is open. */
export interface SessionIdentity {
  /** Which kind of connection carries it, 0 to 2^32 - 1; what the numbers mean is the caller's business. */
  readonly transport: number;
  /** Which of its owner's connections, 0 to 2^32 - 1. */
  readonly connection: number;
  /** 128 bits, as four words. */
  readonly id: Uint32Array;
}

/** Since the table was made. */
export interface TableFaults {
  /** Words found that no operation writes. */
  readonly damaged: number;
  /** Slots taken out of use for that. */
  readonly quarantined: number;
  /** Slots that were taken back from environments that had ended. */
  readonly recovered: number;
}

/**
 * The sessions of all environments in one SharedArrayBuffer: an instance for each environment, over the same memory.
 *
 * Whoever wants a slot exchanges its claim, which was 0, for its own; that decides. Its state then steps by exchanges
 * along free → opening → open → closing → closed → free (one that never opened goes from opening to closing), and only
 * the claimant takes the last two steps. No operation waits for another thread, and one that stops between two steps
 * leaves nothing that `Recovery` does not put in order once its environment is declared dead.
 *
 * Atomics are where they decide something, each a call of some ten nanoseconds. Words that only the claimant writes are
 * stored plainly, and are others' to see once the exchange of the state behind them has happened; what is read plainly is
 * a guess that an exchange then confirms, or spoils no more than a number.
 *
 * Another thread can write anything anywhere in shared memory. Every index is checked before it is used; what is
 * authoritative is in the directory.
 */
export class SessionTable {
  /** All of the table. */
  readonly memory: TableMemory;
  readonly slotCount: number;
  readonly environments: Environments;
  /** @internal The free slots; Recovery rebuilds it. */
  readonly freeRing: FreeRing;
  readonly #words: Int32Array;
  readonly #directory: SlotHolders | undefined;
  /** Of all environments, one after the other: the first word, and how many. */
  readonly #firstRecent: number;
  readonly #recentWords: number;
  readonly #recentSize: number;
  readonly #recents: RecentSlots[] = [];
  #scanned = 0;
  #looked = 0;

  /**
   * Works with a table that `createTableMemory` made, here or in another thread.
   * @throws InvalidArgumentError when the memory is no table of this version.
   */
  constructor(memory: TableMemory, directory?: SlotHolders) {
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
    this.environments = new Environments(words);
    const cells = firstSlot + slotCount * slotWords;
    this.freeRing = new FreeRing(words, cells, cellCountOf(slotCount), slotCount);
    this.#firstRecent = cells + cellCountOf(slotCount);
    this.#recentWords = recentWordsOf(slotCount);
    this.#recentSize = recentSlotsOf(slotCount);
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
    const recent = this.#takeRecent(claim);
    if (recent !== undefined) return recent;
    // A table that is full says so at once; but while a recovery fills the ring anew it is empty for a moment, which
    // may be over when the mark is looked at, and what others let go of may move into it unseen. Then there is something
    // the second time.
    for (let attempt = 0; attempt < 2; attempt += 1) {
      const handle = this.#takeFree(claim);
      if (handle !== undefined) return handle;
      if (Atomics.load(this.#words, SUSPECT) !== 0) return this.#scan(claim, this.slotCount);
      if (this.#isFull()) return undefined;
      const others = this.#takeRecentOfAny(claim);
      if (others !== undefined) return others;
    }
    return this.#directory === undefined ? undefined : this.#scan(claim, Math.min(maxLooks, this.slotCount));
  }

  /**
   * Sets what the session is, and opens it: opening → open. `tick` is when, as for `touch`.
   * @returns false when it is not opening, or the handle is stale.
   */
  open(handle: SessionHandle, identity: SessionIdentity, tick: number): boolean {
    const base = this.#baseOf(handle);
    const generation = generationOf(handle);
    const words = this.#words;
    if (base < 0 || words[base + STATE] !== stateWord(generation, SlotState.opening)) return false;
    words[base + TRANSPORT] = identity.transport;
    words[base + CONNECTION] = identity.connection;
    for (let word = 0; word < sessionIdWords; word += 1) words[base + SESSION_ID + word] = identity.id[word]!;
    words[base + LAST_ACTIVITY] = tick;
    const check = this.#checkOf(base, generation);
    words[base + CHECK] = check;
    return this.#step(handle, SlotState.opening, SlotState.open);
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
    const generation = generationOf(handle);
    const closed = stateWord(generation, SlotState.closed);
    if (words[base + STATE] !== closed) return false;
    this.#directory?.unbind(slotOf(handle), generation);
    const free = stateWord(nextGeneration(generation), SlotState.free);
    if (Atomics.compareExchange(words, base + STATE, closed, free) !== closed) return false;
    this.#letGo(slotOf(handle), claim);
    return true;
  }

  /**
   * startClose, finishClose and release in one step, by its owner.
   * @returns false when the session is not the caller's, or stale.
   */
  end(handle: SessionHandle, claim: Claim): boolean {
    const base = this.#baseOf(handle);
    if (base < 0) return false;
    const words = this.#words;
    const generation = generationOf(handle);
    if (this.#directory?.unbind(slotOf(handle), generation) === false) return false;
    // With a directory it is that which says whose the session was.
    if (this.#directory === undefined && words[base + CLAIM] !== claim) return false;
    const free = stateWord(nextGeneration(generation), SlotState.free);
    let word = words[base + STATE]!;
    for (;;) {
      if (generationIn(word) !== generation || !isInUse(word)) return false;
      const found = Atomics.compareExchange(words, base + STATE, word, free);
      if (found === word) break;
      word = found; // somebody asked it to close
    }
    this.#letGo(slotOf(handle), claim);
    return true;
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
    const base = firstSlot + (slot << slotShift);
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

  /** The environment that has the session, by the directory where there is one; -1 when the handle is stale. */
  ownerOf(handle: SessionHandle): number {
    if (this.#directory !== undefined) return this.#directory.ownerOf(slotOf(handle), generationOf(handle));
    if (this.lookup(handle) === undefined) return -1;
    return environmentOf(Atomics.load(this.#words, this.#baseOf(handle) + CLAIM) as Claim);
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
    const base = this.#wordOf(slot);
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
    return Atomics.load(this.#words, this.#wordOf(slot) + STATE);
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
    return Atomics.load(this.#words, this.#wordOf(slot) + CLAIM);
  }

  /** @internal Whether what an open session was opened as is still what stands there. */
  isIntact(slot: number, generation: number): boolean {
    const base = this.#wordOf(slot);
    return this.#checkOf(base, generation) === Atomics.load(this.#words, base + CHECK);
  }

  /** @internal Takes a damaged slot out of use. `word` is what it was found with; false when it is no longer that. */
  quarantine(slot: number, word: number): boolean {
    const quarantined = stateWord(generationIn(word), SlotState.quarantined);
    const at = this.#wordOf(slot) + STATE;
    if (Atomics.compareExchange(this.#words, at, word, quarantined) !== word) return false;
    Atomics.add(this.#words, TABLE_DAMAGED_OFFSET >> 2, 1);
    Atomics.add(this.#words, TABLE_QUARANTINED_OFFSET >> 2, 1);
    return true;
  }

  /** @internal Brings a slot that nobody has back into use, in a generation that nobody had. */
  pardon(slot: number, word: number, claim: number, generation: number): void {
    const base = this.#wordOf(slot);
    const free = stateWord(generation, SlotState.free);
    if (Atomics.compareExchange(this.#words, base + STATE, word, free) !== word) return;
    if (claim === 0) {
      if (!this.freeRing.put(slot)) this.#suspect();
    } else {
      this.giveBack(slot, claim as Claim);
    }
  }

  /** @internal Ends a claim on a slot that is free, and offers the slot. The claim first: a hint of a slot that is still claimed is lost. */
  giveBack(slot: number, claim: Claim): void {
    const at = this.#wordOf(slot) + CLAIM;
    if (Atomics.compareExchange(this.#words, at, claim, 0) !== claim) return;
    if (!this.freeRing.put(slot)) this.#suspect();
  }

  /** The same, of a slot that this environment had: it keeps the slot in mind for its next session. */
  #letGo(slot: number, claim: Claim): void {
    const recent = this.#recentOf(claim);
    if (recent === undefined) {
      this.giveBack(slot, claim);
      return;
    }
    const at = this.#wordOf(slot) + CLAIM;
    if (Atomics.compareExchange(this.#words, at, claim, 0) !== claim) return;
    // Offered to all before it is forgotten: whoever looks at both meets it in one of them.
    const last = recent.last();
    if (this.#isSlot(last) && !this.freeRing.put(last)) this.#suspect();
    recent.put(slot);
  }

  /** Of those that this environment let go of, once they have rested. */
  #takeRecent(claim: Claim): SessionHandle | undefined {
    const recent = this.#recentOf(claim);
    if (recent === undefined) return undefined;
    for (let looks = 0; looks < this.#recentSize; looks += 1) {
      const slot = recent.take();
      if (!this.#isSlot(slot)) return undefined;
      const handle = this.#claim(slot, claim);
      if (handle !== undefined) return handle;
    }
    return undefined;
  }

  /** Of those that any environment let go of, when there is nothing else. */
  #takeRecentOfAny(claim: Claim): SessionHandle | undefined {
    const words = this.#words;
    for (let looks = 0; looks < this.#recentWords; looks += 1) {
      const slot = words[this.#firstRecent + this.#looked]! - 1;
      this.#looked = (this.#looked + 1) % this.#recentWords;
      if (!this.#isSlot(slot)) continue;
      const base = this.#wordOf(slot);
      if (words[base + CLAIM] !== 0 || stateIn(words[base + STATE]!) !== SlotState.free) continue;
      const handle = this.#claim(slot, claim);
      if (handle !== undefined) return handle;
    }
    return undefined;
  }

  #recentOf(claim: Claim): RecentSlots | undefined {
    const environment = environmentOf(claim);
    const known = this.#recents[environment];
    if (known !== undefined || this.#recentSize === 0 || environment >= TABLE_MAX_ENVIRONMENTS) return known;
    const header = this.#firstRecent + environment * (RECENT_HEADER_WORDS + this.#recentSize);
    const recent = new RecentSlots(this.#words, header, this.#recentSize);
    this.#recents[environment] = recent;
    return recent;
  }

  #isSlot(slot: number): boolean {
    return slot >= 0 && slot < this.slotCount;
  }

  /** By the directory, which counts right whatever was written over; without one nobody knows. */
  #isFull(): boolean {
    return this.#directory !== undefined && this.#directory.boundCount() >= this.slotCount;
  }

  /** By the ring alone. */
  #takeFree(claim: Claim): SessionHandle | undefined {
    for (let looks = 0; looks < this.slotCount * 2; looks += 1) {
      const slot = this.freeRing.take();
      if (slot === DAMAGED) this.#suspect();
      if (slot === DAMAGED || slot === NO_SLOT) return undefined;
      const handle = this.#claim(slot, claim);
      if (handle !== undefined) return handle;
    }
    return undefined;
  }

  #claim(slot: number, claim: Claim): SessionHandle | undefined {
    const base = this.#wordOf(slot);
    const words = this.#words;
    if (Atomics.compareExchange(words, base + CLAIM, 0, claim) !== 0) return undefined;
    const word = words[base + STATE]!;
    const generation = generationIn(word);
    if (stateIn(word) !== SlotState.free || generation === 0) return this.#refuse(base, word, claim);
    if (this.#directory?.bind(slot, generation) === false) {
      return this.#refuse(base, word, claim);
    }
    for (let number = TRANSPORT; number < slotWords; number += 1) words[base + number] = 0;
    const opening = stateWord(generation, SlotState.opening);
    if (Atomics.compareExchange(words, base + STATE, word, opening) !== word) {
      this.#directory?.unbind(slot, generation);
      return this.#refuse(base, word, claim);
    }
    return handleOf(slot, generation);
  }

  /** A slot that looked free and is not: out of use until the audit knows better. */
  #refuse(base: number, word: number, claim: Claim): undefined {
    const quarantined = stateWord(generationIn(word), SlotState.quarantined);
    Atomics.compareExchange(this.#words, base + STATE, word, quarantined);
    Atomics.compareExchange(this.#words, base + CLAIM, claim, 0);
    Atomics.add(this.#words, TABLE_DAMAGED_OFFSET >> 2, 1);
    Atomics.add(this.#words, TABLE_QUARANTINED_OFFSET >> 2, 1);
    return undefined;
  }

  #scan(claim: Claim, slots: number): SessionHandle | undefined {
    for (let looks = 0; looks < slots; looks += 1) {
      const slot = this.#scanned;
      this.#scanned = (slot + 1) % this.slotCount;
      const base = this.#wordOf(slot);
      if (Atomics.load(this.#words, base + CLAIM) !== 0) continue;
      if (stateIn(Atomics.load(this.#words, base + STATE)) !== SlotState.free) continue;
      const handle = this.#claim(slot, claim);
      if (handle !== undefined) return handle;
    }
    return undefined;
  }

  #step(handle: SessionHandle, from: SlotState, to: SlotState): boolean {
    const base = this.#baseOf(handle);
    if (base < 0) return false;
    const generation = generationOf(handle);
    const before = stateWord(generation, from);
    const after = stateWord(generation, to);
    return Atomics.compareExchange(this.#words, base + STATE, before, after) === before;
  }

  /** The ring misses slots, or may: the next recovery fills it anew. */
  #suspect(): void {
    Atomics.add(this.#words, SUSPECT, 1);
    Atomics.add(this.#words, TABLE_DAMAGED_OFFSET >> 2, 1);
  }

  #checkOf(base: number, generation: number): number {
    const words = this.#words;
    let check = Math.imul(generation, 0x9e3779b1);
    for (let word = TRANSPORT; word < SESSION_ID + sessionIdWords; word += 1) {
      check = Math.imul((check ^ words[base + word]!) + word, 0x85ebca6b);
      check ^= check >>> 15;
    }
    return check;
  }

  #baseOf(handle: SessionHandle): number {
    const slot = slotOf(handle);
    return slot < this.slotCount && generationOf(handle) > 0 ? this.#wordOf(slot) : -1;
  }

  #wordOf(slot: number): number {
    return firstSlot + (slot << slotShift);
  }
}
