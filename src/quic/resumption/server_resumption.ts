import type * as v from "valibot";
import type { NativeResumption } from "../../native/environment.js";
import { flag, integer, object, optional, withDefault } from "../../options/schema.js";
import { packTicketKeys, randomTicketKeys, type TicketKey, ticketKeysOption } from "./ticket_keys.js";

/**
 * Lets clients resume their TLS session (RFC 8446 section 2.2): each connection is given one ticket, and the next one
 * that shows it needs no certificate. A ticket proves that its holder was here before, not who it is: authenticate the
 * peer of a resumed connection as that of any other.
 */
export interface ServerResumptionOptions {
  /**
   * Takes early data (0-RTT, RFC 9001 section 4.6): what a client sends with its first packet. Default false. A first
   * packet can be copied and sent again by anyone on its way, so early data is taken once from each ticket, by the
   * listener that issued it and while it lives; what is refused is sent again by the client after the handshake. See
   * {@link QuicBehaviour.earlyData} for when the application gets it.
   */
  readonly earlyData?: boolean | undefined;
  /** How long a ticket is good: 1,000..7,200,000; 7,200,000 (two hours) by default. */
  readonly ticketLifetimeMs?: number | undefined;
  /**
   * Of how many tickets, the latest, early data is taken: 64..16,777,216, a bit of memory each; 1,048,576 by default.
   * An older one still resumes.
   */
  readonly maxTickets?: number | undefined;
  /**
   * The keys that protect tickets, the newest first: it makes new tickets, and all are taken. Nodes of a fleet share
   * them. By default random, so that tickets end with the listener. See `QuicListener.setTicketKeys`.
   */
  readonly ticketKeys?: readonly TicketKey[] | undefined;
}

const MAX_LIFETIME_MS = 7_200_000; // OpenSSL's own

/** How the options are read. */
export const serverResumptionSchema = object({
  earlyData: withDefault(flag, false),
  ticketLifetimeMs: withDefault(integer(1_000, MAX_LIFETIME_MS), MAX_LIFETIME_MS),
  maxTickets: withDefault(integer(64, 16_777_216), 1_048_576),
  ticketKeys: optional(ticketKeysOption),
} satisfies Record<keyof ServerResumptionOptions, unknown>);

export const serverResumptionOption = optional(serverResumptionSchema);

/** Options with every default filled in. */
export type ReadServerResumption = v.InferOutput<typeof serverResumptionSchema>;

/** @throws InvalidArgumentError */
export function serverResumption(options: ReadServerResumption | undefined): NativeResumption | undefined {
  if (options === undefined) return undefined;
  const { ticketKeys, ...rest } = options;
  return { ...rest, ticketKeys: ticketKeys === undefined ? randomTicketKeys() : packTicketKeys(ticketKeys) };
}
