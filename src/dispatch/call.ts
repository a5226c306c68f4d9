import type { Linked } from "../list/linked_list.js";
import type { KeyQueue } from "./key_queue.js";
import type { Task, TaskCall } from "./task.js";

/**
 * How far a call is: `queued` in its key's queue; `starting`, its task has not returned yet; `running`, in the list of
 * those that may take too long; `resting`, without a place; `rested`, in the list of those that want one again; `aborted`,
 * told to stop and in the list of those that are given up; `over`, in no list and without a place.
 */
type CallState = "queued" | "starting" | "running" | "resting" | "rested" | "aborted" | "over";

/** One submission of a task, from its queue to its end. */
export class Call implements TaskCall, Linked<Call> {
  readonly task: Task;
  readonly queue: KeyQueue;
  state: CallState = "queued";
  /** Whether it counts among those that run. */
  hasPlace = false;
  /** When it started, or was told to stop. */
  sinceMs = 0;
  previous: Call | undefined;
  next: Call | undefined;
  /** Ends its rest; undefined where it does not rest. */
  wake: (() => void) | undefined;
  #controller: AbortController | undefined;
  #abortedWith: { readonly reason: unknown } | undefined;

  constructor(task: Task, queue: KeyQueue) {
    this.task = task;
    this.queue = queue;
  }

  get signal(): AbortSignal {
    if (this.#controller === undefined) {
      this.#controller = new AbortController();
      if (this.#abortedWith !== undefined) this.#controller.abort(this.#abortedWith.reason);
    }
    return this.#controller.signal;
  }

  rest(ms: number): Promise<void> {
    return this.queue.rest(this, ms);
  }

  /** Tells the task to stop. Its listeners run at once. */
  abort(reason: unknown): void {
    this.#abortedWith = { reason };
    this.#controller?.abort(reason);
  }
}
