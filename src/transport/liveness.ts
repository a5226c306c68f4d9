import { unref } from "./timer.js";

/** What {@link Liveness} watches. */
export interface Watched {
  /** Checks in a row that heard nothing; kept for {@link Liveness}. */
  quietChecks: number;
  /** Whether the peer was heard since this was last asked. */
  takeHeard(): boolean;
  /** Asks the peer for a sign of life. */
  ping(): void;
  /** Nothing was heard for the idle timeout. */
  expire(): void;
}

/** Checks per idle timeout: a silent peer is found between 1 and 1 + 1/checks timeouts. */
const checks = 4;

/**
 * Closes connections that went silent, with one timer for all of them. A connection quiet for half of the idle
 * timeout is pinged, so a live peer is always heard. It counts checks instead of comparing clocks: an event loop
 * that stood still does not make its peers look silent.
 */
export class Liveness {
  readonly #idleTimeoutMs: number;
  readonly #intervalMs: number;
  readonly #watched = new Set<Watched>();
  #timer: NodeJS.Timeout | undefined;

  /** @param idleTimeoutMs 0 watches nobody. */
  constructor(idleTimeoutMs: number) {
    this.#idleTimeoutMs = idleTimeoutMs;
    this.#intervalMs = Math.max(1, Math.ceil(idleTimeoutMs / checks));
  }

  /** It is watched from now on. */
  add(connection: Watched): void {
    if (this.#idleTimeoutMs === 0) return;
    this.#watched.add(connection);
    this.#timer ??= unref(setInterval(() => this.#check(), this.#intervalMs));
  }

  /** It has closed. */
  remove(connection: Watched): void {
    this.#watched.delete(connection);
    if (this.#watched.size > 0) return;
    clearInterval(this.#timer);
    this.#timer = undefined;
  }

  #check(): void {
    for (const connection of this.#watched) {
      connection.quietChecks = connection.takeHeard() ? 0 : connection.quietChecks + 1;
      if (connection.quietChecks >= checks) connection.expire();
      else if (connection.quietChecks === checks / 2) connection.ping();
    }
  }
}
