import { isUtf8 } from "./utf8.js";

/**
 * What is wrong with a frame, or `valid`:
 * - `size`: the size prefix is not the number of bytes that follow it;
 * - `table`: a table or its vtable is misaligned or not inside the frame;
 * - `offset`: an offset is zero, misaligned or points out of the frame;
 * - `vector`: a vector is longer than the frame;
 * - `string`: a string is longer than the frame, unterminated or not UTF-8;
 * - `missing`: a required field is absent;
 * - `meta`: more entries, text or bytes of values than a frame may cost who verifies or keeps it.
 */
export type FrameStatus = "valid" | "size" | "table" | "offset" | "vector" | "string" | "missing" | "meta";

const maxFrameBytes = 0x7fff_ffff;
const maxEntries = 1024;
/**
 * Of the subject and all keys together. Text is all that costs time by its length, and entries may share their
 * keys, so it counts as often as it is referred to.
 */
const maxTextBytes = 64 * 1024;

/** vtable slots, in the order of the schema's fields. */
export const frameSlots = { header: 0, payload: 1, subject: 2, meta: 3 } as const;
export const entrySlots = { key: 0, value: 1 } as const;
const headerBytes = 16;

/**
 * Verifies one whole frame, its size prefix included, by the rules of schemas/frame.fbs and of the FlatBuffers
 * binary format. Accessors, generated or our own (verified_table.ts), never look at the end of the buffer:
 * only a frame that has passed here may be given to them. The schema does not nest, so neither does this; its time
 * is bounded by the limits above, however large the frame. Not required: an aligned payload, known kinds, nothing between the parts.
 *
 * @see native/frame/verifier.cc, which gives the same answer to the same bytes
 */
export function verifyFrame(frame: Uint8Array): FrameStatus {
  const view = new DataView(frame.buffer, frame.byteOffset, frame.byteLength);
  return new Verification(frame, view).run();
}

/** A table whose vtable and inline part are known to lie in the frame. */
interface Table {
  readonly at: number;
  readonly bytes: number;
  readonly vtable: number;
  readonly vtableBytes: number;
}

/** In place of a position: the field is absent, or there is none that is right. */
const absent = 0;
const wrong = -1;

class Verification {
  readonly #frame: Uint8Array;
  readonly #view: DataView;
  readonly #bytes: number;
  #textLeft = maxTextBytes;
  /**
   * All values together have at most the frame's own bytes: they may share theirs too, and who keeps a frame copies
   * each of them.
   */
  #valuesLeft: number;

  constructor(frame: Uint8Array, view: DataView) {
    this.#frame = frame;
    this.#view = view;
    this.#bytes = frame.byteLength;
    this.#valuesLeft = frame.byteLength;
  }

  run(): FrameStatus {
    if (this.#bytes < 8 || this.#bytes > maxFrameBytes) return "size";
    if (this.#u32(0) !== this.#bytes - 4) return "size";
    const root = this.#follow(4);
    if (root === wrong) return "offset";
    const table = this.#open(root);
    return table === undefined ? "table" : this.#verifyRoot(table);
  }

  #verifyRoot(table: Table): FrameStatus {
    const header = this.#field(table, frameSlots.header, headerBytes);
    if (header === wrong) return "table";
    if (header === absent) return "missing";
    const payload = this.#lengthOf(table, frameSlots.payload);
    if (typeof payload !== "number") return payload;
    const subject = this.#verifyString(table, frameSlots.subject, false);
    return subject === "valid" ? this.#verifyMeta(table) : subject;
  }

  #verifyMeta(table: Table): FrameStatus {
    const field = this.#field(table, frameSlots.meta, 4);
    if (field === wrong) return "table";
    if (field === absent) return "valid";
    const vector = this.#follow(field);
    if (vector === wrong) return "offset";
    const length = this.#vectorLength(vector, 4);
    if (length === wrong) return "vector";
    if (length > maxEntries) return "meta";
    for (let i = 0; i < length; i++) {
      const entry = this.#follow(vector + 4 * (i + 1));
      if (entry === wrong) return "offset";
      const entryTable = this.#open(entry);
      if (entryTable === undefined) return "table";
      let status = this.#verifyString(entryTable, entrySlots.key, true);
      if (status === "valid") status = this.#verifyValue(entryTable);
      if (status !== "valid") return status;
    }
    return "valid";
  }

