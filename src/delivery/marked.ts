import type { FrameContents } from "../frame/frame.js";
import { AckLevel } from "./ack.js";
import { fromPlace, placeOf } from "./awaited.js";
import { type Confirmation, type Rejection, unstorable } from "./confirmation.js";
import type { DedupeLimits } from "./dedupe.js";
import { FailureCode } from "./failure.js";
import { type Marks, readMarks } from "./marks.js";
import type { Confirmable } from "./message.js";
import type { Outgoing } from "./outgoing.js";
import { Repeats } from "./repeats.js";

/** By what a message is known while it is being stored: its id, or its place. */
export type StoringKey = string | number;

/** The session to which marked messages come. */
export interface MarkedSession {
  /** Whether there is a store whose word is worth anything. */
  readonly canStore: boolean;
  /** Says something of a message to its sender. @returns false where there is no room for that. */
  tell(confirmation: Confirmation): boolean;
  /** The same, of what nobody says again: where there is no room for that, the session cannot go on. */
  tellSurely(confirmation: Confirmation): boolean;
  answer(answer: Outgoing): void;
  fail(request: number, code: number, reason: string): void;
  /** Stores a message that was handled before, and not stored. */
  storeAgain(frame: Readonly<FrameContents>): void;
  /** Whether a message is being stored: then what its application says of it is kept until it is. */
  holds(key: StoringKey, level: number): boolean;
}

const conflict = { code: FailureCode.conflict, reason: "the message id is another message's" };
const unstored = { code: FailureCode.unstored, reason: "the store has not taken it" };
const tooMany = { code: FailureCode.overloaded, reason: "too many messages with ids wait already" };

/** What one session owes to messages and requests that have an id, or ask for more than to be handled. */
export class Marked {
  readonly #session: MarkedSession;
  readonly #limits: DedupeLimits;
  #ids: Repeats | undefined = undefined;

  constructor(session: MarkedSession, limits: DedupeLimits) {
    this.#session = session;
    this.#limits = limits;
  }

  /** Whether something came under an id. */
  knows(id: string): boolean {
    return this.#ids?.has(id) ?? false;
  }

  /** @returns false where a message is not to be handled; it is dealt with then. */
  isFirstMessage(frame: Readonly<FrameContents>, marks: Marks, nowMs: number): boolean {
    const { id, level } = marks;
    const place = { lane: frame.channel, sequence: frame.seq };
    const known = id === undefined ? "new" : this.#repeats.check(id, frame, nowMs);
    if (known === "conflict") this.#reject(place, conflict);
    else if (known === "duplicate") this.#again(frame, id!, level);
    else if (level === AckLevel.stored && !this.#session.canStore) {
      if (id !== undefined) this.#repeats.forget(id);
      this.#reject(place, unstorable);
    } else return true;
    return false;
  }

  /** The same of a request. */
  isFirstRequest(frame: Readonly<FrameContents>, { id }: Marks, nowMs: number): boolean {
    if (id === undefined) return true;
    const { type: request } = frame;
    const ids = this.#repeats;
    const known = ids.check(id, frame, nowMs);
    if (known === "new" && ids.begin(request, id)) return true;
    const answer = known === "duplicate" ? ids.answerTo(id) : undefined;
    if (answer !== undefined) this.#session.answer({ ...answer, type: request });
    else if (known === "conflict") this.#fail(request, conflict);
    else if (known === "duplicate" && !ids.isRunning(id)) {
      this.#session.fail(request, FailureCode.forgotten, "it was done before; the answer is kept no more");
    } else if (known === "new" || !ids.wait(id, request)) this.#fail(request, tooMany);
    return false;
  }

  /** A request is answered. @returns those that wait for the same answer; see {@link Repeats.answered}. */
  answered(answer: Outgoing, isDone: boolean): readonly number[] {
    return this.#ids?.answered(answer, isDone) ?? none;
  }

