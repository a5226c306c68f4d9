import { isUtf8 } from "node:buffer";
import { FrameMalformedError } from "../errors.js";
import type { FrameContents, MetaEntry } from "./frame.js";
import { Kind } from "./generated/millrace/wire/kind.js";
import { checkJsonShape } from "./json_shape.js";
import { asMalformed, type Codec, maxFrameOverheadBytes } from "./message_codec.js";

/** Kinds by their names on a line: `message`, `goAway`, … */
const kindNames = new Map<number, string>(
  Object.entries(Kind).map(([name, kind]) => [kind, name[0]!.toLowerCase() + name.slice(1)]),
);
const kinds = new Map([...kindNames].map(([kind, name]) => [name, kind]));

const decoder = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });
const encoder = new TextEncoder();
const newline = 0x0a;
/** As many `{`, `[` and `,` as a frame with all its metadata has, and then some for members that nobody knows. */
const maxStructure = 4_096;

/**
 * A frame as a line of JSON, for people and scripts:
 *
 * ```json
 * {"type":"message","text":"hello"}
 * {"type":"message","flags":128,"channel":1,"messageType":7,"seq":3,"ref":4,"subject":"room.1","meta":[["key","AA=="]],"base64":"/w=="}
 * ```
 *
 * Only `type` is required: the kind's name, or the number of one that has none here. What is left out is 0, absent
 * or empty. A payload is `text` or, where it is not UTF-8 or longer as text, `base64`; so are values of metadata.
 */
export const jsonCodec: Codec = {
  name: "json",
  text: true,
  lines: true,
  maxUnitBytes: (payloadBytes) => Math.ceil(payloadBytes / 3) * 4 + maxFrameOverheadBytes,
  encode(frame) {
    const { kind, flags, channel, type, seq, ref, payload, subject, meta } = frame;
    const line = {
      type: kindNames.get(kind) ?? kind,
      ...(flags !== 0 && { flags }),
      ...(channel !== 0 && { channel }),
      ...(type !== 0 && { messageType: type }),
      ...(seq !== 0 && { seq }),
      ...(ref !== 0 && { ref }),
      ...(subject !== undefined && { subject }),
      ...(meta !== undefined &&
        meta.length > 0 && { meta: meta.map(({ key, value }) => [key, toBase64(value)]) }),
      ...(payload.length > 0 && writePayload(payload)),
    };
    return encoder.encode(`${JSON.stringify(line)}\n`);
  },
  decode(unit) {
    const line = parse(unit.at(-1) === newline ? unit.slice(0, -1) : unit.slice());
    if (typeof line !== "object" || line === null) throw new FrameMalformedError("a line is not an object");
    return readLine(line as Readonly<Record<string, unknown>>);
  },
};

/** @param text a copy: the decoder takes no shared memory in browsers, nor everywhere in Node.js. */
function parse(text: Uint8Array): unknown {
  checkJsonShape(text, maxStructure);
  try {
    return JSON.parse(decoder.decode(text));
  } catch (error) {
    throw asMalformed(error, "a line is no JSON in UTF-8");
  }
}

function writePayload(payload: Uint8Array): { text: string } | { base64: string } {
  if (isUtf8(payload)) {
    const text = decoder.decode(payload.slice());
    const escaped = Buffer.byteLength(JSON.stringify(text)) - 2;
    if (escaped <= Math.ceil(payload.length / 3) * 4) return { text };
  }
  return { base64: toBase64(payload) };
}

function readLine(line: Readonly<Record<string, unknown>>): FrameContents {
  const { subject } = line;
  if (subject !== undefined && typeof subject !== "string") throw wrong("subject");
  return {
    kind: readKind(line.type),
    flags: readNumber(line, "flags", 0xff),
    channel: readNumber(line, "channel", 0xffff),
    type: readNumber(line, "messageType", 0xffff_ffff),
    seq: readNumber(line, "seq", 0xffff_ffff),
    ref: readNumber(line, "ref", 0xffff_ffff),
    payload: readPayload(line),
    subject,
    meta: readMeta(line.meta),
  };
}

function readKind(type: unknown): number {
  const kind = typeof type === "string" ? kinds.get(type) : type;
  if (!isInteger(kind, 0xff)) throw wrong("type");
  return kind;
}

function readNumber(line: Readonly<Record<string, unknown>>, name: string, max: number): number {
  const value = line[name] ?? 0;
  if (!isInteger(value, max)) throw wrong(name);
  return value;
}

function readPayload({ text, base64 }: Readonly<Record<string, unknown>>): Uint8Array {
  if (text !== undefined && base64 !== undefined) throw wrong("base64, beside text");
  if (base64 !== undefined) return fromBase64(base64);
  if (text !== undefined && typeof text !== "string") throw wrong("text");
  return encoder.encode(text);
}

function readMeta(meta: unknown): MetaEntry[] {
  if (meta === undefined) return [];
  if (!Array.isArray(meta) || meta.length > 1024) throw wrong("meta");
  return meta.map((entry) => {
    if (!Array.isArray(entry) || entry.length !== 2 || typeof entry[0] !== "string") throw wrong("meta");
    return { key: entry[0], value: fromBase64(entry[1]) };
  });
}

function toBase64(bytes: Uint8Array): string {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length).toString("base64");
}

/** Strictly: Buffer's own decoder passes over what is none. */
function fromBase64(text: unknown): Uint8Array {
  if (typeof text !== "string" || text.length % 4 !== 0 || !/^[A-Za-z0-9+/]*={0,2}$/.test(text)) {
    throw wrong("base64");
  }
  return new Uint8Array(Buffer.from(text, "base64"));
}

function isInteger(value: unknown, max: number): value is number {
  return Number.isInteger(value) && (value as number) >= 0 && (value as number) <= max;
}

function wrong(name: string): FrameMalformedError {
  return new FrameMalformedError(`a line's ${name} is not what it should be`);
}
