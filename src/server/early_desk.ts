import { answerOf, failureAnswer } from "../delivery/answer.js";
import { Dedupe } from "../delivery/dedupe.js";
import type { EarlyRequest } from "../delivery/early_request.js";
import { FailureCode, RequestFailure } from "../delivery/failure.js";
import type { Outgoing } from "../delivery/outgoing.js";
import type { Dispatcher } from "../dispatch/dispatcher.js";
import { HandlerTimeoutError, InvalidArgumentError } from "../errors.js";
import { Kind } from "../frame/frame.js";
import { addressKey } from "../limit/address_key.js";
import type { EarlyClient, EarlyRequestHandler, ServerBehaviour } from "./behaviour.js";
import type { Handlers } from "./handlers.js";
import { OwnIncoming } from "./own_incoming.js";
import { type EarlyAnswer as Answer, EarlyElsewhere } from "./threads/early_elsewhere.js";
import type { Elsewhere } from "./threads/elsewhere.js";
import type { Peers } from "./threads/peers.js";

/** What is remembered of early requests, those of all clients together. */
const limits = { maxIds: 10_000, maxAgeMs: 120_000, maxAnswerBytes: 4 * 1024 * 1024 };

/** An early request is nobody's of whom more is to be heard. */
const nobody = { life: 0, confirmMessage: () => false, rejectMessage: () => false };

/**
 * Answers early requests. What is asked may be a copy of what a client asks, or may ask later: so each is done once, and
 * whoever asks the same again gets the answer that it got. Where that cannot be remembered it is not done early.
 */
export class EarlyDesk<Data> {
  readonly #behaviour: ServerBehaviour<Data>;
  readonly #handlers: Handlers<Data>;
  readonly #dispatcher: Dispatcher;
  readonly #bySubject: ReadonlyMap<string, EarlyRequestHandler<Data>>;
  readonly #done = new Dedupe<Promise<Answer>>(limits);
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
    this.#bySubject = new Map(Object.entries(behaviour.earlyRequests ?? {}));
  }

  /**
   * Answers each once. Those that are not done early are answered so before this returns.
   * @param maxBytes the largest answer that the client takes.
   */
  answer(
    requests: readonly EarlyRequest[],
    client: EarlyClient<Data>,
    maxBytes: number,
    tell: (answer: Outgoing) => void,
  ): void {
    for (const request of requests) {
      const { type } = request.frame;
      const answered = this.#answerTo(request, client, maxBytes);
      if (answered instanceof Promise) void answered.then((answer) => tell({ ...answer, type }));
      else tell({ ...answered, type });
    }
  }

  #answerTo(request: EarlyRequest, client: EarlyClient<Data>, maxBytes: number): Answer | Promise<Answer> {
    const { frame, id, body } = request;
    const handler = this.#bySubject.get(frame.subject ?? "");
    if (handler === undefined) return failure(FailureCode.tooEarly, "not answered early");
    const now = performance.now();
    const key = `${client.clientId ?? ""}\n${id}`;
    this.#done.expire(now);
    if (this.#done.size >= limits.maxIds && !this.#done.has(key)) {
      return failure(FailureCode.tooEarly, "too many are remembered");
    }
    const known = this.#known(key, body) ?? this.#others.asked(key, body);
    if (known !== undefined) return known;
    // A client may make as many connections as its address may have: so what they ask counts together.
    const address = addressKey(client.remoteAddress.address);
    if ((this.#pending.get(address) ?? 0) > this.#dispatcher.maxQueuedPerKey) return tooMuch();
    const owner = this.#others.claim(key);
    if (owner === undefined) return failure(FailureCode.tooEarly, "too many are remembered");
    if (owner !== "own") {
      return this.#counted(address, this.#others.ask(owner, key, body)); // it is a copy of what comes here, or this is
    }
    const answered = this.#run(handler, client, frame, maxBytes);
    if (answered === undefined) {
      this.#others.release(key);
      return tooMuch();
    }
    this.#counted(address, answered);
    this.#done.check(key, body, now);
    this.#done.answered(key, answered, 0);
    void answered.then((answer) => this.#done.answered(key, answered, answer.payload.length));
    return answered;
  }

  /** Undefined where it was not asked here. */
  #known(key: string, body: number): Answer | Promise<Answer> | undefined {
    if (!this.#done.has(key)) return undefined;
    if (this.#done.check(key, body, performance.now()) === "conflict") {
      return failure(FailureCode.conflict, "the id is another request's");
    }
    return this.#done.answerTo(key) ?? failure(FailureCode.forgotten, "the answer is kept no more");
  }

  /** @returns undefined where the dispatcher is full. */
  #run(
    handler: EarlyRequestHandler<Data>,
    client: EarlyClient<Data>,
    frame: EarlyRequest["frame"],
    maxBytes: number,
  ): Promise<Answer> | undefined {
    let resolve!: (answer: Answer) => void;
    const answered = new Promise<Answer>((settle) => {
      resolve = settle;
    });
    const incoming = new OwnIncoming(frame, nobody, (own) =>
      handler.call(this.#behaviour, client, own as never),
    );
    // Those of one client run one after the other, as what it asks in its session does.
    const submitted = this.#dispatcher.submit(client, {
      run: async (call) => {
        incoming.call = call;
        const payload = answerOf(await incoming.handle());
        if (payload.length > maxBytes) {
          throw new InvalidArgumentError(`an answer has at most ${maxBytes} bytes, not ${payload.length}`);
        }
        resolve({ kind: Kind.Response, payload: payload.slice() });
      },
      fail: (cause) => resolve(this.#failed(cause)),
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

function tooMuch(): Answer {
  return failure(FailureCode.tooEarly, "too much waits already");
}

function failure(code: number, reason: string, retryAfterMs?: number): Answer {
  return failureAnswer(0, code, reason, retryAfterMs);
}
