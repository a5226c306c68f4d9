import { InvalidArgumentError } from "../errors.js";
import { isFunction, isObject, object, option, optional } from "../options/schema.js";

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

/** How a client uses tickets to send before its handshake is complete. */
export interface EarlyDataOptions {
  /** Where tickets are kept: by default in this thread's memory, the latest 1,024. A ticket is used once. */
  readonly store?: TicketStore | undefined;
}

/** How one is read. */
export const ticketStore = optional(
  option<TicketStore>("an object with get, set and delete", (value) => {
    const store = value as Partial<TicketStore>;
    return isObject(value) && isFunction(store.get) && isFunction(store.set) && isFunction(store.delete);
  }),
);

export const earlyDataSchema = object({
  store: ticketStore,
} satisfies Record<keyof EarlyDataOptions, unknown>);

/**
 * What a server does not take early goes to it again as soon as its handshake is complete, and only then its key is
 * compared: somebody in between, whom the pins are to keep out, would have it.
 * @throws InvalidArgumentError
 */
export function checkEarlyTrust(tls: { readonly pins?: unknown } | undefined): void {
  if (tls?.pins === undefined) return;
  throw new InvalidArgumentError(
    "earlyData and tls.pins exclude each other: what goes early may reach a server before its key is compared",
  );
}
