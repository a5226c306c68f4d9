import type { Group } from "./group.js";

/** One who subscribes: its groups, and its place in each. Most have one, and for that no Map is made. */
export class Member<Subscriber> {
  readonly subscriber: Subscriber;
  /** The last union that it was counted in. */
  countedIn = 0;
  #group: Group<Subscriber> | undefined;
  #place = 0;
  #others: Map<Group<Subscriber>, number> | undefined;

  constructor(subscriber: Subscriber) {
    this.subscriber = subscriber;
  }

  /** How many groups it is in. */
  get size(): number {
    return (this.#group === undefined ? 0 : 1) + (this.#others?.size ?? 0);
  }

  get groups(): Group<Subscriber>[] {
    const others = this.#others?.keys() ?? [];
    return this.#group === undefined ? [...others] : [this.#group, ...others];
  }

  /** Its place in a group; undefined where it is not in it. */
  placeIn(group: Group<Subscriber>): number | undefined {
    return this.#group === group ? this.#place : this.#others?.get(group);
  }

  /** It is in the group from now on, or has moved within it. */
  put(group: Group<Subscriber>, place: number): void {
    if (this.#group === group || (this.#group === undefined && this.#others?.has(group) !== true)) {
      this.#group = group;
      this.#place = place;
    } else {
      this.#others ??= new Map();
      this.#others.set(group, place);
    }
  }

  take(group: Group<Subscriber>): void {
    if (this.#group === group) {
      this.#group = undefined;
    } else {
      this.#others?.delete(group);
      if (this.#others?.size === 0) this.#others = undefined;
    }
  }
}
