import type { SlotDirectory } from "./directory.js";
import { generationOf, type SessionHandle, slotOf } from "./handle.js";
import type { SessionTable } from "./table.js";

/**
 * Which environment has which session, as the directory said when it was last asked: that costs more than all else of a
 * short message. It is not asked again while the table says that the session lives and no environment has ended. Whoever
 * writes over the table makes it asked more often, or a message go where the session was until just now: never to another.
 */
export class Routes {
  readonly #table: SessionTable;
  readonly #directory: SlotDirectory;
  /** One word, which the directory counts up whenever an environment has come or ended. */
  readonly #changes: Int32Array;
  readonly #generations: Uint32Array;
  readonly #owners: Uint8Array;
  #seenChanges = 0;

  constructor(table: SessionTable, directory: SlotDirectory, changes: Int32Array) {
    this.#table = table;
    this.#directory = directory;
    this.#changes = changes;
    this.#generations = new Uint32Array(table.slotCount);
    this.#owners = new Uint8Array(table.slotCount);
  }

  /** The environment that has the session; -1 when none has. */
  ownerOf(handle: SessionHandle): number {
    const changes = this.#changes[0]!;
    if (changes !== this.#seenChanges) {
      this.#seenChanges = changes;
      this.#generations.fill(0);
    }
    const slot = slotOf(handle);
    const generation = generationOf(handle);
    if (generation !== 0 && this.#generations[slot] === generation && this.#table.isLive(handle)) {
      return this.#owners[slot]!;
    }
    const owner = this.#directory.ownerOf(slot, generation);
    if (owner >= 0) {
      this.#generations[slot] = generation;
      this.#owners[slot] = owner;
    }
    return owner;
  }
}
