import { readOptions } from "../../options/read.js";
import { integer, object, withDefault } from "../../options/schema.js";

/**
 * Where a client keeps the tickets with which it resumes its sessions. A ticket is as secret as a password for as
 * long as it is good: it opens a connection in which the server believes to know its client.
 *
 * Every method may answer at once or by a promise. What one throws costs a full handshake, no connection; so does a
 * ticket that has not come when half of the connection's `handshakeTimeoutMs` is over.
 */
export interface TicketStore {
  /** The ticket under the key, where there is one. Millrace deletes it before it uses it. */
  get(key: string): Uint8Array | undefined | Promise<Uint8Array | undefined>;
  /** Keeps a ticket, in place of the one before. @param expiresAt milliseconds since 1970; useless from then on. */
  set(key: string, ticket: Uint8Array, expiresAt: number): void | Promise<void>;
  /** Forgets a server's ticket, if there is one. */
  delete(key: string): void | Promise<void>;
}

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