  #verifyValue(entry: Table): FrameStatus {
    const length = this.#lengthOf(entry, entrySlots.value);
    if (typeof length !== "number") return length;
    this.#valuesLeft -= length;
    return this.#valuesLeft < 0 ? "meta" : "valid";
  }

  /** Of bytes, 0 where they are absent; or what is wrong with them. */
  #lengthOf(table: Table, slot: number): number | FrameStatus {
    const field = this.#field(table, slot, 4);
    if (field === wrong) return "table";
    if (field === absent) return 0;
    const vector = this.#follow(field);
    if (vector === wrong) return "offset";
    const length = this.#vectorLength(vector, 1);
    return length === wrong ? "vector" : length;
  }

  #verifyString(table: Table, slot: number, required: boolean): FrameStatus {
    const field = this.#field(table, slot, 4);
    if (field === wrong) return "table";
    if (field === absent) return required ? "missing" : "valid";
    const vector = this.#follow(field);
    if (vector === wrong) return "offset";
    const length = this.#vectorLength(vector, 1);
    if (length === wrong) return "string";
    const end = vector + 4 + length;
    if (end === this.#bytes || this.#frame[end] !== 0) return "string";
    if (length > this.#textLeft) return "meta";
    this.#textLeft -= length;
    return isUtf8(this.#frame, vector + 4, end) ? "valid" : "string";
  }

  /**
   * From the uint32 at `at`, which lies in the frame, to what it points at: a uint32 in the frame, aligned
   * relative to the frame's start. Offsets are unsigned and so only lead forward: nothing can loop.
   */
  #follow(at: number): number {
    const offset = this.#u32(at);
    if (offset === 0 || offset > this.#bytes - at) return wrong;
    const target = at + offset;
    return target % 4 === 0 && this.#bytes - target >= 4 ? target : wrong;
  }

  /** `at` comes from `#follow`: aligned, and its first four bytes are in the frame. */
  #open(at: number): Table | undefined {
    // The one signed offset of the format: the vtable may lie on either side.
    const vtable = at - this.#view.getInt32(at, true);
    if (vtable < 0 || vtable % 2 !== 0 || vtable > this.#bytes - 4) return undefined;
    const vtableBytes = this.#u16(vtable);
    const bytes = this.#u16(vtable + 2);
    if (vtableBytes < 4 || vtableBytes % 2 !== 0 || vtableBytes > this.#bytes - vtable) return undefined;
    if (bytes < 4 || bytes > this.#bytes - at) return undefined;
    return { at, bytes, vtable, vtableBytes };
  }

  /** Where a field of `bytes` lies in its table. Every field of the schema is aligned to four. */
  #field(table: Table, slot: number, bytes: number): number {
    const entry = 4 + 2 * slot;
    if (entry + 2 > table.vtableBytes) return absent;
    const offset = this.#u16(table.vtable + entry);
    if (offset === 0) return absent;
    if (offset < 4 || offset % 4 !== 0 || offset + bytes > table.bytes) return wrong;
    return table.at + offset;
  }

  /** `at` comes from `#follow`. */
  #vectorLength(at: number, elementBytes: number): number {
    const length = this.#u32(at);
    return length <= Math.floor((this.#bytes - at - 4) / elementBytes) ? length : wrong;
  }

  #u32(at: number): number {
    return this.#view.getUint32(at, true);
  }

  #u16(at: number): number {
    return this.#view.getUint16(at, true);
  }
}
