import { type FrameContents, Kind } from "../frame/frame.js";
import type { Rejection } from "./confirmation.js";
import type { DedupeLimits } from "./dedupe.js";
import type { HalfContext } from "./half_options.js";
import { Marked, type StoringKey } from "./marked.js";
import { type Marks, readMarks } from "./marks.js";
import type { Confirmable } from "./message.js";
import type { Outgoing } from "./outbound.js";
import { SpeakingHalf } from "./speaking_half.js";

/** What the halves share that remember ids. */
export interface MarkingContext extends HalfContext {
  readonly ids: DedupeLimits;
}

/** The end of a session that does nothing twice that has an id, and may store what it handles. */
export abstract class MarkingHalf extends SpeakingHalf {
  declare protected readonly half: MarkingContext;

  protected constructor(context: MarkingContext) {
    super(context);
  }

  /** Whether this side has a store that keeps what it takes. */
  protected abstract get canStore(): boolean;
  /** A message is to be stored that was handled before, and not stored. */
  protected abstract storeAgain(frame: Readonly<FrameContents>): void;
  /** Whether a message is being stored: what is confirmed of it is kept until it is. */
  protected abstract holdsConfirmation(key: StoringKey, level: number): boolean;

  /** What is owed to messages that have ids, or ask for more than to be handled. */
  get marked(): Marked {
    const rarities = this.rare();
    rarities.marked ??= new Marked(this.markedSession(), this.half.ids);
    return rarities.marked;
  }

  /** Whether something came under an id. */
  knowsId(id: string): boolean {
    return this.rarities?.marked?.knows(id) ?? false;
  }

  /**
   * Something is done that had come before the session had begun: what comes under the same id is the same.
   * @returns false where that has come since.
   */
  begunEarly(frame: Readonly<FrameContents>, marks: Marks): boolean {
    if (frame.kind === Kind.Message) return this.marked.isFirstMessage(frame, marks, this.nowMs);
    return this.marked.isFirstRequest(frame, marks, this.nowMs);
  }

  /** The same is answered, which its client hears in another way. Where it has failed, what comes under its id is new. */
  doneEarly({ kind }: Readonly<FrameContents>, marks: Marks, answer: Outgoing): void {
    const isDone = answer.meta === undefined;
    if (kind === Kind.Request) {
      for (const type of this.marked.answered(answer, isDone)) super.answer({ ...answer, type }, isDone);
    } else if (!isDone) this.marked.forget(marks);
  }

  override rejectMessage(message: Confirmable, rejection: Rejection): boolean {
    if (message.sequence === 0 || this.outbound.hasEnded || !this.isFirstRejection(message)) return false;
    this.marked.reject(message, rejection);
    return true;
  }

  override confirmMessage(message: Confirmable, level: number): boolean {
    const marks = readMarks(message.meta);
    return marks !== undefined && this.marked.confirm(message, marks, level);
  }

  protected override isToHandle(frame: Readonly<FrameContents>, marks: Marks): boolean {
    return this.marked.isFirstMessage(frame, marks, this.nowMs);
  }

  protected override isToAnswer(frame: Readonly<FrameContents>, marks: Marks): boolean {
    return this.marked.isFirstRequest(frame, marks, this.nowMs);
  }

  protected override answer(answer: Outgoing, isDone: boolean): void {
    const others = this.rarities?.marked?.answered(answer, isDone);
    super.answer(answer, isDone);
    for (const type of others ?? []) super.answer({ ...answer, type }, isDone);
  }

  private markedSession(): ConstructorParameters<typeof Marked>[0] {
    const canStore = () => this.canStore;
    return {
      get canStore() {
        return canStore();
      },
      tell: (confirmation) => this.tellOf(confirmation),
      tellSurely: (confirmation) => this.tellSurely(confirmation),
      answer: (answer) => super.answer(answer, true),
      fail: (request, code, reason) => this.fail(request, code, reason),
      storeAgain: (frame) => this.storeAgain(frame),
      holds: (key, level) => this.holdsConfirmation(key, level),
    };
  }
}
