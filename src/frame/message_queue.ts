/** Messages that wait for a reader, in order, and the one reader that may wait for a message. */
export class MessageQueue {
  /** Whether an iterator has this queue. */
  claimed = false;
  /** Whether the queue has asked the transport to stop. */
  holdingBack = false;
  #messages: Uint8Array[] = [];
  /** Where the oldest message is: a shift() for each would move all the others. */
  #first = 0;
  #bytes = 0;
  #wake: (() => void) | undefined = undefined;

  /** What the queue holds, and a little for each message, or empty ones would cost nothing. */
  get bytes(): number {
    return this.#bytes;
  }

  /** @param message the queue's own from now on. */
  push(message: Uint8Array): void {
    this.#messages.push(message);
    this.#bytes += cost(message);
    this.wake();
  }

  shift(): Uint8Array | undefined {
    const message = this.#messages[this.#first];
    if (message === undefined) return undefined;
    this.#bytes -= cost(message);
    this.#first += 1;
    if (2 * this.#first >= this.#messages.length) {
      this.#messages.splice(0, this.#first);
      this.#first = 0;
    }
    return message;
  }

  /** Resolves at the next {@link push} or {@link wake}. */
  arrival(): Promise<void> {
    return new Promise((resolve) => {
      this.#wake = resolve;
    });
  }

  /** Lets the reader look again. */
  wake(): void {
    this.#wake?.();
    this.#wake = undefined;
  }
}

const messageOverheadBytes = 64;

function cost(message: Uint8Array): number {
  return message.length + messageOverheadBytes;
}
