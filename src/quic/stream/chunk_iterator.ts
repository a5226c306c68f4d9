import type { RawStream } from "./raw_stream.js";
import type { StreamReader } from "./receiving_side.js";

type Result = IteratorResult<Uint8Array[], undefined>;

interface Waiter {
  resolve(result: Result): void;
  reject(error: unknown): void;
}

const DONE: Result = { done: true, value: undefined };

/** Iterates over what a stream receives: each step takes all chunks that have come since the last. */
export class ChunkIterator implements AsyncIterator<Uint8Array[], undefined>, StreamReader {
  readonly #stream: RawStream;
  readonly #waiters: Waiter[] = [];
  #over = false;

  /** @throws ReaderLockedError, StreamClosedError */
  constructor(stream: RawStream) {
    stream.receiving.lock(this);
    this.#stream = stream;
  }

  next(): Promise<Result> {
    return new Promise((resolve, reject) => {
      this.#waiters.push({ resolve, reject });
      this.changed();
    });
  }

  /** The loop was left early. */
  async return(): Promise<Result> {
    this.#over = true;
    this.#stream.stopSending();
    this.changed();
    return DONE;
  }

  changed(): void {
    const { receiving } = this.#stream;
    while (this.#waiters.length > 0) {
      const value = this.#over ? [] : receiving.take();
      if (value.length > 0) this.#waiters.shift()!.resolve({ done: false, value });
      else if (this.#over || !receiving.open) this.#finish();
      else return;
    }
  }

  #finish(): void {
    const { failure } = this.#stream.receiving;
    const waiter = this.#waiters.shift()!;
    if (failure === undefined || this.#over) waiter.resolve(DONE);
    else waiter.reject(failure);
    this.#over = true; // a failure is thrown once
  }
}
