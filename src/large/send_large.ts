import { FailureCode, RequestFailure } from "../delivery/failure.js";
import type { Priority } from "../delivery/lane.js";
import { largeSubject } from "../delivery/large_subject.js";
import { subjectText } from "../delivery/subject_text.js";
import {
  AbortedError,
  InvalidArgumentError,
  MillraceError,
  TimeoutError,
  TransferFailedError,
} from "../errors.js";
import { readOptions } from "../options/read.js";
import {
  abortSignal,
  integer,
  isFunction,
  object,
  oneOf,
  option,
  optional,
  withDefault,
} from "../options/schema.js";
import { watchAbort } from "../transport/abort_watch.js";
import { abortedError, throwIfAborted } from "../transport/wait.js";
import { anyBytes, anything, encodeOffer, type Offer, readAcceptance } from "./offer.js";
import { pacingOptions } from "./pacing.js";
import { partOverheadBytes } from "./part.js";
import { type LargeSession, type Port, portOf } from "./port.js";
import { Sending, tellAbort } from "./sending.js";
import { type LargeSource, Pieces } from "./source.js";

const KIB = 1_024;
const what = "a large message";

/** How far a large message has come. */
export interface LargeProgress {
  /** How many bytes the other side's handler has taken: never less than before. */
  readonly bytesTaken: number;
  /** Undefined where the source does not say, and `totalBytes` does not. */
  readonly totalBytes: number | undefined;
}

/** How a large message is sent. */
export interface SendLargeOptions {
  /** What it is about: 1 to 256 characters of text. */
  readonly subject?: string | undefined;
  /** What else is to be known of it: anything that JSON has words for, about 16 KiB of them at most. */
  readonly about?: unknown;
  /** How many bytes the source will give, where it does not know itself; another number of them is an error. */
  readonly totalBytes?: number | undefined;
  /** Called whenever more has been taken. What it throws, or rejects with, is why the message has failed. */
  readonly onProgress?: ((progress: LargeProgress) => unknown) | undefined;
  /** Gives it up. */
  readonly signal?: AbortSignal | undefined;
  /** `bulk` by default: of what other messages leave, which do not wait for it. */
  readonly priority?: Priority | undefined;
  /** How much goes in one piece at most, 1 KiB..1 MiB; 64 KiB by default, or as much as both sides take. */
  readonly chunkBytes?: number | undefined;
  /**
   * How much may be on its way that the other side has not taken, 8 KiB..64 MiB, or what that side allows; 512 KiB by
   * default. More is faster where the round trip is long; it is memory of both sides.
   */
  readonly windowBytes?: number | undefined;
  /** How long the other side may take nothing of what has been sent, while there is a connection; 60 s by default. */
  readonly idleTimeoutMs?: number | undefined;
}

const schema = object({
  subject: optional(subjectText),
  about: optional(anything),
  totalBytes: optional(anyBytes),
  onProgress: optional(option<(progress: LargeProgress) => unknown>("a function", isFunction)),
  signal: optional(abortSignal),
  priority: withDefault(oneOf("control", "high", "normal", "bulk"), "bulk"),
  chunkBytes: withDefault(integer(KIB, KIB * KIB), 64 * KIB),
  ...pacingOptions,
} satisfies Record<keyof SendLargeOptions, unknown>);

type ReadOptions = ReturnType<typeof readOptions<typeof schema>>;

/** The numbers that the large messages of each session have had. */
const lastIds = new WeakMap<object, number>();

/**
 * Sends any number of bytes over a session, in pieces, however often its connection changes. It fails with the session:
 * never is a part of it taken for the whole.
 * @param session of a client or a server; the other side receives by `clientReceivesLarge` or `serverReceivesLarge`.
 * @returns how many bytes there were, as soon as the other side's handler is done with all of them.
 * @throws TransferFailedError where the other side refuses it, or the session is lost; AbortedError; TimeoutError
 * @throws InvalidArgumentError, also where the source gives no bytes, or another number of them than was said
 * @throws SessionClosedError; ResourceExhaustedError where the session has no room to ask; whatever the source throws, of
 *   which the other side learns the reason of a `RequestFailure`, and else no more than that it was a fault
 */
export async function sendLarge(
  session: LargeSession,
  source: LargeSource,
  options: SendLargeOptions = {},
): Promise<{ readonly bytes: number }> {
  const pieces = new Pieces(source);
  try {
    return { bytes: await offerAndSend(session, pieces, readOptions(schema, options)) };
  } catch (cause) {
    void pieces.stop();
    throw cause;
  }
}

