import { encodeCommit } from "#internal/delivery/commit.js";
import { encodeHello } from "#internal/delivery/hello.js";
import { sessionVersion } from "#internal/delivery/terms.js";
import { hotHeadBytes } from "#internal/frame/codec.js";
import { encodeFrame, type FrameContents, Kind } from "#internal/frame/frame.js";

/** What the native clients are told of sessions, in hexadecimal: they know where a frame's header is, and no more. */

const windowBytes = 1024 * 1024;
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

/** A frame of the client's, but for its sequence and what it acknowledges. */
function frameOf(kind: number, subject: string | undefined, payload: Uint8Array = nothing): Uint8Array {
  const header = { kind, flags: 0, channel: 0, type: 1, seq: 0, ref: 0 };
  return encodeFrame(header, payload, subject === undefined ? {} : { subject });
}

/** Flags for messages, or requests of a subject, that are answered with their payload. */
export function sessionFlags(sizeBytes: number, subject?: string): string[] {
  const payload = new Uint8Array(sizeBytes).map((_, i) => i);
  const kind = subject === undefined ? Kind.Message : Kind.Request;
  const frame = frameOf(kind, subject, payload);
  const payloadAt = Buffer.from(frame).lastIndexOf(payload);
  const tail = frame.subarray(payloadAt + sizeBytes);
  return [
    ...["--head", Buffer.from(frame.subarray(0, payloadAt)).toString("hex")],
    ...["--tail", Buffer.from(tail).toString("hex")],
    ...["--header-at", String(headerAt(frame)), "--answer-head", String(hotHeadBytes)],
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
  return ["--framing", "sized", "--opening", `=${Buffer.from(overTcp).toString("hex")},/,${opening}`];
}
