import { FrameMalformedError } from "../errors.js";
import { decodeFrame, FrameView } from "../frame/frame.js";
import { Budget } from "./budget.js";
import type { Counters } from "./counters.js";
import { Envelope, type Opened } from "./envelope.js";
import { type Clock, Nonces, systemClock } from "./nonces.js";
import type { ResolvedUdpOptions } from "./options.js";

/** A datagram that was let in; all of it is valid during the call only. */
export interface Admitted {
  readonly timeMs: number;
  readonly nonce: Uint8Array;
  readonly frame: FrameView;
}

/** What who takes an admitted datagram makes of it: it is counted so. */
export type Verdict = "taken" | "ignored" | "malformed" | "dropped";

/** All frames are decoded into this one: nobody keeps it. */
const view = new FrameView();

/** What stands between the network and one party: lets in what is genuine, fresh and new, and counts the rest. */
export class Gate {
  readonly counters: Counters;
  readonly envelope: Envelope;
  readonly #clock: Clock;
  readonly #windowMs: number;
  readonly #budget: Budget;
  readonly #nonces: Nonces;

  constructor(options: ResolvedUdpOptions, counters: Counters, clock: Clock = systemClock) {
    const { secret, windowMs, maxNonces, maxDatagramsPerSecond } = options;
    this.counters = counters;
    this.envelope = new Envelope(secret);
    this.#clock = clock;
    this.#windowMs = windowMs;
    this.#budget = new Budget(maxDatagramsPerSecond, maxDatagramsPerSecond, () => clock.elapsedMs());
    this.#nonces = new Nonces(maxNonces, windowMs, clock);
  }

  /** A frame as a datagram that others let in. */
  seal(frame: Uint8Array): Uint8Array {
    return this.envelope.seal(frame, this.#clock.nowMs());
  }

  /** Calls `take` with a datagram that is let in, and counts it. */
  admit(datagram: Uint8Array, take: (admitted: Admitted) => Verdict): void {
    this.counters.received += 1;
    this.counters[this.#judge(datagram, take)] += 1;
  }

  #judge(datagram: Uint8Array, take: (admitted: Admitted) => Verdict): keyof Counters {
    if (!this.#budget.take("")) return "dropped";
    const opened = this.envelope.open(datagram, this.#clock.nowMs(), this.#windowMs);
    if (typeof opened === "string") return opened;
    const admission = this.#nonces.admit(opened.nonce, opened.timeMs);
    if (admission !== "new") return admission === "known" ? "replayed" : "dropped";
    const frame = decode(opened);
    return frame === undefined ? "malformed" : take({ timeMs: opened.timeMs, nonce: opened.nonce, frame });
  }
}

/** The frame, if it is one without flags: there are no compressed ones here, and no batches. */
function decode({ frame }: Opened): FrameView | undefined {
  try {
    decodeFrame(frame, false, view);
    return view.flags === 0 ? view : undefined;
  } catch (error) {
    if (error instanceof FrameMalformedError) return undefined;
    throw error;
  }
}
