import { FailureCode, RequestFailure } from "../delivery/failure.js";
import { InvalidArgumentError } from "../errors.js";
import { Rate, TokenBucket } from "../limit/token_bucket.js";
import { readOptions } from "../options/read.js";
import { number, object, oneOf, optional } from "../options/schema.js";
import type { Incoming, Middleware } from "../server/middleware.js";
import type { Session } from "../server/session.js";
import { CloseCode } from "../transport/close.js";

/** What {@link rateLimit} lets each session send. */
export interface RateLimitOptions {
  /** What each session may send in a second, messages, requests, subscriptions and publications together. */
  readonly messagesPerSecond?: number | undefined;
  /** How many of them at once; what comes in a second by default. */
  readonly messagesBurst?: number | undefined;
  /** How many bytes of payload in a second. */
  readonly bytesPerSecond?: number | undefined;
  /** How many bytes at once; what comes in a second by default. A larger payload is let through when nothing is owed. */
  readonly bytesBurst?: number | undefined;
  /**
   * What becomes of what is too much.
   * - `delay`: it is handled when it is its turn, and what the session sends then waits behind it;
   * - `drop`: a message ends here, and a request fails as `overloaded`;
   * - `close`: the session is closed.
   */
  readonly exceeded: "delay" | "drop" | "close";
}

/** A middleware that limits what each session may send. */
export interface RateLimitMiddleware<Data> extends Middleware<Data> {
  /**
   * Holds all sessions to other rates from now on; a rate that is left out is none any more. What a session has used up
   * stays so, up to one burst.
   * @throws InvalidArgumentError, and then all is as it was
   */
  update(rates: Omit<RateLimitOptions, "exceeded">): void;
}

/** So long a session that is closed has to hear why. */
const closeDeadlineMs = 1000;
/** Who has to wait for longer is told a day. */
const longestMs = 86_400_000;

const perSecond = optional(number(0.001, 1e9));
const burst = optional(number(1, 1e12));

const rateEntries = {
  messagesPerSecond: perSecond,
  messagesBurst: burst,
  bytesPerSecond: perSecond,
  bytesBurst: burst,
};
const ratesSchema = object(rateEntries);
const schema = object({
  ...rateEntries,
  exceeded: oneOf("delay", "drop", "close"),
} satisfies Record<keyof RateLimitOptions, unknown>);

/** What all sessions are held to. */
interface Rates {
  readonly messages: Rate | undefined;
  readonly bytes: Rate | undefined;
}

/** What one session may still send. */
interface Allowance {
  /** By which that is counted. */
  readonly rates: Rates;
  readonly messages: TokenBucket | undefined;
  readonly bytes: TokenBucket | undefined;
}

/**
 * Limits what each session may send, by token buckets. Against floods there are the server's own `limits`, which cost
 * less; this is for what an application sells or allows, and behind a middleware that lets some of it through it counts
 * the rest only.
 * @param now milliseconds of a clock that never goes back; for tests.
 * @throws InvalidArgumentError
 */
// biome-ignore lint/suspicious/noExplicitAny: it fits sessions of any data
export function rateLimit<Data = any>(
  options: RateLimitOptions,
  now: () => number = () => performance.now(),
): RateLimitMiddleware<NoInfer<Data>> {
  const { exceeded, ...given } = readOptions(schema, options);
  let rates = ratesOf(given);
  const allowances = new WeakMap<Session<Data>, Allowance>();
  const allowanceOf = (session: Session<Data>, nowMs: number): Allowance => {
    const known = allowances.get(session);
    if (known?.rates === rates) return known;
    const messages = adopted(known?.messages, rates.messages, nowMs);
    const allowance = { rates, messages, bytes: adopted(known?.bytes, rates.bytes, nowMs) };
    allowances.set(session, allowance);
    return allowance;
  };
  const update = (changed: Omit<RateLimitOptions, "exceeded">): void => {
    rates = ratesOf(readOptions(ratesSchema, changed));
  };

  if (exceeded === "delay") {
    return {
      name: "rate-limit",
      update,
      // Asynchronous, so that the server runs what the session sends one after the other.
      async incoming(session, incoming, next) {
        const nowMs = now();
        const { messages, bytes } = allowanceOf(session, nowMs);
        const forMessages = messages?.charge(1, nowMs) ?? 0;
        const forBytes = bytes?.charge(incoming.payload.length, nowMs) ?? 0;
        const waitMs = Math.max(forMessages, forBytes);
        if (waitMs > 0) await incoming.rest(waitMs);
        return next();
      },
    };
  }
  return {
    name: "rate-limit",
    update,
    incoming(session, incoming, next) {
      const nowMs = now();
      const { messages, bytes } = allowanceOf(session, nowMs);
      const size = incoming.payload.length;
      const waitMs = Math.max(messages?.waitMs(1, nowMs) ?? 0, bytes?.waitMs(size, nowMs) ?? 0);
      if (waitMs === 0) {
        messages?.take(1, nowMs);
        bytes?.take(size, nowMs);
        return next();
      }
      if (exceeded === "close")
        session.close({ code: CloseCode.policy, reason: "too much was sent", deadlineMs: closeDeadlineMs });
      return refuse(incoming, waitMs);
    },
  };
}

/** @throws InvalidArgumentError */
function ratesOf(given: Omit<RateLimitOptions, "exceeded">): Rates {
  const messages = rateOf(given.messagesPerSecond, given.messagesBurst);
  const bytes = rateOf(given.bytesPerSecond, given.bytesBurst);
  if (messages !== undefined || bytes !== undefined) return { messages, bytes };
  throw new InvalidArgumentError("options must have messagesPerSecond or bytesPerSecond, or both");
}

function adopted(
  bucket: TokenBucket | undefined,
  rate: Rate | undefined,
  nowMs: number,
): TokenBucket | undefined {
  if (rate === undefined) return undefined;
  if (bucket === undefined) return new TokenBucket(rate);
  bucket.adopt(rate, nowMs);
  return bucket;
}

function rateOf(perSecond: number | undefined, burst: number | undefined): Rate | undefined {
  if (perSecond !== undefined) return new Rate(perSecond, burst);
  if (burst === undefined) return undefined;
  throw new InvalidArgumentError("a burst needs its rate: messagesPerSecond, or bytesPerSecond");
}

function refuse({ kind }: Incoming, waitMs: number): undefined {
  if (kind === "message") return undefined;
  const retryAfterMs = Math.min(Math.ceil(waitMs), longestMs);
  throw new RequestFailure("too much was sent", FailureCode.overloaded, { retryAfterMs });
}
