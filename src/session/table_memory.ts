import { InvalidArgumentError } from "../errors.js";
import { FreeRing } from "./free_ring.js";
import { stateWord } from "./handle.js";
import { STATE, wordOf } from "./slot_words.js";
import {
  cellCountOf,
  isSlotCount,
  SlotState,
  TABLE_CELL_COUNT_OFFSET,
  TABLE_MAGIC,
  TABLE_MAGIC_OFFSET,
  TABLE_MAX_SLOTS,
  TABLE_MIN_SLOTS,
  TABLE_SLOT_COUNT_OFFSET,
  TABLE_VERSION,
  TABLE_VERSION_OFFSET,
  type TableMemory,
  tableBytesOf,
} from "./table_layout.js";

/** Finds room for a table in memory that nobody has touched yet. */
export interface TablePlace {
  /** How many bytes more than it needs may make its place a better one. */
  readonly slackBytes: number;
  /** Where so many bytes of the memory begin best, 0 to `slackBytes`. */
  offsetIn(memory: SharedArrayBuffer, bytes: number): number;
}

const anyPlace: TablePlace = { slackBytes: 0, offsetIn: () => 0 };

/**
 * The memory of an empty table.
 * @param slotCount how many sessions it holds: 2 to 1,048,576.
 * @throws InvalidArgumentError (ERR_MILLRACE_INVALID_ARGUMENT)
 */
export function createTableMemory(slotCount: number, place = anyPlace): TableMemory {
  if (!isSlotCount(slotCount)) {
    throw new InvalidArgumentError(
      `a session table has ${TABLE_MIN_SLOTS} to ${TABLE_MAX_SLOTS} slots, and not ${slotCount}`,
    );
  }
  const bytes = tableBytesOf(slotCount);
  const memory = new SharedArrayBuffer(bytes + place.slackBytes);
  const words = new Int32Array(memory, place.offsetIn(memory, bytes), bytes >> 2);
  writeTableFormat(words, slotCount);
  const freeRing = new FreeRing(words, wordOf(slotCount), cellCountOf(slotCount), slotCount);
  for (let slot = 0; slot < slotCount; slot += 1) {
    words[wordOf(slot) + STATE] = stateWord(1, SlotState.free);
    freeRing.put(slot);
  }
  return words;
}

/** Writes what says that this is a table of so many slots; nothing where it has not the size of one. */
export function writeTableFormat(words: TableMemory, slotCount: number): void {
  if (words.byteLength !== tableBytesOf(slotCount)) return;
  words[TABLE_MAGIC_OFFSET >> 2] = TABLE_MAGIC;
  words[TABLE_VERSION_OFFSET >> 2] = TABLE_VERSION;
  words[TABLE_SLOT_COUNT_OFFSET >> 2] = slotCount;
  words[TABLE_CELL_COUNT_OFFSET >> 2] = cellCountOf(slotCount);
}
