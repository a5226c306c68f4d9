import { ServerInUseError } from "../../errors.js";
import type { SharedSessions } from "../../session/sessions.js";

/** What a process is among several that take each other's resume tokens. */
export interface GroupNode {
  /** Its number there, from 1 on. */
  readonly number: number;
  /** How much higher the ports are that it listens on than those that the application names. */
  readonly portOffset: number;
  /** Where all of them listen: see `NodeUrls`. */
  readonly urls: SharedArrayBuffer;
}

/** What the environments of one process share that are one server together. It goes to another thread as it is. */
export interface Group {
  readonly sessions: SharedSessions;
  /** By which each verifies the resume tokens that any of them minted; 32 bytes. */
  readonly resumeSecret: Uint8Array;
  /** How many sessions each environment has, by its number; -1 where it has no server. */
  readonly sessionCounts: Int32Array<SharedArrayBuffer>;
  /** Which of them have topics: see `HomeMembers`. */
  readonly homes: SharedArrayBuffer;
  /** What each wants of what is published: see `Interests`. */
  readonly interests: SharedArrayBuffer;
  /** Which of them does an early request: see `EarlyClaims`. Undefined where there is but one. */
  readonly earlyClaims: SharedArrayBuffer | undefined;
  /** Undefined where the process is the only one. */
  readonly node?: GroupNode | undefined;
}

/** The place of a thread in a group. */
export interface Place {
  readonly group: Group;
  /** What the group's first server was bound to, by its URLs, in their order; empty for that one itself. */
  readonly boundUrls: readonly string[];
  /** Whether this thread accepts on ports that threads cannot share. */
  readonly acceptsAlone: boolean;
  /** The server that has the place listens. */
  listens(server: PlacedServer): void;
}

/** What whoever manages a thread has to know of its server. */
export interface PlacedServer {
  readonly urls: readonly string[];
  readonly maxMessageBytes: number;
  close(options?: object): Promise<void>;
}

let current: Place | undefined;
let isTaken = false;

/** Gives this thread a place: the next server that is created in it has it. */
export function enterGroup(place: Place): void {
  current = place;
  isTaken = false;
}

/**
 * The place that a server is to have; undefined where this thread is in no group. One server has it at a time.
 * @throws ServerInUseError
 */
export function takePlace(): Place | undefined {
  if (current === undefined) return undefined;
  if (isTaken)
    throw new ServerInUseError("this worker has a server already: close it, or listen on all URLs with it");
  isTaken = true;
  return current;
}

/** The server that had the place has ended. */
export function leavePlace(): void {
  isTaken = false;
}
