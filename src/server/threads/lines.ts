import { ProtocolViolationError } from "../../errors.js";
import { RECORD_HEADER_BYTES, RING_HEADER_BYTES } from "../../native/ring.js";
import type { InboxResult } from "../../session/sessions.js";

/** How posts go to other environments and come from them: `Peers`, or less. */
export interface Posting {
  readonly group: { readonly sessions: { readonly inboxes: readonly { readonly byteLength: number }[] } };
  post(environment: number, kind: number, bytes: Uint8Array): InboxResult;
  onPost(kind: number, handler: (bytes: Uint8Array, sender: number) => void): void;
  onDrain(handler: (environment: number) => void): void;
}

/** By what is added to a line's kind: a whole, or the first part of one, one after it, and the last. */
const PartKind = { whole: 0, first: 1, next: 2, last: 3 } as const;

/** Something that waits for room. */
interface Part {
  readonly bytes: Uint8Array;
  readonly kind: number;
}

/** What waits for room on the way to one environment, in order. */
interface Line {
  parts: Part[];
  bytes: number;
}

/** What came of something that is not whole yet. */
interface Assembly {
  readonly parts: Uint8Array[];
  bytes: number;
}

/** What may wait on the way to one environment, in bytes. */
export interface LineLimits {
  /** Nothing longer is taken of others. */
  readonly maxBytes: number;
  /** Of what is sent by `send`. */
  readonly maxWaitingBytes: number;
}

/** With what is sent patiently. */
const maxPatientBytes = 2 ** 24;

/**
 * Ways to other environments that take anything: what is longer than an inbox bears goes in parts, and what finds no room
 * waits, so far as its sender has it wait. What was taken arrives in order, while both ends live and nobody writes over
 * the inbox.
 */
export class Lines {
  readonly #peers: Posting;
  readonly #kind: number;
  readonly #take: (bytes: Uint8Array, sender: number) => void;
  readonly #limits: LineLimits;
  readonly #maxPartBytes: number;
  readonly #lines = new Map<number, Line>();
  readonly #assemblies = new Map<number, Assembly>();
  readonly #freed: ((environment: number) => void)[] = [];

  /**
   * @param kind this and the next three of `PeerKind` are its own.
   * @param take is given bytes of its own.
   */
  constructor(
    peers: Posting,
    kind: number,
    limits: LineLimits,
    take: (bytes: Uint8Array, sender: number) => void,
  ) {
    this.#peers = peers;
    this.#kind = kind;
    this.#limits = limits;
    this.#take = take;
    const inboxBytes = peers.group.sessions.inboxes[0]!.byteLength - RING_HEADER_BYTES;
    // Who waits when told so finds room for as much as that.
    this.#maxPartBytes = inboxBytes / 4 - RECORD_HEADER_BYTES;
    peers.onPost(kind + PartKind.whole, (bytes, sender) => {
      this.#assemblies.delete(sender); // of one by that number who has ended
      this.#take(bytes.slice(), sender);
    });
    peers.onPost(kind + PartKind.first, (bytes, sender) => {
      this.#assemblies.set(sender, { parts: [bytes.slice()], bytes: bytes.length });
    });
    peers.onPost(kind + PartKind.next, (bytes, sender) => this.#assemble(bytes, sender));
    peers.onPost(kind + PartKind.last, (bytes, sender) => {
      const { parts, bytes: length } = this.#assemble(bytes, sender);
      this.#assemblies.delete(sender);
      this.#take(joined(parts, length), sender);
    });
    peers.onDrain((environment) => this.#flush(environment));
  }

  /** Called when nothing waits any more for an environment. */
  onFree(handler: (environment: number) => void): void {
    this.#freed.push(handler);
  }

  /** Whether nothing waits for an environment. */
  isFree(environment: number): boolean {
    return !this.#lines.has(environment);
  }

  /**
   * One thing alone may wait, whatever its length.
   * @param bytes not to be written to any more.
   * @returns false where it was not taken: too much waits, or the environment has ended.
   */
  send(environment: number, bytes: Uint8Array): boolean {
    return this.#send(environment, bytes, this.#limits.maxWaitingBytes);
  }

  /** The same of what is not to be lost because of what can be had again: there may be more of it. */
  sendPatiently(environment: number, bytes: Uint8Array): boolean {
    return this.#send(environment, bytes, maxPatientBytes);
  }

  /** An environment has ended. @returns whether something still waited for it */
  forget(environment: number): boolean {
    this.#assemblies.delete(environment);
    return this.#lines.delete(environment);
  }

  #send(environment: number, bytes: Uint8Array, maxWaitingBytes: number): boolean {
    const line = this.#lines.get(environment);
    if (line !== undefined && line.bytes + bytes.length > maxWaitingBytes) return false;
    const parts = this.#partsOf(bytes);
    if (line !== undefined) {
      line.parts.push(...parts);
      line.bytes += bytes.length;
      return true;
    }
    for (const [index, part] of parts.entries()) {
      const result = this.#post(environment, part);
      if (result === "gone") return false;
      if (result !== "dropped") continue;
      const rest = parts.slice(index);
      this.#lines.set(environment, { parts: rest, bytes: bytesOf(rest) });
      return true;
    }
    return true;
  }

  #partsOf(bytes: Uint8Array): Part[] {
    const size = this.#maxPartBytes;
    if (bytes.length <= size) return [{ bytes, kind: PartKind.whole }];
    const parts: Part[] = [];
    for (let at = 0; at < bytes.length; at += size) {
      const isLast = at + size >= bytes.length;
      const kind = at === 0 ? PartKind.first : isLast ? PartKind.last : PartKind.next;
      parts.push({ bytes: bytes.subarray(at, at + size), kind });
    }
    return parts;
  }

  #post(environment: number, { bytes, kind }: Part): InboxResult {
    return this.#peers.post(environment, this.#kind + kind, bytes);
  }

  #flush(environment: number): void {
    const line = this.#lines.get(environment);
    if (line === undefined) return;
    let sent = 0;
    while (sent < line.parts.length && this.#post(environment, line.parts[sent]!) !== "dropped") sent += 1;
    line.bytes -= bytesOf(line.parts.slice(0, sent));
    line.parts = line.parts.slice(sent);
    if (line.parts.length > 0) return;
    this.#lines.delete(environment);
    for (const handler of this.#freed) handler(environment);
  }

  /** @throws ProtocolViolationError, and what has come so far is nothing */
  #assemble(bytes: Uint8Array, sender: number): Assembly {
    const assembly = this.#assemblies.get(sender);
    if (assembly === undefined)
      throw new ProtocolViolationError("what is sent in parts begins with the first");
    assembly.parts.push(bytes.slice());
    assembly.bytes += bytes.length;
    if (assembly.bytes <= this.#limits.maxBytes) return assembly;
    this.#assemblies.delete(sender);
    throw new ProtocolViolationError(`an environment sends at most ${this.#limits.maxBytes} bytes at once`);
  }
}

function bytesOf(parts: readonly Part[]): number {
  return parts.reduce((sum, { bytes }) => sum + bytes.length, 0);
}

function joined(parts: readonly Uint8Array[], bytes: number): Uint8Array {
  const whole = new Uint8Array(bytes);
  let at = 0;
  for (const part of parts) {
    whole.set(part, at);
    at += part.length;
  }
  return whole;
}
