import { InternalError, ResourceExhaustedError } from "../errors.js";
import { NearLimit } from "../transport/near_limit.js";
import { abortedError, type WaitOptions } from "../transport/wait.js";
import { FailureCode, type Reply } from "./failure.js";

/** How many requests wait for answers, of all sessions that share it. */
export class RequestBudget {
  /** May be another while some wait. */
  limit: number;
  readonly #near: NearLimit;
  #current = 0;
  readonly #idle: (() => void) | undefined;

  /** @param warn see {@link NearLimit}. @param idle called when none waits. */
  constructor(limit: number, warn?: (current: number, limit: number) => void, idle?: () => void) {
    this.#idle = idle;
    this.limit = limit;
    this.#near = new NearLimit(warn);
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
    this.#near.look(this.#current, this.limit);
  }

  giveBack(): void {
    this.#current -= 1;
    this.#near.look(this.#current, this.limit);
    if (this.#current === 0) this.#idle?.();
  }
}

interface Waiting {
  readonly settle: (reply: Reply) => void;
  readonly timer: NodeJS.Timeout | undefined;
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
   * @param send gets its id, 1..2^32-1, and sends it. @returns false where it cannot be sent.
   * @throws AbortedError; ResourceExhaustedError where too many wait, or it cannot be sent; what `send` throws
   */
  ask({ timeoutMs, signal }: WaitOptions, send: (id: number) => boolean): Promise<Reply> {
    if (signal?.aborted) return Promise.reject(abortedError("a request", signal));
    return new Promise((resolve, reject) => {
      this.#budget.take();
      const id = this.#nextId();
      const end = (): void => {
        if (!this.#waiting.delete(id)) throw new InternalError("a request was answered twice");
        this.#budget.giveBack();
        clearTimeout(timer);
        signal?.removeEventListener("abort", onAbort);
      };
      const settle = (reply: Reply): void => {
        end();
        resolve(reply);
      };
      const onAbort = (): void => {
        end();
        reject(abortedError("a request", signal));
      };
      const timer =
        timeoutMs === undefined ? undefined : setTimeout(() => settle({ status: "timeout" }), timeoutMs);
      signal?.addEventListener("abort", onAbort, { once: true });
      this.#waiting.set(id, { settle, timer });
      let sent: boolean;
      try {
        sent = send(id);
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

  /** An answer has come. False where nobody waits for it (any more). */
  answer(id: number, reply: Reply): boolean {
    const waiting = this.#waiting.get(id);
    waiting?.settle(reply);
    return waiting !== undefined;
  }

  /** The session is over. */
  end(reason: string): void {
    for (const { settle } of [...this.#waiting.values()]) {
      settle({ status: "failure", code: FailureCode.lost, reason });
    }
  }

  #nextId(): number {
    do {
      this.#lastId = (this.#lastId + 1) >>> 0 || 1;
    } while (this.#waiting.has(this.#lastId));
    return this.#lastId;
  }
}
