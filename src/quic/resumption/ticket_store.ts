import { readOptions } from "../../options/read.js";
import { integer, object, withDefault } from "../../options/schema.js";
import type { TicketStore } from "../../transport/early_data.js";

interface Entry {
  readonly ticket: Uint8Array;
  readonly expiresAt: number;
}

/** Keeps tickets in memory: of more than `maxTickets`, the least recently used goes first. */
export class MemoryTicketStore implements TicketStore {
  readonly #entries = new Map<string, Entry>();
  readonly #maxTickets: number;

  /** @throws InvalidArgumentError */
  constructor(options: { readonly maxTickets?: number | undefined } = {}) {
    this.#maxTickets = readOptions(schema, options).maxTickets;
  }

  /** Tickets that are kept, expired ones included that nobody has asked for since. */
  get size(): number {
    return this.#entries.size;
  }

  get(key: string): Uint8Array | undefined {
    const entry = this.#entries.get(key);
    if (entry === undefined) return undefined;
    this.#entries.delete(key);
    if (entry.expiresAt <= Date.now()) return undefined;
    this.#entries.set(key, entry); // the last is the most recently used
    return entry.ticket;
  }

  set(key: string, ticket: Uint8Array, expiresAt: number): void {
    this.#entries.delete(key);
    this.#entries.set(key, { ticket, expiresAt });
    for (const oldest of this.#entries.keys()) {
      if (this.#entries.size <= this.#maxTickets) return;
      this.#entries.delete(oldest);
    }
  }

  /** Forgets a server's ticket. */
  delete(key: string): void {
    this.#entries.delete(key);
  }
}

const schema = object({ maxTickets: withDefault(integer(1, 16_777_216), 1_024) });
