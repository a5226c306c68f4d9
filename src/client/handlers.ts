import type { Message } from "../delivery/message.js";
import { callGuarded, callReported, throwUncaught } from "../transport/uncaught.js";
import type { ClientBehaviour, ClientRequest } from "./behaviour.js";
import type { ClientSession } from "./session.js";

/** What a server hears that asks what has no handler. */
export const nobodyAnswers = "nobody answers this subject here";

type Handler = (...args: never[]) => unknown;
/** Those that take the session and what has happened, and answer nothing. */
type EventName = Exclude<keyof ClientBehaviour, "requests" | "request" | "events" | "message" | "error">;

/** The application's handlers. What one throws goes to `error`; where there is none, it is an uncaught exception. */
export class ClientHandlers {
  /** What {@link report} was told. */
  errors = 0;
  readonly #behaviour: ClientBehaviour;
  readonly #session: ClientSession;

  constructor(behaviour: ClientBehaviour, session: ClientSession) {
    this.#behaviour = behaviour;
    this.#session = session;
  }

  get hasErrorHandler(): boolean {
    return this.#behaviour.error !== undefined;
  }

  /** Whether there is a handler for messages of all subjects. */
  get takesMessages(): boolean {
    return this.#behaviour.message !== undefined;
  }

  /** Whether a message of a subject has a handler. */
  takes(subject: string | undefined): boolean {
    return this.#handlerOf(subject) !== undefined;
  }

  call(name: EventName, ...args: unknown[]): void {
    this.#run(this.#behaviour[name] as Handler | undefined, ...args);
  }

  message(message: Message): void {
    this.#run(this.#handlerOf(message.subject), message);
  }

  #handlerOf(subject: string | undefined): Handler | undefined {
    const { events, message: other } = this.#behaviour;
    return ((events && handlerOf(events, subject)) ?? other) as Handler | undefined;
  }

  /** What answers a request, if anything does. */
  answererOf(subject: string | undefined): ((request: ClientRequest) => unknown) | undefined {
    const { requests, request: other } = this.#behaviour;
    const handler = handlerOf(requests, subject) ?? other;
    return handler && ((request) => handler.call(this.#behaviour, this.#session, request));
  }

  report(cause: unknown): void {
    this.errors += 1;
    const { error } = this.#behaviour;
    if (error === undefined) throwUncaught(cause);
    else callGuarded(() => error.call(this.#behaviour, this.#session, cause));
  }

  #run(handler: Handler | undefined, ...args: unknown[]): void {
    if (handler === undefined) return;
    callReported(
      () => handler.call(this.#behaviour, ...([this.#session, ...args] as never[])),
      (cause) => this.report(cause),
    );
  }
}

function handlerOf<Handler>(
  bySubject: Readonly<Record<string, Handler>> = {},
  subject = "",
): Handler | undefined {
  return Object.hasOwn(bySubject, subject) ? bySubject[subject] : undefined;
}
