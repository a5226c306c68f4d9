import { answerOf } from "../delivery/answer.js";
import { FailureCode, RequestFailure } from "../delivery/failure.js";
import { costOf } from "../delivery/frame_cost.js";
import { OwnMessage } from "../delivery/message.js";
import type { SessionHalf } from "../delivery/session_half.js";
import type { FrameContents } from "../frame/frame.js";
import type { ClientRequest } from "./behaviour.js";
import { type ClientHandlers, nobodyAnswers } from "./handlers.js";

/** How many of the server's requests are answered at once. */
export const maxAnswering = 100;

/**
 * The server's requests that this client answers. So many are in the hands of its handlers; the others wait, and the
 * server's credit with them, so that a server that asks faster than it is answered can ask no more for a while.
 */
export class Answering {
  readonly #half: SessionHalf;
  readonly #handlers: ClientHandlers;
  #begun = 0;
  #waiting: (() => Promise<unknown>)[] = [];

  constructor(half: SessionHalf, handlers: ClientHandlers) {
    this.#half = half;
    this.#handlers = handlers;
  }

  /** A request has come. @param frame valid during the call. */
  take(frame: Readonly<FrameContents>): void {
    const request = new OwnMessage(frame, this.#half) as ClientRequest & OwnMessage;
    const { type: id, channel, seq } = frame;
    const cost = costOf(frame);
    this.#waiting.push(() => {
      this.#half.handled(channel, seq, cost);
      return this.#answer(id, request);
    });
    this.#goOn();
  }

  /** Nobody waits for those any more that have not begun. */
  clear(): void {
    this.#waiting = [];
  }

  #goOn(): void {
    while (this.#begun < maxAnswering) {
      const begin = this.#waiting.shift();
      if (begin === undefined) return;
      this.#begun += 1;
      void begin().finally(() => {
        this.#begun -= 1;
        this.#goOn();
      });
    }
  }

  async #answer(id: number, request: ClientRequest & OwnMessage): Promise<void> {
    const half = this.#half;
    const { life } = half;
    // Whoever has lost the session asks for nothing any more: what has this number there now is something else.
    const isAsked = () => !half.outbound.hasEnded && half.life === life;
    try {
      const answerer = this.#handlers.answererOf(request.subject);
      if (answerer === undefined) throw new RequestFailure(nobodyAnswers, FailureCode.unknownSubject);
      const answer = answerOf(await answerer(request));
      if (isAsked()) half.respond(id, answer);
    } catch (cause) {
      const told =
        cause instanceof RequestFailure
          ? cause
          : new RequestFailure("a fault of the client", FailureCode.internal);
      if (cause !== told) this.#handlers.report(cause);
      if (isAsked()) half.fail(id, told.code, told.message, told.retryAfterMs);
    }
  }
}
