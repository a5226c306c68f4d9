import { answerOf, failureAnswer } from "../delivery/answer.js";
import { Dedupe } from "../delivery/dedupe.js";
import type { EarlyRequest } from "../delivery/early_request.js";
import { FailureCode, RequestFailure } from "../delivery/failure.js";
import type { Outgoing } from "../delivery/outgoing.js";
import type { Dispatcher } from "../dispatch/dispatcher.js";
import { HandlerTimeoutError, InvalidArgumentError } from "../errors.js";
import { Kind } from "../frame/frame.js";
import type { EarlyClient, EarlyRequestHandler, ServerBehaviour } from "./behaviour.js";
import type { Handlers } from "./handlers.js";
import { OwnIncoming } from "./own_incoming.js";

/** What is remembered of early requests, those of all clients together. */
const limits = { maxIds: 10_000, maxAgeMs: 120_000, maxAnswerBytes: 4 * 1024 * 1024 };

/** An early request is nobody's of whom more is to be heard. */
const nobody = { life: 0, confirmMessage: () => false, rejectMessage: () => false };

/** An answer that does not say yet to which of several equal requests. */
type Answer = Omit<Outgoing, "type">;

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

  constructor(behaviour: ServerBehaviour<Data>, handlers: Handlers<Data>, dispatcher: Dispatcher) {
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
    const known = this.#done.check(key, body, now);
    if (known === "conflict") return failure(FailureCode.conflict, "the id is another request's");
    if (known === "duplicate") {
      return this.#done.answerTo(key) ?? failure(FailureCode.forgotten, "the answer is kept no more");
    }
    const answered = this.#run(handler, client, frame, maxBytes);
    if (answered === undefined) {
      this.#done.forget(key);
      return failure(FailureCode.tooEarly, "too much waits already");
    }
    this.#done.answered(key, answered, 0);
    void answered.then((answer) => this.#done.answered(key, answered, answer.payload.length));
    return answered;
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
    const submitted = this.#dispatcher.submit(incoming, {
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

  #failed(cause: unknown): Answer {
    if (cause instanceof RequestFailure) return failure(cause.code, cause.message);
    this.#handlers.report(undefined, cause);
    if (cause instanceof HandlerTimeoutError) return failure(FailureCode.timeout, "it took too long");
    return failure(FailureCode.internal, "a fault of the server");
  }
}

function failure(code: number, reason: string): Answer {
  return failureAnswer(0, code, reason);
}
