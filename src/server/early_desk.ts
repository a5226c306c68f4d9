import { AckLevel } from "../delivery/ack.js";
import { answerOf, failureAnswer } from "../delivery/answer.js";
import type { Rejection } from "../delivery/confirmation.js";
import { Dedupe } from "../delivery/dedupe.js";
import type { EarlyMessage } from "../delivery/early_message.js";
import { FailureCode, RequestFailure } from "../delivery/failure.js";
import type { Confirming } from "../delivery/message.js";
import type { Dispatcher } from "../dispatch/dispatcher.js";
import { HandlerTimeoutError, InvalidArgumentError } from "../errors.js";
import { Kind } from "../frame/frame.js";
import { addressKey } from "../limit/address_key.js";
import type { EarlyClient, ServerBehaviour } from "./behaviour.js";
import type { Handlers } from "./handlers.js";
import { OwnIncoming } from "./own_incoming.js";
import { type EarlyAnswer as Answer, EarlyElsewhere } from "./threads/early_elsewhere.js";
import type { Elsewhere } from "./threads/elsewhere.js";
import type { Peers } from "./threads/peers.js";

/** What is remembered of early messages, those of all clients together. */
const limits = { maxIds: 10_000, maxAgeMs: 120_000, maxAnswerBytes: 4 * 1024 * 1024 };

type Handler = (client: never, said: never) => unknown;

/** Who says something early. */
export interface EarlyAsker<Data> {
  readonly client: EarlyClient<Data>;
  /** The largest answer that it takes. */
  readonly maxBytes: number;
  /** Whether something came under an id in the session that it takes up. */
  knowsId(id: string): boolean;
  /** It is not done early. */
  refuse(message: EarlyMessage, answer: Answer): void;
  /** It is done, or was. @returns what tells its answer */
  take(message: EarlyMessage): (answer: Answer) => void;
}

/** What is not answered yet. */
interface Pending {
  readonly answered: Promise<Answer>;
  /** It is done in order with what else this connection says, and not for another one. */
  readonly isOwn: boolean;
}

/** Why it is not done early: it comes in its session. */
type TooEarly = string;

/**
 * Who sent an early message, of whom nothing is to be heard but whether it was taken: that is its answer. A request's
 * is what its handler returns or throws.
 */
class Sender implements Confirming {
  readonly life = 0;
  rejection: Rejection | undefined = undefined;
  #mayReject: boolean;

  constructor(kind: number) {
    this.#mayReject = kind === Kind.Message;
  }

  confirmMessage(): boolean {
    return false;
  }

  rejectMessage(_message: unknown, rejection: Rejection): boolean {
    if (this.#mayReject) this.rejection = rejection;
    return this.#mayReject;
  }

  /** @returns what a message is answered with whose handler has come to its end. */
  answer(): Answer {
    this.#mayReject = false;
    return this.rejection === undefined ? taken : failure(this.rejection.code, this.rejection.reason);
  }
}

/**
 * Answers early messages: requests, and those that want to hear no more than that they have come. What comes may be a copy
 * of what a client says, or may say later: so each is done once, and whoever says the same again gets the answer that it
 * got. Where that cannot be remembered it is not done early.
 */
export class EarlyDesk<Data> {
  readonly #behaviour: ServerBehaviour<Data>;
  readonly #handlers: Handlers<Data>;
  readonly #dispatcher: Dispatcher;
  readonly #requests: ReadonlyMap<string, Handler>;
  readonly #events: ReadonlyMap<string, Handler>;
  readonly #done = new Dedupe<Answer | Promise<Answer>>(limits);
  readonly #others: EarlyElsewhere;
  /** By address: how many run, and wait, here or for what another environment answers. */
  readonly #pending = new Map<string, number>();

  constructor(
    behaviour: ServerBehaviour<Data>,
    handlers: Handlers<Data>,
    dispatcher: Dispatcher,
    peers: Peers,
    elsewhere: Elsewhere,
  ) {
    this.#others = new EarlyElsewhere(peers, elsewhere, (key, body) => this.#known(key, body));
    this.#behaviour = behaviour;
    this.#handlers = handlers;
    this.#dispatcher = dispatcher;
    this.#requests = new Map(Object.entries(behaviour.earlyRequests ?? {}));
    this.#events = new Map(Object.entries(behaviour.earlyEvents ?? {}));
  }

  /**
   * Answers each once. Those that are not done early are answered so before this returns, and with one of them the
   * messages behind it: they are in order. Behind a message so are requests, which may ask what has come of it. The same
   * is behind one that is being done for another connection, or elsewhere: nobody here knows when that begins.
   */
  answer(messages: readonly EarlyMessage[], asker: EarlyAsker<Data>): void {
    let messagesWait = false;
    let requestsWait = false;
    const ids = new Set<string>();
    for (const message of messages) {
      const isMessage = message.frame.kind === Kind.Message;
      const { id } = message.marks ?? {};
      const waits = isMessage ? messagesWait : requestsWait;
      const isSecond = id !== undefined && ids.has(id);
      const answered = this.#answerTo(
        message,
        asker,
        waits || isSecond ? "it stands behind what waits" : undefined,
      );
      if (typeof answered === "string" || ("isOwn" in answered && !answered.isOwn)) {
        messagesWait = true;
        requestsWait ||= isMessage;
      }
      if (typeof answered === "string") {
        asker.refuse(message, failure(FailureCode.tooEarly, answered));
        continue;
      }
      if (id !== undefined) ids.add(id);
      const tell = asker.take(message);
      if ("isOwn" in answered) void answered.answered.then(tell);
      else tell(answered);
    }
  }

