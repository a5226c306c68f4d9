import { FrameMalformedError } from "../errors.js";
import type { PlacedFrame } from "../transport/connection.js";
import {
  type FrameHeader,
  hotHeadBytes,
  readHeader,
  readHotHead,
  readHotWords,
  writeHotHead,
} from "./codec.js";
import { encodeGeneralFrame } from "./general_frame.js";
import { bytesOf, fieldAt, lengthOf, rootTable, tableAt } from "./verified_table.js";
import { entrySlots, frameSlots, verifyFrame } from "./verifier.js";

export { Kind } from "./generated/millrace/wire/kind.js";

/** One entry of a frame's metadata. */
export interface MetaEntry {
  readonly key: string;
  readonly value: Uint8Array;
}

const noBytes = new Uint8Array(0);
const noMeta: readonly MetaEntry[] = [];

/** The parts of a frame that is not hot. */
export interface FrameExtras {
  readonly subject?: string | undefined;
  readonly meta?: readonly MetaEntry[] | undefined;
}

/** All that a frame says. */
export interface FrameContents extends FrameHeader, FrameExtras {
  readonly payload: Uint8Array;
}

/** Where the payload of a decoded frame is. */
const Form = { none: 0, placed: 1, bytes: 2, general: 3 } as const;
type Form = (typeof Form)[keyof typeof Form];

/**
 * A decoded frame: one object is decoded into again and again. What costs more than a number is made when it is asked
 * for, while the frame is still there: the payload, a view of the frame's own bytes, each time; subject and metadata
 * once.
 */
export class FrameView implements FrameContents {
  kind = 0;
  flags = 0;
  channel = 0;
  type = 0;
  seq = 0;
  ref = 0;
  #form: Form = Form.none;
  /** Of a hot frame: what it lies in, and what was verified of its payload. */
  #memory: ArrayBufferLike = noBytes.buffer;
  #payloadOffset = 0;
  #bytes: Uint8Array = noBytes;
  #payloadBytes = 0;
  /** Of any other. */
  #general: Uint8Array | undefined = undefined;
  #table = 0;
  #extrasDecoded = false;
  #subject: string | undefined = undefined;
  #meta: readonly MetaEntry[] = noMeta;

  get payload(): Uint8Array {
    switch (this.#form) {
      case Form.placed:
        return new Uint8Array(this.#memory, this.#payloadOffset, this.#payloadBytes);
      case Form.bytes: {
        // Cheaper than subarray, which looks for a species.
        const { buffer, byteOffset } = this.#bytes;
        return new Uint8Array(buffer, byteOffset + hotHeadBytes, this.#payloadBytes);
      }
      default:
        return (this.#general && bytesOf(this.#general, this.#table, frameSlots.payload)) ?? noBytes;
    }
  }

  /** How long the payload is, without a view of it being made. */
  get payloadBytes(): number {
    if (this.#form !== Form.general) return this.#payloadBytes;
    return this.#general === undefined ? 0 : lengthOf(this.#general, this.#table, frameSlots.payload);
  }

  /** How long the whole frame is. */
  get frameBytes(): number {
    return this.#form === Form.general ? (this.#general?.length ?? 0) : hotHeadBytes + this.#payloadBytes;
  }

  get subject(): string | undefined {
    this.#decodeExtras();
    return this.#subject;
  }

  get meta(): readonly MetaEntry[] {
    this.#decodeExtras();
    return this.#meta;
  }

  /** Takes a hot frame. @returns false, untouched, when it is none. */
  readHot(frame: Uint8Array): boolean {
    const payloadBytes = readHotHead(frame, this);
    if (payloadBytes < 0) return false;
    this.#form = Form.bytes;
    this.#bytes = frame;
    this.#payloadBytes = payloadBytes;
    if (this.#general !== undefined) this.#drop();
    return true;
  }

  /** The same, of one that lies among others. */
  readPlaced(frame: PlacedFrame): boolean {
    const payloadBytes = readHotWords(frame.words, frame.offset >> 2, frame.length, this);
    if (payloadBytes < 0) return false;
    this.#form = Form.placed;
    this.#memory = frame.ring;
    this.#payloadOffset = frame.offset + hotHeadBytes;
    this.#payloadBytes = payloadBytes;
    if (this.#general !== undefined) this.#drop();
    return true;
  }

  /** Takes a frame that has passed the verifier. */
  readGeneral(frame: Uint8Array): void {
    const table = rootTable(frame);
    readHeader(frame, fieldAt(frame, table, frameSlots.header), this);
    this.#form = Form.general;
    this.#general = frame;
    this.#table = table;
    this.#extrasDecoded = false;
  }

  /** Lets go of a frame that was none of the hot ones, seldom as they are. */
  #drop(): void {
    this.#general = undefined;
    this.#subject = undefined;
    this.#meta = noMeta;
  }

  #decodeExtras(): void {
    const frame = this.#general;
    if (frame === undefined || this.#extrasDecoded) return;
    this.#extrasDecoded = true;
    const subject = bytesOf(frame, this.#table, frameSlots.subject);
    this.#subject = subject && decoder.decode(subject);
    const entries = lengthOf(frame, this.#table, frameSlots.meta);
    const meta: MetaEntry[] = [];
    for (let index = 0; index < entries; index++) {
      const entry = tableAt(frame, this.#table, frameSlots.meta, index);
      const key = keyText(bytesOf(frame, entry, entrySlots.key)!);
      meta.push({ key, value: bytesOf(frame, entry, entrySlots.value) ?? noBytes });
    }
    this.#meta = meta;
  }
}

/** The runtime's own decoder takes a byte order mark away. */
const decoder = new TextDecoder("utf-8", { ignoreBOM: true });

/** Keys are a few letters of ASCII, which the decoder takes ten times as long for. */
function keyText(bytes: Uint8Array): string {
  if (bytes.length > 16) return decoder.decode(bytes);
  let text = "";
  for (let at = 0; at < bytes.length; at++) {
    const byte = bytes[at]!;
    if (byte >= 0x80) return decoder.decode(bytes);
    text += String.fromCharCode(byte);
  }
  return text;
}

/**
 * Decodes one whole frame without copying its bytes.
 * @param verified true where it has passed a verifier already (on QUIC, off this thread).
 * @returns `into`.
 * @throws FrameMalformedError, with `into` untouched, when it does not pass the verifier.
 */
export function decodeFrame(frame: Uint8Array, verified: boolean, into: FrameView): FrameView {
  if (into.readHot(frame)) return into;
  const status = verified ? "valid" : verifyFrame(frame);
  if (status !== "valid") throw new FrameMalformedError(`The frame did not pass the verifier: ${status}`);
  into.readGeneral(frame);
  return into;
}

/** The same, of a frame that lies among others: a hot one is decoded without a view of it being made. */
export function decodePlaced(frame: PlacedFrame, verified: boolean, into: FrameView): FrameView {
  return into.readPlaced(frame) ? into : decodeFrame(frame.bytes(), verified, into);
}

/**
 * Encodes a whole frame, its size prefix included: a hot one where there is neither subject nor metadata.
 * To send a hot frame without joining its parts, use `writeHotHead`.
 */
export function encodeFrame(
  header: Readonly<FrameHeader>,
  payload: Uint8Array,
  extras: FrameExtras = {},
): Uint8Array {
  if (extras.subject === undefined && extras.meta === undefined) {
    const frame = new Uint8Array(hotHeadBytes + payload.length);
    writeHotHead(new DataView(frame.buffer), 0, header, payload.length);
    frame.set(payload, hotHeadBytes);
    return frame;
  }
  return encodeGeneralFrame(header, payload, extras);
}
