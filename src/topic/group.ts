import type { Member } from "./member.js";

/** The subscribers of one pattern, in an array that publishers walk. */
export class Group<Subscriber> {
  readonly pattern: string;
  readonly #members: Member<Subscriber>[];
  /** The members' subscribers, in their order; made when they are asked for first, for most never are. */
  #subscribers: Subscriber[] | undefined;
  #isLent = false;

  constructor(pattern: string, first: Member<Subscriber>) {
    this.pattern = pattern;
    // Of just one element: most groups never have more, and an array that grows takes room for many.
    this.#members = [first];
    first.put(this, 0);
  }

  get size(): number {
    return this.#members.length;
  }

  get members(): readonly Member<Subscriber>[] {
    return this.#members;
  }

  /**
   * The subscribers, in an array that never changes: it is copied before the next change of the group. So publishing
   * costs nothing for each recipient, and who walks them is not disturbed by what walking them leads to.
   */
  lend(): readonly Subscriber[] {
    this.#subscribers ??= this.#members.map(({ subscriber }) => subscriber);
    this.#isLent = true;
    return this.#subscribers;
  }

  /** @returns false where it is in the group. */
  add(member: Member<Subscriber>): boolean {
    if (member.placeIn(this) !== undefined) return false;
    member.put(this, this.#members.length);
    this.#members.push(member);
    this.#takeBack()?.push(member.subscriber);
    return true;
  }

  /** The last takes its place. @returns false where it is not in the group. */
  remove(member: Member<Subscriber>): boolean {
    const place = member.placeIn(this);
    if (place === undefined) return false;
    const subscribers = this.#takeBack();
    const last = this.#members.pop()!;
    subscribers?.pop();
    if (last !== member) {
      this.#members[place] = last;
      if (subscribers !== undefined) subscribers[place] = last.subscriber;
      last.put(this, place);
    }
    member.take(this);
    return true;
  }

  /** The array of the subscribers, to be changed. */
  #takeBack(): Subscriber[] | undefined {
    if (this.#isLent) this.#subscribers = this.#subscribers?.slice();
    this.#isLent = false;
    return this.#subscribers;
  }
}
