import { HandlerTimeoutError } from "../errors.js";
import { LinkedList } from "../list/linked_list.js";
import { isThenable } from "../transport/asynchronous.js";
import { callGuarded } from "../transport/uncaught.js";
import { readWait, type WaitOptions } from "../transport/wait.js";
import { Waiters } from "../transport/waiters.js";
import { Call } from "./call.js";
import { type Clock, systemClock } from "./clock.js";
import { Deadlines } from "./deadlines.js";
import { KeyQueue } from "./key_queue.js";
import { type DispatcherOptions, type ReadDispatcherOptions, readDispatcherOptions } from "./options.js";
import type { Task } from "./task.js";

/** `full`: the task was not taken, and never runs; whoever sent what it is about is told so. */
export type Submitted = "started" | "queued" | "full";

/** What has become of the tasks since the dispatcher was made. */
export interface DispatcherCounters {
  /** Taken, and begun at once or later. */
  readonly started: number;
  /** Not taken: a limit was reached. */
  readonly rejected: number;
  /** Taken, and dropped before they began: their key was cancelled. */
  readonly dropped: number;
  /** Begun, and told to stop because they took too long. */
  readonly timedOut: number;
  /** Told to stop, and given up because they did not settle within the grace. */
  readonly givenUp: number;
}

/**
 * Runs asynchronous handlers: a few at a time, the rest waiting, with limits for all and for each key (a session).
 *
 * Tasks of one key start in the order in which they were submitted, and with one place per key none starts before the
 * one before it is over. Keys take turns: whenever a place is free, the key that has waited longest for its turn starts
 * one task, so a key with a thousand tasks delays another by one task, not by a thousand.
 *
 * A task is over when `run` returned something other than a promise, or when its promise has settled. One that takes
 * longer than `timeoutMs` is told so by its signal, and keeps its place for `graceMs` more; then it is given up: its
 * place goes to the next, and what it still does is its own affair. The order within its key then is the order of
 * starting only.
 */
export class Dispatcher {
  #options: ReadDispatcherOptions;
  readonly #queues = new Map<object, KeyQueue>();
  /** Those with a task that waits and a place of their own for it, in the order of their turns. */
  readonly #ready = new LinkedList<KeyQueue>();
  /** Calls that have rested, and want a place again: before any other. */
  readonly #rested = new LinkedList<Call>();
  readonly #clock: Clock;
  readonly #unfinished: Deadlines;
  readonly #stopping: Deadlines;
  #running = 0;
  #queued = 0;
  #isPumping = false;
  /** The queue that was emptied last: where tasks end at once, all keys use the same one. */
  #spare: KeyQueue | undefined;
  readonly #counters = { started: 0, rejected: 0, dropped: 0, timedOut: 0, givenUp: 0 };
  readonly #idle = new Waiters();

  /** @throws InvalidArgumentError */
  constructor(options: DispatcherOptions = {}, clock: Clock = systemClock) {
    this.#options = readDispatcherOptions(options);
    this.#clock = clock;
    this.#unfinished = new Deadlines(clock, timeoutOf(this.#options), (call) => this.#timeOut(call));
    this.#stopping = new Deadlines(clock, this.#options.graceMs, (call) => this.#giveUp(call));
  }

  /** How many hold a place, those that were told to stop among them, and those that rest not. */
  get running(): number {
    return this.#running;
  }

  /** How many wait. */
  get queued(): number {
    return this.#queued;
  }

  /** How many tasks of one key may wait. */
  get maxQueuedPerKey(): number {
    return this.#options.maxQueuedPerKey;
  }

