/**
 * A frame with every field, laid out by hand so that each word can be spoilt by name:
 *
 * ```text
 *   0 size          4 root → 32       8 vtable of Frame (6 × u16)   20 vtable of Entry (4 × u16)
 *  32 Frame: vtable, header (16), payload → 64, subject → 76, meta → 88
 *  64 payload: 8 bytes               76 subject: "hello"           88 meta: 1 entry → 96
 *  96 Entry: vtable, key → 108, value → 116
 * 108 key: "key"                    116 value: 2 bytes            122 the end
 * ```
 */
export const at = {
  size: 0,
  root: 4,
  vtable: 8,
  tableBytes: 10,
  headerField: 12,
  payloadField: 14,
  subjectField: 16,
  metaField: 18,
  entryVtable: 20,
  entryBytes: 22,
  keyField: 24,
  valueField: 26,
  table: 32,
  header: 36,
  payloadOffset: 52,
  subjectOffset: 56,
  metaOffset: 60,
  payload: 64,
  subject: 76,
  meta: 88,
  entryOffset: 92,
  entry: 96,
  keyOffset: 100,
  valueOffset: 104,
  key: 108,
  value: 116,
  end: 122,
} as const;

/** Bytes that are written word by word. */
export class Draft {
  readonly bytes: Uint8Array;
  readonly #view: DataView;

  constructor(size: number | Uint8Array) {
    this.bytes = typeof size === "number" ? new Uint8Array(size) : size.slice();
    this.#view = new DataView(this.bytes.buffer);
  }

  u8(offset: number, ...values: number[]): this {
    this.bytes.set(values, offset);
    return this;
  }

  u16(offset: number, ...values: number[]): this {
    for (const [i, value] of values.entries()) this.#view.setUint16(offset + 2 * i, value, true);
    return this;
  }

  u32(offset: number, ...values: number[]): this {
    for (const [i, value] of values.entries()) this.#view.setUint32(offset + 4 * i, value, true);
    return this;
  }

  /** A string or byte vector: its length, its bytes. */
  vector(offset: number, bytes: Uint8Array | string): this {
    const content = typeof bytes === "string" ? new TextEncoder().encode(bytes) : bytes;
    this.bytes.set(content, offset + 4);
    return this.u32(offset, content.length);
  }

  /** Makes the size prefix say how many bytes there are. */
  sized(): this {
    return this.u32(at.size, this.bytes.length - 4);
  }
}

/** The frame drawn above; `more` bytes stand behind it. */
export function fullFrame(more = 0): Draft {
  return new Draft(at.end + more)
    .sized()
    .u32(at.root, at.table - at.root)
    .u16(at.vtable, 12, 32, 4, 20, 24, 28)
    .u16(at.entryVtable, 8, 12, 4, 8)
    .u32(at.table, at.table - at.vtable)
    .u8(at.header, 4, 0)
    .u16(at.header + 2, 1)
    .u32(at.header + 4, 2, 3, 4)
    .u32(at.payloadOffset, at.payload - at.payloadOffset)
    .u32(at.subjectOffset, at.subject - at.subjectOffset)
    .u32(at.metaOffset, at.meta - at.metaOffset)
    .vector(at.payload, new Uint8Array([1, 2, 3, 4, 5, 6, 7, 8]))
    .vector(at.subject, "hello")
    .u32(at.meta, 1, at.entry - at.entryOffset)
    .u32(at.entry, at.entry - at.entryVtable)
    .u32(at.keyOffset, at.key - at.keyOffset)
    .u32(at.valueOffset, at.value - at.valueOffset)
    .vector(at.key, "key")
    .vector(at.value, new Uint8Array([9, 10]));
}

/** A full frame whose metadata is `entries` entries, all with the same key and no value. */
export function manyEntries(entries: number, key: string): Draft {
  const keyBytes = new TextEncoder().encode(key).length;
  const vectorEnd = at.meta + 4 + 4 * entries;
  const keyAt = vectorEnd + 8 * entries;
  const draft = new Draft(keyAt + 4 + keyBytes + 1);
  draft.bytes.set(fullFrame().bytes.subarray(0, at.meta));
  draft.sized().u16(at.entryVtable, 6, 8, 4, 0).u32(at.meta, entries).vector(keyAt, key);
  for (let i = 0; i < entries; i++) {
    const slot = at.meta + 4 + 4 * i;
    const entry = vectorEnd + 8 * i;
    draft.u32(slot, entry - slot).u32(entry, entry - at.entryVtable, keyAt - (entry + 4));
  }
  return draft;
}

/** A full frame whose metadata is `entries` entries, all with the same key and the same value, which stand once. */
export function sharedValue(entries: number, valueBytes: number, key = "k"): Draft {
  const vectorEnd = at.meta + 4 + 4 * entries;
  const keyAt = vectorEnd + 12 * entries;
  const valueAt = keyAt + 4 + 4 * (Math.floor(key.length / 4) + 1);
  const draft = new Draft(valueAt + 4 + valueBytes);
  draft.bytes.set(fullFrame().bytes.subarray(0, at.meta));
  draft.sized().u32(at.meta, entries).vector(keyAt, key).vector(valueAt, new Uint8Array(valueBytes).fill(7));
  for (let i = 0; i < entries; i++) {
    const slot = at.meta + 4 + 4 * i;
    const entry = vectorEnd + 12 * i;
    draft
      .u32(slot, entry - slot)
      .u32(entry, entry - at.entryVtable, keyAt - (entry + 4), valueAt - (entry + 8));
  }
  return draft;
}

/** The same of two entries, whose values together have so many bytes more than the frame. */
export function twiceTheValue(more: number): Draft {
  return sharedValue(2, sharedValue(2, 0).bytes.length + more);
}
