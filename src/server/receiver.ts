import { answerOf } from "../delivery/answer.js";
import { FailureCode, RequestFailure } from "../delivery/failure.js";
import { marksOf } from "../delivery/marks.js";
import { type Message, MessageView } from "../delivery/message.js";
import type { Dispatcher } from "../dispatch/dispatcher.js";
import type { Task, TaskCall } from "../dispatch/task.js";
import { HandlerTimeoutError } from "../errors.js";
import type { FrameContents } from "../frame/frame.js";
import { isAsync, isThenable } from "../transport/asynchronous.js";
import type { WaitOptions } from "../transport/wait.js";
import { Waiters } from "../transport/waiters.js";
import type { EventHandler, RequestHandler, ServerBehaviour } from "./behaviour.js";
import type { Handlers } from "./handlers.js";
import { layersOf, type Middleware, onion } from "./middleware.js";
import { OwnIncoming } from "./own_incoming.js";
import type { ServerSession } from "./server_session.js";
import type { ServerTopics } from "./server_topics.js";
import type { Storing } from "./storing.js";
import { TopicRequests } from "./topic_requests.js";
import { Unsequenced, type UnsequencedLimits } from "./unsequenced.js";

const view = new MessageView();

/** Brings what clients send to the application's handlers: at once, or by the dispatcher where they are asynchronous. */
export class Receiver<Data> {
  readonly #behaviour: ServerBehaviour<Data>;
  readonly #handlers: Handlers<Data>;
  readonly #dispatcher: Dispatcher;
  readonly #requests: ReadonlyMap<string, RequestHandler<Data>>;
  readonly #events: ReadonlyMap<string, EventHandler<Data>>;
  /** Around all handlers; undefined where there is no middleware. */
  readonly #onion: ((session: ServerSession<Data>, incoming: OwnIncoming) => unknown) | undefined;
  readonly #topics: TopicRequests<Data>;
  readonly #storing: Storing<Data>;
  readonly #unsequenced = new Unsequenced<ServerSession<Data>>();
  readonly #messagesWait: boolean;
  readonly #layersWait: boolean;
  /** Handlers that have given a promise and hold no place of the dispatcher's. */
  #promised = 0;
  readonly #kept = new Waiters();

  constructor(
    behaviour: ServerBehaviour<Data>,
    middleware: readonly Middleware<Data>[],
    handlers: Handlers<Data>,
    dispatcher: Dispatcher,
    topics: ServerTopics<Data>,
    storing: Storing<Data>,
  ) {
    this.#storing = storing;
    this.#behaviour = behaviour;
    this.#handlers = handlers;
    this.#dispatcher = dispatcher;
    this.#topics = new TopicRequests(behaviour, topics);
    this.#requests = new Map(Object.entries(behaviour.requests ?? {}));
    this.#events = new Map(Object.entries(behaviour.events ?? {}));
    const layers = layersOf(middleware, "incoming");
    const core = (_session: ServerSession<Data>, incoming: OwnIncoming) => incoming.handle();
    this.#onion = layers.length === 0 ? undefined : onion(layers as never[], core);
    const layersWait = layers.some(isAsync);
    this.#messagesWait = layersWait || isAsync(behaviour.message);
    this.#layersWait = layersWait;
  }

