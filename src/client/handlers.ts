import { answerOf } from "../delivery/answer.js";
import { FailureCode, RequestFailure } from "../delivery/failure.js";
import type { Message } from "../delivery/message.js";
import { callGuarded, callReported, throwUncaught } from "../transport/uncaught.js";
import type { ClientBehaviour, ClientRequest } from "./behaviour.js";
import type { ClientSession } from "./session.js";

type Handler = (...args: never[]) => unknown;
/** Those that take the session and what has happened, and answer nothing. */
type EventName = Exclude<keyof ClientBehaviour, "requests" | "request" | "events" | "message" | "error">;

/** The application's handlers. What one throws goes to `error`; where there is none, it is an uncaught exception. */
export class ClientHandlers {
  readonly #behaviour: ClientBehaviour;
  readonly #session: ClientSession;

  constructor(behaviour: ClientBehaviour, session: ClientSession) {
    this.#behaviour = behaviour;
    this.#session = session;
  }

  get hasErrorHandler(): boolean {
    return this.#behaviour.error !== undefined;
  }

  call(name: EventName, ...args: unknown[]): void {
    this.#run(this.#behaviour[name] as Handler | undefined, ...args);
  }

  message(message: Message): void {
    const { events, message: other } = this.#behaviour;
    this.#run((events && handlerOf(events, message.subject)) ?? other, message);
  }

  /** @throws RequestFailure where nobody answers, and whatever the handler throws */
  async answer(request: ClientRequest): Promise<Uint8Array> {
    const { requests, request: other } = this.#behaviour;
    const handler = handlerOf(requests, request.subject) ?? other;
    if (handler === undefined) {
      throw new RequestFailure("nobody answers this subject here", FailureCode.unknownSubject);
    }
    return answerOf(await handler.call(this.#behaviour, this.#session, request));
  }

  report(cause: unknown): void {
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
