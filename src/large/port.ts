import type { Acknowledgement } from "../delivery/acknowledgement.js";
import type { Reply } from "../delivery/failure.js";
import { FailureCode } from "../delivery/failure.js";
import type { RequestOptions, SendAckedOptions } from "../delivery/send_options.js";
import {
  InvalidArgumentError,
  ResourceExhaustedError,
  SessionClosedError,
  TimeoutError,
  TransferFailedError,
} from "../errors.js";
import { show } from "../options/read.js";

/** A session of either side, whatever its messages carry. */
export interface LargeSession {
  readonly id: string;
  /** Undefined while no connection carries it. */
  readonly transport: string | undefined;
  readonly bytesQueued: number;
  readonly maxPayloadBytes: number;
  /** As that of sessions. */
  sendAcked(...message: never[]): Promise<Acknowledgement>;
  /** As that of sessions. */
  request(subject: never, ...asked: never[]): Promise<Reply>;
}

/** The same, as it is spoken by. */
export interface Port extends Pick<LargeSession, "id" | "transport" | "bytesQueued" | "maxPayloadBytes"> {
  sendAcked(message: Uint8Array, options: SendAckedOptions): Promise<Acknowledgement>;
  request(subject: string, payload: Uint8Array, options: RequestOptions): Promise<Reply>;
}

/** Between tries of what finds no room. */
const firstPauseMs = 5;
const mostPauseMs = 250;
/** The first 5 ms, and each twice as long after that: 40 s in all. */
const fewTries = 14;
/** What waits for its acknowledgement is watched by another clock than its own. */
const patienceMs = 0x7fff_ffff;

/** @throws InvalidArgumentError where it is no session; a pool is none, whose messages go to several. */
export function portOf(session: LargeSession): Port {
  const { id, sendAcked, request, maxPayloadBytes } = (session ?? {}) as Partial<LargeSession>;
  const isOne =
    typeof id === "string" &&
    typeof sendAcked === "function" &&
    typeof request === "function" &&
    typeof maxPayloadBytes === "number";
  if (isOne) return session as unknown as Port;
  throw new InvalidArgumentError(
    `session must be a session of a client or a server, and not ${show(session)}`,
  );
}

/** How long to wait before another try: longer each time. */
export function* pauses(mostMs = mostPauseMs): Generator<number, never> {
  for (let ms = firstPauseMs; ; ms = Math.min(2 * ms, mostMs)) yield ms;
}

/**
 * Has a message come as far as its options say, however often it finds no room on the way.
 * @throws TransferFailedError, also where the session is over by now; AbortedError; TimeoutError
 */
export function deliver(port: Port, message: Uint8Array, options: SendAckedOptions): Promise<void> {
  return tryAll(port, message, options, pauses(), Number.POSITIVE_INFINITY);
}

/**
 * The same of a message that nobody waits for: it is tried ever less often, and {@link fewTries} times at the most.
 * @throws as {@link deliver}
 */
export function deliverOrGiveUp(port: Port, message: Uint8Array, options: SendAckedOptions): Promise<void> {
  return tryAll(port, message, options, pauses(Number.POSITIVE_INFINITY), fewTries);
}

async function tryAll(
  port: Port,
  message: Uint8Array,
  options: SendAckedOptions,
  waits: Iterable<number>,
  mostTries: number,
): Promise<void> {
  let tries = 0;
  for (const pauseMs of waits) {
    const outcome = await attempt(port, message, options);
    tries += 1;
    if (outcome.status === "acknowledged") return;
    if (!isWithoutRoom(outcome) || tries === mostTries) throw failureOf(outcome);
    await new Promise((resolve) => setTimeout(resolve, pauseMs));
  }
}

async function attempt(port: Port, message: Uint8Array, options: SendAckedOptions): Promise<Acknowledgement> {
  try {
    return await port.sendAcked(message, { timeoutMs: patienceMs, ...options });
  } catch (cause) {
    if (cause instanceof ResourceExhaustedError) return { status: "dropped" };
    if (cause instanceof SessionClosedError) return { status: "lost" };
    throw cause;
  }
}

/** It was not sent, or not handled, for want of room somewhere. */
function isWithoutRoom(outcome: Acknowledgement): boolean {
  const { status } = outcome;
  if (status === "rejected") return outcome.code === FailureCode.overloaded;
  return status === "dropped" || status === "expired";
}

function failureOf(outcome: Acknowledgement): Error {
  if (outcome.status === "rejected") {
    return new TransferFailedError(`the other side does not take it: ${outcome.reason}`, {
      failureCode: outcome.code,
    });
  }
  if (outcome.status === "timeout") return new TimeoutError("the other side does not answer");
  return new TransferFailedError("the session ended, or was lost by the other side", {
    failureCode: FailureCode.lost,
  });
}