  #eventOf({ subject = "" }: Readonly<FrameContents>): EventHandler<Data> | undefined {
    return this.#events.size === 0 ? undefined : this.#events.get(subject);
  }

  #messageWaits(event: EventHandler<Data> | undefined): boolean {
    return event === undefined ? this.#messagesWait : this.#layersWait || isAsync(event);
  }

  /** Whether a message without a sequence may wait, where its handler is asynchronous. It may be compressed still. */
  hasRoomFor(
    session: ServerSession<Data>,
    frame: Readonly<FrameContents>,
    limits: UnsequencedLimits,
  ): boolean {
    return !this.#messageWaits(this.#eventOf(frame)) || this.#unsequenced.hasRoomFor(session, frame, limits);
  }

  /** A session is over: what waited of it was dropped. */
  forget(session: ServerSession<Data>): void {
    this.#unsequenced.forget(session);
  }

  message(session: ServerSession<Data>, frame: Readonly<FrameContents>): void {
    const event = this.#eventOf(frame);
    const handler = event ?? this.#behaviour.message;
    const waits = this.#messageWaits(event);
    if (this.#onion === undefined && !waits) {
      // Before the handler, so that what it sends acknowledges it.
      session.pass(frame);
      const seen = view.of(frame, session);
      this.#storing.take(session, seen);
      if (handler === undefined) return;
      try {
        this.#handlers.watch(session, handler.call(this.#behaviour, session, seen));
      } catch (cause) {
        this.#handlers.report(session, cause);
      }
      return;
    }
    // Though nobody handles it: middleware may count it, or not want it stored.
    const handle = (own: Message) => {
      this.#storing.take(session, own);
      return handler?.call(this.#behaviour, session, own);
    };
    this.#take(session, new OwnIncoming(frame, session, handle), waits);
  }

  /** The same of a request, whose answer is sent. */
  request(session: ServerSession<Data>, frame: Readonly<FrameContents>): void {
    const subject = frame.subject ?? "";
    const handler = this.#requests.get(subject) ?? this.#behaviour.request;
    if (handler === undefined) {
      session.pass(frame);
      session.fail(frame.type, FailureCode.unknownSubject, "nobody answers this subject here");
      return;
    }
    const waits = this.#layersWait || isAsync(handler);
    const handle = (own: OwnIncoming) => handler.call(this.#behaviour, session, own as never);
    this.#take(session, new OwnIncoming(frame, session, handle), waits);
  }

  /** The same of what a client asks of topics. */
  topicRequest(session: ServerSession<Data>, frame: Readonly<FrameContents>): void {
    const topics = this.#topics;
    const handle = (own: OwnIncoming) => {
      if (own.kind === "subscribe") return topics.subscribe(session, own);
      return own.kind === "publish" ? topics.publish(session, own) : topics.unsubscribe(session, own);
    };
    this.#take(session, new OwnIncoming(frame, session, handle), true);
  }

  #take(session: ServerSession<Data>, incoming: OwnIncoming, waits: boolean): void {
    if (!waits) {
      incoming.account(session);
      this.#run(session, incoming);
      return;
    }
    if (incoming.isUnsequenced) this.#unsequenced.add(session, incoming.cost);
    if (this.#dispatcher.submit(session, new IncomingTask(this, session, incoming)) === "full") {
      this.#refuse(session, incoming); // before it counts as handled: who waits for that is not to take it so
      this.account(session, incoming);
    }
  }

  /** It waits no longer: who sent it may send more. */
  account(session: ServerSession<Data>, incoming: OwnIncoming): void {
    if (incoming.isUnsequenced) this.#unsequenced.add(session, -incoming.cost);
    incoming.account(session);
  }

  /** Runs the handlers of one thing that came, and answers it. */
  #run(session: ServerSession<Data>, incoming: OwnIncoming): void {
    try {
      const returned = this.run(session, incoming);
      if (isThenable(returned)) void this.#keep(session, incoming, returned);
      else this.answer(session, incoming, returned);
    } catch (cause) {
      this.fail(session, incoming, cause);
    }
  }

  async #keep(
    session: ServerSession<Data>,
    incoming: OwnIncoming,
    promised: PromiseLike<unknown>,
  ): Promise<void> {
    this.#promised += 1;
    try {
      await Promise.resolve(promised).then(
        (answer) => this.answer(session, incoming, answer),
        (cause: unknown) => this.fail(session, incoming, cause),
      );
    } finally {
      this.#promised -= 1;
      if (this.#promised === 0) this.#kept.wake();
    }
  }

  /** Handlers that have given a promise and hold no place of the dispatcher's. */
  get promised(): number {
    return this.#promised;
  }

  /** Resolves when there are none. @throws TimeoutError */
  async idle(wait: WaitOptions): Promise<void> {
    if (this.#promised > 0) await this.#kept.wait("the handlers' promises", wait);
  }

  /** Calls the handlers. */
  run(session: ServerSession<Data>, incoming: OwnIncoming): unknown {
    return this.#onion === undefined ? incoming.handle() : this.#onion(session, incoming);
  }

  answer(session: ServerSession<Data>, incoming: OwnIncoming, answer: unknown): void {
    if (session.state === "closed") return;
    if (incoming.kind === "message") {
      this.#refuseMessage(session, incoming);
      return;
    }
    if (!incoming.isHandled) {
      session.fail(incoming.id, FailureCode.forbidden, "refused");
      return;
    }
    let bytes: Uint8Array;
    try {
      bytes = answerOf(answer);
    } catch (cause) {
      this.fail(session, incoming, cause);
      return;
    }
    session.respond(incoming.id, bytes, incoming.answerMeta);
  }

  fail(session: ServerSession<Data>, incoming: OwnIncoming, cause: unknown): void {
    const isTold = cause instanceof RequestFailure;
    if (!isTold) this.#handlers.report(session, cause);
    if (session.state === "closed") return;
    if (incoming.kind === "message") this.#refuseMessage(session, incoming);
    else if (isTold) session.fail(incoming.id, cause.code, cause.message, cause.retryAfterMs);
    else if (cause instanceof HandlerTimeoutError)
      session.fail(incoming.id, FailureCode.timeout, "it took too long");
    else session.fail(incoming.id, FailureCode.internal, "a fault of the server");
  }

  #refuse(session: ServerSession<Data>, incoming: OwnIncoming): void {
    const rejection = { code: FailureCode.overloaded, reason: "too much waits already" };
    if (incoming.kind === "message") session.rejectMessage(incoming, rejection);
    else session.fail(incoming.id, rejection.code, rejection.reason);
  }

  /** A message that middleware has kept from its handler: who waits to hear of it is told. */
  #refuseMessage(session: ServerSession<Data>, incoming: OwnIncoming): void {
    if (incoming.isHandled || marksOf(incoming) === undefined) return;
    session.rejectMessage(incoming, { code: FailureCode.forbidden, reason: "refused" });
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
    this.#receiver.account(this.#session, this.#incoming);
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
