/** `millrace/msgpack`: frames as MessagePack. Needs the package msgpackr, an optional peer. */
import { FrameMalformedError, PackageMissingError } from "../errors.js";
import type { FrameContents, MetaEntry } from "./frame.js";
import { type Codec, maxFrameOverheadBytes } from "./message_codec.js";
import { checkMessagePack } from "./message_pack_shape.js";
import { unshared } from "./unshared.js";

// Without its native part, which a stranger's bytes are not for.
const { Packr } = await import("msgpackr/pack").catch((cause: unknown) => {
  throw new PackageMissingError("millrace/msgpack needs the package msgpackr: npm install msgpackr@2", {
    cause,
  });
});

const packr = new Packr({ useRecords: false, copyBuffers: false });
const maxEntries = 1024;
/** Of the frame, its metadata, an entry. */
const maxElements = [9, maxEntries, 2];

/**
 * A frame as a MessagePack array: `[kind, flags, channel, type, seq, ref, payload, subject, meta]`, where payload is
 * a bin, subject a str or nil, and meta an array of `[str, bin]` or nil.
 */
export const messagePackCodec: Codec = {
  name: "msgpack",
  maxUnitBytes: (payloadBytes) => payloadBytes + maxFrameOverheadBytes,
  encode({ kind, flags, channel, type, seq, ref, payload, subject, meta }) {
    const entries = meta?.length ? meta.map(({ key, value }) => [key, value]) : null;
    // A copy: the encoder hands out parts of a pool.
    const unit = packr.pack([kind, flags, channel, type, seq, ref, payload, subject ?? null, entries]);
    return new Uint8Array(unit);
  },
  decode(unit) {
    const own = unshared(unit);
    checkMessagePack(own, maxElements);
    return readFrame(packr.unpack(own));
  },
};

function readFrame(value: unknown): FrameContents {
  if (!Array.isArray(value) || value.length !== 9) throw wrong("array of nine");
  const [kind, flags, channel, type, seq, ref, payload, subject, meta] = value as unknown[];
  if (!(payload instanceof Uint8Array)) throw wrong("payload");
  if (subject !== null && typeof subject !== "string") throw wrong("subject");
  return {
    kind: integer(kind, 0xff),
    flags: integer(flags, 0xff),
    channel: integer(channel, 0xffff),
    type: integer(type, 0xffff_ffff),
    seq: integer(seq, 0xffff_ffff),
    ref: integer(ref, 0xffff_ffff),
    payload: new Uint8Array(payload.buffer, payload.byteOffset, payload.length),
    subject: subject ?? undefined,
    meta: readMeta(meta),
  };
}

function readMeta(meta: unknown): MetaEntry[] {
  if (meta === null) return [];
  if (!Array.isArray(meta) || meta.length > maxEntries) throw wrong("meta");
  return meta.map((entry) => {
    if (!Array.isArray(entry) || typeof entry[0] !== "string" || !(entry[1] instanceof Uint8Array)) {
      throw wrong("meta");
    }
    return { key: entry[0], value: entry[1] };
  });
}

function integer(value: unknown, max: number): number {
  if (Number.isInteger(value) && (value as number) >= 0 && (value as number) <= max) return value as number;
  throw wrong("number");
}

function wrong(part: string): FrameMalformedError {
  return new FrameMalformedError(`a unit's ${part} is not what it should be`);
}
