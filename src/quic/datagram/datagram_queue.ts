import type { AbortedError, TimeoutError } from "../../errors.js";
import { watchWait } from "../../transport/wait.js";

type Result = IteratorResult<Uint8Array, undefined>;

interface Waiter {
  resolve(result: Result): void;
  reject(error: unknown): void;
}

const DONE: Result = { done: true, value: undefined };

/**
 * The datagrams of one connection, for one who iterates over them: a bounded queue whose oldest go when it is full.
 */
export class DatagramQueue implements AsyncIterableIterator<Uint8Array, undefined> {
  /** What was dropped because the queue was full. */
  dropped = 0;
  readonly #maxQueued: number;
  readonly #onLeave: () => void;
  /** A circle that grows to `maxQueued`; the oldest is at `#first`. */
  readonly #queue: Uint8Array[] = [];
  #first = 0;
  #queued = 0;
  readonly #waiters: Waiter[] = [];
  #over = false;
  #failure: AbortedError | TimeoutError | undefined;
  readonly #endWatch: () => void;

  /** @param onLeave the loop was left, or its signal fired. */
  constructor(maxQueued: number, signal: AbortSignal | undefined, onLeave: () => void) {
    this.#maxQueued = maxQueued;
    this.#onLeave = onLeave;
    this.#endWatch = watchWait("waiting for datagrams", { signal }, (error) => {
      this.#failure = error;
      this.#leave();
    });
  }

  /** Copies the datagram. */
  add(datagram: Uint8Array): void {
    if (this.#over) return;
    const bytes = datagram.slice();
    const waiter = this.#waiters.shift();
    if (waiter !== undefined) {
      waiter.resolve({ done: false, value: bytes });
    } else if (this.#queued < this.#maxQueued) {
      this.#put(bytes);
    } else {
      this.dropped += 1;
      this.#queue[this.#first] = bytes;
      this.#first = (this.#first + 1) % this.#queue.length;
    }
  }

  /** Nothing more comes; what is queued can still be read. */
  end(): void {
    this.#over = true;
    this.#endWatch();
    for (const waiter of this.#waiters.splice(0)) waiter.resolve(DONE);
  }

  next(): Promise<Result> {
    if (this.#queued > 0) return Promise.resolve({ done: false, value: this.#take() });
    const failure = this.#failure;
    this.#failure = undefined; // thrown once
    if (failure !== undefined) return Promise.reject(failure);
    if (this.#over) return Promise.resolve(DONE);
    return new Promise((resolve, reject) => this.#waiters.push({ resolve, reject }));
  }

  async return(): Promise<Result> {
    this.#leave();
    return DONE;
  }

  [Symbol.asyncIterator](): this {
    return this;
  }

  #put(bytes: Uint8Array): void {
    // It grows only while it is full, and then its oldest is moved to the front first.
    if (this.#queued === this.#queue.length) {
      this.#queue.push(...this.#queue.splice(0, this.#first));
      this.#first = 0;
      this.#queue.push(bytes);
    } else {
      this.#queue[(this.#first + this.#queued) % this.#queue.length] = bytes;
    }
    this.#queued += 1;
  }

  #take(): Uint8Array {
    const bytes = this.#queue[this.#first]!;
    this.#queue[this.#first] = EMPTY;
    this.#first = (this.#first + 1) % this.#queue.length;
    this.#queued -= 1;
    return bytes;
  }

  #leave(): void {
    if (!this.#over) this.#onLeave();
    const [first, ...others] = this.#waiters.splice(0);
    if (first !== undefined && this.#failure !== undefined) {
      first.reject(this.#failure);
      this.#failure = undefined;
    } else first?.resolve(DONE);
    for (const waiter of others) waiter.resolve(DONE);
    this.#queue.length = 0;
    this.#first = 0;
    this.#queued = 0;
    this.#over = true;
    this.#endWatch();
  }
}

const EMPTY = new Uint8Array(0);
