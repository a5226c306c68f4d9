import { maxCloseReasonBytes } from "../transport/close.js";
import type { Control, StreamFraming } from "../transport/control.js";
import { frameBytesByPrefix, sizePrefixBytes } from "./codec.js";
import type { FrameContents } from "./frame.js";
import { Kind } from "./generated/millrace/wire/kind.js";
import { type Codec, frameCodec, protocolOf } from "./message_codec.js";

const kinds = { ping: Kind.Ping, pong: Kind.Pong, close: Kind.Close } as const;
const names: ReadonlyMap<number, Control["kind"]> = new Map([
  [Kind.Ping, "ping"],
  [Kind.Pong, "pong"],
  [Kind.Close, "close"],
]);

const encoder = new TextEncoder();
const decoder = new TextDecoder();

/** What a frame says for its connection; undefined where it is an application's. */
export function controlOf({ kind, type, payload }: Readonly<FrameContents>): Control | undefined {
  const name = names.get(kind);
  if (name !== "close") return name && { kind: name, code: 0, text: "" };
  // A copy: the decoder takes no shared memory. What is longer than any reason is none.
  return { kind: name, code: type, text: decoder.decode(payload.slice(0, maxCloseReasonBytes)) };
}

/** How these codecs lie in a stream of bytes: one that writes lines as lines, all others in frames. */
export function streamFraming(codecs: readonly Codec[]): StreamFraming {
  const byProtocol = new Map(
    codecs.filter((codec) => codec.lines).map((codec) => [protocolOf(codec, "tcp"), codec]),
  );
  return {
    prefixBytes: sizePrefixBytes,
    frameBytes: frameBytesByPrefix,
    lineProtocols: [...byProtocol.keys()],
    encodeControl(protocol, { kind, code, text }) {
      const codec = byProtocol.get(protocol) ?? frameCodec;
      const header = { kind: kinds[kind], flags: 0, channel: 0, type: code, seq: 0, ref: 0 };
      return codec.encode({ ...header, payload: encoder.encode(text) });
    },
  };
}
