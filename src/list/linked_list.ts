/** What can stand in a {@link LinkedList}: it carries its own links, so to enter or leave one allocates nothing. */
export interface Linked<Item> {
  /** The list's. */
  previous: Item | undefined;
  /** The list's. */
  next: Item | undefined;
}

/**
 * A list of what comes first, from which each item can be taken out at once. An item is in one list at a time; taking out
 * one that is not in the list, or pushing one that is in some, spoils both.
 */
export class LinkedList<Item extends Linked<Item>> {
  #first: Item | undefined;
  #last: Item | undefined;
  #length = 0;

  get first(): Item | undefined {
    return this.#first;
  }

  get length(): number {
    return this.#length;
  }

  push(item: Item): void {
    item.previous = this.#last;
    if (this.#last === undefined) this.#first = item;
    else this.#last.next = item;
    this.#last = item;
    this.#length += 1;
  }

  /** Takes out the first. */
  shift(): Item | undefined {
    const item = this.#first;
    if (item !== undefined) this.remove(item);
    return item;
  }

  remove(item: Item): void {
    const { previous, next } = item;
    if (previous === undefined) this.#first = next;
    else previous.next = next;
    if (next === undefined) this.#last = previous;
    else next.previous = previous;
    item.previous = undefined;
    item.next = undefined;
    this.#length -= 1;
  }
}
