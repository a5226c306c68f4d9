import type { Peers } from "./peers.js";

interface Post {
  readonly kind: number;
  readonly bytes: Uint8Array;
}

/** What may wait for one environment. */
const maxWaitingBytes = 2 ** 24;

/** Posts that wait where an inbox is full: answers, and orders that are not to be lost. */
export class PatientPosts {
  readonly #peers: Peers;
  readonly #waiting = new Map<number, Post[]>();
  readonly #waitingBytes = new Map<number, number>();

  constructor(peers: Peers) {
    this.#peers = peers;
    peers.onDrain((environment) => this.#flush(environment));
    peers.onLeft((environment) => this.#forget(environment));
  }

  /** @returns false where too much waits already; who has ended gets nothing, and that is no fault. */
  post(environment: number, kind: number, bytes: Uint8Array): boolean {
    const waiting = this.#waiting.get(environment);
    if (waiting === undefined) {
      if (this.#peers.post(environment, kind, bytes) === "dropped") {
        this.#waiting.set(environment, [{ kind, bytes }]);
        this.#waitingBytes.set(environment, bytes.length);
      }
      return true;
    }
    const waitingBytes = this.#waitingBytes.get(environment)! + bytes.length;
    if (waitingBytes > maxWaitingBytes) return false;
    waiting.push({ kind, bytes });
    this.#waitingBytes.set(environment, waitingBytes);
    return true;
  }

  #flush(environment: number): void {
    const waiting = this.#waiting.get(environment) ?? [];
    for (const [index, { kind, bytes }] of waiting.entries()) {
      if (this.#peers.post(environment, kind, bytes) !== "dropped") continue;
      const rest = waiting.slice(index);
      this.#waiting.set(environment, rest);
      this.#waitingBytes.set(
        environment,
        rest.reduce((sum, post) => sum + post.bytes.length, 0),
      );
      return;
    }
    this.#forget(environment);
  }

  #forget(environment: number): void {
    this.#waiting.delete(environment);
    this.#waitingBytes.delete(environment);
  }
}
