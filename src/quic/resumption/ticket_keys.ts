import { randomBytes } from "node:crypto";
import { isUint8Array } from "node:util/types";
import { InvalidArgumentError } from "../../errors.js";
import { isListOf, isObject, listOf } from "../../options/schema.js";

/** What protects a server's tickets. Servers with the same keys take each other's tickets. */
export interface TicketKey {
  /** 16 bytes that name the key; every ticket shows them. */
  readonly id: Uint8Array;
  /** 32 secret bytes, from a source like `crypto.randomBytes`. Whoever has them can resume any session. */
  readonly key: Uint8Array;
}

const ID_BYTES = 16;
const KEY_BYTES = 32;
const MAX_KEYS = 16;

/** In the words of an error message. */
const allowed = "a list of 1 to 16 keys {id: 16 bytes, key: 32 bytes} with ids of their own";

export const ticketKeysOption = listOf<TicketKey>(allowed, 1, isTicketKey);

/**
 * The keys as the engine takes them: 48 bytes each, the newest first.
 * @throws InvalidArgumentError
 */
export function packTicketKeys(keys: readonly TicketKey[]): Uint8Array {
  const isList = isListOf(keys, isTicketKey) && keys.length > 0 && keys.length <= MAX_KEYS;
  const ids = new Set(isList ? keys.map(({ id }) => Buffer.from(id).toString("hex")) : []);
  if (!isList || ids.size < keys.length) throw new InvalidArgumentError(`ticketKeys must be ${allowed}`);
  return Buffer.concat(keys.flatMap(({ id, key }) => [id, key]));
}

/** Keys that nobody else has: tickets are good for this listener alone. */
export function randomTicketKeys(): Uint8Array {
  return randomBytes(ID_BYTES + KEY_BYTES);
}

function isTicketKey(value: unknown): boolean {
  if (!isObject(value)) return false;
  const { id, key } = value as Partial<TicketKey>;
  return isUint8Array(id) && id.length === ID_BYTES && isSecret(key);
}

function isSecret(key: unknown): boolean {
  return isUint8Array(key) && key.length === KEY_BYTES;
}
