import type { MillraceError } from "../errors.js";
import type { Complete } from "../options/complete.js";
import { readOptions } from "../options/read.js";
import { flag, integer, object, option, withDefault } from "../options/schema.js";
import { utf8Length } from "../options/utf8_length.js";

/**
 * Application close codes, the same on every transport. QUIC carries them as the application error code
 * (RFC 9000 section 20.2), WebSocket as 4000 + code (RFC 6455 section 7.4.2), 0 as 1000.
 * An application's own codes are 256..999.
 */
export const CloseCode = {
  normal: 0,
  goingAway: 1,
  protocolViolation: 2,
  frameTooLarge: 3,
  frameMalformed: 4,
  policy: 5,
  internal: 6,
  exhausted: 7,
  /** Of a stream: it came as early data, and may come again after the handshake. */
  tooEarly: 8,
  /** The peer did not prove who it is, in time or at all. */
  unauthenticated: 9,
  /** The session goes on over another connection. */
  superseded: 10,
  /** Nothing was heard for too long. */
  idle: 11,
} as const;

/** Codes from here on are an application's. */
export const firstApplicationCode = 256;

/** The highest code that every transport can carry. */
export const maxCloseCode = 999;

/** The longest close reason, in UTF-8 bytes, that every transport can carry (RFC 6455 section 5.5.1). */
export const maxCloseReasonBytes = 123;

/** How a connection ended. */
export interface CloseInfo {
  /** Who ended it: this side, the peer, or the transport (a timeout, a network gone, a fault). */
  readonly by: "local" | "peer" | "transport";
  /**
   * 0..999 from {@link CloseCode} or the application, on raw QUIC any of the peer's (rounded above 2^53 - 1); the
   * transport's own code where `by` is "transport".
   */
  readonly code: number;
  /** Text for people; empty where there was none. Never longer than {@link maxCloseReasonBytes}. */
  readonly reason: string;
  /** Set where the connection did not end as an application wanted. */
  readonly error?: MillraceError;
}

/** How to close. */
export interface CloseOptions {
  /** 0..999; 0 by default. */
  readonly code?: number | undefined;
  /** At most 123 bytes of UTF-8. */
  readonly reason?: string | undefined;
  /** Send what is queued first (the default); false drops it. */
  readonly graceful?: boolean | undefined;
  /** How long a graceful close may take before the rest is dropped; 5,000 ms by default. */
  readonly deadlineMs?: number | undefined;
}

/** The deadline of a graceful close, where the caller names none. */
export const defaultCloseDeadlineMs = 5_000;

const MAX_DEADLINE_MS = 86_400_000;

/** How {@link CloseOptions} are read; codes go up to `maxCode`. */
export function closeOptions(maxCode: number) {
  return {
    code: withDefault(integer(0, maxCode), CloseCode.normal as number),
    reason: withDefault(
      option<string>(`a string of at most ${maxCloseReasonBytes} bytes in UTF-8, without NUL`, isReason),
      "",
    ),
    graceful: withDefault(flag, true),
    deadlineMs: withDefault(integer(0, MAX_DEADLINE_MS), defaultCloseDeadlineMs),
  } satisfies Record<keyof CloseOptions, unknown>;
}

const schema = object(closeOptions(maxCloseCode));

/**
 * The options of a close that any transport can carry.
 * @throws InvalidArgumentError
 */
export function readCloseOptions(options: CloseOptions): Complete<CloseOptions> {
  return readOptions(schema, options);
}

function isReason(value: unknown): boolean {
  return typeof value === "string" && utf8Length(value) <= maxCloseReasonBytes && !value.includes("\0");
}