  /** @param waits why it is not done now, unless it is done already. */
  #answerTo(
    message: EarlyMessage,
    asker: EarlyAsker<Data>,
    waits: TooEarly | undefined,
  ): Answer | Pending | TooEarly {
    const { frame, id, body, marks } = message;
    const { client, maxBytes } = asker;
    const handlers = frame.kind === Kind.Message ? this.#events : this.#requests;
    const handler = handlers.get(frame.subject ?? "");
    if (handler === undefined) return "not answered early";
    if ((marks?.level ?? 0) !== AckLevel.received) return "nobody could say later how far it has come";
    if (marks?.id !== undefined && asker.knowsId(marks.id)) return "its session knows its id";
    const now = performance.now();
    const key = `${client.clientId ?? ""}\n${id}`;
    this.#done.expire(now);
    if (this.#done.size >= limits.maxIds && !this.#done.has(key)) return tooManyRemembered;
    const known = this.#known(key, body) ?? this.#others.asked(key, body);
    if (known instanceof Promise) return { answered: known, isOwn: false };
    if (known !== undefined) return known;
    // A client may make as many connections as its address may have: so what they ask counts together.
    const address = addressKey(client.remoteAddress.address);
    if ((this.#pending.get(address) ?? 0) > this.#dispatcher.maxQueuedPerKey) return tooMuch;
    const owner = this.#others.claim(key);
    if (owner === undefined) return tooManyRemembered;
    if (owner !== "own") {
      const answered = this.#counted(address, this.#others.ask(owner, key, body));
      return { answered, isOwn: false }; // it is a copy of what comes here, or this is
    }
    const answered = waits === undefined ? this.#run(handler, client, frame, maxBytes) : undefined;
    if (answered === undefined) {
      this.#others.release(key);
      return waits ?? tooMuch;
    }
    this.#counted(address, answered);
    this.#done.check(key, body, now);
    this.#done.answered(key, answered, 0);
    void answered.then((answer) => this.#done.answered(key, answer, answer.payload.length));
    return { answered, isOwn: true };
  }

  /** Undefined where it was not asked here. */
  #known(key: string, body: number): Answer | Promise<Answer> | undefined {
    if (!this.#done.has(key)) return undefined;
    if (this.#done.check(key, body, performance.now()) === "conflict") {
      return failure(FailureCode.conflict, "the id is another message's");
    }
    return this.#done.answerTo(key) ?? failure(FailureCode.forgotten, "the answer is kept no more");
  }

  /** @returns undefined where the dispatcher is full. */
  #run(
    handler: Handler,
    client: EarlyClient<Data>,
    frame: EarlyMessage["frame"],
    maxBytes: number,
  ): Promise<Answer> | undefined {
    let resolve!: (answer: Answer) => void;
    const answered = new Promise<Answer>((settle) => {
      resolve = settle;
    });
    const isMessage = frame.kind === Kind.Message;
    const sender = new Sender(frame.kind);
    const incoming = new OwnIncoming(frame, sender, (own) =>
      handler.call(this.#behaviour, client as never, own as never),
    );
    // Those of one client run one after the other, as what it says in its session does.
    const submitted = this.#dispatcher.submit(client, {
      run: async (call) => {
        incoming.call = call;
        const returned = await incoming.handle();
        resolve(isMessage ? sender.answer() : successOf(returned, maxBytes));
      },
      fail: (cause) => {
        if (isMessage) this.#handlers.report(undefined, cause); // it has come all the same, as in a session
        resolve(isMessage ? sender.answer() : this.#failed(cause));
      },
    });
    return submitted === "full" ? undefined : answered;
  }

  /** As many wait of an address as may of one session. @param answered it never rejects. */
  #counted(address: string, answered: Promise<Answer>): Promise<Answer> {
    this.#pending.set(address, (this.#pending.get(address) ?? 0) + 1);
    void answered.then(() => this.#settled(address));
    return answered;
  }

  #settled(address: string): void {
    const pending = this.#pending.get(address)! - 1;
    if (pending === 0) this.#pending.delete(address);
    else this.#pending.set(address, pending);
  }

  #failed(cause: unknown): Answer {
    if (cause instanceof RequestFailure) return failure(cause.code, cause.message, cause.retryAfterMs);
    this.#handlers.report(undefined, cause);
    if (cause instanceof HandlerTimeoutError) return failure(FailureCode.timeout, "it took too long");
    return failure(FailureCode.internal, "a fault of the server");
  }
}

const tooMuch: TooEarly = "too much waits already";
const tooManyRemembered: TooEarly = "too many are remembered";

/** Of a message, where nobody has rejected it. */
const taken: Answer = { kind: Kind.Response, payload: new Uint8Array(0) };

/** @throws InvalidArgumentError where it is no answer, or too large. */
function successOf(returned: unknown, maxBytes: number): Answer {
  const payload = answerOf(returned);
  if (payload.length > maxBytes) {
    throw new InvalidArgumentError(`an answer has at most ${maxBytes} bytes, not ${payload.length}`);
  }
  return { kind: Kind.Response, payload: payload.slice() };
}

function failure(code: number, reason: string, retryAfterMs?: number): Answer {
  return failureAnswer(0, code, reason, retryAfterMs);
}
