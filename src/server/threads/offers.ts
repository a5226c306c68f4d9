import type { PublishResult, PublishStatus } from "../publish_result.js";
import { encodeHomeCommand, type HomeCommand, HomeOp, RefusedBy } from "./home_command.js";
import type { HomeMembers } from "./home_members.js";
import type { Lines } from "./lines.js";
import { Unanswered } from "./unanswered.js";

/** Who waits for what became of an offer. */
type Settle = (result: PublishResult) => void;

/** What this environment publishes to topics that others number: what becomes of each is told, whatever happens. */
export class Offers {
  readonly #members: HomeMembers;
  readonly #lines: Lines;
  readonly #offers = new Unanswered<Settle>((settle) => settle(resultOf("lost")));

  constructor(members: HomeMembers, lines: Lines) {
    this.#members = members;
    this.#lines = lines;
  }

  /** How many wait for their homes. */
  get size(): number {
    return this.#offers.size;
  }

  /** @param subject a sound one, whose home is another environment, if there is any. */
  make(subject: string, payload: Uint8Array, type: number): PublishResult {
    const home = this.#members.homeOf(subject);
    if (home === undefined || this.#offers.isFull) return resultOf("dropped");
    const id = this.#offers.drawId();
    const command = encodeHomeCommand({ op: HomeOp.offer, id, type, subject, payload });
    if (!this.#lines.send(home, command)) return resultOf("dropped");
    const outcome = new Promise<PublishResult>((settle) => {
      this.#offers.add(id, home, settle);
    });
    return { ...resultOf("posted"), outcome };
  }

  /** @returns false where there is no such offer. */
  answered(sender: number, { op, id, type, cursor }: HomeCommand): boolean {
    const settle = this.#offers.get(id, sender);
    if (settle === undefined) return false;
    const refusal = type === RefusedBy.limit ? "refused" : "lost";
    this.#offers.delete(id);
    settle(op === HomeOp.taken ? { ...resultOf("published"), cursor } : resultOf(refusal));
    return true;
  }

  /** An environment has ended. */
  left(environment: number): void {
    this.#offers.left(environment);
  }

  sweep(nowMs: number): void {
    this.#offers.sweep(nowMs);
  }

  /** Nobody here will hear of them. */
  close(): void {
    this.#offers.close();
  }
}

function resultOf(status: PublishStatus): PublishResult {
  return { status, cursor: undefined, recipients: 0 };
}
