import { type FrameHeader, sizePrefixBytes, writeHotHead } from "./codec.js";

/** What a frame has beside header and payload. */
interface Extras {
  readonly subject?: string | undefined;
  readonly meta?: readonly { readonly key: string; readonly value: Uint8Array }[] | undefined;
}

/**
 * A frame with a subject or metadata, laid out as FlatBuffers has it, in memory of its own size. FlatBuffers' builder
 * would do as well; it writes from the end into memory that it grows, takes half as long again or more, and is a tenth of what
 * a page loads that speaks sessions. Its readers read either.
 *
 * ```text
 *  0  size prefix
 *  4  root offset = 16     → the table at 20
 *  8  vtable: size = 12, table size = 32, header at 4, payload at 20, subject at 24, meta at 28 (0: absent)
 * 20  table: offset back to the vtable = 12
 * 24  Header
 * 40  offsets of payload, subject and meta
 * 52  payload length
 * 56  payload              8-byte aligned, as the size prefix is
 *     subject: length, UTF-8, 0
 *     meta: the entries' vtable (size = 8, table size = 12, key at 4, value at 8); length, offsets; then each entry:
 *     its table (offset back to the vtable, offsets of key and value), key, value
 * ```
 *
 * All after the payload is 4-byte aligned.
 * @see schemas/frame.fbs
 */
export function encodeGeneralFrame(
  header: Readonly<FrameHeader>,
  payload: Uint8Array,
  { subject, meta }: Extras,
): Uint8Array {
  const subjectBytes = subject === undefined ? undefined : encoder.encode(subject);
  const entries = meta?.map(({ key, value }) => ({ key: keyBytes(key), value }));
  const subjectAt = aligned(payloadAt + payload.length);
  const metaAt = subjectBytes === undefined ? subjectAt : aligned(subjectAt + stringBytes(subjectBytes));
  const bytes = entries === undefined ? metaAt : metaAt + bytesOfMeta(entries);
  const writer = new Writer(bytes);
  writer.head(header, subjectBytes !== undefined, entries !== undefined);
  writer.reference(payloadField, payloadAt - 4);
  writer.vector(payloadAt - 4, payload);
  if (subjectBytes !== undefined) {
    writer.reference(subjectField, subjectAt);
    writer.vector(subjectAt, subjectBytes);
  }
  if (entries !== undefined) writer.meta(metaAt, entries);
  return writer.frame;
}

interface EncodedEntry {
  readonly key: Uint8Array;
  readonly value: Uint8Array;
}

const encoder = new TextEncoder();
const vtableAt = 8;
const tableAt = 20;
const payloadField = 40;
const subjectField = 44;
const metaField = 48;
const payloadAt = 56;
const entryVtableBytes = 8;
const entryTableBytes = 12;

/** Keys that have been met: nearly all are the protocol's own, and few. */
const knownKeys = new Map<string, Uint8Array>();
const maxKnownKeys = 64;

function keyBytes(key: string): Uint8Array {
  const known = knownKeys.get(key);
  if (known !== undefined) return known;
  const bytes = encoder.encode(key);
  if (knownKeys.size < maxKnownKeys) knownKeys.set(key, bytes);
  return bytes;
}

function aligned(at: number): number {
  return (at + 3) & ~3;
}

/** With its length and the 0 behind it. */
function stringBytes({ length }: Uint8Array): number {
  return 4 + length + 1;
}

function bytesOfEntry({ key, value }: EncodedEntry): number {
  return entryTableBytes + aligned(stringBytes(key)) + aligned(4 + value.length);
}

function bytesOfMeta(entries: readonly EncodedEntry[]): number {
  const offsets = 4 + 4 * entries.length;
  return entries.reduce((sum, entry) => sum + bytesOfEntry(entry), entryVtableBytes + offsets);
}

class Writer {
  readonly frame: Uint8Array;
  readonly #view: DataView;

  /** All that is not written is 0. */
  constructor(bytes: number) {
    this.frame = new Uint8Array(bytes);
    this.#view = new DataView(this.frame.buffer);
  }

  head(header: Readonly<FrameHeader>, hasSubject: boolean, hasMeta: boolean): void {
    const view = this.#view;
    writeHotHead(view, 0, header, 0); // its header is where this one is
    view.setUint32(0, this.frame.length - sizePrefixBytes, true);
    this.reference(4, tableAt);
    this.#vtable(vtableAt, 12, 32, 24 - tableAt, payloadField - tableAt);
    view.setUint16(vtableAt + 8, hasSubject ? subjectField - tableAt : 0, true);
    view.setUint16(vtableAt + 10, hasMeta ? metaField - tableAt : 0, true);
    view.setInt32(tableAt, tableAt - vtableAt, true);
    view.setUint32(subjectField, 0, true);
    view.setUint32(metaField, 0, true);
  }

  /** An offset, which counts from where it is. */
  reference(at: number, target: number): void {
    this.#view.setUint32(at, target - at, true);
  }

  vector(at: number, bytes: Uint8Array): void {
    this.#view.setUint32(at, bytes.length, true);
    this.frame.set(bytes, at + 4);
  }

  meta(at: number, entries: readonly EncodedEntry[]): void {
    this.#vtable(at, entryVtableBytes, entryTableBytes, 4, 8);
    const vectorAt = at + entryVtableBytes;
    this.reference(metaField, vectorAt);
    this.#view.setUint32(vectorAt, entries.length, true);
    let entryAt = vectorAt + 4 + 4 * entries.length;
    let offsetAt = vectorAt;
    for (const entry of entries) {
      offsetAt += 4;
      this.reference(offsetAt, entryAt);
      const keyAt = entryAt + entryTableBytes;
      const valueAt = keyAt + aligned(stringBytes(entry.key));
      this.#view.setInt32(entryAt, entryAt - at, true);
      this.reference(entryAt + 4, keyAt);
      this.reference(entryAt + 8, valueAt);
      this.vector(keyAt, entry.key);
      this.vector(valueAt, entry.value);
      entryAt += bytesOfEntry(entry);
    }
  }

  /** Its own size, the table's, and where the table's first two fields are. */
  #vtable(at: number, bytes: number, tableBytes: number, first: number, second: number): void {
    const view = this.#view;
    view.setUint16(at, bytes, true);
    view.setUint16(at + 2, tableBytes, true);
    view.setUint16(at + 4, first, true);
    view.setUint16(at + 6, second, true);
  }
}
