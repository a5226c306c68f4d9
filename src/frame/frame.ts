import { Builder, ByteBuffer, Encoding } from "flatbuffers";
import { FrameMalformedError } from "../errors.js";
import { type FrameHeader, hotHeadBytes, hotPayloadBytes, readHotHead, writeHotHead } from "./codec.js";
import { Entry } from "./generated/millrace/wire/entry.js";
import { Frame } from "./generated/millrace/wire/frame.js";
import { Header } from "./generated/millrace/wire/header.js";
import { verifyFrame } from "./verifier.js";

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
  payload: Uint8Array;
}

/**
 * A decoded frame: one object is decoded into again and again. Its bytes are views of the frame's, and its subject
 * and metadata are decoded when they are first asked for: like the bytes, while the frame is still there.
 */
export class FrameView implements FrameContents {
  kind = 0;
  flags = 0;
  channel = 0;
  type = 0;
  seq = 0;
  ref = 0;
  payload: Uint8Array = noBytes;
  /** The frame, while there is something in it that was not asked for yet. */
  #undecoded: Frame | undefined = undefined;
  #subject: string | undefined = undefined;
  #meta: readonly MetaEntry[] = noMeta;

  get subject(): string | undefined {
    this.#decode();
    return this.#subject;
  }

  get meta(): readonly MetaEntry[] {
    this.#decode();
    return this.#meta;
  }

  /** Sets the subject and the metadata: those of a verified frame, or none. */
  setExtras(undecoded: Frame | undefined): void {
    this.#undecoded = undecoded;
    this.#subject = undefined;
    this.#meta = noMeta;
  }

  #decode(): void {
    const frame = this.#undecoded;
    if (frame === undefined) return;
    this.#undecoded = undefined;
    this.#subject = text(frame.subject(Encoding.UTF8_BYTES));
    const meta: MetaEntry[] = [];
    for (let i = 0; i < frame.metaLength(); i++) {
      const entry = frame.meta(i)!;
      meta.push({ key: text(entry.key(Encoding.UTF8_BYTES))!, value: entry.valueArray() ?? noBytes });
    }
    this.#meta = meta;
  }
}

/** The runtime's own decoder takes a byte order mark away. */
const decoder = new TextDecoder("utf-8", { ignoreBOM: true });

function text(bytes: string | Uint8Array | null): string | undefined {
  return bytes === null ? undefined : decoder.decode(bytes as Uint8Array);
}

/**
 * Decodes one whole frame without copying its bytes.
 * @param verified true where it has passed a verifier already (on QUIC, off this thread).
 * @returns `into`.
 * @throws FrameMalformedError, with `into` untouched, when it does not pass the verifier.
 */
export function decodeFrame(frame: Uint8Array, verified: boolean, into: FrameView): FrameView {
  if (readHotHead(frame, into)) {
    // Half the price of subarray, which looks for a species.
    into.payload = new Uint8Array(frame.buffer, frame.byteOffset + hotHeadBytes, hotPayloadBytes(frame));
    into.setExtras(undefined);
    return into;
  }
  const status = verified ? "valid" : verifyFrame(frame);
  if (status !== "valid") throw new FrameMalformedError(`The frame did not pass the verifier: ${status}`);
  return decodeGeneral(frame, into);
}

function decodeGeneral(bytes: Uint8Array, into: FrameView): FrameView {
  const frame = Frame.getSizePrefixedRootAsFrame(new ByteBuffer(bytes));
  const header = frame.header()!;
  into.kind = header.kind();
  into.flags = header.flags();
  into.channel = header.channel();
  into.type = header.type();
  into.seq = header.seq();
  into.ref = header.ref();
  into.payload = frame.payloadArray() ?? noBytes;
  into.setExtras(frame);
  return into;
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
  return encodeGeneral(header, payload, extras);
}

function encodeGeneral(header: Readonly<FrameHeader>, payload: Uint8Array, extras: FrameExtras): Uint8Array {
  const builder = new Builder(payload.length + 256);
  builder.prep(8, payload.length); // the alignment that the generated functions forget
  const payloadVector = builder.createByteVector(payload);
  const subject = extras.subject === undefined ? 0 : builder.createString(extras.subject);
  const entries = extras.meta?.map(({ key, value }) => {
    const valueVector = builder.createByteVector(value);
    return Entry.createEntry(builder, builder.createString(key), valueVector);
  });
  const meta = entries === undefined ? 0 : Frame.createMetaVector(builder, entries);
  Frame.startFrame(builder);
  Frame.addPayload(builder, payloadVector);
  if (subject !== 0) Frame.addSubject(builder, subject);
  if (meta !== 0) Frame.addMeta(builder, meta);
  const { kind, flags, channel, type, seq, ref } = header;
  Frame.addHeader(builder, Header.createHeader(builder, kind, flags, channel, type, seq, ref));
  Frame.finishSizePrefixedFrameBuffer(builder, Frame.endFrame(builder));
  return builder.asUint8Array();
}
