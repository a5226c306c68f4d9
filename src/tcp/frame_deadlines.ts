/** What {@link FrameDeadlines} watches. */
export interface Unfinished {
  /** Checks since its unit began; kept for {@link FrameDeadlines}. */
  unfinishedChecks: number;
  /** Whether no bytes are being taken, so that the peer is not to blame. */
  readonly paused: boolean;
  /** The unit took too long. */
  missFrameDeadline(): void;
}

/** Checks per timeout: one who dawdles is found between 1 and 1 + 1/checks timeouts. */
const checks = 4;

/**
 * Ends connections whose peer leaves a frame unfinished, with one timer for all of them. It counts checks instead of
 * comparing clocks: an event loop that stood still does not make its peers look slow.
 */
export class FrameDeadlines {
  readonly #intervalMs: number;
  readonly #unfinished = new Set<Unfinished>();
  #timer: NodeJS.Timeout | undefined;

  constructor(frameTimeoutMs: number) {
    this.#intervalMs = Math.max(1, Math.ceil(frameTimeoutMs / checks));
  }

  /** A unit has begun. */
  begin(connection: Unfinished): void {
    connection.unfinishedChecks = 0;
    this.#unfinished.add(connection);
    this.#timer ??= setInterval(() => this.#check(), this.#intervalMs).unref();
  }

  /** It has ended, or its connection has. */
  end(connection: Unfinished): void {
    this.#unfinished.delete(connection);
  }

  #check(): void {
    if (this.#unfinished.size === 0) {
      clearInterval(this.#timer);
      this.#timer = undefined;
      return;
    }
    for (const connection of this.#unfinished) {
      if (connection.paused) continue;
      connection.unfinishedChecks += 1;
      if (connection.unfinishedChecks > checks) connection.missFrameDeadline();
    }
  }
}
