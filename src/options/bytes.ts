import { InvalidArgumentError } from "../errors.js";
import { show } from "./read.js";

const typedArray = Object.getPrototypeOf(Uint8Array.prototype) as Uint8Array;
const lengthOf = Object.getOwnPropertyDescriptor(typedArray, "length")!.get as (this: Uint8Array) => number;
const { includes } = typedArray;
const tagOf = Object.getOwnPropertyDescriptor(typedArray, Symbol.toStringTag)!.get as (
  this: unknown,
) => string | undefined;

/** Whether these are bytes in truth, of whichever realm: what only looks like them has no such tag. */
function isUint8Array(value: unknown): value is Uint8Array {
  return tagOf.call(value) === "Uint8Array";
}

/**
 * A proxy of bytes has none, a `length` of the caller's own would have others sent than it has, and a buffer that was
 * given to another thread would be sent as nothing.
 * @throws InvalidArgumentError
 */
export function checkBytes(bytes: unknown, what = "bytes", allowed = "a Uint8Array"): void {
  if (!isUint8Array(bytes)) {
    throw new InvalidArgumentError(`${what} must be ${allowed}, and not ${show(bytes)}`);
  }
  if (bytes.length !== lengthOf.call(bytes)) {
    throw new InvalidArgumentError(
      `${what} must be a Uint8Array whose length is its own, and not overridden`,
    );
  }
  if (bytes.length === 0 && !isThere(bytes)) {
    throw new InvalidArgumentError(`${what} must not lie in a buffer that was transferred or has shrunk`);
  }
}

function isThere(bytes: Uint8Array): boolean {
  try {
    includes.call(bytes, 0); // throws where the bytes are gone
    return true;
  } catch {
    return false;
  }
}
