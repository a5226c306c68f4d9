import type { FrameContents, MetaEntry } from "../frame/frame.js";
import { unshared } from "../frame/unshared.js";
import { noEntries, ownedEntries } from "./meta.js";

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
  /** The payload as text, decoded now. */
  text(): string;
  /** The payload as JSON says it. @throws SyntaxError */
  json(): unknown;
  /** The same, whose bytes are its own. */
  copy(): Message;
}

const decoder = new TextDecoder();

/** A message in the frame that was decoded last: one object serves all of them. */
export class MessageView implements Message {
  #frame: Readonly<FrameContents> | undefined = undefined;

  /** The message of a frame, until the next call. */
  of(frame: Readonly<FrameContents>): this {
    this.#frame = frame;
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

  text(): string {
    return textOf(this.payload);
  }

  json(): unknown {
    return JSON.parse(this.text());
  }

  copy(): Message {
    return new OwnMessage(this.#contents);
  }

  get #contents(): Readonly<FrameContents> {
    return this.#frame!;
  }
}

/** A message that keeps. */
export class OwnMessage implements Message {
  readonly type: number;
  readonly subject: string | undefined;
  payload: Uint8Array;
  readonly meta: readonly MetaEntry[];
  readonly sequence: number;
  readonly lane: number;

  constructor({ type, subject, payload, meta, seq, channel }: Readonly<FrameContents>) {
    this.type = type;
    this.subject = subject;
    this.payload = new Uint8Array(payload);
    this.meta = ownedEntries(meta);
    this.sequence = seq;
    this.lane = channel;
  }

  text(): string {
    return textOf(this.payload);
  }

  json(): unknown {
    return JSON.parse(this.text());
  }

  copy(): Message {
    return this;
  }
}

/** The decoder takes no shared memory, in which QUIC's messages lie. */
export function textOf(bytes: Uint8Array): string {
  return decoder.decode(unshared(bytes));
}
