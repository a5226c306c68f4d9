import { setTimeout as delay } from "node:timers/promises";
import { FailureCode, RequestFailure } from "../delivery/failure.js";
import { costOf } from "../delivery/frame_cost.js";
import { type Confirming, OwnMessage } from "../delivery/message.js";
import type { TaskCall } from "../dispatch/task.js";
import { type FrameContents, Kind, type MetaEntry } from "../frame/frame.js";
import type { Incoming } from "./middleware.js";

const kindNames: ReadonlyMap<number, Incoming["kind"]> = new Map([
  [Kind.Message, "message"],
  [Kind.Request, "request"],
  [Kind.Subscribe, "subscribe"],
  [Kind.Unsubscribe, "unsubscribe"],
  [Kind.Publish, "publish"],
]);

/** What is done with it at the innermost. @returns the answer, of all but messages */
export type IncomingHandler = (incoming: OwnIncoming) => unknown;

/** Whose window it came through. */
interface Accountable {
  handled(lane: number, low32: number, cost: number): void;
}

/** What came in, whose bytes are its own: it passes the middleware, and waits where its handler does. */
export class OwnIncoming extends OwnMessage implements Incoming {
  readonly kind: Incoming["kind"];
  /** Of all but messages: what the answer names. */
  readonly id: number;
  /** It came through to its handler. */
  isHandled = false;
  /** What the answer says beside its payload. */
  answerMeta: readonly MetaEntry[] | undefined = undefined;
  /** What it counts for while it waits. */
  readonly cost: number;
  readonly #handler: IncomingHandler;
  #call: TaskCall | undefined = undefined;
  #abort: AbortController | undefined = undefined;

  constructor(frame: Readonly<FrameContents>, from: Confirming, handler: IncomingHandler) {
    super(frame, from);
    this.kind = kindNames.get(frame.kind)!;
    this.id = frame.type;
    this.cost = costOf(frame);
    this.#handler = handler;
  }

  /** No window counts it. */
  get isUnsequenced(): boolean {
    return this.sequence === 0 && this.kind === "message";
  }

  /** Fires when nobody wants the answer any more. */
  get signal(): AbortSignal {
    if (this.#call !== undefined) return this.#call.signal;
    this.#abort ??= new AbortController();
    return this.#abort.signal;
  }

  /** Waits without a place of the dispatcher's, where it has one. */
  async rest(ms: number): Promise<void> {
    await (this.#call === undefined ? delay(ms) : this.#call.rest(ms));
  }

  /** @throws RequestFailure where it is none: what a stranger sends is no fault of the handler's. */
  override json(): unknown {
    try {
      return super.json();
    } catch (cause) {
      throw this.kind === "message"
        ? cause
        : new RequestFailure("the payload is no JSON", FailureCode.malformed);
    }
  }

  /** The dispatcher runs it. */
  set call(call: TaskCall) {
    this.#call = call;
  }

  /** It waits no longer: who sent it may send more. */
  account(session: Accountable): void {
    session.handled(this.lane, this.sequence, this.cost);
  }

  handle(): unknown {
    this.isHandled = true;
    return this.#handler(this);
  }
}
