import type { Cursor } from "../../topic/cursor.js";
import { Missed } from "../../topic/missed.js";
import type { HistoryEntry } from "../../topic/topic_history.js";
import type { Topics } from "../../topic/topics.js";
import { maxHistoryBytes } from "./asks.js";
import { encodeHomeCommand, HomeOp, RefusedBy } from "./home_command.js";
import type { Lines } from "./lines.js";

/** An environment asks where a topic is, and needs it from now on. */
interface Question {
  readonly id: number;
  readonly subject: string;
  readonly wantsHistory: boolean;
}

const maxMissedTopics = 65_536;
const maxQuestions = 65_536;
const historyEntryBytes = 512;

/**
 * The other environments as a home sees them: subscribers to everything. One that can take no more gets nothing new until
 * it has what it missed, in order, or is told that it is lost.
 */
export class Followers {
  readonly #lines: Lines;
  readonly #topics: Topics<unknown>;
  readonly #missed = new Missed<number>(maxMissedTopics);
  /** Of those who have missed something: answered when they have it. */
  readonly #questions = new Map<number, Question[]>();
  /** Those whose successors are to be told of a loss. */
  readonly #owed = new Set<number>();

  constructor(lines: Lines, topics: Topics<unknown>) {
    this.#lines = lines;
    this.#topics = topics;
    lines.onFree((member) => this.#goOn(member));
  }

  /** A message that was numbered here. @param cursor right after it */
  tell(member: number, subject: string, command: Uint8Array, cursor: Cursor): boolean {
    const isSent = !this.#missed.has(member) && this.#lines.send(member, command);
    if (!isSent) this.#missed.note(member, subject, cursor);
    return isSent;
  }

  /** Where a topic is, of which nobody has seen anything later. */
  tellPlace(member: number, command: Uint8Array): void {
    if (!this.#lines.sendPatiently(member, command)) this.#tellLoss(member);
  }

  add(member: number, question: Question): void {
    this.#topics.addFollower(member, question.subject);
    if (!this.#missed.has(member)) {
      this.#answer(member, question);
      return;
    }
    const waiting = this.#questions.get(member) ?? [];
    this.#questions.set(member, waiting);
    if (waiting.length < maxQuestions) waiting.push(question);
  }

  /** @param isBack there is another by its number already. */
  forget(member: number, isBack: boolean): void {
    this.#topics.unfollowAll(member);
    this.#questions.delete(member);
    const hadMissed = this.#missed.take(member) !== undefined;
    const hadWaiting = this.#lines.forget(member);
    if (!hadMissed && !hadWaiting) return;
    // Part of it may be in its inbox still, and what came between that and what comes next is told nobody else.
    if (isBack) this.#tellLoss(member);
    else this.#owed.add(member);
  }

  /** There is an environment by a number that had none. */
  join(member: number): void {
    if (this.#owed.delete(member)) this.#tellLoss(member);
  }

  /** An environment can take more again. */
  #goOn(member: number): void {
    const missed = this.#missed.take(member);
    if (missed === undefined) return;
    if (!missed.isComplete) this.#tellLoss(member);
    for (const [subject, place] of missed.places) this.#recover(member, subject, place);
    if (this.#missed.has(member)) return;
    const questions = this.#questions.get(member) ?? [];
    this.#questions.delete(member);
    for (const question of questions) this.#answer(member, question);
  }

  #recover(member: number, subject: string, place: Cursor): void {
    const current = this.#topics.cursorOf(subject);
    const recovered = this.#topics.since(subject, place);
    if (current === undefined || recovered === undefined) {
      this.#tellLoss(member);
      return;
    }
    const { epoch } = current;
    const { gap } = recovered;
    const isEpoch = place.epoch === epoch;
    if (gap !== undefined) {
      // Of another epoch it cannot be told what has been seen.
      const cursor = isEpoch ? { epoch, sequence: gap.oldest - 1 } : current;
      this.tellPlace(member, encodeHomeCommand({ op: HomeOp.state, subject, cursor }));
      if (!isEpoch) return;
    }
    for (const { sequence, bytes, type } of recovered.entries) {
      const cursor = { epoch, sequence };
      const command = { op: HomeOp.publication, subject, payload: bytes, type, cursor };
      if (!this.tell(member, subject, encodeHomeCommand(command), cursor)) return;
    }
  }

  #answer(member: number, { id, subject, wantsHistory }: Question): void {
    const history = this.#topics.topicOf(subject)?.history;
    const refuse = () => this.#send(member, { op: HomeOp.refused, id, type: RefusedBy.full });
    if (history === undefined) {
      refuse();
      return;
    }
    const { epoch, cursor, former } = history;
    for (const { sequence, bytes, type } of wantsHistory ? newestOf(history.kept) : []) {
      const kept = { op: HomeOp.kept, id, subject, payload: bytes, type, cursor: { epoch, sequence } };
      if (this.#send(member, kept)) continue;
      refuse();
      return;
    }
    if (!this.#send(member, { op: HomeOp.state, id, subject, cursor, former, flag: wantsHistory })) refuse();
  }

  #send(member: number, command: Parameters<typeof encodeHomeCommand>[0]): boolean {
    return this.#lines.sendPatiently(member, encodeHomeCommand(command));
  }

  #tellLoss(member: number): void {
    if (!this.#send(member, { op: HomeOp.lost })) this.#missed.noteLoss(member); // told when there is room
  }
}

/** As many as may be given at once. */
function newestOf(entries: readonly HistoryEntry[]): readonly HistoryEntry[] {
  let first = entries.length;
  for (let bytes = 0; first > 0; first -= 1) {
    bytes += entries[first - 1]!.bytes.length + historyEntryBytes;
    if (bytes > maxHistoryBytes) break;
  }
  return entries.slice(first);
}
