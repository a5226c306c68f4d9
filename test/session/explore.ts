/**
 * Runs a few threads over shared memory in every order there is, and with every crash.
 *
 * What keeps the number of orders in bounds, and why nothing is lost by it:
 * - Two orders that lead to the same state go on in the same ways, so a state is gone through once. A state is all words
 *   that any thread writes, and of each thread what it knows, which of its operations it is at, and what the accesses
 *   of that operation have answered: a generator has no other memory. What does not fit into the words that are watched
 *   is found out: nothing else may have changed in the end.
 * - Threads of one role do the same operations from the same knowledge, so exchanging what two of them are at gives a
 *   state with the same future but for their names, which no check asks for: only one of the two is gone through.
 * - A thread that takes another turn of a loop is where it was when the loop began (see LoopMark).
 *
 * How a place goes on depends on the answer of its access alone, so that is found out once and kept; a state costs one
 * access, one look-up and one hash.
 */
import { type Access, LoopMark, type Stepped } from "./stepped.js";

/** What a thread knows between two operations: plain data, which decides what it does next. */
export type Knowledge = Readonly<Record<string, unknown>>;

/** One operation of a thread: from what it knows to what it knows then. */
export type Operation<Known extends Knowledge> = (known: Known) => Stepped<Known>;

export interface Thread<Known extends Knowledge> {
  readonly known: Known;
  readonly operations: readonly Operation<Known>[];
  /** It may stop for ever between any two accesses. */
  readonly crashes?: boolean;
  /** Threads of one role stand side by side, have the same operations, and differ in nothing that a check asks for. */
  readonly role?: string;
}

/** A thread as the checks see it. */
export interface ThreadState<Known extends Knowledge> {
  readonly known: Known;
  /** How many operations it has done. */
  readonly done: number;
  /** What the accesses of the operation under way have answered. */
  readonly answers: readonly unknown[];
  readonly crashed: boolean;
}

export interface Exploration<Known extends Knowledge> {
  /** The words that threads write, which are nowhere else; the others of the same memory stay as they are. */
  readonly watched: readonly Int32Array[];
  readonly threads: readonly Thread<Known>[];
  readonly maxCrashes?: number;
  /** Throws when what must always hold does not. */
  always?(threads: readonly ThreadState<Known>[]): void;
  /** Throws when what must hold at the end does not. It may write into the memory. */
  finally?(threads: readonly ThreadState<Known>[]): void;
}

export interface Explored {
  readonly states: number;
  readonly ends: number;
}

/** More operations of each thread than CI has time for: `npm run prove:sessions`. */
export const exploresAll = process.env.MILLRACE_EXPLORE === "all";

/** Goes through every state that can be reached. */
export function explore<Known extends Knowledge>(exploration: Exploration<Known>): Explored {
  const { maxCrashes = 1 } = exploration;
  const memory = new WatchedMemory(exploration.watched);
  const threads = rolesOf(exploration.threads);
  const begin = threads.map((role) => role.first);
  const seen = new SeenStates();
  const first = memory.read();
  const open: (Int32Array | Place<Known>[])[] = [first, begin];
  let ends = 0;
  while (open.length > 0) {
    const places = open.pop() as Place<Known>[];
    const words = open.pop() as Int32Array;
    if (!seen.add(words, places)) continue;
    const states = places.map(({ state }) => state);
    exploration.always?.(states);
    const crashes = states.filter(({ crashed }) => crashed).length;
    let live = false;
    for (const [index, place] of places.entries()) {
      if (place.access === undefined) continue;
      live = true;
      memory.write(words);
      let moved = place.after(place.access());
      while (moved.access?.immediate) moved = moved.after(moved.access());
      open.push(memory.read(), withPlace(places, index, moved));
      if (!place.crashes || crashes >= maxCrashes) continue;
      open.push(words, withPlace(places, index, place.crashed()));
    }
    if (live) continue;
    ends += 1;
    memory.write(words);
    exploration.finally?.(states);
  }
  memory.restore(first);
  return { states: seen.size, ends };
}

