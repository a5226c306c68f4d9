import type { Carrying, EventMap, EventOf, EventSubject, IsAny } from "../delivery/event_map.js";
import { InvalidArgumentError, ReaderLockedError } from "../errors.js";
import { readOptions } from "../options/read.js";
import { abortSignal, object, optional } from "../options/schema.js";
import { throwIfAborted, watchWait } from "../transport/wait.js";
import { ResumableSession } from "./client_session.js";
import { MessageInbox, type ReceivedMessage, type Unread } from "./message_inbox.js";
import type { ClientSession } from "./session.js";

/** How long a loop over a session's messages goes on. */
export interface MessagesOptions {
  /** Ends the loop when it fires, by AbortedError. */
  readonly signal?: AbortSignal | undefined;
}

/** What a loop has: where an {@link EventMap} is given, messages of its subjects, told apart by those. */
export type MessageOf<Events> =
  IsAny<Events> extends true
    ? ReceivedMessage
    : {
        [Subject in EventSubject<Events>]: Carrying<ReceivedMessage, Subject, EventOf<Events, Subject>>;
      }[EventSubject<Events>];

/**
 * The messages of a session, in order. A message is handled, and acknowledged, when the next one is asked for, or the loop
 * is left: the server sends no more than `windowBytes` beyond what is handled.
 */
export interface Messages<Events = unknown> extends AsyncIterableIterator<MessageOf<Events>, undefined> {
  /**
   * Messages of this session that were given up because they were not read in time: of those that nobody acknowledges
   * (`latest`, `unreliable`) the oldest, where more than `windowBytes` wait; and of all, where the server has lost the
   * session meanwhile, and so much waits from before.
   */
  readonly dropped: number;
  /** Leaves the session to another reader. */
  return(): Promise<IteratorResult<MessageOf<Events>, undefined>>;
}

type Result = IteratorResult<ReceivedMessage, undefined>;

interface Waiter {
  resolve(result: Result): void;
  reject(error: unknown): void;
}

const schema = object({ signal: optional(abortSignal) } satisfies Record<keyof MessagesOptions, unknown>);
const done: Result = { done: true, value: undefined };

/**
 * Reads a session's messages by `for await`, in the place of the behaviour's `message`: from now on they wait for the loop,
 * so take it where `connect` has resolved, before anything else is awaited. What a handler in `events` takes goes there.
 * Leaving the loop leaves the session open, and what comes waits for the next one. It ends with the session, when all that
 * has come is read.
 * @throws InvalidArgumentError, also where the behaviour has a `message`; ReaderLockedError while another reads
 * @throws AbortedError; and while it is iterated `CloseInfo.error`, where the session has failed
 */
export function messagesOf<Events = unknown>(
  session: ClientSession<Events>,
  options: MessagesOptions = {},
): Messages<Events> {
  const { signal } = readOptions(schema, options);
  const source: unknown = session;
  if (!(source instanceof ResumableSession)) {
    throw new InvalidArgumentError("messagesOf takes a session that connect has made");
  }
  if (source.takesMessages) {
    throw new InvalidArgumentError("the behaviour has a message handler: messages go there, not to a loop");
  }
  throwIfAborted("waiting for messages", signal);
  source.inbox ??= new MessageInbox(source);
  const messages: Messages = new MessageIterator(source.inbox, signal);
  return messages as unknown as Messages<Events>; // what is carried is for the compiler alone
}

class MessageIterator implements Messages {
  readonly #inbox: MessageInbox;
  readonly #waiters: Waiter[] = [];
  /** Given to who reads, and not dealt with as far as is known. */
  #inHand: Unread[] = [];
  #isOver = false;
  #failure: Error | undefined = undefined;
  readonly #endWatch: () => void;

  /** @throws ReaderLockedError */
  constructor(inbox: MessageInbox, signal: AbortSignal | undefined) {
    if (inbox.reader !== undefined) throw new ReaderLockedError("another loop reads this session's messages");
    inbox.reader = this;
    this.#inbox = inbox;
    this.#endWatch = watchWait("waiting for messages", { signal }, (error) => this.#leave(error));
  }

  get dropped(): number {
    return this.#inbox.dropped;
  }

  next(): Promise<Result> {
    this.#dealtWith();
    return new Promise((resolve, reject) => {
      this.#waiters.push({ resolve, reject });
      this.changed();
    });
  }

  async return(): Promise<Result> {
    this.#dealtWith();
    this.#leave(undefined);
    return done;
  }

  [Symbol.asyncIterator](): this {
    return this;
  }

  /** A message has come, or the session has ended. */
  changed(): void {
    while (this.#waiters.length > 0) {
      const unread = this.#isOver ? undefined : this.#inbox.shift();
      if (unread !== undefined) {
        this.#inHand.push(unread);
        this.#waiters.shift()!.resolve({ done: false, value: unread.message });
      } else if (this.#isOver) this.#finish();
      else if (this.#inbox.ended !== undefined) this.#leave(this.#inbox.ended.error);
      else return;
    }
  }

  #dealtWith(): void {
    for (const unread of this.#inHand.splice(0)) this.#inbox.handled(unread);
  }

  #leave(failure: Error | undefined): void {
    if (this.#isOver) return;
    this.#isOver = true;
    this.#failure = failure;
    this.#inbox.reader = undefined;
    this.#endWatch();
    this.changed();
  }

  #finish(): void {
    const waiter = this.#waiters.shift()!;
    const failure = this.#failure;
    this.#failure = undefined; // thrown once
    if (failure === undefined) waiter.resolve(done);
    else waiter.reject(failure);
  }
}
