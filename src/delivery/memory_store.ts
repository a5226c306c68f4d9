import { readOptions } from "../options/read.js";
import { integer, object, withDefault } from "../options/schema.js";
import type { Store, StoredMessage } from "./store.js";

/** How much is kept. */
export interface MemoryStoreOptions {
  /** 10,000 by default; the oldest are given up. */
  readonly maxMessages?: number | undefined;
  /** Of all payloads together; 16 MiB by default. */
  readonly maxBytes?: number | undefined;
}

const schema = object({
  maxMessages: withDefault(integer(1, 2 ** 31), 10_000),
  maxBytes: withDefault(integer(1, 2 ** 40), 16 * 1024 * 1024),
} satisfies Record<keyof MemoryStoreOptions, unknown>);

/**
 * Keeps the newest messages in memory. It declares `none`: what it has is gone with the process, so no message is ever
 * `stored` by it, and who asks for that is told so at once.
 */
export class MemoryStore implements Store {
  readonly durability = "none";
  readonly #maxMessages: number;
  readonly #maxBytes: number;
  readonly #messages = new Set<StoredMessage>();
  #bytes = 0;

  /** @throws InvalidArgumentError */
  constructor(options: MemoryStoreOptions = {}) {
    const { maxMessages, maxBytes } = readOptions(schema, options);
    this.#maxMessages = maxMessages;
    this.#maxBytes = maxBytes;
  }

  /** How many it has. */
  get size(): number {
    return this.#messages.size;
  }

  append(message: StoredMessage): void {
    this.#messages.add(message);
    this.#bytes += message.payload.length;
    for (const oldest of this.#messages) {
      if (this.#messages.size <= this.#maxMessages && this.#bytes <= this.#maxBytes) return;
      this.#messages.delete(oldest);
      this.#bytes -= oldest.payload.length;
    }
  }

  /** The oldest first. */
  [Symbol.iterator](): IterableIterator<StoredMessage> {
    return this.#messages.values();
  }
}
