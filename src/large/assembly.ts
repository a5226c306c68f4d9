import type { Rejection } from "../delivery/confirmation.js";
import { FailureCode } from "../delivery/failure.js";
import type { Message } from "../delivery/message.js";
import { costOfPart } from "./part.js";

/** What a large message is held to. */
export interface AssemblyLimits {
  /** How much of it may be here of which its sender was not told that it is taken. */
  readonly windowBytes: number;
  /** How much it may have. */
  readonly maxBytes: number;
  /** How much it was said to have. */
  readonly totalBytes: number | undefined;
}

interface End {
  readonly index: number;
  readonly totalBytes: number;
  readonly message: Message;
}

/** The chunks of a large message that have come and are not taken, each at its place. */
export class Assembly {
  readonly #limits: AssemblyLimits;
  readonly #held = new Map<number, Message>();
  /** Of those of which the sender was not told that they are taken: it counts the same. */
  #cost = 0;
  #bytesHeld = 0;
  #bytesTaken = 0;
  /** The place of the next to be taken. */
  #next = 0;
  /** Behind all that have come. */
  #behind = 0;
  #end: End | undefined = undefined;

  constructor(limits: AssemblyLimits) {
    this.#limits = limits;
  }

  /** Of those that have been taken. */
  get bytesTaken(): number {
    return this.#bytesTaken;
  }

  /** All of it has come, and was taken. */
  get isWhole(): boolean {
    return this.#end?.index === this.#next && this.#end.totalBytes === this.#bytesTaken;
  }

  /** The message that said how much there is. */
  get end(): Message | undefined {
    return this.#end?.message;
  }

  /** @returns what is wrong with a chunk; then it is not taken in. */
  add(index: number, message: Message): Rejection | undefined {
    const { payload } = message;
    const cost = costOfPart(payload);
    if (payload.length === 0) return malformed("a chunk without bytes");
    if (index < this.#next || this.#held.has(index)) return malformed("a chunk that has come before");
    if (this.#end !== undefined && index >= this.#end.index) return malformed("a chunk behind the end");
    if (this.#cost + cost > this.#limits.windowBytes) return malformed("more than may be on its way");
    const bytes = this.#bytesTaken + this.#bytesHeld + payload.length;
    const excess = this.#excess(bytes);
    if (excess !== undefined) return excess;
    this.#held.set(index, message);
    this.#cost += cost;
    this.#bytesHeld += payload.length;
    this.#behind = Math.max(this.#behind, index + 1);
    return undefined;
  }

  /** The same of the end. */
  finish(index: number, totalBytes: number, message: Message): Rejection | undefined {
    const { totalBytes: said } = this.#limits;
    if (this.#end !== undefined) return malformed("a second end");
    if (index < this.#behind) return malformed("an end before chunks that have come");
    if (said !== undefined && totalBytes !== said) return malformed("another number of bytes than was said");
    const excess = this.#excess(totalBytes);
    if (excess !== undefined) return excess;
    if (totalBytes < this.#bytesTaken + this.#bytesHeld) return malformed("more bytes than it ends with");
    this.#end = { index, totalBytes, message };
    return undefined;
  }

  /** Takes out the next chunk; undefined where it has not come. */
  take(): Message | undefined {
    const message = this.#held.get(this.#next);
    if (message === undefined) return undefined;
    this.#held.delete(this.#next);
    this.#next += 1;
    this.#bytesHeld -= message.payload.length;
    this.#bytesTaken += message.payload.length;
    return message;
  }

  /** The sender was told that a chunk is taken, and may send as much again. @param cost of `costOfPart` */
  release(cost: number): void {
    this.#cost -= cost;
  }

  /** @returns what is wrong where all chunks were taken, and are not what the end says. */
  get shortage(): Rejection | undefined {
    if (this.#end?.index !== this.#next || this.isWhole) return undefined;
    return malformed("fewer bytes than it ends with");
  }

  /** Forgets all that is here. @returns the messages that nobody has answered. */
  clear(): Message[] {
    const messages = [...this.#held.values()];
    if (this.#end !== undefined) messages.push(this.#end.message);
    this.#held.clear();
    this.#end = undefined;
    this.#cost = 0;
    this.#bytesHeld = 0;
    return messages;
  }

  #excess(bytes: number): Rejection | undefined {
    const { maxBytes, totalBytes = bytes } = this.#limits;
    if (bytes > totalBytes || bytes > (this.#end?.totalBytes ?? bytes))
      return malformed("more bytes than were said");
    if (bytes <= maxBytes) return undefined;
    return { code: FailureCode.forbidden, reason: `it has more than ${maxBytes} bytes` };
  }
}

/** The sender does not do as it should. */
export function malformed(reason: string): Rejection {
  return { code: FailureCode.malformed, reason };
}