  /** The application says how far a message has come. @returns whether somebody is told. */
  confirm(message: Confirmable, marks: Marks, level: number): boolean {
    if (this.#session.holds(storingKey(message, marks), level)) return true;
    return this.#reached(message, marks, level, (confirmation) => this.#session.tell(confirmation));
  }

  /** A message is not handled: when it comes again, it is new. */
  reject(message: Confirmable, rejection: Rejection): void {
    const id = readMarks(message.meta)?.id;
    const others = id === undefined ? none : this.#repeats.forget(id);
    this.#rejectAll(message, others, rejection);
  }

  /** The same of one whose sender hears it in another way. */
  forget({ id }: Marks): void {
    if (id !== undefined) this.#repeats.forget(id);
  }

  /** @returns what it is stored under; undefined where it is stored already, or is being stored. */
  store(message: Confirmable, marks: Marks): StoringKey | undefined {
    const { id } = marks;
    const isNew = id === undefined || (this.#repeats.level(id) < AckLevel.stored && this.#repeats.store(id));
    return isNew ? storingKey(message, marks) : undefined;
  }

  /** The store has taken a message. @param level what the application has said of it meanwhile, or `stored`. */
  stored(message: Confirmable, marks: Marks, level: number): void {
    if (marks.id !== undefined) this.#repeats.stored(marks.id, true);
    this.#reached(message, marks, level, (confirmation) => this.#session.tellSurely(confirmation));
  }

  /** A store has it that keeps nothing: that says nothing to anybody. */
  kept({ id }: Marks): void {
    if (id !== undefined) this.#repeats.stored(id, true);
  }

  /** The store has failed, or was too slow. */
  unstored(message: Confirmable, { id }: Marks): void {
    this.#rejectAll(message, id === undefined ? none : this.#repeats.stored(id, false), unstored);
  }

  get #repeats(): Repeats {
    this.#ids ??= new Repeats(this.#limits);
    return this.#ids;
  }

  /** A message that came before, under this id. */
  #again(frame: Readonly<FrameContents>, id: string, level: number): void {
    const { channel: lane, seq: sequence } = frame;
    if (level === AckLevel.received || sequence === 0) return;
    const reached = this.#repeats.level(id);
    const isStorable = this.#session.canStore;
    if (reached > AckLevel.received) this.#session.tellSurely({ lane, sequence, level: reached });
    if (reached >= level) return;
    if (level === AckLevel.stored && !isStorable) this.#reject({ lane, sequence }, unstorable);
    else if (!this.#repeats.wait(id, placeOf(lane, sequence), level)) {
      this.#reject({ lane, sequence }, tooMany);
    } else if (isStorable && reached < AckLevel.stored) this.#session.storeAgain(frame);
  }

  /** @param tell how the sender of the message is told; those that were the same are told once, and now. */
  #reached(
    { lane, sequence }: Confirmable,
    { id, level: asked }: Marks,
    level: number,
    tell: (confirmation: Confirmation) => boolean,
  ): boolean {
    let isTold = false;
    for (const place of id === undefined ? none : this.#repeats.raise(id, level)) {
      isTold = this.#session.tellSurely({ ...fromPlace(place), level }) || isTold;
    }
    if (asked === AckLevel.received || sequence === 0) return isTold;
    return tell({ lane, sequence, level }) || isTold;
  }

  #rejectAll(message: Confirmable, others: readonly number[], rejection: Rejection): void {
    this.#reject(message, rejection);
    for (const place of others) this.#reject(fromPlace(place), rejection);
  }

  #reject({ lane, sequence }: Pick<Confirmable, "lane" | "sequence">, rejection: Rejection): void {
    if (sequence !== 0) this.#session.tellSurely({ lane, sequence, level: AckLevel.rejected, rejection });
  }

  #fail(request: number, { code, reason }: Rejection): void {
    this.#session.fail(request, code, reason);
  }
}

const none: readonly number[] = [];

function storingKey({ lane, sequence }: Confirmable, { id }: Marks): StoringKey {
  return id ?? placeOf(lane, sequence);
}
