import { ServerInUseError } from "../../errors.js";
import type { SharedSessions } from "../../session/sessions.js";

/** What the environments of one process share that are one server together. It goes to another thread as it is. */
export interface Group {
  readonly sessions: SharedSessions;
  /** By which each verifies the resume tokens that any of them minted; 32 bytes. */
  readonly resumeSecret: Uint8Array;
}

/** The place that this thread has in a group. */
interface Place {
  readonly group: Group;
  isTaken: boolean;
}

let place: Place | undefined;

/** Makes the server that this thread creates next a member of a group. */
export function enterGroup(group: Group): void {
  place = { group, isTaken: false };
}

/**
 * The group that a server is to join; undefined where this thread is in none. It has one server at a time.
 * @throws ServerInUseError
 */
export function takePlace(): Group | undefined {
  if (place === undefined) return undefined;
  if (place.isTaken) throw new ServerInUseError("this worker has a server already: a worker has one");
  place.isTaken = true;
  return place.group;
}

/** The server that had the place has ended. */
export function leavePlace(): void {
  if (place !== undefined) place.isTaken = false;
}
