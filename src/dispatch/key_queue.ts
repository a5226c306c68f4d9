import { type Linked, LinkedList } from "../list/linked_list.js";
import type { Call } from "./call.js";

/** What one key (a session) has running and waiting. It exists only while that is something. */
export class KeyQueue implements Linked<KeyQueue> {
  key: object;
  /** Those that hold a place, also when they were told to stop. */
  readonly started: Call[] = [];
  /** In the order in which they came. */
  readonly waiting = new LinkedList<Call>();
  /** Whether it stands in the dispatcher's list of those that can start one. */
  isReady = false;
  previous: KeyQueue | undefined;
  next: KeyQueue | undefined;

  /** The dispatcher's: what it does for a call of the queue that wants to rest. */
  readonly rest: (call: Call, ms: number) => Promise<void>;

  constructor(key: object, rest: (call: Call, ms: number) => Promise<void>) {
    this.key = key;
    this.rest = rest;
  }

  get isEmpty(): boolean {
    return this.started.length === 0 && this.waiting.length === 0;
  }

  /** A call that had started is over. */
  remove(call: Call): void {
    if (this.started.at(-1) === call) {
      this.started.pop();
      return;
    }
    const at = this.started.indexOf(call);
    if (at !== -1) this.started.splice(at, 1);
  }
}