/** @returns how many bytes there were. */
async function offerAndSend(session: LargeSession, pieces: Pieces, options: ReadOptions): Promise<number> {
  const port = portOf(session);
  throwIfAborted(what, options.signal);
  const totalBytes = totalOf(pieces, options);
  const id = nextId(session);
  const { subject, about, windowBytes: most } = options;
  const windowBytes = await offer(port, { id, windowBytes: most, totalBytes, subject, about }, options);
  return sendPieces(port, pieces, { ...options, id, totalBytes, windowBytes });
}

/** @throws InvalidArgumentError where two are said */
function totalOf({ totalBytes: known }: Pieces, { totalBytes: said }: ReadOptions): number | undefined {
  if (known === undefined || said === undefined || known === said) return known ?? said;
  throw new InvalidArgumentError(`totalBytes is ${said}, and the source has ${known} bytes`);
}

function nextId(session: object): number {
  const id = ((lastIds.get(session) ?? 0) + 1) >>> 0;
  lastIds.set(session, id);
  return id;
}

/** Asks whether it may be sent. @returns the window that holds. */
async function offer(port: Port, offered: Offer, options: ReadOptions): Promise<number> {
  const { idleTimeoutMs: timeoutMs, signal, priority } = options;
  const asked = port.request(largeSubject, encodeOffer(offered), { timeoutMs, signal, priority });
  const reply = await asked.catch((cause: unknown) => {
    if (cause instanceof AbortedError) void tellAbort(port, offered.id, priority, cause.message);
    throw cause;
  });
  if (reply.status === "timeout") {
    const reason = `the other side has not said within ${timeoutMs} ms that it takes the message`;
    void tellAbort(port, offered.id, priority, reason);
    throw new TimeoutError(reason);
  }
  if (reply.status === "failure") {
    const { code: failureCode } = reply;
    const reason =
      failureCode === FailureCode.unknownSubject ? "it receives no large messages" : reply.reason;
    throw new TransferFailedError(`the other side does not take it: ${reason}`, { failureCode });
  }
  try {
    return Math.min(offered.windowBytes, readAcceptance(reply.payload).windowBytes);
  } catch (cause) {
    const failureCode = FailureCode.malformed;
    throw new TransferFailedError("the other side does not answer as who receives large messages", {
      ...{ cause, failureCode },
    });
  }
}

interface Sent extends ReadOptions {
  readonly id: number;
}

/** @returns how many bytes there were. */
async function sendPieces(port: Port, pieces: Pieces, options: Sent): Promise<number> {
  const { id, priority, windowBytes, idleTimeoutMs, totalBytes, onProgress, signal } = options;
  let bytesTaken = 0;
  const taken = (bytes: number) => {
    bytesTaken += bytes;
    return onProgress?.({ bytesTaken, totalBytes });
  };
  const sending = new Sending(port, { id, priority, windowBytes, idleTimeoutMs, taken });
  const abort = () => sending.fail(abortedError(what, signal));
  const stop = watchAbort(signal, abort);
  if (signal?.aborted) abort();
  try {
    const chunkBytes = Math.min(options.chunkBytes, port.maxPayloadBytes, windowBytes - partOverheadBytes);
    for (;;) {
      const piece = await sending.during(pieces.next(chunkBytes));
      checkTotal(sending.bytes + (piece?.length ?? 0), totalBytes, piece === undefined);
      if (piece === undefined) break;
      await sending.send(piece);
    }
    await sending.end();
    return sending.bytes;
  } catch (cause) {
    sending.fail(cause);
    void tellAbort(port, id, priority, reasonOf(cause));
    throw cause;
  } finally {
    stop();
  }
}

/** What the other side is told: of a fault of the application's, which may name its files, no more than that. */
function reasonOf(cause: unknown): string {
  const isMeant = cause instanceof MillraceError || cause instanceof RequestFailure;
  return isMeant ? cause.message : "a fault of the sender";
}

/** @throws InvalidArgumentError where the source has another number of bytes than was said */
function checkTotal(bytes: number, totalBytes: number | undefined, isAll: boolean): void {
  if (totalBytes === undefined || (isAll ? bytes === totalBytes : bytes <= totalBytes)) return;
  const has = `${bytes} bytes${isAll ? "" : " or more"}`;
  throw new InvalidArgumentError(`the source has ${has}, and totalBytes says ${totalBytes}`);
}
