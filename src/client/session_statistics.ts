import type { Outbound } from "../delivery/outbound.js";
import type { SwitchRecord, Totals, TransportStatistics } from "./journal.js";

/** What a session has done since it began, over all of its connections. */
export interface SessionStatistics extends Totals {
  /** Accepted, and not gone out yet. */
  readonly bytesQueued: number;
  /** Gone out, and not acknowledged yet. */
  readonly bytesUnacknowledged: number;
  /** Given up for lack of room. */
  readonly messagesDropped: number;
  /** Given up because their time had come. */
  readonly messagesExpired: number;
  /** Requests that wait for their answers. */
  readonly requestsPending: number;
  /** Times that this client has asked the server for a sign of life. */
  readonly heartbeats: number;
  /** Faults of handlers, and what else was told to `error`. */
  readonly errors: number;
  /** Of the connection that there is: as its transport measures it, or else the last heartbeat; undefined before that. */
  readonly roundTripMs: number | undefined;
  /** Packets that were lost, and sent again, as far as transports tell: QUIC does. Undefined where none has. */
  readonly retransmissions: number | undefined;
  /** What was done over which transport. */
  readonly transports: readonly TransportStatistics[];
  /** The last 100 changes of connections, the oldest first. */
  readonly switches: readonly SwitchRecord[];
}

/** What a session knows of itself. */
export interface SessionCounts {
  readonly outbound: Pick<Outbound, "bytesQueued" | "bytesUnacknowledged" | "rarities">;
  readonly totals: Totals;
  readonly requestsPending: number;
  readonly errors: number;
}

/** What is known of what keeps a session connected. */
export type ConnectionStatistics = Pick<
  SessionStatistics,
  "heartbeats" | "roundTripMs" | "transports" | "switches"
>;

/** Puts together what a session knows of itself, and of its connections. */
export function statisticsOf(
  { outbound, totals, requestsPending, errors }: SessionCounts,
  connections: ConnectionStatistics,
): SessionStatistics {
  const { bytesQueued, bytesUnacknowledged, rarities } = outbound;
  const { messagesDropped = 0, messagesExpired = 0 } = rarities ?? {};
  const known = connections.transports.flatMap(({ retransmissions }) => retransmissions ?? []);
  return {
    ...{ ...totals, bytesQueued, bytesUnacknowledged, messagesDropped, messagesExpired },
    ...{ ...connections, requestsPending, errors },
    retransmissions: known.length === 0 ? undefined : known.reduce((sum, one) => sum + one),
  };
}
