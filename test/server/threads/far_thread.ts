import { MessageChannel, type MessagePort, receiveMessageOnPort, Worker } from "node:worker_threads";
import * as millrace from "millrace";
import { RequestFailure } from "millrace/server";
import {
  type FarAnswer,
  type FarCall,
  type FarData,
  type FarError,
  type FarServe,
  type FarUse,
  HeardWord,
  type ToTest,
  type ToThread,
} from "./far_protocol.js";
import { moduleNamed } from "./kit.js";

/** Longer than anything takes that does not hang. */
const patienceMs = 30_000;

/** What a thread is asked, but for the number that its answer has. */
export type FarRequest = Omit<FarServe, "id"> | Omit<FarUse, "id">;

type OnCall = (thread: FarThread, call: FarCall) => void;

interface Waiting {
  resolve(value: unknown): void;
  reject(cause: unknown): void;
}

/**
 * A thread that has servers of tests. What they are asked may be answered at once: then the test's thread waits for it, and
 * does nothing else but call the handlers that a thread wants called, which waits for that in turn.
 */
export class FarThread {
  readonly #worker: Worker;
  readonly #port: MessagePort;
  /** All of them, and what any of them counts up when it has said something. */
  readonly #all: readonly FarThread[];
  readonly #said: Int32Array<SharedArrayBuffer>;
  readonly #heard = new Int32Array(new SharedArrayBuffer(8));
  readonly #waiting = new Map<number, Waiting>();
  readonly #onCall: OnCall;
  #lastId = 0;

  static start(count: number, onCall: OnCall): readonly FarThread[] {
    const said = new Int32Array(new SharedArrayBuffer(4));
    const all: FarThread[] = [];
    for (let i = 0; i < count; i += 1) all.push(new FarThread(all, said, onCall));
    return all;
  }

  private constructor(all: readonly FarThread[], said: Int32Array<SharedArrayBuffer>, onCall: OnCall) {
    const { port1, port2 } = new MessageChannel();
    const workerData: FarData = { port: port2, said, heard: this.#heard };
    this.#all = all;
    this.#said = said;
    this.#onCall = onCall;
    this.#port = port1;
    this.#worker = new Worker(moduleNamed("far_app"), { workerData, transferList: [port2] });
    port1.on("message", (what: ToTest) => this.#take(what));
    port1.unref();
  }

  ask(request: FarRequest, signal?: AbortSignal): Promise<unknown> {
    const id = this.#post(request);
    const abort = (): void => this.tell({ type: "abort", id });
    if (signal?.aborted === true) abort();
    else signal?.addEventListener("abort", abort, { once: true });
    return new Promise((resolve, reject) => this.#waiting.set(id, { resolve, reject }));
  }

  askNow(request: FarRequest): unknown {
    let end: (() => unknown) | undefined;
    this.#waiting.set(this.#post(request), {
      resolve: (value) => {
        end = () => value;
      },
      reject: (cause) => {
        end = () => {
          throw cause;
        };
      },
    });
    while (end === undefined) {
      const seen = Atomics.load(this.#said, 0);
      const hasCome = this.#all.filter((thread) => thread.#receive()).length > 0;
      if (hasCome || Atomics.wait(this.#said, 0, seen, patienceMs) !== "timed-out") continue;
      throw new Error(`a thread does not answer ${JSON.stringify(request)}`);
    }
    return end();
  }

  tell(what: ToThread): void {
    this.#port.postMessage(what);
    this.#wake();
  }

  #wake(): void {
    Atomics.add(this.#heard, HeardWord.changes, 1);
    Atomics.notify(this.#heard, HeardWord.changes);
  }

  async end(): Promise<void> {
    const ended = new Promise((resolve) => this.#worker.once("exit", resolve));
    this.tell({ type: "exit" });
    await ended;
  }

  #post(request: FarRequest): number {
    this.#lastId += 1;
    this.tell({ ...request, id: this.#lastId });
    return this.#lastId;
  }

  /** @returns whether there was anything */
  #receive(): boolean {
    const received = receiveMessageOnPort(this.#port) as { message: ToTest } | undefined;
    if (received !== undefined) this.#take(received.message);
    return received !== undefined;
  }

  #take(what: ToTest): void {
    if (what.type === "call") {
      this.#onCall(this, what);
      Atomics.add(this.#heard, HeardWord.calls, 1);
      this.#wake();
      return;
    }
    const waiting = this.#waiting.get(what.id);
    this.#waiting.delete(what.id);
    try {
      waiting?.resolve(resultOf(what));
    } catch (cause) {
      waiting?.reject(cause);
    }
  }
}

/** @throws what was thrown there */
function resultOf({ value, thrown }: FarAnswer): unknown {
  if (thrown !== undefined) throw revived(thrown);
  return value;
}

/** An error of the same class. */
export function revived({ name, message, code }: FarError): Error {
  if (typeof code === "number") return new RequestFailure(message, code);
  const known = (millrace as unknown as Record<string, new (message: string) => Error>)[name];
  return known === undefined ? Object.assign(new Error(message), { code }) : new known(message);
}