/** The same places with one of them changed; those of one role in order, so that it does not matter whose is which. */
function withPlace<Known extends Knowledge>(
  places: readonly Place<Known>[],
  index: number,
  moved: Place<Known>,
): Place<Known>[] {
  const next = places.slice();
  next[index] = moved;
  for (let at = index; at > 0 && outOfOrder(next[at - 1]!, next[at]!); at -= 1) exchange(next, at);
  for (let at = index + 1; at < next.length && outOfOrder(next[at - 1]!, next[at]!); at += 1)
    exchange(next, at);
  return next;
}

function outOfOrder<Known extends Knowledge>(first: Place<Known>, second: Place<Known>): boolean {
  return first.role === second.role && first.id > second.id;
}

function exchange<Item>(items: Item[], at: number): void {
  [items[at - 1], items[at]] = [items[at]!, items[at - 1]!];
}

/** Threads of one role, one after the other, share what was found out of how they go on. */
function rolesOf<Known extends Knowledge>(threads: readonly Thread<Known>[]): Role<Known>[] {
  const roles = new Map<string, Role<Known>>();
  return threads.map((thread, index) => {
    const name = thread.role ?? `${index}`;
    const known = roles.get(name);
    if (known !== undefined) return known;
    const role = new Role(thread);
    roles.set(name, role);
    return role;
  });
}

/** Where threads of a role can be: what they know, and which access they make next. */
class Role<Known extends Knowledge> {
  readonly thread: Thread<Known>;
  readonly first: Place<Known>;
  readonly #places = new Map<string, Place<Known>>();

  constructor(thread: Thread<Known>) {
    this.thread = thread;
    this.first = this.place({ known: thread.known, done: 0, answers: [], crashed: false });
  }

  place(state: ThreadState<Known>): Place<Known> {
    const key = JSON.stringify(state);
    const known = this.#places.get(key);
    if (known !== undefined) return known;
    const place = new Place(this, state);
    this.#places.set(key, place);
    return place;
  }
}

let lastId = 0;

function nextId(): number {
  lastId += 1;
  return lastId;
}

/** Where one thread can be. A generator waits there, before its next access, and is never run on. */
class Place<Known extends Knowledge> {
  readonly id = nextId();
  readonly role: Role<Known>;
  readonly state: ThreadState<Known>;
  /** The next access; undefined for one that has come to its end or crashed. */
  readonly access: Access | undefined;
  readonly #after = new Map<unknown, Place<Known>>();
  #crashed: Place<Known> | undefined;

  constructor(role: Role<Known>, state: ThreadState<Known>) {
    this.role = role;
    this.state = state;
    const at = state.crashed ? undefined : runTo(role.thread, state);
    this.access = at !== undefined && "access" in at ? at.access : undefined;
  }

  get crashes(): boolean {
    return this.role.thread.crashes === true && (this.state.done > 0 || this.state.answers.length > 0);
  }

  after(answer: unknown): Place<Known> {
    const known = this.#after.get(answer);
    if (known !== undefined) return known;
    const at = runTo(this.role.thread, { ...this.state, answers: [...this.state.answers, answer] });
    const next = this.role.place(at.state);
    this.#after.set(answer, next);
    return next;
  }

  crashed(): Place<Known> {
    this.#crashed ??= this.role.place({ ...this.state, crashed: true });
    return this.#crashed;
  }
}

interface At<Known extends Knowledge> {
  readonly state: ThreadState<Known>;
  readonly access: Access | undefined;
}

/** Brings a thread to its next access by the answers that it got; through the ends of operations, too. */
function runTo<Known extends Knowledge>(thread: Thread<Known>, from: ThreadState<Known>): At<Known> {
  let { known, done, answers } = from;
  for (;;) {
    if (done === thread.operations.length) {
      return { state: { ...from, known, done, answers: [] }, access: undefined };
    }
    const run = thread.operations[done]!(known);
    const at = replay(run, answers);
    if (!("result" in at)) return { state: { ...from, known, done, answers: at.answers }, access: at.access };
    known = at.result;
    done += 1;
    answers = [];
  }
}

