import type { Priority } from "../delivery/lane.js";
import { largeSubject } from "../delivery/large_subject.js";
import { TimeoutError } from "../errors.js";
import { callReported } from "../transport/uncaught.js";
import { IdleWatch } from "./idle_watch.js";
import { costOfPart, type Part, partMeta } from "./part.js";
import { deliver, deliverOrGiveUp, type Port, pauses } from "./port.js";

/** How a large message is sent. */
export interface SendingOptions {
  readonly id: number;
  readonly priority: Priority;
  readonly windowBytes: number;
  readonly idleTimeoutMs: number;
  /** Is told that the other side has taken more. What it throws or rejects with is why the message has failed. */
  readonly taken: (bytes: number) => unknown;
}

/** Small enough for the session to say `sent` to all else that is sent meanwhile: see `highWaterMarkBytes`. */
const mostQueuedBytes = 64 * 1_024;
const nothing = new Uint8Array(0);
const encoder = new TextEncoder();

/**
 * A large message on its way. Each of its parts is a message that the receiver confirms when it has taken it; so many
 * bytes of them are on their way at a time, and of these few wait in the session's queue. A part that gave way to other
 * messages there is sent again: its place says where it belongs.
 */
export class Sending {
  readonly #port: Port;
  readonly #options: SendingOptions;
  readonly #watch: IdleWatch;
  /** Ends the waiting for other things than parts. */
  readonly #abort = new AbortController();
  /** The same for each part that is on its way: of one signal, many listeners look like a leak. */
  readonly #parts = new Set<AbortController>();
  #failure: { readonly cause: unknown } | undefined = undefined;
  #costOnTheWay = 0;
  #chunks = 0;
  #bytes = 0;
  #isWaiting = false;
  /** Something has been taken, or the failure has come. */
  #changed = () => {};

  constructor(port: Port, options: SendingOptions) {
    this.#port = port;
    this.#options = options;
    const { idleTimeoutMs } = options;
    this.#watch = new IdleWatch(
      idleTimeoutMs,
      () => port.transport !== undefined && (this.#isWaiting || this.#costOnTheWay > 0),
      () => this.fail(new TimeoutError(`the other side has taken nothing for ${idleTimeoutMs} ms`)),
    );
  }

  get bytes(): number {
    return this.#bytes;
  }

  /** Sends the next bytes, as soon as there is room for them. @throws why the message has failed */
  async send(chunk: Uint8Array): Promise<void> {
    await this.#room(costOfPart(chunk));
    const index = this.#chunks;
    this.#chunks += 1;
    this.#bytes += chunk.length;
    this.#launch({ kind: "chunk", index }, chunk);
  }

  /** Says that this was all, and waits until the other side has all of it. @throws why the message has failed */
  async end(): Promise<void> {
    await this.#room(costOfPart(nothing));
    this.#launch({ kind: "end", index: this.#chunks, totalBytes: this.#bytes }, nothing);
    while (this.#costOnTheWay > 0) await this.during(this.#change());
    this.#watch.stop();
  }

  /** What a promise comes to, unless the message fails first. @throws why it has failed */
  during<T>(promise: Promise<T>): Promise<T> {
    return new Promise((resolve, reject) => {
      const { signal } = this.#abort;
      const fail = () => reject(this.#failure!.cause);
      if (signal.aborted) {
        promise.catch(() => {}); // what comes of it now is nobody's
        fail();
        return;
      }
      signal.addEventListener("abort", fail, { once: true });
      promise.then(resolve, reject).finally(() => signal.removeEventListener("abort", fail));
    });
  }

  /** Gives the message up; the first cause counts. */
  fail(cause: unknown): void {
    if (this.#failure !== undefined) return;
    this.#failure = { cause };
    this.#watch.stop();
    this.#abort.abort();
    for (const part of this.#parts) part.abort();
    this.#changed();
  }

  async #room(cost: number): Promise<void> {
    this.#isWaiting = true;
    for (const pauseMs of pauses()) {
      if (this.#failure !== undefined) throw this.#failure.cause;
      if (this.#fits(cost)) break;
      await this.#change(pauseMs);
    }
    this.#isWaiting = false;
    this.#watch.touch();
  }

  #fits(cost: number): boolean {
    if (this.#port.bytesQueued > mostQueuedBytes) return false;
    return this.#costOnTheWay + cost <= this.#options.windowBytes;
  }

  /** Resolves when something has been taken, or after a while. */
  #change(mostMs?: number): Promise<void> {
    return new Promise((resolve) => {
      const timer = mostMs === undefined ? undefined : setTimeout(resolve, mostMs);
      this.#changed = () => {
        clearTimeout(timer);
        resolve();
      };
    });
  }

  #launch(part: Part, payload: Uint8Array): void {
    const cost = costOfPart(payload);
    this.#costOnTheWay += cost;
    const abort = new AbortController();
    this.#parts.add(abort);
    deliver(this.#port, payload, { ...this.#headOf(part), level: "delivered", signal: abort.signal })
      .then(() => {
        this.#costOnTheWay -= cost;
        this.#watch.touch();
        if (this.#failure === undefined && payload.length > 0) {
          callReported(
            () => this.#options.taken(payload.length),
            (cause) => this.fail(cause),
          );
        }
        this.#changed();
      })
      .catch((cause: unknown) => this.fail(cause))
      .finally(() => this.#parts.delete(abort));
  }

  #headOf(part: Part) {
    const { id, priority } = this.#options;
    return { type: id, subject: largeSubject, meta: partMeta(part), priority };
  }
}

/**
 * Tells the other side that a large message is given up. Where the session is over it knows; where it has no room for that
 * again and again, it gives up by itself what nothing comes of any more.
 */
export async function tellAbort(port: Port, id: number, priority: Priority, reason: string): Promise<void> {
  const head = { type: id, subject: largeSubject, meta: partMeta({ kind: "abort" }), priority };
  try {
    await deliverOrGiveUp(port, encoder.encode(reason), head);
  } catch {}
}
