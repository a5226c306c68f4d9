import { InvalidArgumentError } from "../errors.js";
import { checkBytes as checkAnyBytes } from "../options/bytes.js";
import { show } from "../options/read.js";

/** One write is copied as one buffer, and counted in 32 bits. */
export const MAX_WRITE_BYTES = 1024 * 1024 * 1024;
/** Application codes have 62 bits (RFC 9000 section 16); JavaScript is exact up to 2^53 - 1. */
export const MAX_APPLICATION_CODE = Number.MAX_SAFE_INTEGER;
/** A stream's priority where the caller names none; higher goes first. */
export const DEFAULT_PRIORITY = 0x7fff;
export const MAX_PRIORITY = 0xffff;

/** @throws InvalidArgumentError */
export function checkBytes(bytes: Uint8Array): void {
  checkAnyBytes(bytes);
  if (bytes.length > MAX_WRITE_BYTES) {
    throw new InvalidArgumentError(
      `bytes must be at most ${MAX_WRITE_BYTES} long, and not ${bytes.length}; write them in pieces`,
    );
  }
}

/**
 * @returns a copy of the list, and how many bytes it has together.
 * @throws InvalidArgumentError
 */
export function readChunks(chunks: unknown): { chunks: readonly Uint8Array[]; bytes: number } {
  if (!Array.isArray(chunks)) {
    throw new InvalidArgumentError(`chunks must be a list of Uint8Array, and not ${show(chunks)}`);
  }
  const list = [...(chunks as unknown[])];
  let bytes = 0;
  for (const chunk of list) {
    checkBytes(chunk as Uint8Array);
    bytes += (chunk as Uint8Array).length;
  }
  if (bytes > MAX_WRITE_BYTES) {
    throw new InvalidArgumentError(
      `chunks must be at most ${MAX_WRITE_BYTES} bytes together, and not ${bytes}`,
    );
  }
  return { chunks: list as Uint8Array[], bytes };
}

/** @throws InvalidArgumentError naming the argument and what is allowed. */
export function checkInteger(name: string, value: unknown, min: number, max: number): void {
  if (typeof value === "number" && Number.isInteger(value) && value >= min && value <= max) return;
  throw new InvalidArgumentError(`${name} must be an integer from ${min} to ${max}, and not ${show(value)}`);
}

/** @throws InvalidArgumentError */
export function checkCode(code: unknown): void {
  checkInteger("code", code, 0, MAX_APPLICATION_CODE);
}

/** @throws InvalidArgumentError */
export function checkPriority(priority: unknown): void {
  checkInteger("priority", priority, 0, MAX_PRIORITY);
}

/** The code of a reason for which a direction is ended: it may be a code, or an error that has one; else 0. */
export function codeOf(reason: unknown): number {
  const code =
    typeof reason === "object" && reason !== null && "applicationCode" in reason
      ? reason.applicationCode
      : reason;
  const isCode = typeof code === "number" && Number.isSafeInteger(code) && code >= 0;
  return isCode ? code : 0;
}
