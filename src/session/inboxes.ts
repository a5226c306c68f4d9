import { InternalError } from "../errors.js";
import { RingReader } from "../native/ring.js";
import { handleOf, type SessionHandle } from "./handle.js";

/** Who takes what comes. */
export interface InboxBehaviour {
  /** Another environment sent this to a session of this one. `bytes` are valid during the call only. */
  message?(handle: SessionHandle, kind: number, bytes: Uint8Array, sender: number): void;
  /** Another environment, or this one, sent this to this one itself; the same. */
  posted?(kind: number, bytes: Uint8Array, sender: number): void;
}

/** What the ways from all environments to this one are read with. */
export interface InboxesContext {
  readonly behaviour: InboxBehaviour;
  readonly maxEnvironments: number;
  /** The ring from another environment, or from this one, to this one. */
  inboxOf(sender: number): SharedArrayBuffer;
  /** Tells who waits for room. */
  wake(sender: number): void;
  /** Whether a session is this environment's. */
  has(handle: SessionHandle): boolean;
  /** All that had come was read. */
  received(): void;
}

/** Then the event loop has its turn. */
const maxReceived = 4_096;

/** The inboxes of one environment, one for each sender, and their only reader. */
export class Inboxes {
  readonly #context: InboxesContext;
  readonly #readers: RingReader[];
  #isClosed = false;
  #isReceiving = false;
  #isReceivingAgain = false;
  #misdirected = 0;
  #spoiled = 0;

  constructor(context: InboxesContext) {
    this.#context = context;
    // What is in them was for whoever had this place before.
    this.#readers = Array.from({ length: context.maxEnvironments }, (_, sender) => this.#readerOf(sender));
  }

  /** What came for a session that is not this environment's: stale, or written by a thread that writes anything. */
  get misdirected(): number {
    return this.#misdirected;
  }

  /** How often an inbox contradicted itself and was emptied. */
  get spoiled(): number {
    return this.#spoiled;
  }

  close(): void {
    this.#isClosed = true;
  }

  /** Takes at once what has come. A handler that calls it gets nothing more before it has returned. */
  receive(): void {
    if (this.#isClosed || this.#isReceiving) return;
    let isAwake = false;
    this.#isReceiving = true;
    try {
      for (let sender = 0; sender < this.#readers.length; sender += 1) {
        if (this.#receiveFrom(sender)) isAwake = true;
      }
      this.#context.received();
    } catch (cause) {
      isAwake = true; // what a handler throws is the application's; the others' messages wait
      throw cause;
    } finally {
      this.#isReceiving = false;
      if (isAwake) this.#receiveAgain();
    }
  }

  /** In the next turn of the event loop. */
  #receiveAgain(): void {
    if (this.#isReceivingAgain) return;
    this.#isReceivingAgain = true;
    setImmediate(() => {
      this.#isReceivingAgain = false;
      this.receive();
    });
  }

  /** @returns true when there may be more: nobody will say so. */
  #receiveFrom(sender: number): boolean {
    try {
      const reader = this.#readers[sender]!;
      let received = 0;
      while (received < maxReceived && reader.next()) {
        received += 1;
        this.#deliver(reader, sender);
        // What came meanwhile is of the next turn: two threads that look at one position by turns wait for each other.
        if (reader.isCaughtUp) break;
      }
      reader.release();
      if (reader.takeStarved()) this.#context.wake(sender);
      // Who sent something may well send more: it is looked at once again before it has to wake anybody.
      return received > 0 || !reader.trySleep();
    } catch (cause) {
      if (!(cause instanceof InternalError)) throw cause;
      // Somebody wrote over the inbox: what is in it is lost, and what comes after is read again.
      this.#spoiled += 1;
      this.#readers[sender] = this.#readerOf(sender);
      return true;
    }
  }

  #deliver(reader: RingReader, sender: number): void {
    const { behaviour } = this.#context;
    if (reader.generation === 0) {
      behaviour.posted?.(reader.kind, reader.bytes(), sender);
      return;
    }
    const handle = handleOf(reader.slot, reader.generation);
    if (!this.#context.has(handle)) this.#misdirected += 1;
    else behaviour.message?.(handle, reader.kind, reader.bytes(), sender);
  }

  #readerOf(sender: number): RingReader {
    return new RingReader(this.#context.inboxOf(sender), { atEnd: true });
  }
}
