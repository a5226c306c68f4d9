import { checkJsonShape } from "../frame/json_shape.js";

const maxDepth = 32;
const decoder = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });
const encoder = new TextEncoder();

/**
 * A stranger's payload as JSON, checked as it is read: of so many values, of few levels, and without `__proto__`, which
 * code that merges objects takes for their prototype.
 * @throws Error of any class, where it is none
 */
export function parsePayload(payload: Uint8Array, maxValues: number): unknown {
  checkJsonShape(payload, maxValues);
  const value: unknown = JSON.parse(decoder.decode(payload));
  checkDepth(value, maxDepth);
  return value;
}

export function encodePayload(value: unknown): Uint8Array {
  const text = JSON.stringify(value) as string | undefined;
  if (text === undefined) throw new TypeError("the schema's output is nothing that JSON can say");
  return encoder.encode(text);
}

/** JSON.parse itself is not recursive in its stack; what reads its result may be. */
function checkDepth(value: unknown, levels: number): void {
  if (typeof value !== "object" || value === null) return;
  if (levels === 0) throw new RangeError(`there are more than ${maxDepth} levels`);
  if (Array.isArray(value)) {
    for (const each of value) checkDepth(each, levels - 1);
    return;
  }
  if (Object.hasOwn(value, "__proto__")) throw new TypeError("a name is __proto__");
  for (const each of Object.values(value)) checkDepth(each, levels - 1);
}
