import { encodeCommit } from "#internal/delivery/commit.js";
import { encodeHello } from "#internal/delivery/hello.js";
import { sessionVersion } from "#internal/delivery/terms.js";
import { batchFlag, encodeBatch } from "#internal/frame/batch.js";
import { hotHeadBytes } from "#internal/frame/codec.js";
import { encodeFrame, type FrameContents, Kind } from "#internal/frame/frame.js";

/** What the native clients are told of sessions, in hexadecimal: they know where a frame's header is, and no more. */

const windowBytes = 1024 * 1024;
/** What is published, and the topic. */
export const publicationBytes = 1024;
export const room = "room";

const nothing = new Uint8Array(0);

/** What bench/servers/session.ts lets in by. */
export const token = "sesame";

function hex(frame: Readonly<FrameContents>): string {
  return Buffer.from(encodeFrame(frame, frame.payload, frame)).toString("hex");
}

function helloFrame(): string {
  return hex(
    encodeHello({
      ...{ version: sessionVersion, clientId: undefined, token: Buffer.from(token), resumption: undefined },
      ...{ heartbeatMs: undefined, windowBytes, maxMessageBytes: windowBytes, meta: [] },
    }),
  );
}

function commitFrame(): string {
  return hex(encodeCommit());
}

/** A frame of the client's, but for its sequence, where it is not said, and what it acknowledges. */
function frameOf(
  kind: number,
  subject: string | undefined,
  payload: Uint8Array = nothing,
  { seq = 0, flags = 0 }: { readonly seq?: number; readonly flags?: number } = {},
): Uint8Array {
  const header = { kind, flags, channel: 0, type: 1, seq, ref: 0 };
  return encodeFrame(header, payload, subject === undefined ? {} : { subject });
}

/** Flags for messages, or requests of a subject, that are answered with their payload. */
export function sessionFlags(sizeBytes: number, subject?: string): string[] {
  const payload = new Uint8Array(sizeBytes).map((_, i) => i);
  const kind = subject === undefined ? Kind.Message : Kind.Request;
  const frame = frameOf(kind, subject, payload);
  return [...aroundLast(frame, payload), ...messageFlags(frame)];
}

/** What stands around a payload. */
function aroundLast(frame: Uint8Array, payload: Uint8Array): string[] {
  const at = Buffer.from(frame).lastIndexOf(payload);
  const hex = (part: Uint8Array) => Buffer.from(part).toString("hex");
  return ["--head", hex(frame.subarray(0, at)), "--tail", hex(frame.subarray(at + payload.length))];
}

function messageFlags(frame: Uint8Array): string[] {
  return ["--header-at", String(headerAt(frame)), "--answer-head", String(hotHeadBytes)];
}

/** Flags for messages that come so many in one frame, each of which is answered by itself. */
export function batchFlags(sizeBytes: number, messages: number): string[] {
  const payload = new Uint8Array(sizeBytes).map((_, i) => i);
  const batch = encodeBatch(Array.from({ length: messages }, () => ({ type: 0, payload })));
  const frame = frameOf(Kind.Message, undefined, batch, { flags: batchFlag });
  return [...aroundLast(frame, payload), ...messageFlags(frame), "--answers", String(messages)];
}

/** Flags for a session that subscribes when it is opened, and whose message is published to all. */
export function publicationFlags(): string[] {
  const subscribe = frameOf(Kind.Subscribe, room, nothing, { seq: 1 });
  const [protocol, name, flag, opening] = sessionOpening("WebSocket");
  return [
    ...[
      protocol!,
      name!,
      flag!,
      `${opening},${Buffer.from(subscribe).toString("hex")},-`,
      "--opened-at",
      "1",
    ],
    ...messageFlags(frameOf(Kind.Message, undefined)),
    ...[
      "--head",
      Buffer.from(frameOf(Kind.Message, undefined, new Uint8Array(publicationBytes)))
        .subarray(0, hotHeadBytes)
        .toString("hex"),
    ],
    ...["--answer-kind", String(Kind.Publish), "--answer-around", "512"],
  ];
}

/** Where a frame's header is. */
function headerAt(frame: Uint8Array): number {
  const view = new DataView(frame.buffer, frame.byteOffset, frame.byteLength);
  const table = 4 + view.getUint32(4, true);
  return table + view.getUint16(table - view.getInt32(table, true) + 4, true);
}

const overTcp = "MILLRACE millrace/1\n";

/** Flags for a session's connection. */
export function sessionOpening(transport: "WebSocket" | "TCP" | "QUIC"): string[] {
  const opening = `${helloFrame()},-,${commitFrame()}`;
  if (transport === "QUIC") return ["--framing", "sized", "--opening", opening];
  if (transport === "WebSocket") return ["--subprotocol", "millrace.v1", "--opening", opening];
  const greeted = `=${Buffer.from(overTcp).toString("hex")}${helloFrame()},/,-,${commitFrame()}`;
  return ["--framing", "sized", "--opening", greeted];
}
