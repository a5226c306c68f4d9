import type { ClientBehaviour } from "../client/behaviour.js";
import type { ClientSession } from "../client/session.js";
import { FailureCode } from "../delivery/failure.js";
import { largeSubject } from "../delivery/large_subject.js";
import type { Message } from "../delivery/message.js";
import { InvalidArgumentError, TransferFailedError } from "../errors.js";
import { readOptions, show } from "../options/read.js";
import { integer, isFunction, isObject, object, option, withDefault } from "../options/schema.js";
import type { ServerBehaviour } from "../server/behaviour.js";
import type { Session } from "../server/session.js";
import { callGuarded, throwUncaught } from "../transport/uncaught.js";
import type { LargeMessage } from "./large_message.js";
import { anyBytes } from "./offer.js";
import { pacingOptions } from "./pacing.js";
import { Receiving } from "./receiving.js";

/** How large messages are received. */
export interface ReceiveLargeOptions<Session> {
  /**
   * Takes a large message: reads all of it, and is done when what it returns is. Its sender is told then, and not before;
   * where it throws or rejects, its sender is told that it has failed: by a `RequestFailure` why, else as a fault of this
   * side, which is reported to the behaviour's `error`. What is not read to its end has failed as well.
   */
  large(session: Session, message: LargeMessage): unknown;
  /** Larger ones are refused, before or while they come; there is no limit by default. */
  readonly maxBytes?: number | undefined;
  /** So many are on their way at a time, 256 by default, each with `windowBytes`; more are refused. */
  readonly maxTransfers?: number | undefined;
  /** So many of one session: 8 by default. */
  readonly maxTransfersPerSession?: number | undefined;
  /** How much of each may be here that is not taken, 8 KiB..64 MiB; 512 KiB by default. */
  readonly windowBytes?: number | undefined;
  /** How long nothing may come that is waited for, while there is a connection; 60 s by default. */
  readonly idleTimeoutMs?: number | undefined;
}

const schema = object({
  large: option<(session: never, message: LargeMessage) => unknown>("a function", isFunction),
  maxBytes: withDefault(anyBytes, Number.MAX_SAFE_INTEGER),
  maxTransfers: withDefault(integer(1, 1_000_000), 256),
  maxTransfersPerSession: withDefault(integer(1, 1_000), 8),
  ...pacingOptions,
} satisfies Record<keyof ReceiveLargeOptions<unknown>, unknown>);

/** What both behaviours have, as far as it matters here. */
interface SomeBehaviour<Session> {
  readonly events?: object;
  readonly requests?: object;
  error?(session: Session, cause: unknown): unknown;
}

/**
 * A server's behaviour that receives large messages as well, which clients send by `sendLarge`.
 * @param behaviour all else that the server does: its handlers are called as before.
 * @throws InvalidArgumentError
 */
export function serverReceivesLarge<Data = unknown, Events = unknown>(
  behaviour: ServerBehaviour<Data, Events>,
  options: ReceiveLargeOptions<Session<Data, Events>>,
): ServerBehaviour<Data, Events> {
  const { receiving, handlers } = received(behaviour, options);
  return {
    ...handlers,
    close(session, end) {
      receiving.end(session, lost("the session has ended"));
      return behaviour.close?.(session, end);
    },
  };
}

/**
 * The same of a client's, to whom servers send.
 * @throws InvalidArgumentError
 */
export function clientReceivesLarge<Events = unknown>(
  behaviour: ClientBehaviour<Events>,
  options: ReceiveLargeOptions<ClientSession<Events>>,
): ClientBehaviour<Events> {
  const { receiving, handlers } = received(behaviour, options);
  return {
    ...handlers,
    gap(session, missed) {
      if (missed.topic === undefined) receiving.lose(session, lost("the server has lost the session"));
      return behaviour.gap?.(session, missed);
    },
    close(session, info) {
      receiving.end(session, lost("the session has ended"));
      return behaviour.close?.(session, info);
    },
  };
}

function lost(reason: string): TransferFailedError {
  return new TransferFailedError(reason, { failureCode: FailureCode.lost });
}

/** @returns what receives, and the behaviour with the handlers that bring it what comes. */
function received<AnySession extends { readonly transport: string | undefined }, Behaviour extends object>(
  behaviour: Behaviour,
  options: ReceiveLargeOptions<AnySession>,
): { readonly receiving: Receiving<AnySession>; readonly handlers: Behaviour } {
  const { large, ...limits } = readOptions(schema, options);
  if (!isObject(behaviour)) {
    throw new InvalidArgumentError(`behaviour must be an object of handlers, and not ${show(behaviour)}`);
  }
  const other = behaviour as SomeBehaviour<AnySession>;
  if (Object.hasOwn(other.requests ?? {}, largeSubject)) {
    throw new InvalidArgumentError("behaviour receives large messages already");
  }
  const report = (session: AnySession, cause: unknown) => {
    if (other.error === undefined) throwUncaught(cause);
    else callGuarded(() => other.error!(session, cause));
  };
  const handle = (session: AnySession, message: LargeMessage) =>
    large.call(options, session as never, message);
  const receiving = new Receiving<AnySession>({ large: handle, report }, limits);
  // Not asynchronous: it holds no place of the dispatcher's while the handler thinks.
  const offer = (session: AnySession, request: Pick<Message, "payload">) =>
    receiving.offer(session, request.payload);
  const take = (session: AnySession, message: Message) => receiving.take(session, message);
  const handlers = {
    ...bound(behaviour),
    requests: { ...other.requests, [largeSubject]: offer },
    events: { ...other.events, [largeSubject]: take },
  };
  return { receiving, handlers: handlers as unknown as Behaviour };
}

/** The members of a behaviour, of its class too; what it calls on itself stays its own. */
function bound(behaviour: object): Readonly<Record<string, unknown>> {
  const members: Record<string, unknown> = {};
  for (let at = behaviour; at !== null && at !== Object.prototype; at = Object.getPrototypeOf(at)) {
    for (const name of Object.getOwnPropertyNames(at)) {
      if (name === "constructor" || Object.hasOwn(members, name)) continue;
      const value: unknown = (behaviour as Readonly<Record<string, unknown>>)[name];
      members[name] = typeof value === "function" ? value.bind(behaviour) : value;
    }
  }
  return members;
}