/** Feeds an operation the answers that it got. */
function replay<Known extends Knowledge>(
  run: Stepped<Known>,
  answers: readonly unknown[],
): { readonly result: Known } | { readonly answers: readonly unknown[]; readonly access: Access } {
  const loops: { beganAt: number; turns: number }[] = [];
  let kept = answers;
  let fed = 0;
  let step = run.next();
  while (!step.done) {
    if (step.value === LoopMark.begin) {
      loops.push({ beganAt: fed, turns: 0 });
      step = run.next();
    } else if (step.value === LoopMark.turn) {
      const loop = loops.at(-1)!;
      loop.turns += 1;
      if (loop.turns > 1) kept = [...kept.slice(0, loop.beganAt), ...kept.slice(fed)];
      if (loop.turns > 1) fed = loop.beganAt;
      step = run.next();
    } else if (fed < kept.length) {
      step = run.next(kept[fed++]);
    } else {
      return { answers: kept, access: step.value };
    }
  }
  return { result: step.value };
}

/** Makes every access of a call at once. */
export function finish<Result>(call: Stepped<Result>): Result {
  let step = call.next();
  while (!step.done) step = call.next(typeof step.value === "function" ? step.value() : undefined);
  return step.value;
}

/** The words that threads write. */
class WatchedMemory {
  readonly #parts: readonly Int32Array[];
  readonly #length: number;
  /** Of every word of every memory that has a part here, before anything ran. */
  readonly #before: readonly { readonly all: Int32Array; readonly words: Int32Array }[];

  constructor(parts: readonly Int32Array[]) {
    this.#parts = parts;
    this.#length = parts.reduce((sum, { length }) => sum + length, 0);
    const memories = [...new Set(parts.map(({ buffer }) => buffer))].map((buffer) => new Int32Array(buffer));
    this.#before = memories.map((all) => ({ all, words: all.slice() }));
  }

  read(): Int32Array {
    const words = new Int32Array(this.#length);
    let at = 0;
    for (const part of this.#parts) {
      words.set(part, at);
      at += part.length;
    }
    return words;
  }

  write(words: Int32Array): void {
    let at = 0;
    for (const part of this.#parts) {
      for (let index = 0; index < part.length; index += 1) part[index] = words[at++]!;
    }
  }

  /** Brings everything back. @throws when a word was written that is not watched: states were taken for one another. */
  restore(begin: Int32Array): void {
    this.write(begin);
    for (const { all, words } of this.#before) {
      if (Buffer.compare(bytesOf(all), bytesOf(words)) !== 0)
        throw new Error("a word is written and not watched");
    }
  }
}

function bytesOf({ buffer, byteOffset, byteLength }: Int32Array): Uint8Array {
  return new Uint8Array(buffer, byteOffset, byteLength);
}

/** Hashes of 53 bits: among twenty million states, the chance that one is taken for another is one in fifty. */
class SeenStates {
  #table = new Float64Array(2 ** 16);
  size = 0;

  /** False when it was there. */
  add(words: Int32Array, places: readonly { readonly id: number }[]): boolean {
    const key = hashOf(words, places);
    if (!insert(this.#table, key)) return false;
    this.size += 1;
    if (this.size * 2 > this.#table.length) this.#grow();
    return true;
  }

  #grow(): void {
    const before = this.#table;
    this.#table = new Float64Array(before.length * 4);
    for (const key of before) if (key !== 0) insert(this.#table, key);
  }
}

function insert(table: Float64Array, key: number): boolean {
  const mask = table.length - 1;
  for (let at = key & mask; ; at = (at + 1) & mask) {
    if (table[at] === key) return false;
    if (table[at] !== 0) continue;
    table[at] = key;
    return true;
  }
}

function hashOf(words: Int32Array, places: readonly { readonly id: number }[]): number {
  let high = 0xdeadbeef | 0;
  let low = 0x41c6ce57;
  for (let index = 0; index < words.length; index += 1) {
    const word = words[index]!;
    high = Math.imul(high ^ word, 0x9e3779b1);
    high ^= high >>> 15;
    low = Math.imul(low ^ word, 0x5f356495);
    low ^= low >>> 13;
  }
  for (const { id } of places) {
    high = Math.imul(high ^ id, 0x9e3779b1);
    high ^= high >>> 15;
    low = Math.imul(low ^ id, 0x5f356495);
    low ^= low >>> 13;
  }
  high = Math.imul(high ^ (high >>> 16), 0x85ebca6b) ^ Math.imul(low ^ (low >>> 13), 0xc2b2ae35);
  low = Math.imul(low ^ (low >>> 16), 0x85ebca6b) ^ Math.imul(high ^ (high >>> 13), 0xc2b2ae35);
  return 1 + 0x1_0000_0000 * (0x1f_ffff & low) + (high >>> 0);
}
