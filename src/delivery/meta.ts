import { FrameMalformedError, InvalidArgumentError, ProtocolViolationError } from "../errors.js";
import type { FrameContents, MetaEntry } from "../frame/frame.js";
import { isListOf, type Option, option } from "../options/schema.js";

const decoder = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });
const encoder = new TextEncoder();

/** A copy of a peer's bytes, in memory that nobody else writes. */
export function owned(bytes: Uint8Array): Uint8Array {
  return new Uint8Array(bytes);
}

export const noEntries: readonly MetaEntry[] = [];
/** Entries that several messages own together: none of them copies them again. */
const shared = new WeakSet<readonly MetaEntry[]>();

/** The entries of a frame, where they outlive it. */
export function ownedEntries(meta: readonly MetaEntry[] | undefined): readonly MetaEntry[] {
  if (meta === undefined || meta.length === 0) return noEntries;
  if (shared.has(meta)) return meta;
  return meta.map(({ key, value }) => ({ key, value: owned(value) }));
}

/** The same, of a frame of several messages: what each of them owns is this, however often it is asked for. */
export function sharedEntries(meta: readonly MetaEntry[] | undefined): readonly MetaEntry[] {
  const own = ownedEntries(meta);
  if (own !== noEntries) shared.add(own);
  return own;
}

export function u32(value: number, what: string): Uint8Array {
  if (!Number.isInteger(value) || value < 0 || value > 0xffff_ffff) {
    throw new InvalidArgumentError(`${what} must be an integer from 0 to 2^32 - 1, and not ${value}`);
  }
  return Uint8Array.of(value, value >>> 8, value >>> 16, value >>> 24); // a view to write by costs more
}

/** Writes a little-endian `u32`, where a view to write it by would cost more. */
export function putU32(bytes: Uint8Array, at: number, value: number): void {
  bytes[at] = value;
  bytes[at + 1] = value >>> 8;
  bytes[at + 2] = value >>> 16;
  bytes[at + 3] = value >>> 24;
}

export function utf8(text: string, maxBytes: number, what: string): Uint8Array {
  const bytes = encoder.encode(text);
  if (bytes.length > maxBytes) {
    throw new InvalidArgumentError(
      `${what} must have at most ${maxBytes} bytes in UTF-8, not ${bytes.length}`,
    );
  }
  return bytes;
}

/** The entry, where there is a value. */
export function entry(key: string, value: Uint8Array | undefined): MetaEntry[] {
  return value === undefined ? [] : [{ key, value }];
}

/** As an option. */
export const metaEntries: Option<readonly MetaEntry[]> = option("a list of {key, value}", (value) =>
  isListOf(value, isEntry),
);

function isEntry(value: unknown): boolean {
  const { key, value: bytes } = (value ?? {}) as Partial<MetaEntry>;
  return typeof key === "string" && key !== "" && bytes instanceof Uint8Array;
}

/** Keys of this prefix are the application's. */
const applicationPrefix = "meta.";

/** The application's entries as they are in a frame. */
export function applicationEntries(meta: readonly MetaEntry[]): MetaEntry[] {
  return meta.map(({ key, value }) => ({ key: applicationPrefix + key, value }));
}

/**
 * What a peer says in the metadata of one frame. Keys that are not asked for are ignored; one that is asked for may be
 * there once, but where it says otherwise. All that is returned is the caller's own.
 */
export class MetaReader {
  readonly #kind: string;
  readonly #meta: readonly MetaEntry[];

  /** @param kind as errors call the frame. */
  constructor(kind: string, frame: Pick<FrameContents, "flags" | "meta">) {
    this.#kind = kind;
    this.#meta = frame.meta ?? [];
    if (frame.flags !== 0) throw new ProtocolViolationError(`a ${kind} has no flags, not ${frame.flags}`);
  }

  /** @throws ProtocolViolationError where it is there twice; FrameMalformedError where it has another length. */
  bytes(key: string, min: number, max: number): Uint8Array | undefined {
    const value = this.#find(key, min, max);
    return value && owned(value);
  }

  /** @throws FrameMalformedError where it is not there; and as {@link bytes}. */
  requiredBytes(key: string, min: number, max: number): Uint8Array {
    const value = this.bytes(key, min, max);
    if (value === undefined) throw new FrameMalformedError(`a ${this.#kind} has "${key}"`);
    return value;
  }

  u32(key: string): number | undefined {
    const value = this.#find(key, 4, 4);
    if (value === undefined) return undefined;
    return (value[0]! | (value[1]! << 8) | (value[2]! << 16) | (value[3]! << 24)) >>> 0;
  }

  /** @throws FrameMalformedError where it is not UTF-8. */
  text(key: string, maxBytes: number): string | undefined {
    const value = this.bytes(key, 0, maxBytes);
    return value && this.#decode(key, value);
  }

  /** Every value of a key that may be there more than once, still the frame's. */
  all(key: string): Uint8Array[] {
    return this.#meta.filter((entry) => entry.key === key).map(({ value }) => value);
  }

  /** The application's entries, by the application's own keys. */
  application(): MetaEntry[] {
    return this.#meta
      .filter(({ key }) => key.startsWith(applicationPrefix))
      .map(({ key, value }) => ({ key: key.slice(applicationPrefix.length), value: owned(value) }));
  }

  /** Still the frame's. */
  #find(key: string, min: number, max: number): Uint8Array | undefined {
    let found: Uint8Array | undefined;
    for (const entry of this.#meta) {
      if (entry.key !== key) continue;
      if (found !== undefined) throw new ProtocolViolationError(`a ${this.#kind} has one "${key}" at most`);
      found = entry.value;
    }
    if (found !== undefined && (found.length < min || found.length > max)) {
      const allowed = min === max ? `${min}` : `${min} to ${max}`;
      throw new FrameMalformedError(`"${key}" of a ${this.#kind} has ${allowed} bytes, not ${found.length}`);
    }
    return found;
  }

  #decode(key: string, value: Uint8Array): string {
    try {
      return decoder.decode(value);
    } catch (cause) {
      throw new FrameMalformedError(`"${key}" of a ${this.#kind} is not UTF-8`, { cause });
    }
  }
}

/** A text for people, cut where it is longer than anyone reads. */
export function shortText(text: string, maxCharacters: number): string {
  return text.length <= maxCharacters ? text : text.slice(0, maxCharacters);
}
