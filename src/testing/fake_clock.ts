import { setImmediate as nextTurn } from "node:timers/promises";
import { promisify } from "node:util";
import { InvalidArgumentError } from "../errors.js";
import { readOptions } from "../options/read.js";
import { number, object, optional } from "../options/schema.js";
import { callGuarded } from "../transport/uncaught.js";
import { FakeTimer } from "./fake_timer.js";

/** How a {@link FakeClock} begins. */
export interface FakeClockOptions {
  /** What `Date.now()` says at first: milliseconds since 1970; by default the time that it is. */
  readonly dateMs?: number | undefined;
}

/**
 * A clock that stands still until it is told to go on, in the place of this thread's own: `setTimeout`, `setInterval` and
 * what clears them, `performance.now()` and `Date.now()`. Clients, servers and relays of this thread go by it; sockets,
 * `setImmediate`, `node:timers/promises` and what QUIC does by itself do not.
 */
export interface FakeClock extends Disposable {
  /** What `performance.now()` says. */
  readonly nowMs: number;
  /** How many timers wait. */
  readonly timers: number;
  /**
   * Goes on, and does on the way what is due, in order. Behind each timer the event loop has a turn, so that what it began
   * goes on, too; what comes by a socket may take more of them than that: wait for it.
   * @throws InvalidArgumentError
   */
  advance(ms: number): Promise<void>;
  /**
   * Goes on at once, as for a machine that has slept: what was due meanwhile is done behind it, once.
   * @throws InvalidArgumentError
   */
  jump(ms: number): Promise<void>;
  /** Sets what `Date.now()` says, and nothing else, as who sets a machine's date does. @throws InvalidArgumentError */
  setDate(dateMs: number): void;
  /** Puts the thread's own clock back. Timers that wait are forgotten. Idempotent. */
  uninstall(): void;
}

const maxTimerMs = 0x7fff_ffff;
const dateMs = number(-8.64e15, 8.64e15);
const schema = object({ dateMs: optional(dateMs) } satisfies Record<keyof FakeClockOptions, unknown>);
const duration = number(0, Number.MAX_SAFE_INTEGER);

let installed: FakeClock | undefined;

/**
 * Puts a clock that stands still in the place of this thread's. Timers that wait already stay with their own.
 * @throws InvalidArgumentError, also where one is installed
 */
export function installFakeClock(options: FakeClockOptions = {}): FakeClock {
  const read = readOptions(schema, options);
  if (installed !== undefined) {
    throw new InvalidArgumentError("a fake clock is installed in this thread; uninstall it first");
  }
  installed = new ThreadClock(read.dateMs);
  return installed;
}

class ThreadClock implements FakeClock {
  /** Whole milliseconds, so that times can be told by a difference. */
  #nowMs = Math.ceil(performance.now());
  #dateOffsetMs: number;
  readonly #timers = new Set<FakeTimer>();
  readonly #undo: readonly (() => void)[];

  constructor(dateMs = Date.now()) {
    this.#dateOffsetMs = dateMs - this.#nowMs;
    const real = { clearTimeout, clearInterval };
    const clear = (clearReal: (timer: NodeJS.Timeout) => void) => (timer: unknown) => {
      if (timer instanceof FakeTimer) timer.close();
      else clearReal(timer as NodeJS.Timeout);
    };
    const set =
      (repeats: boolean) =>
      (task: unknown, ms: unknown, ...args: unknown[]) =>
        this.#set(task, ms, repeats, args);
    const after = (ms: number, value: unknown) =>
      new Promise((resolve) => this.#set(() => resolve(value), ms, false, []));
    const setTimeout = Object.assign(set(false), { [promisify.custom]: after });
    this.#undo = [
      replace(globalThis, "setTimeout", setTimeout),
      replace(globalThis, "setInterval", set(true)),
      replace(globalThis, "clearTimeout", clear(real.clearTimeout)),
      replace(globalThis, "clearInterval", clear(real.clearInterval)),
      replace(performance, "now", () => this.#nowMs),
      replace(Date, "now", () => Math.floor(this.#nowMs + this.#dateOffsetMs)),
    ];
  }

  get nowMs(): number {
    return this.#nowMs;
  }

  get timers(): number {
    return this.#timers.size;
  }

  async advance(ms: number): Promise<void> {
    const endMs = this.#nowMs + readOptions(duration, ms, "ms");
    await nextTurn(); // what was begun before sets its timers from where the clock is
    for (;;) {
      const next = this.#next(endMs);
      if (next === undefined) break;
      this.#nowMs = Math.max(this.#nowMs, next.dueMs);
      this.#run(next);
      await nextTurn();
    }
    this.#nowMs = Math.max(this.#nowMs, endMs);
  }

  async jump(ms: number): Promise<void> {
    const jumpMs = readOptions(duration, ms, "ms");
    await nextTurn();
    this.#nowMs += jumpMs;
    const due = [...this.#timers].filter(({ dueMs }) => dueMs <= this.#nowMs);
    for (const timer of due.sort((one, other) => one.dueMs - other.dueMs)) {
      if (this.#timers.has(timer)) this.#run(timer);
    }
    await nextTurn();
  }

  setDate(date: number): void {
    this.#dateOffsetMs = readOptions(dateMs, date, "dateMs") - this.#nowMs;
  }

  uninstall(): void {
    if (installed !== this) return;
    installed = undefined;
    this.#timers.clear();
    for (const undo of this.#undo) undo();
  }

  [Symbol.dispose](): void {
    this.uninstall();
  }

  #set(task: unknown, ms: unknown, repeats: boolean, args: readonly unknown[]): FakeTimer {
    if (typeof task !== "function") throw new InvalidArgumentError("a timer needs a function to call");
    const asked = Number(ms ?? 1);
    const delayMs = asked >= 1 && asked <= maxTimerMs ? Math.trunc(asked) : 1; // as Node has it
    const timer = new FakeTimer(
      () => task(...args),
      delayMs,
      repeats,
      this.#timers,
      () => this.#nowMs,
    );
    this.#timers.add(timer);
    return timer;
  }

  /** Of those that are due first, the one that was set first. */
  #next(endMs: number): FakeTimer | undefined {
    let next: FakeTimer | undefined;
    for (const timer of this.#timers) {
      if (timer.dueMs <= endMs && (next === undefined || timer.dueMs < next.dueMs)) next = timer;
    }
    return next;
  }

  #run(timer: FakeTimer): void {
    if (timer.repeats) timer.refresh();
    else timer.close();
    callGuarded(timer.task);
  }
}

/** Puts something else in an object's place for it. @returns puts it back. */
function replace<Of extends object>(of: Of, name: keyof Of & string, by: unknown): () => void {
  const before = Object.getOwnPropertyDescriptor(of, name);
  Object.defineProperty(of, name, { value: by, configurable: true, writable: true, enumerable: true });
  return () => {
    if (before === undefined) Reflect.deleteProperty(of, name);
    else Object.defineProperty(of, name, before);
  };
}
