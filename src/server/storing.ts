import { AckLevel } from "../delivery/ack.js";
import { largeSubject } from "../delivery/large_subject.js";
import type { StoringKey } from "../delivery/marked.js";
import { idBytesOf, type Marks, readMarks } from "../delivery/marks.js";
import type { Confirmable } from "../delivery/message.js";
import { ownedEntries } from "../delivery/meta.js";
import type { Store } from "../delivery/store.js";
import { StoreFailedError, TimeoutError } from "../errors.js";
import type { MetaEntry } from "../frame/frame.js";
import { isThenable } from "../transport/asynchronous.js";
import type { ServerSession } from "./server_session.js";

/** A message to be stored, which may be valid during the call only. */
export interface Storable extends Confirmable {
  readonly type: number;
  readonly subject: string | undefined;
  readonly meta: readonly MetaEntry[];
  readonly payload: Uint8Array;
}

/** What the store of a server is held to. */
export interface StoringOptions {
  readonly store?: Store | undefined;
  readonly storeTimeoutMs: number;
  readonly storeQueueBytes: number;
}

/** A message that the store was given. */
interface Taking {
  /** How far it has come once it is stored. */
  level: number;
}

/** What counts for a message beside its payload. */
const overheadBytes = 512;

/**
 * Gives the store what asks for more than to be received, while its handler runs, and tells senders when it has taken it.
 * What the store has not answered yet is bounded, in bytes and in time.
 */
export class Storing<Data> {
  readonly #options: StoringOptions;
  readonly #report: (session: ServerSession<Data>, cause: unknown) => void;
  readonly #takesLarge: boolean;
  /** What the store has not answered yet. */
  readonly #taking = new Map<ServerSession<Data>, Map<StoringKey, Taking>>();
  #bytes = 0;

  /** @param takesLarge the parts of large messages are none of the application's: where nobody takes them, they are. */
  constructor(
    options: StoringOptions,
    report: (session: ServerSession<Data>, cause: unknown) => void,
    takesLarge: boolean,
  ) {
    this.#options = options;
    this.#report = report;
    this.#takesLarge = takesLarge;
  }

  /** Whether there is a store whose word is worth anything. */
  get canStore(): boolean {
    const { store } = this.#options;
    return store !== undefined && store.durability !== "none";
  }

  /** What the store has been given and has not answered yet, about. */
  get bytesWaiting(): number {
    return this.#bytes;
  }

  /** A message is handled. Where its sender asks for it, it is stored. */
  take(session: ServerSession<Data>, message: Storable): void {
    const { store } = this.#options;
    if (store === undefined || message.meta.length === 0) return;
    if (this.#takesLarge && message.subject === largeSubject) return;
    const marks = readMarks(message.meta);
    if (marks !== undefined && marks.level !== AckLevel.received) {
      this.#store(store, session, message, marks);
    }
  }

  /** Notes how far a message has come that is being stored. @returns false where it is not. */
  hold(session: ServerSession<Data>, key: StoringKey, level: number): boolean {
    const taking = this.#taking.get(session)?.get(key);
    if (taking === undefined) return false;
    taking.level = Math.max(taking.level, level);
    return true;
  }

  #store(store: Store, session: ServerSession<Data>, message: Storable, marks: Marks): void {
    const key = session.marked.store(message, marks);
    if (key === undefined) return;
    const { lane, sequence, type, subject, payload, meta } = message;
    const bytes = payload.length + overheadBytes;
    const place = { lane, sequence, meta: ownedEntries(meta) };
    if (this.#bytes + bytes > this.#options.storeQueueBytes) {
      session.marked.unstored(place, marks);
      return;
    }
    const taking: Taking = { level: AckLevel.stored };
    const ended = this.#enter(session, key, taking);
    this.#bytes += bytes;
    const settle = (cause?: unknown): void => {
      if (!ended()) return;
      if (cause === undefined) this.#stored(session, place, marks, taking.level);
      else this.#failed(session, place, marks, cause);
    };
    const { clientId, id: sessionId } = session;
    let taken: unknown;
    try {
      taken = store.append({
        ...{ sessionId, clientId, lane, sequence, type, subject, meta: place.meta },
        payload: new Uint8Array(payload),
        messageId: idBytesOf(place.meta),
        receivedAtMs: Date.now(),
      });
    } catch (cause) {
      taken = Promise.reject(cause);
    }
    if (isThenable(taken)) {
      this.#wait(taken, bytes, settle);
      return;
    }
    this.#bytes -= bytes;
    settle();
  }

  /** What the store is too slow for it holds on to, and so counts until it is done with it. */
  #wait(taken: PromiseLike<unknown>, bytes: number, settle: (cause?: unknown) => void): void {
    const { storeTimeoutMs } = this.#options;
    const late = () => settle(new TimeoutError(`the store took longer than ${storeTimeoutMs} ms`));
    const timer = setTimeout(late, storeTimeoutMs);
    Promise.resolve(taken).then(
      () => {
        this.#bytes -= bytes;
        clearTimeout(timer);
        settle();
      },
      (cause: unknown) => {
        this.#bytes -= bytes;
        clearTimeout(timer);
        settle(cause ?? new Error("the store rejected with nothing"));
      },
    );
  }

  /** @returns ends it; false where it has ended already. */
  #enter(session: ServerSession<Data>, key: StoringKey, taking: Taking): () => boolean {
    const ofSession = this.#taking.get(session) ?? new Map<StoringKey, Taking>();
    this.#taking.set(session, ofSession);
    ofSession.set(key, taking);
    return () => {
      if (ofSession.get(key) !== taking) return false;
      ofSession.delete(key);
      if (ofSession.size === 0) this.#taking.delete(session);
      return true;
    };
  }

  /** By a store that declares nothing only what the application says is told. */
  #stored(session: ServerSession<Data>, message: Confirmable, marks: Marks, level: number): void {
    if (this.canStore || level > AckLevel.stored) session.marked.stored(message, marks, level);
    else session.marked.kept(marks);
  }

  #failed(session: ServerSession<Data>, message: Confirmable, marks: Marks, cause: unknown): void {
    session.marked.unstored(message, marks);
    this.#report(session, new StoreFailedError("the store has not taken a message", { cause }));
  }
}
