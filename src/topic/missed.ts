import type { Cursor } from "./cursor.js";

/** What one subscriber has missed. */
export interface MissedTopics {
  /** By subject: the place right before the first message that was missed. What came after it is to be given again. */
  readonly places: ReadonlyMap<string, Cursor>;
  /** Whether these are all. Else there were too many, and the subscriber has missed something of others as well. */
  readonly isComplete: boolean;
}

interface Places extends MissedTopics {
  readonly places: Map<string, Cursor>;
  isComplete: boolean;
}

/**
 * Where subscribers stopped who could take no more for a while, being full or away: the place in each topic, so that
 * they go on from there or are told of a gap, by whatever pattern the topic came to them. It is what makes a
 * subscription with wildcards, which has no cursor of its own, miss nothing in silence.
 *
 * Who has missed something gets nothing new before it has got that, or its messages would not be in order: while `has`
 * says so, whatever is published is noted and not sent.
 */
export class Missed<Subscriber> {
  readonly #bySubscriber = new Map<Subscriber, Places>();
  readonly #maxTopicsEach: number;

  /** For one subscriber `maxTopicsEach` places are remembered at most, about 150 B each. */
  constructor(maxTopicsEach = 1_024) {
    this.#maxTopicsEach = maxTopicsEach;
  }

  /** Those who have missed something. */
  get size(): number {
    return this.#bySubscriber.size;
  }

  has(subscriber: Subscriber): boolean {
    return this.#bySubscriber.has(subscriber);
  }

  /**
   * A message did not go to a subscriber.
   * @param cursor right after the message, as `publish` gives it.
   */
  note(subscriber: Subscriber, subject: string, { epoch, sequence }: Cursor): void {
    const known = this.#placesOf(subscriber);
    if (known.places.has(subject)) return;
    if (known.places.size < this.#maxTopicsEach) known.places.set(subject, { epoch, sequence: sequence - 1 });
    else known.isComplete = false;
  }

  /** The same of what is found out later: where a place is known already, the earlier one counts. */
  add(subscriber: Subscriber, { places, isComplete }: MissedTopics): void {
    for (const [subject, place] of places) {
      const before = this.#bySubscriber.get(subscriber)?.places.get(subject);
      if (before === undefined) {
        this.note(subscriber, subject, { epoch: place.epoch, sequence: place.sequence + 1 });
      } else if (place.epoch !== before.epoch || place.sequence < before.sequence) {
        this.#bySubscriber.get(subscriber)!.places.set(subject, place);
      }
    }
    if (!isComplete) this.#placesOf(subscriber).isComplete = false;
  }

  /** Something did not go to a subscriber, and nobody knows of which topics. */
  noteLoss(subscriber: Subscriber): void {
    this.#placesOf(subscriber).isComplete = false;
  }

  /** What a subscriber has missed so far, which is forgotten with that; undefined where it has missed nothing. */
  take(subscriber: Subscriber): MissedTopics | undefined {
    const known = this.#bySubscriber.get(subscriber);
    this.#bySubscriber.delete(subscriber);
    return known;
  }

  /** A subscriber has gone. */
  forget(subscriber: Subscriber): void {
    this.#bySubscriber.delete(subscriber);
  }

  #placesOf(subscriber: Subscriber): Places {
    let known = this.#bySubscriber.get(subscriber);
    if (known === undefined) {
      known = { places: new Map(), isComplete: true };
      this.#bySubscriber.set(subscriber, known);
    }
    return known;
  }
}
