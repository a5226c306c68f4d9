import type { CloseInfo } from "../transport/close.js";

/** A message that came while its connection was paused, and is the queue's own. */
interface HeldMessage {
  readonly bytes: Uint8Array;
  readonly binary: boolean;
}

/** How a connection ended while messages that had come before still waited. */
export interface HeldEnd {
  readonly wireCode: number;
  readonly info: CloseInfo;
}

/** About what a message costs beside its bytes, or empty ones would cost nothing. */
const messageCost = 256;

/** What has arrived at a paused connection whose library goes on reading, in order. */
export class HeldMessages {
  /** Comes after all messages. */
  end: HeldEnd | undefined = undefined;
  /** The memory that the messages take. */
  bytes = 0;
  readonly #messages: HeldMessage[] = [];
  /** Where the oldest message is: a shift() for each would move all the others. */
  #first = 0;

  get isEmpty(): boolean {
    return this.#first === this.#messages.length;
  }

  push(message: HeldMessage): void {
    this.#messages.push(message);
    this.bytes += message.bytes.length + messageCost;
  }

  shift(): HeldMessage | undefined {
    const message = this.#messages[this.#first];
    if (message === undefined) return undefined;
    this.bytes -= message.bytes.length + messageCost;
    this.#first += 1;
    if (2 * this.#first >= this.#messages.length) {
      this.#messages.splice(0, this.#first);
      this.#first = 0;
    }
    return message;
  }
}
