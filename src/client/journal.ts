import type { ConnectionFigures, TransportConnection } from "../transport/connection.js";
import type { Route } from "./carried.js";
import type { SwitchReason } from "./switch_policy.js";

/**
 * Why a session has changed its connection:
 * - `lost`: the one before was lost;
 * - `asked`: by `switchTo`;
 * - `goAway`: the server named another when it was about to stop;
 * - `network`: the machine has woken, or has another network;
 * - `better`, `slow`, `lossy`, `stalled`: by itself, to a better one, or away from one that had become so (`autoSwitch`).
 */
export type SwitchCause = "lost" | "asked" | "goAway" | "network" | "better" | SwitchReason;

/** A change of connections. */
export interface SwitchRecord {
  /** Milliseconds since 1970, by this machine's clock. */
  readonly at: number;
  readonly from: Route;
  readonly to: Route;
  readonly reason: SwitchCause;
}

/** What a session has sent and got, until now. */
export interface Totals {
  /** Messages, requests, answers and confirmations that were given to a connection for the first time. */
  readonly messagesSent: number;
  /** Of their frames. */
  readonly bytesSent: number;
  /** The same that have come, and are not repeated, and publications. */
  readonly messagesReceived: number;
  /** Of their payloads. */
  readonly bytesReceived: number;
}

/** What a session has done over one transport. */
export interface TransportStatistics extends Totals {
  readonly transport: string;
  /** Those that have carried the session. */
  readonly connections: number;
  /** Tries that have failed; not those that were called off since another one was faster. */
  readonly failures: number;
  /** Connections that were lost while they carried it. */
  readonly losses: number;
  /** How long it has carried the session. */
  readonly connectedMs: number;
  /** The last that was measured: by the transport, or by heartbeats. */
  readonly roundTripMs: number | undefined;
  /** Packets, but for mere acknowledgements; undefined where the transport does not tell. */
  readonly packetsSent: number | undefined;
  /** Of these, those that were taken for lost, and what was in them was sent again; undefined as `packetsSent`. */
  readonly retransmissions: number | undefined;
}

/** When something happened, and what the session had done until then. */
export interface Moment {
  /** By the clock of its timers. */
  readonly nowMs: number;
  /** Milliseconds since 1970, by this machine's clock. */
  readonly dateMs: number;
  readonly totals: Totals;
}

type Tally = { -readonly [Key in keyof TransportStatistics]: TransportStatistics[Key] };

/** The connection that there is, and what was done before it. */
interface Current {
  readonly tally: Tally;
  readonly connection: TransportConnection;
  readonly since: Moment;
}

const totals = ["messagesSent", "bytesSent", "messagesReceived", "bytesReceived"] as const;
/** The oldest are forgotten. */
const maxSwitches = 100;

/** Keeps what a session has done over which transport, and how it came from one to another. */
export class Journal {
  readonly switches: SwitchRecord[] = [];
  readonly #tallies = new Map<string, Tally>();
  #current: Current | undefined = undefined;
  #route: Route | undefined = undefined;
  /** Figures of connections that have ended are on their way. */
  #figures: Promise<void> = Promise.resolve();

  /** A try has failed. */
  failed(transport: string): void {
    this.#of(transport).failures += 1;
  }

  /** A connection is to carry the session from now on. */
  begin(connection: TransportConnection, since: Moment): void {
    const tally = this.#of(connection.transport);
    tally.connections += 1;
    this.#current = { tally, connection, since };
  }

  /** It does. */
  arrived(route: Route, reason: SwitchCause, { dateMs }: Moment): void {
    if (this.#route !== undefined) this.switches.push({ at: dateMs, from: this.#route, to: route, reason });
    if (this.switches.length > maxSwitches) this.switches.shift();
    this.#route = route;
  }

  /** It carries it no longer. @param roundTripMs the last that its heartbeat has measured. */
  end(roundTripMs: number | undefined, now: Moment): void {
    const current = this.#current;
    if (current === undefined) return;
    this.#current = undefined;
    add(current, now, roundTripMs);
    const figures = figuresOf(current);
    this.#figures = this.#figures.then(async () => addFigures(current.tally, await figures));
  }

  /** It was lost. */
  lost(transport: string): void {
    this.#of(transport).losses += 1;
  }

  /**
   * What is known by now.
   * @param roundTripMs the last that the heartbeat has measured.
   * @param now asked when the figures of the transports have come
   */
  async transports(
    roundTripMs: number | undefined,
    now: () => Moment,
  ): Promise<readonly TransportStatistics[]> {
    const current = this.#current;
    const figures = current && (await figuresOf(current));
    await this.#figures;
    return Array.from(this.#tallies.values(), (tally) => {
      const copy = { ...tally };
      if (current !== undefined && current === this.#current && current.tally === tally) {
        add({ ...current, tally: copy }, now(), roundTripMs);
        addFigures(copy, figures);
      }
      return copy;
    });
  }

  #of(transport: string): Tally {
    let tally = this.#tallies.get(transport);
    if (tally === undefined) {
      tally = {
        ...{ transport, connections: 0, failures: 0, losses: 0, connectedMs: 0 },
        ...{ messagesSent: 0, bytesSent: 0, messagesReceived: 0, bytesReceived: 0 },
        ...{ roundTripMs: undefined, packetsSent: undefined, retransmissions: undefined },
      };
      this.#tallies.set(transport, tally);
    }
    return tally;
  }
}

/** What was done over a connection between its beginning and now. */
function add({ tally, since }: Current, now: Moment, roundTripMs: number | undefined): void {
  for (const name of totals) tally[name] += now.totals[name] - since.totals[name];
  tally.connectedMs += now.nowMs - since.nowMs;
  tally.roundTripMs = roundTripMs ?? tally.roundTripMs;
}

/** Undefined where the transport does not tell, or not of this one. */
async function figuresOf({ connection }: Current): Promise<ConnectionFigures | undefined> {
  try {
    return await connection.measure?.();
  } catch {
    return undefined;
  }
}

function addFigures(tally: Tally, figures: ConnectionFigures | undefined): void {
  if (figures === undefined) return;
  tally.packetsSent = (tally.packetsSent ?? 0) + figures.packetsSent;
  tally.retransmissions = (tally.retransmissions ?? 0) + figures.packetsLost;
  tally.roundTripMs = figures.roundTripMs ?? tally.roundTripMs;
}
