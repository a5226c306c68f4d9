import { InvalidArgumentError } from "../errors.js";
import type { FrameContents, MetaEntry } from "../frame/frame.js";
import { unshared } from "../frame/unshared.js";
import { AckLevel } from "./ack.js";
import type { Rejection } from "./confirmation.js";
import { FailureCode } from "./failure.js";
import { idBytesOf } from "./marks.js";
import { noEntries, ownedEntries } from "./meta.js";

/** A message that came, as far as it can be confirmed. */
export interface Confirmable {
  readonly lane: number;
  /** The low 32 bits; 0 where it has none, and cannot be confirmed. */
  readonly sequence: number;
  readonly meta: readonly MetaEntry[];
}

/** Where messages come from, who are told what became of them. */
export interface Confirming {
  /** Another number says that the sender has begun anew, and knows nothing of messages before. */
  readonly life: number;
  /** @param level of `AckLevel`. */
  confirmMessage(message: Confirmable, level: number): boolean;
  /** Tells its sender that a message is not handled. @returns false where nobody is told. */
  rejectMessage(message: Confirmable, rejection: Rejection): boolean;
}

/** What a handler sees of a message. */
export interface Message {
  /** The application's, 0..2^32-1. */
  readonly type: number;
  readonly subject: string | undefined;
  /** Valid during the handler's call only; {@link copy} keeps it. */
  readonly payload: Uint8Array;
  readonly meta: readonly MetaEntry[];
  /** The lane's sequence, its low 32 bits; 0 of a message that has none (`latest`, `unreliable`). */
  readonly sequence: number;
  readonly lane: number;
  /** What its sender knows it by, where it gave it an id. */
  readonly messageId: Uint8Array | undefined;
  /**
   * Says to the sender that this side's application has got the message, or that somebody has read it. May be said at any
   * time, of a copy too; it is told once for each level, and `read` implies `delivered`. It reaches a sender who waits for
   * it (`sendAcked`) though connections change.
   * @returns whether the sender will be told: false where nobody asked, where it was said before, and where the session's
   *   queue is full or the session over.
   * @throws InvalidArgumentError
   */
  confirm(level: "delivered" | "read"): boolean;
  /**
   * Says to the sender that this side's application does not take the message, at any time, and once: who waits for it
   * (`sendAcked`) is told `rejected`, as is a client's handler of that name.
   * @param reason text for people, of which the sender gets up to 1,024 characters.
   * @param code of `FailureCode`, or the application's own from 1,000 on; `failed` by default.
   * @returns false where the sender will not be told: of a message that has no sequence, or whose session is over.
   */
  reject(reason: string, code?: number): boolean;
  /** The payload as text, decoded now. */
  text(): string;
  /** The payload as JSON says it. @throws SyntaxError */
  json(): unknown;
  /** The same, whose bytes are its own. */
  copy(): Message;
}

const decoder = new TextDecoder();

/** What payload and metadata say, wherever they lie. */
abstract class Said {
  abstract readonly payload: Uint8Array;
  abstract readonly meta: readonly MetaEntry[];

  get messageId(): Uint8Array | undefined {
    return idBytesOf(this.meta);
  }

  text(): string {
    return textOf(this.payload);
  }

  json(): unknown {
    return JSON.parse(this.text());
  }
}

/** A message in the frame that was decoded last: one object serves all of them. */
export class MessageView extends Said implements Message {
  #frame: Readonly<FrameContents> | undefined = undefined;
  #from: Confirming | undefined = undefined;
  #confirmed = 0;

  /** The message of a frame, until the next call. */
  of(frame: Readonly<FrameContents>, from: Confirming): this {
    this.#frame = frame;
    this.#from = from;
    this.#confirmed = 0;
    return this;
  }

  get type(): number {
    return this.#contents.type;
  }

  get subject(): string | undefined {
    return this.#contents.subject;
  }

  get payload(): Uint8Array {
    return this.#contents.payload;
  }

  get meta(): readonly MetaEntry[] {
    return this.#contents.meta ?? noEntries;
  }

  get sequence(): number {
    return this.#contents.seq;
  }

  get lane(): number {
    return this.#contents.channel;
  }

  confirm(level: "delivered" | "read"): boolean {
    const number = levelOf(level);
    if (number <= this.#confirmed || !this.#from!.confirmMessage(this, number)) return false;
    this.#confirmed = number;
    return true;
  }

  reject(reason: string, code: number = FailureCode.failed): boolean {
    if (this.#confirmed === AckLevel.rejected) return false;
    this.#confirmed = AckLevel.rejected;
    return this.#from!.rejectMessage(this, { code, reason });
  }

  copy(): Message {
    return new OwnMessage(this.#contents, this.#from!, this.#confirmed);
  }

  get #contents(): Readonly<FrameContents> {
    return this.#frame!;
  }
}

/** A message that keeps. */
export class OwnMessage extends Said implements Message {
  readonly type: number;
  readonly subject: string | undefined;
  payload: Uint8Array;
  readonly meta: readonly MetaEntry[];
  readonly sequence: number;
  readonly lane: number;
  readonly #from: Confirming;
  readonly #life: number;
  #confirmed: number;

  constructor(
    { type, subject, payload, meta, seq, channel }: Readonly<FrameContents>,
    from: Confirming,
    confirmed = 0,
  ) {
    super();
    this.#from = from;
    this.#life = from.life;
    this.#confirmed = confirmed;
    this.type = type;
    this.subject = subject;
    this.payload = new Uint8Array(payload);
    this.meta = ownedEntries(meta);
    this.sequence = seq;
    this.lane = channel;
  }

  confirm(level: "delivered" | "read"): boolean {
    const number = levelOf(level);
    if (number <= this.#confirmed || this.#life !== this.#from.life) return false;
    if (!this.#from.confirmMessage(this, number)) return false;
    this.#confirmed = number;
    return true;
  }

  reject(reason: string, code: number = FailureCode.failed): boolean {
    if (this.#confirmed === AckLevel.rejected || this.#life !== this.#from.life) return false;
    this.#confirmed = AckLevel.rejected;
    return this.#from.rejectMessage(this, { code, reason });
  }

  copy(): Message {
    return this;
  }
}

function levelOf(level: "delivered" | "read"): number {
  if (level === "delivered" || level === "read") return AckLevel[level];
  throw new InvalidArgumentError(`level must be "delivered" or "read", and not ${JSON.stringify(level)}`);
}

/** The decoder takes no shared memory, in which QUIC's messages lie. */
export function textOf(bytes: Uint8Array): string {
  return decoder.decode(unshared(bytes));
}
