import { type FrameContents, Kind } from "../frame/frame.js";
import { bodyHash, Dedupe, type DedupeLimits, type Known } from "./dedupe.js";
import { ownedEntries } from "./meta.js";
import type { Outgoing } from "./outgoing.js";

/** Who else is to hear what becomes of an id. */
interface Waiting {
  /** Of a request its number, of a message its place. */
  readonly who: number;
  /** Of a message: how far it is to come. */
  readonly level: number;
}

/**
 * What comes again to one session under the id of what came before. A request gets the answer that the first one got, or
 * will get; a message is confirmed as far as the first one is, or will be. All of it is bounded by the limits of ids.
 */
export class Repeats {
  readonly #limits: DedupeLimits;
  readonly #known: Dedupe<Outgoing>;
  /** The ids of requests that are not answered yet, by what their answers name, and the other way round. */
  readonly #running = new Map<number, string>();
  readonly #runningIds = new Set<string>();
  readonly #waiting = new Map<string, Waiting[]>();
  #waitingCount = 0;
  /** The ids of messages that are being stored. */
  readonly #storing = new Set<string>();

  constructor(limits: DedupeLimits) {
    this.#limits = limits;
    this.#known = new Dedupe(limits);
  }

  has(id: string): boolean {
    return this.#known.has(id);
  }

  check(id: string, { kind, type, subject, payload }: Readonly<FrameContents>, nowMs: number): Known {
    // A request's type is its number, which is another one each time.
    const said = kind === Kind.Message ? type : 0;
    return this.#known.check(id, bodyHash(kind, said, subject, payload), nowMs);
  }

  /** A request that is new is given to its handler. @returns false where too many are not answered yet. */
  begin(request: number, id: string): boolean {
    const other = this.#running.get(request);
    if (other === undefined && this.#running.size >= this.#limits.maxIds) {
      this.#known.forget(id);
      return false;
    }
    if (other !== undefined) this.#runningIds.delete(other); // its asker gives two requests one number
    this.#running.set(request, id);
    this.#runningIds.add(id);
    return true;
  }

  isRunning(id: string): boolean {
    return this.#runningIds.has(id);
  }

  answerTo(id: string): Outgoing | undefined {
    return this.#known.answerTo(id);
  }

  /**
   * A request was answered.
   * @param isDone false where nothing was done for it: it may be asked again.
   * @returns the numbers of those that asked the same meanwhile.
   */
  answered(answer: Outgoing, isDone: boolean): readonly number[] {
    const id = this.#running.get(answer.type);
    if (id === undefined) return none;
    this.#running.delete(answer.type);
    this.#runningIds.delete(id);
    const { payload, meta } = answer;
    const own = { ...answer, payload: payload.slice(), ...(meta && { meta: ownedEntries(meta) }) };
    if (isDone) this.#known.answered(id, own, bytesOf(own));
    else this.#known.forget(id);
    return this.#take(id);
  }

  /** How far the message of an id has come; see `AckLevel`. */
  level(id: string): number {
    return this.#known.level(id);
  }

  /** A message has come so far. @returns the places of those that were the same, and wait to hear of it. */
  raise(id: string, level: number): readonly number[] {
    this.#known.raise(id, level);
    const waiting = this.#waiting.get(id);
    if (waiting === undefined) return none;
    const left = waiting.filter((one) => one.level > level);
    this.#waitingCount -= waiting.length - left.length;
    if (left.length === 0) this.#waiting.delete(id);
    else this.#waiting.set(id, left);
    return waiting.map(({ who }) => who);
  }

  /** The message of an id was not handled: when it comes again, it is new. @returns as {@link raise}. */
  forget(id: string): readonly number[] {
    this.#known.forget(id);
    return this.#take(id);
  }

  /** Its message is to be stored. @returns false where it is being stored already. */
  store(id: string): boolean {
    if (this.#storing.has(id)) return false;
    this.#storing.add(id);
    return true;
  }

  /** The store has taken it, or has not. @returns where it has not, those who hear of that: as {@link raise}. */
  stored(id: string, isStored: boolean): readonly number[] {
    this.#storing.delete(id);
    return isStored ? none : this.#take(id);
  }

  /** Has somebody else told what becomes of an id. @returns false where too many wait already. */
  wait(id: string, who: number, level = 0): boolean {
    if (this.#waitingCount >= this.#limits.maxIds) this.#dropForgotten();
    if (this.#waitingCount >= this.#limits.maxIds) return false;
    const waiting = this.#waiting.get(id);
    if (waiting === undefined) this.#waiting.set(id, [{ who, level }]);
    else waiting.push({ who, level });
    this.#waitingCount += 1;
    return true;
  }

  #take(id: string): readonly number[] {
    const waiting = this.#waiting.get(id);
    if (waiting === undefined) return none;
    this.#waiting.delete(id);
    this.#waitingCount -= waiting.length;
    return waiting.map(({ who }) => who);
  }

  /** Those whose message nobody knows any more wait for nothing. */
  #dropForgotten(): void {
    for (const id of [...this.#waiting.keys()]) {
      if (!this.#known.has(id) && !this.#runningIds.has(id)) this.#take(id);
    }
  }
}

const none: readonly number[] = [];

function bytesOf({ payload, subject = "", meta = [] }: Outgoing): number {
  return meta.reduce(
    (sum, { key, value }) => sum + key.length + value.length,
    payload.length + subject.length,
  );
}
