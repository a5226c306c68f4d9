import { costOf } from "../delivery/frame_cost.js";
import { type Message, OwnMessage } from "../delivery/message.js";
import type { FrameContents } from "../frame/frame.js";
import { type Linked, LinkedList } from "../list/linked_list.js";
import type { CloseInfo } from "../transport/close.js";
import type { LostSession } from "./carried.js";
import type { ResumableSession } from "./client_session.js";

/** A message as a loop over them has it: it keeps. */
export interface ReceivedMessage extends Message {
  /** What is missing right before it: the server had lost the session, and has begun another. Mostly undefined. */
  readonly missed: LostSession | undefined;
}

class KeptMessage extends OwnMessage implements ReceivedMessage {
  readonly missed: LostSession | undefined;

  constructor(frame: Readonly<FrameContents>, from: ResumableSession, missed: LostSession | undefined) {
    super(frame, from);
    this.missed = missed;
  }
}

/** A message that waits to be read, or is being dealt with. */
export interface Unread extends Linked<Unread> {
  readonly message: ReceivedMessage;
  readonly cost: number;
  /** Of the session, when it came. */
  readonly life: number;
}

/** What one costs beside its frame. */
const overheadBytes = 256;

/**
 * The messages of one session that nobody has read yet. It stays with the session, whoever reads. Those that have a
 * sequence are not acknowledged before they are dealt with, so that the server sends no more of them than the window lets
 * it; of the others, so much waits as of them.
 */
export class MessageInbox {
  /** Who reads now. */
  reader: { changed(): void } | undefined = undefined;
  /** Messages that were given up: see {@link Messages.dropped}. */
  dropped = 0;
  /** How the session has ended. */
  ended: CloseInfo | undefined = undefined;
  readonly #session: ResumableSession;
  readonly #waiting = new LinkedList<Unread>();
  /** Those that the server does not wait for, the oldest first, and what they cost. */
  readonly #loose = new Set<Unread>();
  #looseBytes = 0;
  #bytes = 0;
  #missed: LostSession | undefined = undefined;

  constructor(session: ResumableSession) {
    this.#session = session;
    void session.closed.then((info) => {
      this.ended = info;
      this.reader?.changed();
    });
  }

  /** A message has come, valid during the call only. */
  take(frame: Readonly<FrameContents>): void {
    const unread: Unread = {
      message: new KeptMessage(frame, this.#session, this.#missed),
      cost: costOf(frame),
      life: this.#session.life,
      ...{ previous: undefined, next: undefined },
    };
    this.#missed = undefined;
    this.#waiting.push(unread);
    this.#count(unread, 1);
    const most = this.#mostBytes;
    while (this.#looseBytes > most && this.#loose.size > 1) this.#drop(this.#loose.values().next().value!);
    this.reader?.changed();
  }

  /** The server has lost the session: what it lets come from now on is beside what has come. */
  miss(lost: LostSession): void {
    this.#missed = lost;
    const most = this.#mostBytes;
    while (this.#bytes > most) this.#drop(this.#waiting.first!);
  }

  /** The next one; {@link handled} follows. */
  shift(): Unread | undefined {
    const unread = this.#waiting.first;
    if (unread !== undefined) this.#takeOut(unread);
    return unread;
  }

  /** It is dealt with, and the server may send another. */
  handled({ message: { lane, sequence }, cost, life }: Unread): void {
    if (life === this.#session.life) this.#session.handled(lane, sequence, cost);
  }

  get #mostBytes(): number {
    return this.#session.inbound.limits.windowBytes;
  }

  #drop(unread: Unread): void {
    this.#takeOut(unread);
    this.dropped += 1;
  }

  #takeOut(unread: Unread): void {
    this.#waiting.remove(unread);
    this.#count(unread, -1);
  }

  #count(unread: Unread, one: 1 | -1): void {
    const bytes = one * (unread.cost + overheadBytes);
    this.#bytes += bytes;
    if (unread.message.sequence !== 0) return;
    this.#looseBytes += bytes;
    if (one > 0) this.#loose.add(unread);
    else this.#loose.delete(unread);
  }
}
