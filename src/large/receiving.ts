import { AckLevel } from "../delivery/ack.js";
import type { Rejection } from "../delivery/confirmation.js";
import { FailureCode, RequestFailure } from "../delivery/failure.js";
import { readMarks } from "../delivery/marks.js";
import type { Message } from "../delivery/message.js";
import { malformed } from "./assembly.js";
import { IncomingLarge, type IncomingLimits } from "./incoming_large.js";
import type { LargeMessage } from "./large_message.js";
import { encodeAcceptance, readOffer } from "./offer.js";
import { type Part, readPart } from "./part.js";

/** What all that is received is held to. */
export interface ReceivingLimits extends IncomingLimits {
  readonly maxTransfers: number;
  readonly maxTransfersPerSession: number;
}

/** What this knows of the sessions that large messages come from. */
interface Receiver {
  readonly transport: string | undefined;
}

/** Who takes them, and is told what goes wrong. */
export interface ReceivingHandlers<Session> {
  large(session: Session, message: LargeMessage): unknown;
  report(session: Session, cause: unknown): void;
}

/** Those that have failed are known for as long as one of a session's newest so many, beyond those that are open. */
const failuresKept = 16;
const unknown: Rejection = { code: FailureCode.unknownSubject, reason: "there is no such large message" };

/** The large messages that come to one side, of all its sessions. */
export class Receiving<Session extends Receiver> {
  readonly #handlers: ReceivingHandlers<Session>;
  readonly #limits: ReceivingLimits;
  /** Of each session by their numbers, the oldest first. */
  readonly #known = new Map<Session, Map<number, IncomingLarge>>();
  readonly #open = new Set<IncomingLarge>();
  /** What middleware has held for too long is of one of these: nobody would ever end it. */
  readonly #over = new WeakSet<Session>();

  constructor(handlers: ReceivingHandlers<Session>, limits: ReceivingLimits) {
    this.#handlers = handlers;
    this.#limits = limits;
  }

  /** A large message is offered. @returns the answer, when it is accepted. @throws RequestFailure where it is refused */
  async offer(session: Session, payload: Uint8Array): Promise<string> {
    const offer = readOffer(payload);
    if (this.#over.has(session)) throw new RequestFailure("the session is over", FailureCode.lost);
    const { maxBytes, windowBytes } = this.#limits;
    if ((offer.totalBytes ?? 0) > maxBytes) {
      throw new RequestFailure(`it has more than ${maxBytes} bytes`, FailureCode.forbidden);
    }
    const ofSession = this.#known.get(session) ?? new Map<number, IncomingLarge>();
    if (ofSession.has(offer.id)) throw new RequestFailure("its number is another's", FailureCode.malformed);
    this.#checkRoom(ofSession);
    this.#known.set(session, ofSession);
    const allowed = Math.min(windowBytes, offer.windowBytes);
    const incoming: IncomingLarge = new IncomingLarge(
      offer,
      { ...this.#limits, windowBytes: allowed },
      {
        isConnected: () => session.transport !== undefined,
        ended: () => this.#open.delete(incoming),
        forget: () => this.#forget(session, offer.id, incoming),
      },
    );
    ofSession.set(offer.id, incoming);
    this.#open.add(incoming);
    void this.#handle(session, incoming);
    await incoming.accepted;
    return encodeAcceptance(allowed);
  }

  /** A message has come that is part of one. */
  take(session: Session, message: Message): void {
    const own = message.copy();
    const incoming = this.#known.get(session)?.get(own.type);
    const part = partOf(own);
    if (incoming === undefined) {
      if (part?.kind !== "abort") own.reject(unknown.reason, unknown.code);
    } else if (part === undefined) incoming.breach(malformed("a part that is none"), own);
    else incoming.take(part, own);
  }

  /** A session is over. */
  end(session: Session, failure: Error): void {
    this.#over.add(session);
    this.lose(session, failure);
  }

  /** The other side has lost a session; what it offers now is of another one. */
  lose(session: Session, failure: Error): void {
    const ofSession = this.#known.get(session);
    this.#known.delete(session);
    for (const incoming of ofSession?.values() ?? []) incoming.lose(failure);
  }

  async #handle(session: Session, incoming: IncomingLarge): Promise<void> {
    try {
      await this.#handlers.large(session, incoming);
      incoming.finish();
    } catch (cause) {
      const isFault = !(incoming.hasFailed || cause instanceof RequestFailure);
      incoming.failBy(cause);
      if (isFault) this.#handlers.report(session, cause);
    }
  }

  /** @throws RequestFailure */
  #checkRoom(ofSession: Map<number, IncomingLarge>): void {
    const { maxTransfers, maxTransfersPerSession } = this.#limits;
    const open = [...ofSession.values()].filter((incoming) => this.#open.has(incoming)).length;
    if (open >= maxTransfersPerSession || this.#open.size >= maxTransfers) {
      throw new RequestFailure("as many large messages are on their way as may", FailureCode.overloaded);
    }
    if (ofSession.size - open < failuresKept) return;
    for (const [id, incoming] of ofSession) {
      if (this.#open.has(incoming)) continue;
      ofSession.delete(id);
      return;
    }
  }

  #forget(session: Session, id: number, incoming: IncomingLarge): void {
    const ofSession = this.#known.get(session);
    if (ofSession?.get(id) !== incoming) return;
    ofSession.delete(id);
    if (ofSession.size === 0) this.#known.delete(session);
  }
}

/** @returns undefined where a message is no part, or its sender does not wait for what is said of it. */
function partOf({ meta }: Message): Part | undefined {
  try {
    const part = readPart(meta);
    const isWaitedFor = readMarks(meta)?.level === AckLevel.delivered;
    return isWaitedFor || part.kind === "abort" ? part : undefined;
  } catch {
    return undefined;
  }
}
