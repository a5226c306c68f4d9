import { InternalError, ResourceExhaustedError } from "../errors.js";
import { watchAbort } from "../transport/abort_watch.js";
import type { NearLimit } from "../transport/near_limit.js";
import { abortedError, type WaitOptions } from "../transport/wait.js";
import { FailureCode, type Reply } from "./failure.js";
import type { Watch } from "./outgoing.js";

/** How many requests wait for answers, of all sessions that share it. */
export class RequestBudget {
  /** May be another while some wait. */
  limit: number;
  readonly #near: NearLimit | undefined;
  #current = 0;
  readonly #idle: (() => void) | undefined;

  /** @param near what is to warn of the limit. @param idle called when none waits. */
  constructor(limit: number, near?: NearLimit, idle?: () => void) {
    this.#idle = idle;
    this.limit = limit;
    this.#near = near;
  }

  get current(): number {
    return this.#current;
  }

  /** @throws ResourceExhaustedError when as many wait as may. */
  take(): void {
    if (this.#current >= this.limit) {
      throw new ResourceExhaustedError(
        `${this.limit} requests wait for answers already (maxPendingRequests)`,
      );
    }
    this.#current += 1;
    this.#near?.look(this.#current, this.limit);
  }

  giveBack(): void {
    this.#current -= 1;
    this.#near?.look(this.#current, this.limit);
    if (this.#current === 0) this.#idle?.();
  }
}

/** A request that waits for its answer, and may be done twice. */
export interface Repeatable extends Watch {
  isSent: boolean;
  /** Sends it again. @returns false where it cannot be sent. */
  readonly again: () => boolean;
}

/** A request that waits for its answer, and follows itself on its way out. */
class Waiting implements Watch {
  readonly settle: (reply: Reply) => void;
  readonly timer: NodeJS.Timeout | undefined;
  /** Sends it again, where it is idempotent. @returns false where it cannot be sent. */
  readonly again: (() => boolean) | undefined;
  isSent = false;

  constructor(
    settle: (reply: Reply) => void,
    timer: NodeJS.Timeout | undefined,
    again: ((waiting: Waiting) => boolean) | undefined,
  ) {
    this.settle = settle;
    this.timer = timer;
    this.again = again && (() => again(this));
  }

  placed(): void {}

  sent(): void {
    this.isSent = true;
  }
}

/** The requests of one session that wait for answers. */
export class PendingRequests {
  readonly #budget: RequestBudget;
  readonly #waiting = new Map<number, Waiting>();
  #lastId: number;

  /** @param lastId the ids begin behind it. */
  constructor(budget: RequestBudget, lastId = 0) {
    this.#budget = budget;
    this.#lastId = lastId;
  }

  get size(): number {
    return this.#waiting.size;
  }

  /**
   * Waits for the answer to a request.
   * @param send gets its id, 1..2^32-1, and sends it, so that it is followed. @returns false where it cannot be sent.
   * @throws AbortedError; ResourceExhaustedError where too many wait, or it cannot be sent; what `send` throws
   */
  ask(
    { timeoutMs, signal, idempotent = false }: WaitOptions & { readonly idempotent?: boolean | undefined },
    send: (id: number, watch: Watch) => boolean,
  ): Promise<Reply> {
    if (signal?.aborted) return Promise.reject(abortedError("a request", signal));
    return new Promise((resolve, reject) => {
      this.#budget.take();
      const id = this.#nextId();
      const end = (): void => {
        if (!this.#waiting.delete(id)) throw new InternalError("a request was answered twice");
        this.#budget.giveBack();
        clearTimeout(timer);
        stop();
      };
      const settle = (reply: Reply): void => {
        end();
        resolve(reply);
      };
      const timer =
        timeoutMs === undefined ? undefined : setTimeout(() => settle({ status: "timeout" }), timeoutMs);
      const stop = watchAbort(signal, () => {
        end();
        reject(abortedError("a request", signal));
      });
      const again = idempotent ? (asked: Waiting) => send(id, asked) : undefined;
      const waiting = new Waiting(settle, timer, again);
      this.#waiting.set(id, waiting);
      let sent: boolean;
      try {
        sent = send(id, waiting);
      } catch (cause) {
        end();
        reject(cause);
        return;
      }
      if (sent) return;
      end();
      reject(new ResourceExhaustedError("the session's queue is full: wait for drain, and ask again"));
    });
  }

  /** Undefined where nobody waits for it any more, or it may not be done twice. */
  repeatable(id: number): Repeatable | undefined {
    const waiting = this.#waiting.get(id);
    return waiting?.again === undefined ? undefined : (waiting as Repeatable);
  }

  /** An answer has come. False where nobody waits for it (any more). */
  answer(id: number, reply: Reply): boolean {
    const waiting = this.#waiting.get(id);
    waiting?.settle(reply);
    return waiting !== undefined;
  }

  /**
   * The other side has lost the session: nobody there knows what was asked. What waits to go out is asked of a new one, and
   * what is idempotent again. @returns how many others there were.
   */
  restart(reason: string): number {
    return this.#lose(reason, (waiting) => {
      if (!waiting.isSent) return false;
      waiting.isSent = false;
      return waiting.again?.() !== true;
    });
  }

  /** The session is over. */
  end(reason: string): void {
    this.#lose(reason, () => true);
  }

  #lose(reason: string, isLost: (waiting: Waiting) => boolean): number {
    const lost = [...this.#waiting.values()].filter(isLost);
    for (const { settle } of lost) settle({ status: "failure", code: FailureCode.lost, reason });
    return lost.length;
  }

  #nextId(): number {
    do {
      this.#lastId = (this.#lastId + 1) >>> 0 || 1;
    } while (this.#waiting.has(this.#lastId));
    return this.#lastId;
  }
}
