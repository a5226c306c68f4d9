/**
 * The frame nearly every message has: a header, a payload, nothing else. All before the payload is constant
 * but for two sizes and the header, so it is written from a template and recognised by comparing words.
 * This file needs nothing but the language: browsers load it too.
 *
 * ```text
 *  0  size prefix          bytes that follow it
 *  4  root offset = 16     → the table at 20
 *  8  padding
 * 12  vtable: size = 8, table size = 24, header at 4, payload at 20 (u16 each)
 * 20  table: offset back to the vtable = 8
 * 24  Header               kind u8, flags u8, channel u16, type u32, seq u32, ref u32
 * 40  payload offset = 4   → the vector at 44
 * 44  payload length
 * 48  payload              8-byte aligned, as the size prefix is
 * ```
 *
 * @see schemas/frame.fbs; native/frame/hot_frame.h has the same words
 */

/** Bytes of a hot frame before its payload. */
export const hotHeadBytes = 48;

/** Bytes of a frame that say how many follow. */
export const sizePrefixBytes = 4;
const payloadLengthOffset = 44;

/** The words that are the same in every hot frame, as they are drawn above; {@link hasHotTemplate} has them in bytes. */
const rootWord = 16;
const vtableWord = 0x0018_0008;
const fieldsWord = 0x0014_0004;
const tableWord = 8;
const payloadWord = 4;

/** The fixed part of every frame. */
export interface FrameHeader {
  /** 0..255; see `Kind`. */
  kind: number;
  /** 0..255. */
  flags: number;
  /** The lane, 0..65535. */
  channel: number;
  /** The application's message type, 0..2^32-1. */
  type: number;
  /** The low 32 bits of the lane's sequence. */
  seq: number;
  /** The request or cursor that is answered, 0..2^32-1. */
  ref: number;
}

/** In `flags`: a receiver that does not know the kind ignores the frame, where it would otherwise close. */
export const ignorableFlag = 0x80;

/**
 * Writes the {@link hotHeadBytes} bytes before a payload, without allocating.
 * @param target has room for them at `offset`.
 * @param payloadBytes 0..2^31-1-48; the payload follows the head.
 */
export function writeHotHead(
  target: DataView,
  offset: number,
  header: Readonly<FrameHeader>,
  payloadBytes: number,
): void {
  target.setUint32(offset + 4, rootWord, true);
  target.setUint32(offset + 8, 0, true);
  target.setUint32(offset + 12, vtableWord, true);
  target.setUint32(offset + 16, fieldsWord, true);
  target.setUint32(offset + 20, tableWord, true);
  target.setUint8(offset + 24, header.kind);
  target.setUint8(offset + 25, header.flags);
  target.setUint16(offset + 26, header.channel, true);
  target.setUint32(offset + 28, header.type, true);
  target.setUint32(offset + 32, header.seq, true);
  target.setUint32(offset + 36, header.ref, true);
  target.setUint32(offset + 40, payloadWord, true);
  setHotPayloadBytes(target, offset, payloadBytes);
}

/**
 * The same, by words, at `words[first]` of a larger memory: a third of the time of a `DataView`.
 * @param words little-endian.
 */
export function writeHotWords(
  words: Int32Array,
  first: number,
  kind: number,
  channel: number,
  type: number,
  seq: number,
  ref: number,
  payloadBytes: number,
): void {
  words[first] = hotHeadBytes - sizePrefixBytes + payloadBytes;
  words[first + 1] = rootWord;
  words[first + 2] = 0;
  words[first + 3] = vtableWord;
  words[first + 4] = fieldsWord;
  words[first + 5] = tableWord;
  words[first + 6] = kind | (channel << 16);
  words[first + 7] = type;
  words[first + 8] = seq;
  words[first + 9] = ref;
  words[first + 10] = payloadWord;
  words[first + 11] = payloadBytes;
}

/** Makes a head that {@link writeHotHead} wrote one for a payload of another length. */
export function setHotPayloadBytes(target: DataView, offset: number, payloadBytes: number): void {
  target.setUint32(offset, hotHeadBytes - sizePrefixBytes + payloadBytes, true);
  target.setUint32(offset + payloadLengthOffset, payloadBytes, true);
}

