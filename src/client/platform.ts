import type { Clock } from "../dispatch/clock.js";
import type { TransportUrl } from "../transport/address.js";
import type { Transport } from "../transport/transport.js";
import type { Choice } from "./choice.js";
import type { ResumableSession } from "./client_session.js";
import type { Extras } from "./extras.js";
import type { Part } from "./part.js";

/** What a client's sessions need of where they run: all that is not the same in Node.js and in a browser. */
export interface Platform {
  /** The transport for a URL's scheme, the application's own first. @throws UnknownTransportError */
  transportOf(url: TransportUrl, added: readonly Transport[] | undefined): Promise<Transport>;
  readonly clock: Clock;
  /** What carries a session: of no use before there is a connection. */
  readonly session: Part<typeof ResumableSession>;
  /** What not every session needs. */
  readonly extras: Part<Extras>;
  /** Calls `changed` where the machine has woken, or has another network. @returns ends that. */
  readonly watchNetwork?: (changed: () => void) => () => void;
  /** Missing where there is but one transport. */
  readonly choice?: Choice;
}
