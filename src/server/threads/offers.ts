import { randomInt } from "node:crypto";
import type { PublishResult, PublishStatus } from "../publish_result.js";
import { encodeHomeCommand, type HomeCommand, HomeOp, RefusedBy } from "./home_command.js";
import type { HomeMembers } from "./home_members.js";
import type { Lines } from "./lines.js";

/** An offer whose home has not answered. */
interface Offer {
  readonly home: number;
  readonly sentMs: number;
  readonly settle: (result: PublishResult) => void;
}

/** How many wait for their homes at once. */
const maxOffers = 65_536;
/** Then its home will not answer: what it said was written over. */
const answerTimeoutMs = 10_000;

/** What this environment publishes to topics that others number: what becomes of each is told, whatever happens. */
export class Offers {
  readonly #members: HomeMembers;
  readonly #lines: Lines;
  readonly #offers = new Map<number, Offer>();
  #nextId = randomInt(2 ** 32);
  #nowMs = 0;

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
    if (home === undefined || this.#offers.size >= maxOffers) return resultOf("dropped");
    const id = this.#drawId();
    const command = encodeHomeCommand({ op: HomeOp.offer, id, type, subject, payload });
    if (!this.#lines.send(home, command)) return resultOf("dropped");
    const outcome = new Promise<PublishResult>((settle) => {
      this.#offers.set(id, { home, sentMs: this.#nowMs, settle });
    });
    return { ...resultOf("posted"), outcome };
  }

  /** @returns false where there is no such offer. */
  answered(sender: number, { op, id, type, cursor }: HomeCommand): boolean {
    const offer = this.#offers.get(id);
    if (offer?.home !== sender) return false;
    const refusal = type === RefusedBy.limit ? "refused" : "lost";
    this.#settle(id, offer, op === HomeOp.taken ? { ...resultOf("published"), cursor } : resultOf(refusal));
    return true;
  }

  /** An environment has ended. */
  left(environment: number): void {
    this.#lose(({ home }) => home === environment);
  }

  sweep(nowMs: number): void {
    this.#nowMs = nowMs;
    for (const [id, offer] of this.#offers) {
      if (nowMs - offer.sentMs < answerTimeoutMs) break; // nor are those after it due
      this.#settle(id, offer, resultOf("lost"));
    }
  }

  /** Nobody here will hear of them. */
  close(): void {
    this.#lose(() => true);
  }

  #lose(isLost: (offer: Offer) => boolean): void {
    for (const [id, offer] of this.#offers) if (isLost(offer)) this.#settle(id, offer, resultOf("lost"));
  }

  #settle(id: number, { settle }: Offer, result: PublishResult): void {
    this.#offers.delete(id);
    settle(result);
  }

  #drawId(): number {
    do this.#nextId = (this.#nextId % 0xffff_ffff) + 1;
    while (this.#offers.has(this.#nextId));
    return this.#nextId;
  }
}

function resultOf(status: PublishStatus): PublishResult {
  return { status, cursor: undefined, recipients: 0 };
}
