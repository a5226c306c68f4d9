import { encodeFrame } from "#internal/frame/frame.js";
import type { FrameStatus } from "#internal/frame/verifier.js";
import { at, Draft, fullFrame, manyEntries, sharedValue, twiceTheValue } from "./layout.js";

const header = { kind: 4, flags: 0, channel: 1, type: 2, seq: 3, ref: 4 };
const entry = { key: "messageId", value: new Uint8Array(16).fill(7) };

function hot(payloadBytes: number): Draft {
  const payload = new Uint8Array(payloadBytes).map((_, i) => i);
  return new Draft(encodeFrame(header, payload));
}

/** Bytes put where the five of the subject are. */
function subject(...bytes: number[]): Draft {
  return fullFrame().u8(at.subject + 4, ...bytes);
}

/** Whole frames that every verifier passes, by file name. */
export const validFrames: Readonly<Record<string, Uint8Array>> = {
  "hot-0": hot(0).bytes,
  "hot-1": hot(1).bytes,
  "hot-7": hot(7).bytes,
  "hot-8": hot(8).bytes,
  "hot-1000": hot(1000).bytes,
  "hot-all-ones": encodeFrame(
    { kind: 255, flags: 255, channel: 65535, type: 2 ** 32 - 1, seq: 2 ** 32 - 1, ref: 2 ** 32 - 1 },
    new Uint8Array(3).fill(255),
  ),
  "hot-padded": new Draft(56).u8(0, ...hot(5).bytes).sized().bytes,
  "hot-dirty-padding": hot(8).u32(8, 0xdead_beef).bytes,
  full: fullFrame().bytes,
  "trailing-bytes": fullFrame(13).bytes,
  "no-payload": fullFrame().u16(at.payloadField, 0).bytes,
  "no-meta": fullFrame().u16(at.metaField, 0).bytes,
  "no-value": fullFrame().u16(at.valueField, 0).bytes,
  "header-only": fullFrame().u16(at.vtable, 6).bytes,
  "empty-meta": fullFrame().u32(at.meta, 0).bytes,
  "empty-subject": fullFrame().u32(at.subject, 0, 0).bytes,
  "unknown-kind": fullFrame().u8(at.header, 200).bytes,
  "newer-schema": fullFrame(8)
    .u32(at.table, at.table - at.end - 2)
    .u16(at.end + 2, 6, 32, 4).bytes,
  "utf8-2-3-4": subject(0xc3, 0xa9, 0xc3, 0xa9, 0x41).bytes,
  "utf8-highest": subject(0xf4, 0x8f, 0xbf, 0xbf, 0x41).bytes,
  "utf8-around-surrogates": subject(0xed, 0x9f, 0xbf, 0x41, 0x41).bytes,
  "entries-1024": manyEntries(1024, "k").bytes,
  "shared-value": sharedValue(12, 10).bytes,
  "most-of-values": twiceTheValue(0).bytes,
  "most-text": encodeFrame(header, new Uint8Array(1), { subject: "é".repeat(32 * 1024) }),
  "encoded-subject": encodeFrame(header, new Uint8Array(5), { subject: "räume.1 €😀" }),
  "encoded-meta": encodeFrame(header, new Uint8Array(9), { meta: [entry, { ...entry, key: "" }] }),
  "encoded-all": encodeFrame(header, new Uint8Array(300), { subject: "", meta: [entry] }),
};

type Fault = Exclude<FrameStatus, "valid">;