  get counters(): DispatcherCounters {
    return { ...this.#counters };
  }

  /** How many of a key's tasks run, rest and wait. */
  pending(key: object): number {
    const queue = this.#queues.get(key);
    return queue === undefined ? 0 : queue.started.length + queue.waiting.length;
  }

  /** Runs a task now, or when it is its turn. Never throws for what the task does. */
  submit(key: object, task: Task): Submitted {
    const queue = this.#queues.get(key);
    const { concurrency, concurrencyPerKey, maxQueued, maxQueuedPerKey } = this.#options;
    const mayStart =
      this.#running < concurrency &&
      this.#ready.length + this.#rested.length === 0 &&
      (queue === undefined || (queue.waiting.length === 0 && queue.started.length < concurrencyPerKey));
    if (mayStart) {
      const own = queue ?? this.#addQueue(key);
      this.#start(new Call(task, own));
      return "started";
    }
    if (this.#queued >= maxQueued || (queue?.waiting.length ?? 0) >= maxQueuedPerKey) {
      this.#counters.rejected += 1;
      return "full";
    }
    const own = queue ?? this.#addQueue(key);
    own.waiting.push(new Call(task, own));
    this.#queued += 1;
    this.#makeReady(own);
    return "queued";
  }

  /** Whether a key has tasks that wait or run. */
  has(key: object): boolean {
    return this.#queues.has(key);
  }

  /**
   * Drops a key's tasks that wait, and tells those that run to stop; they keep their places until they settle, at most
   * `graceMs`. Neither is told by `fail`.
   * @param reason the reason of their signals.
   */
  cancel(key: object, reason: unknown): void {
    const queue = this.#queues.get(key);
    if (queue === undefined) return;
    for (let call = queue.waiting.shift(); call !== undefined; call = queue.waiting.shift()) {
      call.state = "over";
      this.#queued -= 1;
      this.#counters.dropped += 1;
    }
    this.#makeReady(queue);
    for (const call of [...queue.started]) {
      if (call.state === "aborted") continue;
      this.#leave(call);
      this.#stop(call, reason);
    }
    this.#forgetIfEmpty(queue);
    this.#pump();
  }

  /** The same for every key. */
  cancelAll(reason: unknown): void {
    for (const key of [...this.#queues.keys()]) this.cancel(key, reason);
  }

  /**
   * Resolves when nothing runs or waits any more: for a graceful shutdown, after whatever submits has been stopped.
   * @throws TimeoutError, AbortedError when it takes longer than the options say; nothing is cancelled then.
   */
  async idle(options: WaitOptions = {}): Promise<void> {
    const wait = readWait(options);
    if (this.#queues.size === 0) return;
    await this.#idle.wait("the handlers to finish", wait);
  }

  /**
   * Goes on with other limits, also for what runs and waits. What is too many stays.
   * @throws InvalidArgumentError, and all is as it was.
   */
  update(options: DispatcherOptions): void {
    this.#options = readDispatcherOptions(options);
    this.#unfinished.delayMs = timeoutOf(this.#options);
    this.#stopping.delayMs = this.#options.graceMs;
    for (const queue of this.#queues.values()) this.#makeReady(queue);
    this.#pump();
  }

  #addQueue(key: object): KeyQueue {
    const queue = this.#spare ?? new KeyQueue(key, this.#rest);
    this.#spare = undefined;
    queue.key = key;
    this.#queues.set(key, queue);
    return queue;
  }

  #start(call: Call): void {
    call.state = "starting";
    call.queue.started.push(call);
    this.#take(call);
    this.#counters.started += 1;
    try {
      const result: unknown = call.task.run(call);
      if (isThenable(result)) {
        this.#await(call, result);
        return;
      }
    } catch (cause) {
      this.#fail(call, cause);
      return;
    }
    this.#end(call);
  }

  #await(call: Call, result: PromiseLike<unknown>): void {
    if (call.state === "starting") {
      call.state = "running";
      this.#unfinished.add(call);
    }
    // A `then` may be anybody's; a real promise settles once, and later.
    Promise.resolve(result).then(
      () => this.#end(call),
      (cause: unknown) => this.#fail(call, cause),
    );
  }

  readonly #rest = (call: Call, ms: number): Promise<void> => {
    if (call.state !== "starting" && call.state !== "running") return Promise.resolve();
    this.#leave(call);
    call.state = "resting";
    this.#give(call);
    const woken = new Promise<void>((resolve) => {
      const cancelTimer = this.#clock.at(this.#clock.now() + ms, () => {
        call.state = "rested";
        this.#rested.push(call);
        this.#pump();
      });
      call.wake = () => {
        cancelTimer();
        resolve();
      };
    });
    this.#pump();
    return woken;
  };

  #goOn(call: Call): void {
    call.state = "running";
    this.#take(call);
    this.#unfinished.add(call);
    call.wake?.();
    call.wake = undefined;
  }

  #take(call: Call): void {
    call.hasPlace = true;
    this.#running += 1;
  }

  #give(call: Call): void {
    if (!call.hasPlace) return;
    call.hasPlace = false;
    this.#running -= 1;
  }

  /** Takes a call out of whatever list it is in, and ends its rest. */
  #leave(call: Call): void {
    if (call.state === "running") this.#unfinished.remove(call);
    else if (call.state === "aborted") this.#stopping.remove(call);
    else if (call.state === "rested") this.#rested.remove(call);
    call.wake?.();
    call.wake = undefined;
  }

  #timeOut(call: Call): void {
    this.#counters.timedOut += 1;
    const error = new HandlerTimeoutError(`a handler took longer than ${this.#options.timeoutMs} ms`);
    this.#stop(call, error);
    callGuarded(() => call.task.fail(error));
  }

  #stop(call: Call, reason: unknown): void {
    call.state = "aborted";
    this.#stopping.add(call);
    call.abort(reason);
  }

  #giveUp(call: Call): void {
    this.#counters.givenUp += 1;
    this.#release(call);
  }

  /** What a call that was told to stop rejects with is no news. */
  #fail(call: Call, cause: unknown): void {
    if (call.state !== "aborted" && call.state !== "over") callGuarded(() => call.task.fail(cause));
    this.#end(call);
  }

  #end(call: Call): void {
    if (call.state === "over") return; // given up before
    this.#leave(call);
    this.#release(call);
  }

  #release(call: Call): void {
    call.state = "over";
    const { queue } = call;
    queue.remove(call);
    this.#give(call);
    this.#makeReady(queue);
    this.#forgetIfEmpty(queue);
    this.#pump();
  }

  /** Has a key wait for its turn if it has a task and a place for it, and not if it does not. */
  #makeReady(queue: KeyQueue): void {
    const isReady = queue.waiting.length > 0 && queue.started.length < this.#options.concurrencyPerKey;
    if (isReady === queue.isReady) return;
    queue.isReady = isReady;
    if (isReady) this.#ready.push(queue);
    else this.#ready.remove(queue);
  }

  #forgetIfEmpty(queue: KeyQueue): void {
    if (!queue.isEmpty) return;
    this.#queues.delete(queue.key);
    this.#spare = queue;
  }

  /** Gives free places to those whose turn it is. A task that ends at once ends within the loop, not within itself. */
  #pump(): void {
    if (this.#isPumping) return;
    this.#isPumping = true;
    while (this.#running < this.#options.concurrency) {
      const rested = this.#rested.shift();
      if (rested !== undefined) {
        this.#goOn(rested);
        continue;
      }
      const queue = this.#ready.shift();
      if (queue === undefined) break;
      queue.isReady = false;
      const call = queue.waiting.shift()!;
      this.#queued -= 1;
      this.#start(call);
      this.#makeReady(queue);
    }
    this.#isPumping = false;
    if (this.#queues.size === 0) this.#idle.wake();
  }
}

function timeoutOf({ timeoutMs }: ReadDispatcherOptions): number {
  return timeoutMs === 0 ? Number.POSITIVE_INFINITY : timeoutMs;
}
