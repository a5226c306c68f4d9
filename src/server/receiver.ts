import { setTimeout as delay } from "node:timers/promises";
import { FailureCode, RequestFailure } from "../delivery/failure.js";
import { type Message, MessageView, OwnMessage } from "../delivery/message.js";
import { costOf } from "../delivery/session_half.js";
import type { Dispatcher } from "../dispatch/dispatcher.js";
import type { Task, TaskCall } from "../dispatch/task.js";
import { HandlerTimeoutError } from "../errors.js";
import { type FrameContents, Kind } from "../frame/frame.js";
import type { Answer, RequestHandler, ServerBehaviour } from "./behaviour.js";
import type { Handlers } from "./handlers.js";
import { type Incoming, layersOf, type Middleware, onion } from "./middleware.js";
import type { ServerSession } from "./server_session.js";

/** The class of async functions, which has no global name. */
const AsyncFunction = (async () => {}).constructor as FunctionConstructor;

const view = new MessageView();
const nothing = new Uint8Array(0);
const encoder = new TextEncoder();

/** Brings what clients send to the application's handlers: at once, or by the dispatcher where they are asynchronous. */
export class Receiver<Data> {
  readonly #behaviour: ServerBehaviour<Data>;
  readonly #handlers: Handlers<Data>;
  readonly #dispatcher: Dispatcher;
  readonly #requests: ReadonlyMap<string, RequestHandler<Data>>;
  /** Around all handlers; undefined where there is no middleware. */
  readonly #onion: ((session: ServerSession<Data>, incoming: OwnIncoming) => unknown) | undefined;
  readonly #messagesWait: boolean;

  constructor(
    behaviour: ServerBehaviour<Data>,
    middleware: readonly Middleware<Data>[],
    handlers: Handlers<Data>,
    dispatcher: Dispatcher,
  ) {
    this.#behaviour = behaviour;
    this.#handlers = handlers;
    this.#dispatcher = dispatcher;
    this.#requests = new Map(Object.entries(behaviour.requests ?? {}));
    const layers = layersOf(middleware, "incoming");
    const core = (_session: ServerSession<Data>, incoming: OwnIncoming) => incoming.handle();
    this.#onion = layers.length === 0 ? undefined : onion(layers as never[], core);
    const isAsync = layers.some((layer) => layer instanceof AsyncFunction);
    this.#messagesWait = isAsync || behaviour.message instanceof AsyncFunction;
    this.#layersWait = isAsync;
  }

  readonly #layersWait: boolean;

  message(session: ServerSession<Data>, frame: Readonly<FrameContents>): void {
    const { message } = this.#behaviour;
    const isDirect = this.#onion === undefined && !this.#messagesWait;
    if (isDirect || message === undefined) {
      // Before the handler, so that what it sends acknowledges it.
      session.handled(frame.channel, frame.seq, costOf(frame));
      if (message === undefined) return;
      try {
        this.#handlers.watch(session, message.call(this.#behaviour, session, view.of(frame)));
      } catch (cause) {
        this.#handlers.report(session, cause);
      }
      return;
    }
    const handle = (own: Message) => message.call(this.#behaviour, session, own);
    this.#take(session, new OwnIncoming("message", frame, handle), this.#messagesWait);
  }

  /** The same of a request, whose answer is sent. */
  request(session: ServerSession<Data>, frame: Readonly<FrameContents>): void {
    const subject = frame.subject ?? "";
    const handler =
      frame.kind === Kind.Request ? (this.#requests.get(subject) ?? this.#behaviour.request) : undefined;
    if (handler === undefined) {
      session.handled(frame.channel, frame.seq, costOf(frame));
      session.fail(frame.type, FailureCode.unknownSubject, "nobody answers this subject here");
      return;
    }
    const isAsync = this.#layersWait || handler instanceof AsyncFunction;
    const handle = (own: OwnIncoming) => handler.call(this.#behaviour, session, own as never);
    this.#take(session, new OwnIncoming("request", frame, handle), isAsync);
  }

  #take(session: ServerSession<Data>, incoming: OwnIncoming, waits: boolean): void {
    if (!waits) {
      incoming.account(session);
      this.#run(session, incoming);
    } else if (this.#dispatcher.submit(session, new IncomingTask(this, session, incoming)) === "full") {
      incoming.account(session);
      this.#refuse(session, incoming);
    }
  }

  /** Runs the handlers of one thing that came, and answers it. */
  #run(session: ServerSession<Data>, incoming: OwnIncoming): void {
    try {
      const returned = this.run(session, incoming);
      if (isThenable(returned)) {
        Promise.resolve(returned).then(
          (answer) => this.answer(session, incoming, answer),
          (cause: unknown) => this.fail(session, incoming, cause),
        );
      } else this.answer(session, incoming, returned);
    } catch (cause) {
      this.fail(session, incoming, cause);
    }
  }

  /** Calls the handlers. */
  run(session: ServerSession<Data>, incoming: OwnIncoming): unknown {
    return this.#onion === undefined ? incoming.handle() : this.#onion(session, incoming);
  }

  answer(session: ServerSession<Data>, incoming: OwnIncoming, answer: unknown): void {
    if (incoming.kind !== "request" || session.state === "closed") return;
    if (!incoming.isHandled) {
      session.fail(incoming.id, FailureCode.forbidden, "refused");
      return;
    }
    const bytes = bytesOf(answer as Answer);
    if (bytes !== undefined) session.respond(incoming.id, bytes);
    else
      this.fail(
        session,
        incoming,
        new TypeError(`the handler of "${incoming.subject}" answered no bytes and no text`),
      );
  }

  fail(session: ServerSession<Data>, incoming: OwnIncoming, cause: unknown): void {
    const isTold = cause instanceof RequestFailure;
    if (!isTold) this.#handlers.report(session, cause);
    if (incoming.kind !== "request" || session.state === "closed") return;
    if (isTold) session.fail(incoming.id, cause.code, cause.message);
    else if (cause instanceof HandlerTimeoutError)
      session.fail(incoming.id, FailureCode.timeout, "it took too long");
    else session.fail(incoming.id, FailureCode.internal, "a fault of the server");
  }

  #refuse(session: ServerSession<Data>, incoming: OwnIncoming): void {
    if (incoming.kind === "request")
      session.fail(incoming.id, FailureCode.overloaded, "too much waits already");
    else session.rejectMessage(incoming.lane, incoming.sequence);
  }
}

