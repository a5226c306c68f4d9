import { AbortedError, ResourceExhaustedError } from "../errors.js";
import type { SendResult } from "../transport/connection.js";
import { abortedError, type WaitOptions, watchWait } from "../transport/wait.js";
import { AckLevel } from "./ack.js";
import { type Acknowledgement, acknowledgedLevels } from "./acknowledgement.js";
import type { Confirmation } from "./confirmation.js";
import type { Watch } from "./outgoing.js";
import type { Outcome, Settled } from "./sent_log.js";

/** How one message is followed on its way. */
export interface Followed {
  readonly settled: Settled;
  readonly watch: Watch;
}

/** Who is told of one message, beside who waits for it. */
export interface Told {
  sent(): void;
  acknowledged(level: number): void;
}

interface Waiter {
  /** Of `AckLevel`: what it waits for. */
  readonly level: number;
  /** How far the message is known to have come; -1: nowhere. */
  highest: number;
  /** Where the message is; undefined before it went out. */
  place: number | undefined;
  reached(level: number): void;
  settle(outcome: Acknowledgement): void;
}

/** The messages of one session whose acknowledgements somebody waits for. */
export class Awaited {
  readonly #limit: number;
  readonly #waiters = new Set<Waiter>();
  /** Those that are on their way, by their places: a confirmation names one. */
  readonly #placed = new Map<number, Waiter>();

  /** @param limit how many wait at most. */
  constructor(limit: number) {
    this.#limit = limit;
  }

  /**
   * Sends a message, and waits until it has come as far as `level`, or will not.
   * @param send sends it, so that it is followed.
   * @throws AbortedError; ResourceExhaustedError where as many wait as may; whatever `send` throws
   */
  wait(
    level: number,
    { timeoutMs, signal }: WaitOptions,
    told: Told,
    send: (followed: Followed) => SendResult,
  ): Promise<Acknowledgement> {
    if (signal?.aborted) return Promise.reject(abortedError("an acknowledgement", signal));
    if (this.#waiters.size >= this.#limit) {
      const reason = `${this.#limit} messages of this session wait to be acknowledged (maxAwaitedAcks)`;
      return Promise.reject(new ResourceExhaustedError(reason));
    }
    return new Promise((resolve, reject) => {
      const end = (): void => {
        endWatch();
        this.#forget(waiter);
      };
      const waiter: Waiter = {
        level,
        highest: -1,
        place: undefined,
        reached: told.acknowledged,
        settle: (outcome) => {
          end();
          resolve(outcome);
        },
      };
      const endWatch = watchWait("an acknowledgement", { timeoutMs, signal }, (error) => {
        if (!(error instanceof AbortedError)) {
          waiter.settle({ status: "timeout" });
          return;
        }
        end();
        reject(error);
      });
      this.#waiters.add(waiter);
      try {
        if (send(this.#follow(waiter, told)) === "dropped") waiter.settle({ status: "dropped" });
      } catch (cause) {
        end();
        reject(cause);
      }
    });
  }

  /** The other side has said something of one message. One that nobody waits for (any more) is no fault. */
  confirmed({ lane, sequence, level, rejection }: Confirmation): void {
    const waiter = this.#placed.get(placeOf(lane, sequence));
    if (waiter === undefined) return;
    if (rejection === undefined) this.#reached(waiter, level);
    else waiter.settle({ status: "rejected", ...rejection });
  }

  /**
   * The other side has lost the session: nobody there knows what had come. What was on its way is told `lost` by who has
   * sent it; what waits goes to a new one, and has a place only there.
   */
  restart(): void {
    for (const waiter of [...this.#placed.values()]) {
      if (waiter.highest >= AckLevel.received) waiter.settle({ status: "lost" });
      else this.#displace(waiter);
    }
  }

  /** The session is over. */
  end(): void {
    for (const waiter of [...this.#waiters]) waiter.settle({ status: "lost" });
  }

  #follow(waiter: Waiter, told: Told): Followed {
    return {
      settled: (outcome) => this.#settled(waiter, outcome),
      watch: { placed: (lane, sequence) => this.#place(waiter, lane, sequence), sent: told.sent },
    };
  }

  #settled(waiter: Waiter, outcome: Outcome): void {
    if (!this.#waiters.has(waiter)) return;
    if (outcome === "received") this.#reached(waiter, AckLevel.received);
    else waiter.settle({ status: outcome });
  }

  #reached(waiter: Waiter, level: number): void {
    if (level <= waiter.highest) return;
    waiter.highest = level;
    if (level >= waiter.level) {
      waiter.settle({ status: "acknowledged", level: acknowledgedLevels[level]! });
    }
    waiter.reached(level);
  }

  /** It may go out again at another place, where the connection did not take it. */
  #place(waiter: Waiter, lane: number, sequence: number): void {
    if (!this.#waiters.has(waiter)) return;
    this.#displace(waiter);
    waiter.place = placeOf(lane, sequence);
    this.#placed.set(waiter.place, waiter);
  }

  #displace(waiter: Waiter): void {
    const { place } = waiter;
    if (place !== undefined && this.#placed.get(place) === waiter) this.#placed.delete(place);
  }

  #forget(waiter: Waiter): void {
    this.#waiters.delete(waiter);
    this.#displace(waiter);
  }
}

/** One number for a lane and the low 32 bits of a sequence. */
export function placeOf(lane: number, low32: number): number {
  return lane * 0x1_0000_0000 + low32;
}

/** The opposite. */
export function fromPlace(place: number): { readonly lane: number; readonly sequence: number } {
  return { lane: Math.floor(place / 0x1_0000_0000), sequence: place >>> 0 };
}
