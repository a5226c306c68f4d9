import type { Claim } from "../../session/claim.js";
import type { Peers } from "./peers.js";

interface Post {
  readonly kind: number;
  readonly bytes: Uint8Array;
}

/** What waits for one environment. */
interface Line {
  /** Another may have its number before this one's end is told. */
  readonly claim: Claim | undefined;
  posts: Post[];
  bytes: number;
}

/** What may wait for one environment. */
const maxWaitingBytes = 2 ** 24;

/** Posts that wait where an inbox is full: answers, and orders that are not to be lost. */
export class PatientPosts {
  readonly #peers: Peers;
  readonly #lines = new Map<number, Line>();

  constructor(peers: Peers) {
    this.#peers = peers;
    peers.onDrain((environment) => this.#flush(environment));
    peers.onLeft((environment) => this.#lineTo(environment)); // which forgets what was for who has ended
  }

  /** Whether nothing waits for an environment any more, which is tried first. */
  isFree(environment: number): boolean {
    if (this.#lines.has(environment)) this.#flush(environment);
    return !this.#lines.has(environment);
  }

  /** @returns false where too much waits already; who has ended gets nothing, and that is no fault. */
  post(environment: number, kind: number, bytes: Uint8Array): boolean {
    const line = this.#lineTo(environment);
    if (line === undefined) {
      if (this.#peers.post(environment, kind, bytes) === "dropped") {
        const claim = this.#peers.sessions.claimOf(environment);
        this.#lines.set(environment, { claim, posts: [{ kind, bytes }], bytes: bytes.length });
      }
      return true;
    }
    if (line.bytes + bytes.length > maxWaitingBytes) return false;
    line.posts.push({ kind, bytes });
    line.bytes += bytes.length;
    return true;
  }

  #flush(environment: number): void {
    const line = this.#lineTo(environment);
    if (line === undefined) return;
    const sent = line.posts.findIndex(
      ({ kind, bytes }) => this.#peers.post(environment, kind, bytes) === "dropped",
    );
    if (sent < 0) {
      this.#lines.delete(environment);
      return;
    }
    line.posts = line.posts.slice(sent);
    line.bytes = line.posts.reduce((sum, { bytes }) => sum + bytes.length, 0);
  }

  #lineTo(environment: number): Line | undefined {
    const line = this.#lines.get(environment);
    if (line === undefined || line.claim === this.#peers.sessions.claimOf(environment)) return line;
    this.#lines.delete(environment);
    return undefined;
  }
}
