import type { Outbound, Outgoing } from "../delivery/outbound.js";
import type { Clock } from "../dispatch/clock.js";
import { Kind } from "../frame/frame.js";
import type { SendResult } from "../transport/connection.js";

/** Whose messages linger. */
interface Lingering {
  readonly outbound: Outbound;
  /** Lets go out what may. @param nowMs on the clock of deadlines. */
  pump(nowMs: number): void;
}

/** How long, and until how much waits. */
export interface LingerOptions {
  readonly lingerMs: number;
  readonly lingerBytes: number;
}

/** Lets small messages wait a little for others, so that they go out together. */
export class Linger {
  readonly #options: LingerOptions;
  readonly #clock: Clock;
  readonly #half: Lingering;
  #cancel: (() => void) | undefined = undefined;

  constructor(options: LingerOptions, clock: Clock, half: Lingering) {
    this.#options = options;
    this.#clock = clock;
    this.#half = half;
  }

  /** As `Outbound.send`. What somebody waits for goes at once, and what waits here before it. */
  send(message: Outgoing): SendResult {
    const { kind, delivery, priority = "normal", expiresAt, settled, watch } = message;
    const isAwaited = (expiresAt ?? settled ?? watch) !== undefined;
    const mayWait = (priority === "normal" || priority === "bulk") && delivery !== "unreliable";
    const { outbound } = this.#half;
    const { lingerMs, lingerBytes } = this.#options;
    if (kind !== Kind.Message || isAwaited || !mayWait) {
      if (outbound.lingers) this.flush();
      return outbound.send(message);
    }
    const result = outbound.linger(message, lingerBytes);
    if (outbound.lingers) this.#cancel ??= this.#clock.at(this.#clock.now() + lingerMs, () => this.flush());
    return result;
  }

  /** Nothing waits any longer. */
  flush(): void {
    this.#cancel?.();
    this.#cancel = undefined;
    this.#half.outbound.lingers = false;
    this.#half.pump(performance.now());
  }
}
