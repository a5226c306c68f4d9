import { RecurrentMap } from "../list/recurrent_map.js";
import { Group } from "./group.js";
import { Member } from "./member.js";
import { PatternTrie } from "./pattern_trie.js";
import { isLiteral } from "./subject.js";

const nobody: readonly never[] = Object.freeze([]);

/**
 * Who subscribes to what. Subscribers are whatever the caller tells them apart by: objects or numbers, compared as
 * a Map's keys are. All that is kept of one goes with its last subscription.
 *
 * Patterns and subjects must be sound (subject.ts), which is not checked again here.
 */
export class Subscriptions<Subscriber> {
  readonly #members = new RecurrentMap<Subscriber, Member<Subscriber>>();
  /** Of patterns without wildcards: most, and found at once. */
  readonly #literal = new RecurrentMap<string, Group<Subscriber>>();
  readonly #wild = new PatternTrie<Group<Subscriber>>();
  readonly #emptied: ((pattern: string) => void) | undefined;
  #size = 0;
  #unions = 0;

  /** `emptied` hears of each pattern whose last subscriber has gone. */
  constructor(emptied?: (pattern: string) => void) {
    this.#emptied = emptied;
  }

  /** Subscriptions in total. */
  get size(): number {
    return this.#size;
  }

  /** Different patterns that are subscribed to. */
  get patternCount(): number {
    return this.#literal.size + this.#wild.size;
  }

  /** Those who subscribe to anything. */
  get subscriberCount(): number {
    return this.#members.size;
  }

  /** Those who subscribe to anything, as they are now. */
  subscribers(): Subscriber[] {
    return Array.from(this.#members.values(), ({ subscriber }) => subscriber);
  }

  /** How many subscriptions one has. */
  countOf(subscriber: Subscriber): number {
    return this.#members.get(subscriber)?.size ?? 0;
  }

  /** What one subscribes to, in no particular order. */
  patternsOf(subscriber: Subscriber): string[] {
    return this.#members.get(subscriber)?.groups.map(({ pattern }) => pattern) ?? [];
  }

  has(pattern: string, subscriber: Subscriber): boolean {
    const group = this.#groupOf(pattern);
    return group !== undefined && this.#members.get(subscriber)?.placeIn(group) !== undefined;
  }

  /** Whether anybody subscribes to this very pattern. */
  hasPattern(pattern: string): boolean {
    return this.#groupOf(pattern) !== undefined;
  }

  /** @returns false where it is subscribed to it already. */
  add(pattern: string, subscriber: Subscriber): boolean {
    let member = this.#members.get(subscriber);
    if (member === undefined) {
      member = new Member(subscriber);
      this.#members.set(subscriber, member);
    }
    const group = this.#groupOf(pattern);
    if (group !== undefined) {
      if (!group.add(member)) return false;
    } else if (isLiteral(pattern)) {
      this.#literal.set(pattern, new Group(pattern, member));
    } else {
      this.#wild.set(pattern, new Group(pattern, member));
    }
    this.#size += 1;
    return true;
  }

  /** @returns false where it was not subscribed to it. */
  remove(pattern: string, subscriber: Subscriber): boolean {
    const member = this.#members.get(subscriber);
    const group = this.#groupOf(pattern);
    if (member === undefined || group === undefined || !group.remove(member)) return false;
    if (member.size === 0) this.#members.delete(subscriber);
    this.#left(group);
    return true;
  }

  /** Ends all that one has. @returns how many. */
  removeAll(subscriber: Subscriber): number {
    const member = this.#members.get(subscriber);
    if (member === undefined) return 0;
    this.#members.forget(subscriber);
    const { groups } = member;
    for (const group of groups) {
      group.remove(member);
      this.#left(group);
    }
    return groups.length;
  }

  /**
   * Everybody whom a subject goes to, each once. The array stays as it is, whatever changes afterwards. Where one
   * pattern matches, it is there already; where several do, what is done is in proportion to all but the largest.
   */
  match(subject: string): readonly Subscriber[] {
    const literal = this.#literal.get(subject);
    if (this.#wild.size === 0) return literal?.lend() ?? nobody;
    const groups = this.#wild.match(subject);
    if (literal !== undefined) groups.push(literal);
    if (groups.length > 1) return this.#union(groups);
    return groups[0]?.lend() ?? nobody;
  }

  /** Whether a subject goes to one of them. */
  reaches(subscriber: Subscriber, subject: string): boolean {
    const member = this.#members.get(subscriber);
    if (member === undefined) return false;
    const literal = this.#literal.get(subject);
    if (literal !== undefined && member.placeIn(literal) !== undefined) return true;
    return this.#wild.match(subject).some((group) => member.placeIn(group) !== undefined);
  }

  #union(groups: readonly Group<Subscriber>[]): readonly Subscriber[] {
    const largest = groups.reduce((a, b) => (b.size > a.size ? b : a));
    this.#unions += 1;
    const others: Subscriber[] = [];
    for (const group of groups) {
      if (group === largest) continue;
      for (const member of group.members) {
        if (member.countedIn === this.#unions) continue;
        member.countedIn = this.#unions;
        if (member.placeIn(largest) === undefined) others.push(member.subscriber);
      }
    }
    return others.length === 0 ? largest.lend() : largest.lend().concat(others);
  }

  #groupOf(pattern: string): Group<Subscriber> | undefined {
    return isLiteral(pattern) ? this.#literal.get(pattern) : this.#wild.get(pattern);
  }

  #left(group: Group<Subscriber>): void {
    this.#size -= 1;
    if (group.size > 0) return;
    if (!this.#literal.delete(group.pattern)) this.#wild.delete(group.pattern);
    this.#emptied?.(group.pattern);
  }
}
