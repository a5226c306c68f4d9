import { type Linked, LinkedList } from "../list/linked_list.js";

/** What is known of a message by its id. */
export type Known = "new" | "duplicate" | "conflict";

export interface DedupeLimits {
  /** So many ids are remembered; the oldest are forgotten. */
  readonly maxIds: number;
  /** How long an id is remembered. */
  readonly maxAgeMs: number;
  /** Of all answers together; those that were given first are forgotten first, before their ids are. */
  readonly maxAnswerBytes: number;
}

/** The longest message id. */
export const maxMessageIdBytes = 64;

interface Entry<Answer> extends Linked<Entry<Answer>> {
  readonly id: string;
  readonly body: number;
  readonly at: number;
  /** How far it has come; what 0 is, is the caller's to say. */
  level: number;
  answered: Answered<Answer> | undefined;
}

interface Answered<Answer> extends Linked<Answered<Answer>> {
  readonly entry: Entry<Answer>;
  readonly answer: Answer;
  readonly bytes: number;
}

/**
 * The message ids that a session has seen, which say that a message is the same as one before, on whichever lane or
 * connection it comes: so that what a sender sends twice is applied once, and a request gets the answer that it got. Only
 * a session whose peer gives ids has one.
 */
export class Dedupe<Answer> {
  readonly #limits: DedupeLimits;
  readonly #entries = new Map<string, Entry<Answer>>();
  /**
   * The oldest first, in lists of their own: to find the first of a map means to pass over all that were taken out of it
   * since it was made anew, up to half of what it holds.
   */
  readonly #ages = new LinkedList<Entry<Answer>>();
  readonly #answers = new LinkedList<Answered<Answer>>();
  #answerBytes = 0;

  constructor(limits: DedupeLimits) {
    this.#limits = limits;
  }

  get size(): number {
    return this.#entries.size;
  }

  has(id: string): boolean {
    return this.#entries.has(id);
  }

  /**
   * Takes note of a message.
   * @param id see {@link messageIdOf}.
   * @param body what {@link bodyHash} makes of it.
   * @returns `conflict` where the id is another message's: an error of the sender's.
   */
  check(id: string, body: number, nowMs: number): Known {
    this.expire(nowMs);
    const known = this.#entries.get(id);
    if (known !== undefined) return known.body === body ? "duplicate" : "conflict";
    const entry = {
      id,
      body,
      at: nowMs,
      level: 0,
      answered: undefined,
      previous: undefined,
      next: undefined,
    };
    this.#entries.set(id, entry);
    this.#ages.push(entry);
    if (this.#entries.size > this.#limits.maxIds) this.#remove(this.#ages.first!);
    return "new";
  }

  /** Remembers what was answered, which is this object's from now on. @param bytes that it counts for. */
  answered(id: string, answer: Answer, bytes: number): void {
    const entry = this.#entries.get(id);
    if (entry === undefined || bytes > this.#limits.maxAnswerBytes) return;
    this.#forgetAnswer(entry);
    entry.answered = { entry, answer, bytes, previous: undefined, next: undefined };
    this.#answers.push(entry.answered);
    this.#answerBytes += bytes;
    while (this.#answerBytes > this.#limits.maxAnswerBytes) this.#forgetAnswer(this.#answers.first!.entry);
  }

  /** Undefined where there is none yet, or none any more. */
  answerTo(id: string): Answer | undefined {
    return this.#entries.get(id)?.answered?.answer;
  }

  /** 0 where the id is not known. */
  level(id: string): number {
    return this.#entries.get(id)?.level ?? 0;
  }

  /** What has this id has come as far as `level`, or farther. */
  raise(id: string, level: number): void {
    const entry = this.#entries.get(id);
    if (entry !== undefined) entry.level = Math.max(entry.level, level);
  }

  /** What had this id was not done: when it comes again, it is new. */
  forget(id: string): void {
    const entry = this.#entries.get(id);
    if (entry !== undefined) this.#remove(entry);
  }

  /** Forgets those that are too old. */
  expire(nowMs: number): void {
    for (let { first } = this.#ages; first !== undefined; { first } = this.#ages) {
      if (nowMs - first.at < this.#limits.maxAgeMs) return;
      this.#remove(first);
    }
  }

  #remove(entry: Entry<Answer>): void {
    this.#forgetAnswer(entry);
    this.#ages.remove(entry);
    this.#entries.delete(entry.id);
  }

  #forgetAnswer(entry: Entry<Answer>): void {
    const { answered } = entry;
    if (answered === undefined) return;
    this.#answers.remove(answered);
    this.#answerBytes -= answered.bytes;
    entry.answered = undefined;
  }
}

/**
 * A message id as `Dedupe` takes it, of its bytes in the metadata.
 * @returns undefined where it is none: empty, or longer than {@link maxMessageIdBytes}.
 */
export function messageIdOf(bytes: Uint8Array): string | undefined {
  if (bytes.length === 0 || bytes.length > maxMessageIdBytes) return undefined;
  let id = "";
  for (const byte of bytes) id += String.fromCharCode(byte);
  return id;
}

/**
 * 53 bits of what a message says, by which one is told from another that has its id by mistake. Who makes two that have
 * the same ones on purpose deceives nobody but himself: the second is not applied.
 */
export function bodyHash(
  kind: number,
  type: number,
  subject: string | undefined,
  payload: Uint8Array,
): number {
  let a = 0xdead_beef ^ kind;
  let b = 0x41c6_ce57 ^ type;
  const mix = (value: number) => {
    a = Math.imul(a ^ value, 0x9e37_79b1);
    b = Math.imul(b ^ value, 0x5f35_6495);
  };
  mix(payload.length);
  for (let i = 0; i < payload.length; i++) mix(payload[i]!);
  mix(subject === undefined ? -1 : subject.length);
  for (let i = 0; i < (subject?.length ?? 0); i++) mix(subject!.charCodeAt(i));
  a = Math.imul(a ^ (a >>> 16), 0x85eb_ca6b) ^ Math.imul(b ^ (b >>> 13), 0xc2b2_ae35);
  b = Math.imul(b ^ (b >>> 16), 0x85eb_ca6b) ^ Math.imul(a ^ (a >>> 13), 0xc2b2_ae35);
  return (b & 0x1f_ffff) * 0x1_0000_0000 + (a >>> 0);
}
