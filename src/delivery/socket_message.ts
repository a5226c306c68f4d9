import { FrameMalformedError, InvalidArgumentError } from "../errors.js";

/**
 * The types of a session's messages where one end of it is a WebSocket of `createWebSocketClass`: the opcodes of RFC 6455
 * section 11.8. A text message is UTF-8; the payload of a close is {@link encodeSocketClose}'s.
 */
export const SocketMessage = { text: 1, binary: 2, close: 8 } as const;

/** Why a WebSocket closes. */
export interface SocketClose {
  /** 1000, 3000..4999 of the application; 1005 where none was said. */
  readonly code: number;
  readonly reason: string;
}

const noCode = 1005;
const encoder = new TextEncoder();
const decoder = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });

/**
 * What a close says, as the payload of a close frame does: the code, two bytes in network order, and the reason; nothing
 * where there is no code (RFC 6455 section 5.5.1).
 * @throws InvalidArgumentError
 */
export function encodeSocketClose({ code, reason }: SocketClose): Uint8Array {
  if (code === noCode) return new Uint8Array(0);
  if (!Number.isInteger(code) || code < 1000 || code > 4999) {
    throw new InvalidArgumentError(`code must be an integer from 1000 to 4999, and not ${code}`);
  }
  const text = encoder.encode(reason);
  const bytes = new Uint8Array(2 + text.length);
  new DataView(bytes.buffer).setUint16(0, code);
  bytes.set(text, 2);
  return bytes;
}

/** @throws FrameMalformedError */
export function decodeSocketClose(payload: Uint8Array): SocketClose {
  if (payload.length === 0) return { code: noCode, reason: "" };
  if (payload.length === 1) throw new FrameMalformedError("a close's code has two bytes");
  try {
    const reason = decoder.decode(payload.slice(2)); // a copy: the decoder takes no shared memory
    return { code: payload[0]! * 256 + payload[1]!, reason };
  } catch (cause) {
    throw new FrameMalformedError("a close's reason is not UTF-8", { cause });
  }
}
