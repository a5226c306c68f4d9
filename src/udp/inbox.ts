import { ReaderLockedError } from "../errors.js";

/** What waits for one reader: a queue that, when it is full, lets its oldest go. */
export class Inbox<Item> {
  readonly #max: number;
  readonly #onOvertaken: () => void;
  readonly #items: Item[] = [];
  #claimed = false;
  #end: { readonly error?: Error } | undefined = undefined;
  #wake: () => void = () => {};

  constructor(max: number, onOvertaken: () => void) {
    this.#max = max;
    this.#onOvertaken = onOvertaken;
  }

  push(item: Item): void {
    if (this.#end !== undefined) return;
    if (this.#items.length >= this.#max) {
      this.#items.shift();
      this.#onOvertaken();
    }
    this.#items.push(item);
    this.#wake();
  }

  /** Nothing comes any more: the reader gets what waits, then the error where there is one. */
  end(error?: Error): void {
    this.#end ??= error === undefined ? {} : { error };
    this.#wake();
  }

  /** @throws ReaderLockedError, and what it was ended with. */
  async *read(): AsyncGenerator<Item, void, undefined> {
    if (this.#claimed) throw new ReaderLockedError("another iterator is reading already");
    this.#claimed = true;
    try {
      for (;;) {
        const item = this.#items.shift();
        if (item !== undefined) yield item;
        else if (this.#end === undefined) await this.#arrival();
        else if (this.#end.error !== undefined) throw this.#end.error;
        else return;
      }
    } finally {
      this.#claimed = false;
    }
  }

  #arrival(): Promise<void> {
    return new Promise((resolve) => {
      this.#wake = resolve;
    });
  }
}