/** Bytes that every verifier of ours refuses, and for what. */
export const hostileFrames: Readonly<Record<`${Fault}.${string}`, Uint8Array>> = {
  "size.empty": new Uint8Array(0),
  "size.three-bytes": new Uint8Array(3),
  "size.prefix-only": new Uint8Array(4),
  "size.one-too-large": fullFrame().u32(at.size, at.end - 3).bytes,
  "size.one-too-small": fullFrame().u32(at.size, at.end - 5).bytes,
  "size.largest": fullFrame().u32(at.size, 0xffff_ffff).bytes,
  "size.hot-largest": hot(8).u32(at.size, 0xffff_ffff).bytes,
  "offset.root-zero": fullFrame().u32(at.root, 0).bytes,
  "offset.root-outside": fullFrame().u32(at.root, 4096).bytes,
  "offset.root-at-the-end": fullFrame().u32(at.root, at.end - at.root).bytes,
  "offset.root-negative": fullFrame().u32(at.root, 0xffff_fffc).bytes,
  "offset.root-misaligned": fullFrame().u32(at.root, at.table - at.root + 2).bytes,
  "table.vtable-before-the-frame": fullFrame().u32(at.table, 1000).bytes,
  "table.vtable-behind-the-frame": fullFrame().u32(at.table, -1000).bytes,
  "table.vtable-far-behind": fullFrame().u32(at.table, 0x8000_0000).bytes,
  "table.vtable-at-an-odd-place": fullFrame().u32(at.table, at.table - at.vtable - 1).bytes,
  "table.vtable-of-odd-size": fullFrame().u16(at.vtable, 11).bytes,
  "table.vtable-of-2": fullFrame().u16(at.vtable, 2).bytes,
  "table.vtable-too-long": fullFrame().u16(at.vtable, 0xfffe).bytes,
  "table.table-of-2": fullFrame().u16(at.tableBytes, 2).bytes,
  "table.table-too-long": fullFrame().u16(at.tableBytes, 0xffff).bytes,
  "table.header-past-its-table": fullFrame().u16(at.headerField, 20).bytes,
  "table.header-past-the-frame": fullFrame().u16(at.headerField, 0xfffc).bytes,
  "table.header-on-the-vtable-offset": fullFrame().u16(at.headerField, 2).bytes,
  "table.header-misaligned": fullFrame().u16(at.headerField, 6).bytes,
  "table.payload-past-its-table": fullFrame().u16(at.payloadField, 32).bytes,
  "table.meta-past-the-frame": fullFrame().u16(at.metaField, 0x7ff0).bytes,
  "table.entry-vtable-outside": fullFrame().u32(at.entry, 0x7fff_ffff).bytes,
  "table.entry-too-long": fullFrame().u16(at.entryBytes, 1000).bytes,
  "table.key-past-its-table": fullFrame().u16(at.keyField, 12).bytes,
  "missing.header": fullFrame().u16(at.headerField, 0).bytes,
  "missing.header-beyond-the-vtable": fullFrame().u16(at.vtable, 4).bytes,
  "missing.key": fullFrame().u16(at.keyField, 0).bytes,
  "offset.payload-zero": fullFrame().u32(at.payloadOffset, 0).bytes,
  "offset.payload-outside": fullFrame().u32(at.payloadOffset, 1000).bytes,
  "offset.payload-backwards": fullFrame().u32(at.payloadOffset, -16).bytes,
  "offset.payload-misaligned": fullFrame().u32(at.payloadOffset, 13).bytes,
  "offset.subject-outside": fullFrame().u32(at.subjectOffset, 0x7fff_fffc).bytes,
  "offset.meta-outside": fullFrame().u32(at.metaOffset, 64).bytes,
  "offset.entry-zero": fullFrame().u32(at.entryOffset, 0).bytes,
  "offset.entry-backwards": fullFrame().u32(at.entryOffset, at.table - at.entryOffset).bytes,
  "offset.value-outside": fullFrame().u32(at.valueOffset, 0x1000_0000).bytes,
  "vector.payload-one-too-long": fullFrame().u32(at.payload, at.end - at.payload - 3).bytes,
  "vector.payload-of-2-31": fullFrame().u32(at.payload, 0x7fff_ffff).bytes,
  "vector.payload-of-2-32": fullFrame().u32(at.payload, 0xffff_ffff).bytes,
  "vector.hot-payload-one-too-long": hot(8).u32(44, 9).bytes,
  "vector.hot-payload-of-2-32": hot(8).u32(44, 0xffff_ffff).bytes,
  "vector.meta-too-long": fullFrame().u32(at.meta, 9).bytes,
  "vector.meta-overflowing": fullFrame().u32(at.meta, 0x4000_0001).bytes,
  "vector.value-one-too-long": fullFrame().u32(at.value, 3).bytes,
  "string.subject-too-long": fullFrame().u32(at.subject, 1000).bytes,
  "string.subject-of-2-32": fullFrame().u32(at.subject, 0xffff_ffff).bytes,
  "string.subject-to-the-end": fullFrame().u32(at.subject, at.end - at.subject - 4).bytes,
  "string.subject-unterminated": fullFrame().u8(at.subject + 9, 1).bytes,
  "string.key-unterminated": fullFrame().u8(at.key + 7, 1).bytes,
  "string.key-not-utf8": fullFrame().u8(at.key + 4, 0xff).bytes,
  "string.lone-continuation": subject(0x80).bytes,
  "string.cut-short": subject(0x41, 0x41, 0x41, 0xe2, 0x82).bytes,
  "string.overlong-slash": subject(0xc0, 0xaf).bytes,
  "string.overlong-of-3": subject(0xe0, 0x9f, 0xbf).bytes,
  "string.overlong-of-4": subject(0xf0, 0x8f, 0xbf, 0xbf).bytes,
  "string.surrogate": subject(0xed, 0xa0, 0x80).bytes,
  "string.above-10ffff": subject(0xf4, 0x90, 0x80, 0x80).bytes,
  "string.lead-f5": subject(0xf5, 0x80, 0x80, 0x80).bytes,
  "meta.entries-1025": manyEntries(1025, "k").bytes,
  "meta.one-byte-of-text-too-many": encodeFrame(header, new Uint8Array(1), {
    subject: `${"é".repeat(32 * 1024)}e`,
  }),
  "meta.shared-text": manyEntries(1000, "k".repeat(4096)).bytes,
  "meta.one-byte-of-values-too-many": twiceTheValue(1).bytes,
  "meta.shared-value": sharedValue(1024, 8192).bytes,
};