/**
 * Reads the header of a hot frame into `into`. A frame that is recognised is thereby verified.
 * @param frame one whole frame.
 * @returns the payload's length: it begins at {@link hotHeadBytes} and lies in `frame`; -1, with `into` untouched,
 *   when this is not a hot frame. It may be a valid one all the same.
 */
export function readHotHead(frame: Uint8Array, into: FrameHeader): number {
  const bytes = frame.length;
  if (bytes < hotHeadBytes || !hasHotTemplate(frame)) return -1;
  const payloadBytes = loadI32(frame, payloadLengthOffset);
  if (
    loadI32(frame, 0) !== bytes - sizePrefixBytes ||
    payloadBytes < 0 ||
    payloadBytes > bytes - hotHeadBytes
  ) {
    return -1;
  }
  readHeader(frame, 24, into);
  return payloadBytes;
}

/** Reads the 16 bytes of a header, which are there. */
export function readHeader(frame: Uint8Array, at: number, into: FrameHeader): void {
  into.kind = frame[at]!;
  into.flags = frame[at + 1]!;
  into.channel = frame[at + 2]! | (frame[at + 3]! << 8);
  into.type = loadI32(frame, at + 4) >>> 0;
  into.seq = loadI32(frame, at + 8) >>> 0;
  into.ref = loadI32(frame, at + 12) >>> 0;
}

/**
 * The same, of a frame that begins at `words[first]` of a larger memory: a few words in place of many bytes.
 * @param words little-endian; another thread may write there, so each is read once.
 * @param bytes how long the frame is; it lies in `words`.
 * @returns as {@link readHotHead}.
 */
export function readHotWords(words: Int32Array, first: number, bytes: number, into: FrameHeader): number {
  if (bytes < hotHeadBytes) return -1;
  const payloadBytes = words[first + 11]!;
  if (
    words[first] !== bytes - sizePrefixBytes ||
    words[first + 1] !== rootWord ||
    words[first + 3] !== vtableWord ||
    words[first + 4] !== fieldsWord ||
    words[first + 5] !== tableWord ||
    words[first + 10] !== payloadWord ||
    payloadBytes < 0 ||
    payloadBytes > bytes - hotHeadBytes
  ) {
    return -1;
  }
  const word = words[first + 6]!;
  into.kind = word & 0xff;
  into.flags = (word >>> 8) & 0xff;
  into.channel = word >>> 16;
  into.type = words[first + 7]! >>> 0;
  into.seq = words[first + 8]! >>> 0;
  into.ref = words[first + 9]! >>> 0;
  return payloadBytes;
}

/** Byte by byte and in one expression: V8 inlines only so much, and a call for each word costs more than all of it. */
function hasHotTemplate(frame: Uint8Array): boolean {
  const differences =
    (frame[4]! ^ 16) |
    (frame[5]! | frame[6]! | frame[7]!) |
    (frame[12]! ^ 8) |
    (frame[13]! | (frame[14]! ^ 24) | frame[15]!) |
    (frame[16]! ^ 4) |
    (frame[17]! | (frame[18]! ^ 20) | frame[19]!) |
    (frame[20]! ^ 8) |
    (frame[21]! | frame[22]! | frame[23]!) |
    (frame[40]! ^ 4) |
    (frame[41]! | frame[42]! | frame[43]!);
  return differences === 0;
}

/** The bytes of a whole frame, by its first four, which must be there. 4..2^32+3. */
export function frameBytesByPrefix(bytes: Uint8Array, offset = 0): number {
  return sizePrefixBytes + (loadI32(bytes, offset) >>> 0);
}

/** A DataView for each frame would cost more than the reads. */
export function loadI32(bytes: Uint8Array, at: number): number {
  return bytes[at]! | (bytes[at + 1]! << 8) | (bytes[at + 2]! << 16) | (bytes[at + 3]! << 24);
}
