/** Runs a few threads over shared memory in every order there is, and with every crash. */
import { LoopMark, type Stepped } from "./stepped.js";

/** What a thread knows between two operations: plain data, which decides what it does next. */
export type Knowledge = Readonly<Record<string, unknown>>;

/** One operation of a thread: from what it knows to what it knows then. */
export type Operation<Known extends Knowledge> = (known: Known) => Stepped<Known>;

export interface Thread<Known extends Knowledge> {
  readonly known: Known;
  readonly operations: readonly Operation<Known>[];
  /** It may stop for ever between any two accesses. */
  readonly crashes?: boolean;
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
  readonly memory: SharedArrayBuffer;
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

interface State<Known extends Knowledge> {
  readonly words: Int32Array;
  readonly threads: readonly ThreadState<Known>[];
  readonly crashes: number;
}

/** Goes through every state that can be reached. */
export function explore<Known extends Knowledge>(exploration: Exploration<Known>): Explored {
  const shared = new Int32Array(exploration.memory);
  const begin: State<Known> = {
    words: shared.slice(),
    threads: exploration.threads.map(({ known }) => ({ known, done: 0, answers: [], crashed: false })),
    crashes: 0,
  };
  const seen = new Set<number>();
  const open = [begin];
  let ends = 0;
  for (let state = open.pop(); state !== undefined; state = open.pop()) {
    const key = keyOf(state);
    if (seen.has(key)) continue;
    seen.add(key);
    exploration.always?.(state.threads);
    let live = false;
    for (const [index, thread] of exploration.threads.entries()) {
      const at = state.threads[index]!;
      if (at.crashed || at.done === thread.operations.length) continue;
      live = true;
      shared.set(state.words);
      const moved = advance(thread, at);
      open.push({ ...state, words: shared.slice(), threads: state.threads.with(index, moved) });
      if (thread.crashes === true && at.answers.length > 0 && state.crashes < (exploration.maxCrashes ?? 1)) {
        const crashed = { ...at, crashed: true };
        open.push({ ...state, threads: state.threads.with(index, crashed), crashes: state.crashes + 1 });
      }
    }
    if (live) continue;
    ends += 1;
    shared.set(state.words);
    exploration.finally?.(state.threads);
  }
  shared.set(begin.words);
  return { states: seen.size, ends };
}

/** Brings the thread to where it was by the answers that it got, and makes one access more. */
function advance<Known extends Knowledge>(thread: Thread<Known>, at: ThreadState<Known>): ThreadState<Known> {
  const run = thread.operations[at.done]!(at.known);
  const loops: { beganAt: number; turns: number }[] = [];
  let answers = [...at.answers];
  let fed = 0;
  let step = run.next();
  for (let made = false; !step.done; ) {
    if (step.value === LoopMark.begin) {
      loops.push({ beganAt: fed, turns: 0 });
      step = run.next();
    } else if (step.value === LoopMark.turn) {
      const loop = loops.at(-1)!;
      loop.turns += 1;
      if (loop.turns > 1) return { ...at, answers: answers.slice(0, loop.beganAt) };
      step = run.next();
    } else if (fed < answers.length) {
      step = run.next(answers[fed++]);
    } else if (made) {
      return { ...at, answers };
    } else {
      made = true;
      answers = [...answers, step.value()];
      step = run.next(answers[fed++]);
    }
  }
  return { ...at, known: step.value, done: at.done + 1, answers: [] };
}

/** Makes every access of a call at once. */
export function finish<Result>(call: Stepped<Result>): Result {
  let step = call.next();
  while (!step.done) step = call.next(typeof step.value === "function" ? step.value() : undefined);
  return step.value;
}

/** 53 bits of a hash: for a million states, a collision has a chance of one in twenty thousand. */
function keyOf<Known extends Knowledge>(state: State<Known>): number {
  let high = 0xdeadbeef;
  let low = 0x41c6ce57;
  const mix = (value: number): void => {
    high = Math.imul(high ^ value, 2654435761);
    high ^= high >>> 15;
    low = Math.imul(low ^ value, 1597334677);
    low ^= low >>> 13;
  };
  for (const word of state.words) mix(word);
  const text = JSON.stringify(state.threads);
  for (let index = 0; index < text.length; index += 1) mix(text.charCodeAt(index));
  high = Math.imul(high ^ (high >>> 16), 2246822507) ^ Math.imul(low ^ (low >>> 13), 3266489909);
  low = Math.imul(low ^ (low >>> 16), 2246822507) ^ Math.imul(high ^ (high >>> 13), 3266489909);
  return 4294967296 * (2097151 & low) + (high >>> 0);
}
