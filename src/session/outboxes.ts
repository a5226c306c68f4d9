import { InvalidArgumentError } from "../errors.js";
import { InboxWriter, Written } from "./inbox_writer.js";

/** What becomes of a record: see `InboxResult`. */
export type Posted = "sent" | "blocked" | "dropped";

/** What the other environments' inboxes are to this one. */
export interface OutboxesContext {
  readonly environment: number;
  /** The ring from this environment to another. */
  inboxOf(receiver: number): SharedArrayBuffer;
  /** False when there is no such environment any more. */
  wake(receiver: number): boolean;
  /** There is room again for who was told `blocked` or `dropped`, or nobody left to have it. */
  drain(receiver: number): void;
}

/**
 * A receiver sees what was sent when this much was, or the sender's running JavaScript is over. Each publication waits
 * until the receiver's processor has given back the lines that were written: one of many records waits once.
 */
const maxUnpublishedBytes = 2_048;

/** The ways from one environment to all: what is staged there, and who waits for room. */
export class Outboxes {
  readonly #context: OutboxesContext;
  readonly #writers: (InboxWriter | undefined)[] = [];
  /** The environments that a `drain` is owed of, and the largest payload that found no room there. */
  readonly #blocked = new Map<number, number>();
  /** The environments for which something was staged in this turn. */
  readonly #unpublished: number[] = [];

  constructor(context: OutboxesContext) {
    this.#context = context;
  }

  /** The longest that `write` takes. */
  get maxPayloadBytes(): number {
    return this.#writerTo(this.#context.environment).maxPayloadBytes;
  }

  /** @throws InvalidArgumentError for a kind that is none, or more bytes than half of an inbox. */
  write(receiver: number, kind: number, slot: number, generation: number, bytes: Uint8Array): Posted {
    const writer = this.#writerTo(receiver);
    if (!Number.isInteger(kind) || kind < 1 || kind > 0xffff || bytes.length > writer.maxPayloadBytes) {
      throw new InvalidArgumentError(
        `what is sent has a kind of 1 to 65535 and at most ${writer.maxPayloadBytes} bytes, and not ${kind} and ${bytes.length}`,
      );
    }
    while (!writer.stage(kind, slot, generation, this.#context.environment, bytes)) {
      this.#publishTo(receiver);
      if (this.#awaits(receiver, writer, bytes.length)) return "dropped";
    }
    if (writer.isAtMark()) {
      this.#publishTo(receiver);
      return this.#awaits(receiver, writer, 0) ? "blocked" : "sent";
    }
    if (writer.unpublishedBytes >= maxUnpublishedBytes) this.#publishTo(receiver);
    else this.#publishSoon(receiver);
    return "sent";
  }

  readonly publishAll = (): void => {
    for (const receiver of this.#unpublished) {
      if (this.#writerTo(receiver).unpublishedBytes > 0) this.#publishTo(receiver);
    }
    this.#unpublished.length = 0;
  };

  /** Says `drain` for those that have made room. */
  drainAll(): void {
    if (this.#blocked.size === 0) return;
    for (const receiver of [...this.#blocked.keys()]) this.#drainIfRoom(receiver);
  }

  /**
   * The same, and for those that have ended: whoever waits for one is to learn that its sessions are gone. And where
   * somebody wrote over the mark, nobody else says that there is room.
   */
  maintain(): void {
    for (const receiver of [...this.#blocked.keys()]) {
      if (this.#context.wake(receiver)) this.#drainIfRoom(receiver);
      else this.#drain(receiver);
    }
  }

  #writerTo(receiver: number): InboxWriter {
    let writer = this.#writers[receiver];
    if (writer === undefined) {
      writer = new InboxWriter(this.#context.inboxOf(receiver));
      this.#writers[receiver] = writer;
    }
    return writer;
  }

  /** Before the event loop goes on. */
  #publishSoon(receiver: number): void {
    if (this.#unpublished.length === 0) queueMicrotask(this.publishAll);
    else if (this.#unpublished.includes(receiver)) return;
    this.#unpublished.push(receiver);
  }

  #publishTo(receiver: number): void {
    if (this.#writerTo(receiver).publish() === Written.wake) this.#context.wake(receiver);
  }

  /** @returns false when there is room after all. Else `drain` will say so. */
  #awaits(receiver: number, writer: InboxWriter, payloadBytes: number): boolean {
    const before = this.#blocked.get(receiver);
    if (before === undefined && !writer.awaitRoom(payloadBytes)) return false;
    this.#blocked.set(receiver, Math.max(before ?? 0, payloadBytes));
    return true;
  }

  #drainIfRoom(receiver: number): void {
    if (!this.#writerTo(receiver).awaitRoom(this.#blocked.get(receiver)!)) this.#drain(receiver);
  }

  #drain(receiver: number): void {
    this.#blocked.delete(receiver);
    this.#context.drain(receiver);
  }
}
