/** What can stand in a chain, in one at a time. */
export interface Link<Item> {
  previous: Item | undefined;
  next: Item | undefined;
}

/** A queue whose links are the items' own, so that any of them leaves it at once, and none costs an allocation. */
export class Chain<Item extends Link<Item>> {
  #first: Item | undefined;
  #last: Item | undefined;

  get first(): Item | undefined {
    return this.#first;
  }

  /** It must stand in no chain. */
  append(item: Item): void {
    item.previous = this.#last;
    item.next = undefined;
    if (this.#last === undefined) this.#first = item;
    else this.#last.next = item;
    this.#last = item;
  }

  /** It must stand in this one. */
  remove(item: Item): void {
    const { previous, next } = item;
    if (previous === undefined) this.#first = next;
    else previous.next = next;
    if (next === undefined) this.#last = previous;
    else next.previous = previous;
    item.previous = undefined;
    item.next = undefined;
  }
}
