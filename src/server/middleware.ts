import type { MetaEntry } from "../frame/frame.js";
import { checkHandlersOf } from "../options/handlers.js";
import { show } from "../options/read.js";
import type { SendResult } from "../transport/connection.js";
import type { AuthenticateContext, ClientHello } from "./behaviour.js";
import type { Refusal } from "./refusal.js";
import type { Session, SessionEnd } from "./session.js";

/** What comes in, on its way to its handler. Its bytes are its own; `payload` may be assigned. */
export interface Incoming {
  readonly kind: "message" | "request" | "publish" | "subscribe" | "unsubscribe";
  /** Of a message: the application's. */
  readonly type: number;
  /** Of a request, publication or subscription: always there. */
  readonly subject: string | undefined;
  readonly meta: readonly MetaEntry[];
  payload: Uint8Array;
  /**
   * Waits so many milliseconds: in an asynchronous `incoming` without taking a place of the dispatcher's from other
   * sessions, while what the same session sent later stays behind. Ends at once when the session is over.
   */
  rest(ms: number): Promise<void>;
}

/** What goes out, on its way to the session's queue. `payload` may be assigned. */
export interface OutgoingMessage {
  readonly kind: "message" | "request" | "response" | "publish";
  readonly type: number;
  readonly subject: string | undefined;
  payload: Uint8Array;
}

/**
 * One layer of the onion around a server's handlers. Each function sees what passes, may change it, and goes on by
 * `next()`; where it does not, what passes ends there. What it throws is treated as if the handler had thrown it, so that
 * a `RequestFailure` answers a request. Outer layers come first in `ServerOptions.middleware`.
 */
// biome-ignore lint/suspicious/noExplicitAny: one that does not look at the data fits sessions of any
export interface Middleware<Data = any> {
  readonly name: string;
  /** Around `authenticate`. */
  connect?(
    hello: ClientHello,
    context: AuthenticateContext,
    next: () => Promise<Data | Refusal>,
  ): Promise<Data | Refusal>;
  /**
   * Is told what came of a client whom `connect` let in: its session begins or goes on; or why not, which the server's own
   * limits say. Not called for one that goes before that. Nothing waits for it.
   */
  settled?(hello: ClientHello, context: AuthenticateContext, refusal: Refusal | undefined): unknown;
  /**
   * Around the handlers of what comes in. One that is asynchronous is run by the dispatcher, so that a session's messages
   * stay in order.
   */
  incoming?(session: Session<Data>, incoming: Incoming, next: () => unknown): unknown;
  /** Around what is sent. Without `next()` it is `dropped`. */
  outgoing?(session: Session<Data>, outgoing: OutgoingMessage, next: () => SendResult): SendResult;
  /** Around `close`. */
  close?(session: Session<Data>, end: SessionEnd, next: () => unknown): unknown;
}

const stages = ["connect", "settled", "incoming", "outgoing", "close"] satisfies (keyof Middleware)[];

/** @throws InvalidArgumentError where a stage is no function; one whose name nearly is a stage's is warned of */
export function checkMiddleware(middleware: readonly Middleware[]): void {
  for (const layer of middleware) checkHandlersOf(`middleware ${show(layer.name)}`, layer, stages);
}

/** The layers of one stage, the outermost first. */
type Layer<Args extends readonly unknown[], Result> = (...args: [...Args, () => Result]) => Result;

/**
 * One function of many layers around a core. Without layers it is the core itself, and costs nothing.
 * @param core is given the arguments that the outermost layer got.
 */
export function onion<Args extends readonly unknown[], Result>(
  layers: readonly Layer<Args, Result>[],
  core: (...args: Args) => Result,
): (...args: Args) => Result {
  return layers.reduceRight<(...args: Args) => Result>(
    (inner, layer) =>
      (...args) =>
        layer(...args, () => inner(...args)),
    core,
  );
}

/** The layers of a stage, bound to their middleware. */
export function layersOf<Data, Stage extends "connect" | "incoming" | "outgoing" | "close">(
  middleware: readonly Middleware<Data>[],
  stage: Stage,
): NonNullable<Middleware<Data>[Stage]>[] {
  return middleware.flatMap((layer) => {
    const part = layer[stage] as ((...args: unknown[]) => unknown) | undefined;
    return part === undefined ? [] : [part.bind(layer) as NonNullable<Middleware<Data>[Stage]>];
  });
}