/** What came in, whose bytes are its own: it passes the middleware, and waits where its handler does. */
class OwnIncoming extends OwnMessage implements Incoming {
  readonly kind: "message" | "request";
  /** Of a request: what its answer names. */
  readonly id: number;
  /** What it counts for in its session's window. */
  readonly cost: number;
  /** It came through to its handler. */
  isHandled = false;
  readonly #handler: (own: OwnIncoming) => unknown;
  #call: TaskCall | undefined = undefined;
  #abort: AbortController | undefined = undefined;

  constructor(
    kind: "message" | "request",
    frame: Readonly<FrameContents>,
    handler: (own: OwnIncoming) => unknown,
  ) {
    super(frame);
    this.kind = kind;
    this.id = frame.type;
    this.cost = costOf(frame);
    this.#handler = handler;
  }

  /** Fires when nobody wants the answer any more. */
  get signal(): AbortSignal {
    if (this.#call !== undefined) return this.#call.signal;
    this.#abort ??= new AbortController();
    return this.#abort.signal;
  }

  set call(call: TaskCall) {
    this.#call = call;
  }

  async rest(ms: number): Promise<void> {
    await (this.#call === undefined ? delay(ms) : this.#call.rest(ms));
  }

  /** It waits no longer. */
  account(session: { handled(lane: number, low32: number, cost: number): void }): void {
    session.handled(this.lane, this.sequence, this.cost);
  }

  handle(): unknown {
    this.isHandled = true;
    return this.#handler(this);
  }
}

class IncomingTask<Data> implements Task {
  readonly #receiver: Receiver<Data>;
  readonly #session: ServerSession<Data>;
  readonly #incoming: OwnIncoming;

  constructor(receiver: Receiver<Data>, session: ServerSession<Data>, incoming: OwnIncoming) {
    this.#receiver = receiver;
    this.#session = session;
    this.#incoming = incoming;
  }

  run(call: TaskCall): unknown {
    this.#incoming.call = call;
    // Its place in the queue is free for another: that is what the sender's credit is of.
    this.#incoming.account(this.#session);
    const returned = this.#receiver.run(this.#session, this.#incoming);
    if (isThenable(returned)) {
      return Promise.resolve(returned).then((answer) =>
        this.#receiver.answer(this.#session, this.#incoming, answer),
      );
    }
    this.#receiver.answer(this.#session, this.#incoming, returned);
    return undefined;
  }

  fail(cause: unknown): void {
    this.#receiver.fail(this.#session, this.#incoming, cause);
  }
}

function bytesOf(answer: Answer): Uint8Array | undefined {
  if (answer === undefined || answer === null) return nothing;
  if (typeof answer === "string") return encoder.encode(answer);
  return answer instanceof Uint8Array ? answer : undefined;
}

function isThenable(value: unknown): value is PromiseLike<unknown> {
  return typeof (value as PromiseLike<unknown> | undefined | null)?.then === "function";
}
