import * as crypto from "node:crypto";
import { InternalError } from "../errors.js";

/** What Node.js lacks before 20.12; its types do not know that. */
const hash: Hash = (crypto as Partial<Record<"hash", Hash>>).hash ?? hashByObject;

type Hash = (algorithm: string, data: Uint8Array | string, encoding: "hex") => string;

/** SHA-256 (FIPS 180-4), by one call where there is one: an object of it costs more than the hash, and its end as much again. */
export function sha256Hex(data: Uint8Array | string): string {
  return hash("sha256", data, "hex");
}

function hashByObject(algorithm: string, data: Uint8Array | string): string {
  return crypto.createHash(algorithm).update(data).digest("hex");
}

const blockBytes = 64;
const digestBytes = 32;
/** A character that finds no room is not written in part: with so much more it is seen that a message is too long. */
const spareBytes = 4;

/** HMAC-SHA-256 (RFC 2104) by one key, of what is short: it is gathered in one memory. */
export class ShortHmac {
  /** The key's block, and behind it the message. */
  readonly #inner: Buffer;
  readonly #limit: number;
  /** The same of the outer hash, whose message is the inner one's digest. */
  readonly #outer = Buffer.alloc(blockBytes + digestBytes, 0x5c);
  readonly #digest = Buffer.alloc(digestBytes);

  readonly #begin: number;

  /** @param key at most 64 bytes. @param prefix what every message begins with. @param maxBytes of what follows it. */
  constructor(key: Uint8Array, prefix: string, maxBytes: number) {
    this.#begin = blockBytes + Buffer.byteLength(prefix);
    this.#limit = this.#begin + maxBytes;
    this.#inner = Buffer.alloc(this.#limit + spareBytes, 0x36);
    for (const [index, byte] of key.entries()) {
      this.#inner[index] = 0x36 ^ byte;
      this.#outer[index] = 0x5c ^ byte;
    }
    this.#inner.write(prefix, blockBytes);
  }

  /** @param parts text as UTF-8. @returns 32 bytes, valid until the next call. */
  of(...parts: readonly (Uint8Array | string)[]): Uint8Array {
    const inner = this.#inner;
    let end = this.#begin;
    for (const part of parts) {
      if (part === "") continue;
      if (typeof part === "string") end += inner.write(part, end);
      else {
        inner.set(part, end);
        end += part.length;
      }
    }
    if (end > this.#limit)
      throw new InternalError(`a message of more than ${this.#limit - this.#begin} bytes`);
    this.#outer.write(sha256Hex(inner.subarray(0, end)), blockBytes, "hex");
    this.#digest.write(sha256Hex(this.#outer), "hex");
    return this.#digest;
  }
}
