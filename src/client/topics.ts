import { type Failure, FailureCode, type Reply, RequestFailure } from "../delivery/failure.js";
import { type Gap, readGap } from "../delivery/gap.js";
import { textOf } from "../delivery/message.js";
import { payloadOf } from "../delivery/payload.js";
import { placeEntries } from "../delivery/places.js";
import { SessionClosedError, TimeoutError } from "../errors.js";
import { type FrameContents, Kind, type MetaEntry } from "../frame/frame.js";
import type { ClientHandlers } from "./handlers.js";
import type { Repeater } from "./repeater.js";
import {
  checkTopic,
  fromEntry,
  publishedAt,
  readSubscribe,
  readSubscription,
  type SubscribeFrom,
  type Subscription,
} from "./subscription.js";
import { TopicPositions } from "./topic_positions.js";

/** Asks the server. @throws SessionClosedError, FrameTooLargeError */
type Ask = (
  kind: number,
  subject: string,
  payload: Uint8Array,
  options: { readonly meta?: readonly MetaEntry[] | undefined; readonly timeoutMs?: number },
) => Promise<Reply>;

const nothing = new Uint8Array(0);
const lost: Failure = { status: "failure", code: FailureCode.lost, reason: "" };
/** When a fault of the server's may be mended. */
const faultMs = 1_000;
/** The session brings the answer, by another connection if need be; who asks again meanwhile asks twice. */
const renewalMs = 3_600_000;

/** What a client hears of topics, and says there. */
export class Topics {
  readonly positions = new TopicPositions();
  readonly #ask: Ask;
  readonly #repeater: Repeater;
  readonly #handlers: ClientHandlers;
  /** What the server is to be asked for again where it has lost the session, and which time it was asked for last. */
  readonly #patterns = new Map<string, number>();
  #times = 0;

  constructor(ask: Ask, repeater: Repeater, handlers: ClientHandlers) {
    this.#ask = ask;
    this.#repeater = repeater;
    this.#handlers = handlers;
  }

  async subscribe(pattern: string, options: { readonly from?: SubscribeFrom }): Promise<Subscription> {
    const from = readSubscribe(pattern, options);
    if (from !== undefined) this.positions.begin(pattern, from);
    if (this.#patterns.has(pattern)) this.#patterns.set(pattern, ++this.#times); // in place of a renewal
    const meta = await this.#asked(Kind.Subscribe, pattern, nothing, { meta: from && [fromEntry(from)] });
    const subscription = readSubscription(meta);
    this.#patterns.set(pattern, ++this.#times);
    const { cursor } = subscription;
    if (from === undefined && cursor !== undefined) this.positions.began(pattern, cursor);
    return subscription;
  }

  async unsubscribe(pattern: string): Promise<void> {
    checkTopic(pattern, "a pattern");
    this.positions.forget(pattern);
    this.#patterns.delete(pattern);
    await this.#asked(Kind.Unsubscribe, pattern, nothing, {});
  }

  async publish(topic: string, message: Uint8Array | string): Promise<void> {
    checkTopic(topic, "a topic");
    await this.#asked(Kind.Publish, topic, payloadOf(message, "a message"), {});
  }

  /** The server has lost the session, and with it the subscriptions. @param maxBytes what it takes of topics in one frame. */
  renew(maxBytes: number): void {
    for (const pattern of this.#patterns.keys()) {
      this.#patterns.set(pattern, ++this.#times);
      void this.#renew(pattern, maxBytes);
    }
  }

  /** A publication, or a gap. */
  take(frame: Readonly<FrameContents>): void {
    if (frame.kind === Kind.Gap) {
      this.#onGap(readGap(frame));
      return;
    }
    const { subject: topic = "", type, payload, meta } = frame;
    const cursor = publishedAt(meta);
    const last = this.positions.get(topic);
    const step = this.positions.advance(topic, cursor);
    if (step === "again") return;
    if (step === "gap") this.#handlers.call("gap", { topic, after: last });
    this.#handlers.call("publication", { topic, type, payload, cursor, text: () => textOf(payload) });
  }

  /** The server could not send all that it published. */
  #onGap(gap: Gap): void {
    const { topic = "" } = gap;
    const after = this.positions.get(topic);
    this.positions.skip(gap);
    this.#handlers.call("gap", { topic, after });
  }

  /** Gives what the answer's meta says. @throws RequestFailure, TimeoutError, SessionClosedError */
  async #asked(...asked: Parameters<Ask>): Promise<readonly MetaEntry[]> {
    return metaOf(await this.#ask(...asked), asked[1]);
  }

  /**
   * From where it was: in a topic, or in each of those that came by wildcards. What is not kept of that is a gap of its
   * topic; and what topics there are by now that this client has not heard of nobody knows, which is one of the pattern.
   */
  async #renew(pattern: string, maxBytes: number): Promise<void> {
    const after = this.positions.get(pattern);
    const isKnown = after !== undefined;
    const ofWildcards = (topic: string) => !this.#patterns.has(topic);
    const meta = isKnown ? [fromEntry(after)] : placeEntries(this.positions.places(maxBytes, ofWildcards));
    const time = this.#patterns.get(pattern);
    // Not any more where it is not wanted, or was asked for anew: by the next session, or the application.
    const isWanted = () => this.#patterns.get(pattern) === time;
    const told = new Set<number>([FailureCode.lost]);
    const ask = async (): Promise<Reply> => {
      if (!isWanted()) return lost;
      const reply = passing(
        await this.#ask(Kind.Subscribe, pattern, nothing, { meta, timeoutMs: renewalMs }),
      );
      if (!isWanted()) return lost;
      if (reply.status === "failure" && !told.has(reply.code)) {
        if (told.size === 1) this.#handlers.call("gap", { topic: pattern, after });
        told.add(reply.code);
        this.#report(failureOf(reply));
      }
      return reply;
    };
    try {
      const reply = await this.#repeater.ask(ask, { retries: Infinity, timeoutMs: Infinity });
      const { recovered } = readSubscription(metaOf(reply, pattern));
      if (!isKnown || !recovered) this.#handlers.call("gap", { topic: pattern, after });
    } catch (cause) {
      // The one is told by then, or asked for once more by the next session.
      if (cause instanceof RequestFailure || cause instanceof SessionClosedError) return;
      this.#handlers.call("gap", { topic: pattern, after });
      this.#report(cause);
    }
  }

  #report(cause: unknown): void {
    if (this.#handlers.hasErrorHandler) this.#handlers.report(cause);
  }
}

/** A fault of the server's passes, too: it says nothing of who may listen. */
function passing(reply: Reply): Reply {
  const isFault = reply.status === "failure" && reply.code === FailureCode.internal;
  return isFault ? { retryAfterMs: faultMs, ...reply } : reply;
}

/** @throws RequestFailure, TimeoutError */
function metaOf(reply: Reply, subject: string): readonly MetaEntry[] {
  if (reply.status === "success") return reply.meta;
  if (reply.status === "failure") throw failureOf(reply);
  throw new TimeoutError(`the server did not answer about "${subject}" in time`);
}

function failureOf(reply: Failure): RequestFailure {
  return new RequestFailure(reply.reason, reply.code, reply);
}
