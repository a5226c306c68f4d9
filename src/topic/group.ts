/** One who subscribes. */
export class Member<Subscriber> {
  readonly subscriber: Subscriber;
  /** Its groups, and its place in each. */
  readonly places = new Map<Group<Subscriber>, number>();
  /** The last union that it was counted in. */
  countedIn = 0;

  constructor(subscriber: Subscriber) {
    this.subscriber = subscriber;
  }
}

/**
 * The subscribers of one pattern, as the array that a publisher walks. It is lent as it is and copied before the next
 * change, so publishing costs nothing for each recipient, and who walks an array is not disturbed by what changes
 * meanwhile.
 */
export class Group<Subscriber> {
  readonly pattern: string;
  readonly #members: Member<Subscriber>[];
  #subscribers: Subscriber[]; // of the members, in their order
  #isLent = false;

  constructor(pattern: string, first: Member<Subscriber>) {
    this.pattern = pattern;
    // Of just one element: most groups never have more, and an array that grows takes room for many.
    this.#members = [first];
    this.#subscribers = [first.subscriber];
    first.places.set(this, 0);
  }

  get size(): number {
    return this.#members.length;
  }

  get members(): readonly Member<Subscriber>[] {
    return this.#members;
  }

  /** They do not change any more: a snapshot. */
  lend(): readonly Subscriber[] {
    this.#isLent = true;
    return this.#subscribers;
  }

  /** @returns false where it is in the group. */
  add(member: Member<Subscriber>): boolean {
    if (member.places.has(this)) return false;
    member.places.set(this, this.#members.length);
    this.#members.push(member);
    this.#own().push(member.subscriber);
    return true;
  }

  /** The last takes its place. @returns false where it is not in the group. */
  remove(member: Member<Subscriber>): boolean {
    const place = member.places.get(this);
    if (place === undefined) return false;
    const subscribers = this.#own();
    const last = this.#members.pop()!;
    subscribers.pop();
    if (last !== member) {
      this.#members[place] = last;
      subscribers[place] = last.subscriber;
      last.places.set(this, place);
    }
    member.places.delete(this);
    return true;
  }

  #own(): Subscriber[] {
    if (this.#isLent) {
      this.#subscribers = this.#subscribers.slice();
      this.#isLent = false;
    }
    return this.#subscribers;
  }
}
