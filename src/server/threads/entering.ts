import { leavePlace, type Place, takePlace } from "./group.js";
import { Peers } from "./peers.js";

/** Where a server is: alone, or in a group. */
export interface Entrance {
  readonly peers: Peers;
  /** Undefined where it is alone. */
  readonly place: Place | undefined;
}

/**
 * The sessions of a server that begins: those of the group that this thread is in, or its own.
 * @throws ServerInUseError, ResourceExhaustedError
 */
export function enterSessions(maxSessions: number): Entrance {
  const place = takePlace();
  if (place === undefined) return { peers: Peers.create({ maxSessions }), place };
  try {
    return { peers: Peers.join(place.group), place };
  } catch (cause) {
    leavePlace();
    throw cause;
  }
}

/** The server has ended. */
export function leaveSessions(peers: Peers): void {
  peers.close();
  leavePlace();
}
