import { randomInt } from "node:crypto";

/** Why nobody will answer any more: its home has ended, does not answer, or this server closes. */
export type Unheard = "left" | "late" | "closed";

interface Entry<Item> {
  readonly home: number;
  readonly sentMs: number;
  readonly item: Item;
}

const maxEntries = 65_536;
/** Then its home will not answer: what it said was written over. */
const answerTimeoutMs = 10_000;

/** What was sent to the homes of topics, by its id, until it is answered or nobody will answer it any more. */
export class Unanswered<Item> {
  readonly #entries = new Map<number, Entry<Item>>();
  readonly #unheard: (item: Item, why: Unheard) => void;
  #nextId = randomInt(2 ** 32);
  #nowMs = 0;

  /** @param unheard called once for what is not answered; it is gone from here by then. */
  constructor(unheard: (item: Item, why: Unheard) => void) {
    this.#unheard = unheard;
  }

  get size(): number {
    return this.#entries.size;
  }

  get isFull(): boolean {
    return this.#entries.size >= maxEntries;
  }

  /** An id that nothing has which waits. */
  drawId(): number {
    do this.#nextId = (this.#nextId % 0xffff_ffff) + 1;
    while (this.#entries.has(this.#nextId));
    return this.#nextId;
  }

  add(id: number, home: number, item: Item): void {
    this.#entries.set(id, { home, sentMs: this.#nowMs, item });
  }

  /** What waits for this environment's answer; of another's answer nothing does. */
  get(id: number, sender: number): Item | undefined {
    const entry = this.#entries.get(id);
    return entry?.home === sender ? entry.item : undefined;
  }

  delete(id: number): void {
    this.#entries.delete(id);
  }

  /** An environment has ended. */
  left(environment: number): void {
    for (const [id, entry] of this.#entries) if (entry.home === environment) this.#end(id, entry, "left");
  }

  sweep(nowMs: number): void {
    this.#nowMs = nowMs;
    for (const [id, entry] of this.#entries) {
      if (nowMs - entry.sentMs < answerTimeoutMs) break; // nor are those after it due
      this.#end(id, entry, "late");
    }
  }

  close(): void {
    for (const [id, entry] of this.#entries) this.#end(id, entry, "closed");
  }

  #end(id: number, { item }: Entry<Item>, why: Unheard): void {
    this.#entries.delete(id);
    this.#unheard(item, why);
  }
}
