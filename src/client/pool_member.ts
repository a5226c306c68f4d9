import type { PoolMember } from "./pool.js";
import type { ClientSession } from "./session.js";

/** A session of a pool, and what it has to do. */
export class Member implements PoolMember {
  readonly session: ClientSession;
  load = 0;
  /** By the order of picks. */
  lastPick = 0;
  #answers = true;
  #isRetired = false;

  constructor(session: ClientSession) {
    this.session = session;
  }

  get isWell(): boolean {
    return this.#answers && this.session.state === "connected";
  }

  /** It gets nothing more to do. */
  get isOver(): boolean {
    const { state } = this.session;
    return this.#isRetired || state === "failed" || state === "disconnected";
  }

  /** Whether it is to be picked before another: it is well, has less to do, or less to send, or was picked longer ago. */
  isBefore(other: Member): boolean {
    if (this.isWell !== other.isWell) return this.isWell;
    if (this.load !== other.load) return this.load < other.load;
    const queued = this.session.bytesQueued - other.session.bytesQueued;
    return queued === 0 ? this.lastPick < other.lastPick : queued < 0;
  }

  /** Work that it has is waited for, even when another has taken its place. */
  async during<T>(work: (session: ClientSession) => Promise<T>): Promise<T> {
    this.load += 1;
    try {
      return await work(this.session);
    } finally {
      this.release();
    }
  }

  release(): void {
    this.load -= 1;
    this.#endWhenDone();
  }

  retire(): void {
    this.#isRetired = true;
    this.#endWhenDone();
  }

  /** @returns whether the server gives a sign of life in time. */
  async check(timeoutMs: number): Promise<boolean> {
    this.#answers = await this.session.ping({ timeoutMs }).then(
      () => true,
      () => false,
    );
    return this.#answers;
  }

  #endWhenDone(): void {
    if (this.#isRetired && this.load === 0) void this.session.close();
  }
}
