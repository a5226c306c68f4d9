/** Up to this size a Map's entries are deleted at once. */
const smallSize = 1_024;

/** How many keys of entries that were deleted stay at most. */
const maxVacant = 512;

/**
 * A Map for keys that a peer makes come and go. V8 leaves a deleted entry in its bucket, in the way of whatever is
 * looked for there, until the whole table is made anew, which is after as many deletions as there was room: in a Map of
 * 300,000 entries, setting and deleting one key over and over comes to take half a millisecond each time. So here the
 * entry of a deleted key stays a while, empty, and is the one that is used again if the key comes back.
 */
export class RecurrentMap<Key, Value extends object> {
  readonly #map = new Map<Key, Value | undefined>();
  /** The keys whose entries are empty. */
  #vacant: Set<Key> | undefined;

  get size(): number {
    return this.#map.size - (this.#vacant?.size ?? 0);
  }

  get(key: Key): Value | undefined {
    return this.#map.get(key);
  }

  *values(): IterableIterator<Value> {
    for (const value of this.#map.values()) if (value !== undefined) yield value;
  }

  set(key: Key, value: Value): void {
    this.#vacant?.delete(key);
    this.#map.set(key, value);
  }

  /** Its key may stay a while, for it to come back. */
  delete(key: Key): boolean {
    if (this.#map.get(key) === undefined) return false;
    if (this.#map.size <= smallSize) {
      this.#clearVacant();
      return this.#map.delete(key);
    }
    this.#map.set(key, undefined);
    this.#vacant ??= new Set();
    this.#vacant.add(key);
    if (this.#vacant.size > maxVacant) this.#clearVacant();
    return true;
  }

  /** Its key goes with it: for one that does not come back, or that holds more than itself. */
  forget(key: Key): boolean {
    return this.#map.delete(key) && this.#vacant?.delete(key) !== true;
  }

  #clearVacant(): void {
    if (this.#vacant === undefined) return;
    for (const key of this.#vacant) this.#map.delete(key);
    this.#vacant = undefined;
  }
}
