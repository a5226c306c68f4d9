import { ProtocolViolationError, TopicHomeError, TopicLimitError } from "../../errors.js";
import type { HistoryEntry } from "../../topic/topic_history.js";
import { encodeHomeCommand, type HomeCommand, HomeOp, RefusedBy } from "./home_command.js";
import type { Lines } from "./lines.js";
import { Unanswered, type Unheard } from "./unanswered.js";

/** A question that its home has not answered. */
interface Ask {
  readonly subject: string;
  readonly entries: HistoryEntry[];
  bytes: number;
  readonly settle: (answer: Answer) => void;
}

/** What a home says of a topic, or why it does not. */
export type Answer =
  | { readonly state: HomeCommand; readonly entries: readonly HistoryEntry[] }
  | { readonly state: undefined; readonly cause: Error };

/** What a home gives of a topic's history at most. */
export const maxHistoryBytes = 2 ** 22;
const unheard: Readonly<Record<Unheard, string>> = {
  left: "the thread that numbers this topic has ended",
  late: "the thread that numbers this topic does not answer",
  closed: "the server is closed",
};

/** What this environment asks the homes of topics: where a topic is, and what is kept of it. */
export class Asks {
  readonly #lines: Lines;
  readonly #asks = new Unanswered<Ask>(({ settle }, why) => settle(failed(unheard[why])));

  constructor(lines: Lines) {
    this.#lines = lines;
  }

  /** How many wait for their homes. */
  get size(): number {
    return this.#asks.size;
  }

  /**
   * @param wantsHistory what is kept is asked for, too.
   * @param settle is called once, as soon as the answer is there: before anything that the home says afterwards.
   */
  ask(home: number, subject: string, wantsHistory: boolean, settle: (answer: Answer) => void): void {
    const id = this.#asks.drawId();
    const command = encodeHomeCommand({ op: HomeOp.follow, id, subject, flag: wantsHistory });
    if (this.#asks.isFull || !this.#lines.sendPatiently(home, command)) {
      settle(failed("too much waits for the thread that numbers this topic"));
      return;
    }
    this.#asks.add(id, home, { subject, entries: [], bytes: 0, settle });
  }

  /** An entry of the history that was asked for. @throws ProtocolViolationError */
  kept(sender: number, { id, subject, payload, type, cursor }: HomeCommand): void {
    const ask = this.#of(id, sender, subject);
    if (ask === undefined) return;
    const { sequence } = cursor!;
    const before = ask.entries.at(-1)?.sequence;
    ask.bytes += payload.length;
    if (ask.bytes > maxHistoryBytes || (before !== undefined && sequence !== before + 1)) {
      this.#settle(id, ask, failed("the history of this topic was damaged on its way"));
      throw new ProtocolViolationError("a history has no holes, and no more bytes than may be");
    }
    ask.entries.push({ sequence, bytes: payload, type });
  }

  /** @returns false where it answers nothing. */
  told(sender: number, state: HomeCommand): boolean {
    const ask = this.#of(state.id, sender, state.subject);
    if (ask === undefined) return false;
    const last = ask.entries.at(-1)?.sequence;
    const isSound = last === undefined || last === state.cursor!.sequence;
    const damaged = failed("the history of this topic was damaged on its way");
    this.#settle(state.id, ask, isSound ? { state, entries: ask.entries } : damaged);
    return true;
  }

  refused(sender: number, { id, type }: HomeCommand): void {
    const ask = this.#asks.get(id, sender);
    if (ask === undefined) return;
    const isLimit = type === RefusedBy.limit;
    const limit = { state: undefined, cause: new TopicLimitError("there are too many topics (maxTopics)") };
    this.#settle(id, ask, isLimit ? limit : failed("this topic is another thread's by now"));
  }

  /** An environment has ended. */
  left(environment: number): void {
    this.#asks.left(environment);
  }

  sweep(nowMs: number): void {
    this.#asks.sweep(nowMs);
  }

  close(): void {
    this.#asks.close();
  }

  #of(id: number, sender: number, subject: string): Ask | undefined {
    const ask = this.#asks.get(id, sender);
    return ask?.subject === subject ? ask : undefined;
  }

  #settle(id: number, { settle }: Ask, answer: Answer): void {
    this.#asks.delete(id);
    settle(answer);
  }
}

function failed(reason: string): Answer {
  return { state: undefined, cause: new TopicHomeError(reason) };
}
