import type { Cursor } from "./cursor.js";
import type { MissedTopics } from "./missed.js";
import { isLiteral } from "./subject.js";

/** How many publications are remembered by where they went, of all topics together; about 100 B each. */
const rememberedPublications = 1_024;

interface Publication {
  readonly subject: string;
  readonly cursor: Cursor;
}

/** What a subscriber that is back may get, and where it says that it is. */
interface Returned {
  /** What it subscribes to. */
  readonly patterns: readonly string[];
  /** Whether it gets what is published to a subject. */
  gets(subject: string): boolean;
  /** By topic: the newest that it has. */
  readonly places: ReadonlyMap<string, Cursor>;
}

/**
 * What was on its way to subscribers when their connections broke: nobody acknowledges publications, so what has become
 * of those is known only from where a subscriber says that it is. Of topics that it names, all is known. Of others, which
 * came to it by a wildcard if at all, this is: whoever has one publication has all that came before it on the same
 * connection, so what may be missed is among the last ones of the server, and those are remembered. Where they do not
 * reach back so far, something may be missed of which nothing is known.
 */
export class OnTheWay<Subscriber> {
  readonly #last: Publication[] = [];
  /** How many there were. The last one is at this, less one, modulo their number. */
  #count = 0;
  /** How many there were before the first of which it is not known whether a subscriber has it. */
  readonly #since = new Map<Subscriber, number>();

  published(subject: string, cursor: Cursor): void {
    this.#last[this.#count % rememberedPublications] = { subject, cursor };
    this.#count += 1;
  }

  /** Has a subscription now, perhaps its first: nothing of before is missed. */
  subscribed(subscriber: Subscriber): void {
    if (!this.#since.has(subscriber)) this.#since.set(subscriber, this.#count);
  }

  /** A subscriber has gone. */
  forget(subscriber: Subscriber): void {
    this.#since.delete(subscriber);
  }

  /**
   * A subscriber is back over another connection.
   * @returns what it may have missed. It may miss that again, on this connection: it counts as missed until the subscriber
   *   names something newer.
   */
  returned(subscriber: Subscriber, { patterns, gets, places }: Returned): MissedTopics {
    const since = this.#since.get(subscriber);
    if (since === undefined) return { places: new Map(), isComplete: true };
    const missed = new Map([...places].filter(([subject]) => gets(subject)));
    if (patterns.every((pattern) => isLiteral(pattern) && places.has(pattern))) {
      return { places: missed, isComplete: true };
    }
    const known = Math.max(since, this.#newestOf(places) + 1);
    this.#since.set(subscriber, known);
    const oldest = Math.max(0, this.#count - rememberedPublications);
    for (let number = Math.max(known, oldest); number < this.#count; number += 1) {
      const { subject, cursor } = this.#at(number);
      if (missed.has(subject) || !gets(subject)) continue;
      missed.set(subject, { epoch: cursor.epoch, sequence: cursor.sequence - 1 });
    }
    return { places: missed, isComplete: known >= oldest };
  }

  /** The number of the newest publication that somebody who is at these places has; -1 where none is remembered. */
  #newestOf(places: ReadonlyMap<string, Cursor>): number {
    const oldest = Math.max(0, this.#count - rememberedPublications);
    for (let number = this.#count - 1; places.size > 0 && number >= oldest; number -= 1) {
      const { subject, cursor } = this.#at(number);
      const place = places.get(subject);
      if (place?.epoch === cursor.epoch && place.sequence >= cursor.sequence) return number;
    }
    return -1;
  }

  #at(number: number): Publication {
    return this.#last[number % rememberedPublications]!;
  }
}
