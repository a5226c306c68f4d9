import { isLiteral, matches } from "#internal/topic/subject.js";
import type { Book } from "./figures.js";

/** What one writes in an afternoon: a Set of subscribers by pattern, and a Set of patterns by subscriber. */
export class MapOfSets implements Book {
  readonly #literal = new Map<string, Set<number>>();
  readonly #wild = new Map<string, Set<number>>();
  readonly #bySubscriber = new Map<number, Set<string>>();

  add(pattern: string, subscriber: number): void {
    put(isLiteral(pattern) ? this.#literal : this.#wild, pattern, subscriber);
    put(this.#bySubscriber, subscriber, pattern);
  }

  remove(pattern: string, subscriber: number): void {
    take(isLiteral(pattern) ? this.#literal : this.#wild, pattern, subscriber);
    take(this.#bySubscriber, subscriber, pattern);
  }

  removeAll(subscriber: number): void {
    for (const pattern of [...(this.#bySubscriber.get(subscriber) ?? [])]) this.remove(pattern, subscriber);
  }

  walk(subject: string): number {
    let mixed = 0;
    for (const subscriber of this.#match(subject)) mixed ^= subscriber;
    return mixed;
  }

  #match(subject: string): Set<number> {
    const literal = this.#literal.get(subject) ?? new Set<number>();
    let found = literal;
    for (const [pattern, subscribers] of this.#wild) {
      if (!matches(pattern, subject)) continue;
      if (found === literal) found = new Set(literal);
      for (const subscriber of subscribers) found.add(subscriber);
    }
    return found;
  }
}

function put<Key, Item>(map: Map<Key, Set<Item>>, key: Key, item: Item): void {
  const set = map.get(key);
  if (set === undefined) map.set(key, new Set([item]));
  else set.add(item);
}

function take<Key, Item>(map: Map<Key, Set<Item>>, key: Key, item: Item): void {
  const set = map.get(key);
  set?.delete(item);
  if (set?.size === 0) map.delete(key);
}
