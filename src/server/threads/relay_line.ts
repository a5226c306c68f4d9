import { LinkedList } from "../../list/linked_list.js";
import type { InboxResult } from "../../session/sessions.js";
import type { RelayPipe } from "./relay_pipe.js";

/** Puts a command into another environment's inbox. */
export type PostCommand = (environment: number, command: Uint8Array) => InboxResult;

/**
 * The way to one environment, which all relays to it share: each sends at once while there is room, and by turns when
 * there is some again. They leave half of the inbox to whatever else goes there.
 */
export class RelayLine {
  readonly environment: number;
  readonly #post: PostCommand;
  readonly #waiting = new LinkedList<RelayPipe>();
  #isFree = true;
  #isServing = false;

  constructor(environment: number, post: PostCommand) {
    this.environment = environment;
    this.#post = post;
  }

  get isFree(): boolean {
    return this.#isFree;
  }

  /** @returns false where it was not taken. What is for who is there no more is as good as taken. */
  post(command: Uint8Array): boolean {
    const result = this.#post(this.environment, command);
    if (result === "blocked" || result === "dropped") this.#isFree = false;
    return result !== "dropped";
  }

  /** A pipe has something to send: now, or when it is its turn. */
  enter(pipe: RelayPipe): void {
    if (!pipe.isInLine) {
      pipe.isInLine = true;
      this.#waiting.push(pipe);
    }
    this.#serve();
  }

  /** It has nothing to send any more. */
  leave(pipe: RelayPipe): void {
    if (!pipe.isInLine) return;
    pipe.isInLine = false;
    this.#waiting.remove(pipe);
  }

  /** The inbox has room again. */
  drained(): void {
    this.#isFree = true;
    this.#serve();
  }

  #serve(): void {
    if (this.#isServing) return;
    this.#isServing = true;
    try {
      for (let pipe = this.#waiting.first; this.#isFree && pipe !== undefined; pipe = this.#waiting.first) {
        this.leave(pipe);
        pipe.postNext(); // it comes back to the end of the line where it has more
      }
    } finally {
      this.#isServing = false;
    }
  }
}
