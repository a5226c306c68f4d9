import { leavePlace, takePlace } from "./group.js";
import { Peers } from "./peers.js";

/**
 * The sessions of a server that begins: those of the group that this thread is in, or its own.
 * @throws ServerInUseError, ResourceExhaustedError
 */
export function enterSessions(maxSessions: number): Peers {
  const group = takePlace();
  if (group === undefined) return Peers.create({ maxSessions });
  try {
    return Peers.join(group);
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
