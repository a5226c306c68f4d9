import { AckLevel } from "../delivery/ack.js";
import { readReply } from "../delivery/answer.js";
import type { Confirmation } from "../delivery/confirmation.js";
import { earlyNonceBytes, encodeEarly, maxEarlyBytes, maxEarlyMessages } from "../delivery/early_message.js";
import { FailureCode, type Reply } from "../delivery/failure.js";
import { marksOf } from "../delivery/marks.js";
import type { Outbound } from "../delivery/outbound.js";
import type { Waiting } from "../delivery/pending_queue.js";
import type { Repeatable } from "../delivery/pending_requests.js";
import type { Settled } from "../delivery/sent_log.js";
import { keepBehind, putBack, unsent, withdraw } from "../delivery/unsent.js";
import { decodeFrame, type FrameContents, FrameView, Kind } from "../frame/frame.js";
import type { Flight } from "./carried.js";

/** A session whose messages go early. */
export interface Speaking {
  readonly outbound: Outbound;
  repeatable(id: number): Repeatable | undefined;
  settleRequest(id: number, reply: Reply): void;
  settleMessage(confirmation: Confirmation): void;
  pump(nowMs: number): void;
}

/** What goes early. */
interface Passenger {
  readonly message: Waiting;
  /** Missing of a message. */
  readonly request: { readonly id: number; readonly asked: Repeatable } | undefined;
  /** Who is told what becomes of it, where it stays in the session. */
  readonly settled: Settled | undefined;
}

/** Each keeps its own however often it goes early, so that the server knows it again. */
const nonces = new WeakMap<Repeatable | Waiting, Uint8Array>();
const view = new FrameView();

/**
 * What goes with a hello which may be early data. It waits in the session all the same, in its place: what is not answered
 * early goes out there, as if there had been no early data.
 */
export class EarlyFlight implements Flight {
  readonly frames: Uint8Array[] = [];
  readonly #session: Speaking;
  /** Those that are not answered, by their places among the frames, from 1 on. */
  readonly #aboard = new Map<number, Passenger>();
  /** Those that flew, and that the server says late that it has not taken: they go back together, in their order. */
  readonly #refused = new Map<number, Passenger>();
  /** They do not wait in the session: the connection brings their answers, or is lost. */
  #flies = false;

  /** Takes those with which the session's queue begins: none overtakes what is to come before it. */
  constructor(session: Speaking) {
    this.#session = session;
    const nowMs = performance.now();
    let bytes = 0;
    for (const message of unsent(session.outbound)) {
      if (message.expiresAt <= nowMs) continue; // it does not go out any more, by whatever way
      const passenger = this.#passenger(message);
      if (passenger === undefined || this.frames.length === maxEarlyMessages) return;
      const early = encodeEarly(view, nonceOf(passenger.request?.asked ?? message));
      bytes += early.length;
      if (bytes > maxEarlyBytes) return;
      this.frames.push(early);
      this.#aboard.set(this.frames.length, passenger);
      if (message.settled !== undefined) message.settled = mayHaveCome(message.settled);
    }
  }

  take(frame: Readonly<FrameContents>): void {
    const { ref: place } = frame;
    const passenger = this.#aboard.get(place);
    if (passenger === undefined) return;
    const reply = readReply(frame);
    this.#aboard.delete(place);
    const { message, settled } = passenger;
    if (reply.status === "failure" && reply.code === FailureCode.tooEarly) {
      message.settled = settled;
      if (this.#flies) this.#refused.set(place, passenger);
    } else {
      // What does not wait any more has gone another way.
      const isHere = this.#flies || withdraw(this.#session.outbound, new Set([message])).length > 0;
      if (isHere) this.#settle(passenger, reply);
    }
    if (this.#flies && !this.#hasMessages) this.letGo();
  }

  board(answersEarly: boolean): void {
    if (!answersEarly) this.#aboard.clear();
    this.#flies = true;
    const messages = new Set([...this.#aboard.values()].map(({ message }) => message));
    const boarded = new Set(withdraw(this.#session.outbound, messages));
    for (const [place, { message, request }] of this.#aboard) {
      if (!boarded.has(message)) this.#aboard.delete(place);
      else if (request !== undefined) request.asked.isSent = true;
    }
    keepBehind(this.#session.outbound, this.#hasMessages);
  }

  letGo(): void {
    if (this.#session.outbound.hasEnded) return;
    this.#putBack(this.#refused);
    keepBehind(this.#session.outbound, false);
    this.#session.pump(performance.now());
  }

  land(): void {
    this.#flies = false;
    for (const [place, passenger] of this.#aboard) {
      passenger.message.expiresAt = Number.POSITIVE_INFINITY; // it has left in time
      this.#refused.set(place, passenger);
    }
    this.#aboard.clear();
    this.#putBack(this.#refused);
    keepBehind(this.#session.outbound, false);
  }

  get isAnswered(): boolean {
    return this.#aboard.size + this.#refused.size === 0;
  }

  /** Messages are in order: what the session says stands behind those. */
  get #hasMessages(): boolean {
    for (const { request } of this.#aboard.values()) if (request === undefined) return true;
    return false;
  }

  /** Undefined where it is to go in the session, and what is behind it, too. */
  #passenger(message: Waiting): Passenger | undefined {
    const frame = decodeFrame(message.frame, true, view);
    const { settled } = message;
    if (frame.flags !== 0) return undefined;
    if (frame.kind === Kind.Request) {
      const asked = this.#session.repeatable(frame.type);
      return asked && { message, request: { id: frame.type, asked }, settled };
    }
    // One with a key may be replaced on its way; what is to come farther than to be received is said in the session.
    const mayGo = frame.kind === Kind.Message && message.idempotent === true && message.key === undefined;
    if (!mayGo || frame.subject === undefined || (marksOf(frame)?.level ?? 0) !== AckLevel.received) {
      return undefined;
    }
    return { message, request: undefined, settled };
  }

  #settle({ message: { lane, watch }, request }: Passenger, reply: Reply): void {
    if (request !== undefined) {
      this.#session.settleRequest(request.id, reply);
      return;
    }
    const place = { lane, sequence: 0 }; // which no frame of the session's has
    watch?.placed(lane, 0);
    watch?.sent();
    // Whose answer is kept no more has come, and its answer said nothing else.
    const isRejected = reply.status === "failure" && reply.code !== FailureCode.forgotten;
    this.#session.settleMessage(
      isRejected
        ? { ...place, level: AckLevel.rejected, rejection: { code: reply.code, reason: reply.reason } }
        : { ...place, level: AckLevel.received },
    );
  }

  #putBack(passengers: Map<number, Passenger>): void {
    const inOrder = [...passengers].sort(([one], [other]) => one - other).map(([, passenger]) => passenger);
    passengers.clear();
    const wanted = inOrder.filter(
      ({ request }) => request === undefined || this.#session.repeatable(request.id) === request.asked,
    );
    for (const { request } of wanted) if (request !== undefined) request.asked.isSent = false;
    const messages = wanted.map(({ message }) => message);
    if (messages.length > 0) putBack(this.#session.outbound, messages);
  }
}

/** What has gone early may have come, so nobody is told that it was never sent. */
function mayHaveCome(settled: Settled): Settled {
  return (outcome) => settled(outcome === "received" ? outcome : "lost");
}

function nonceOf(message: Repeatable | Waiting): Uint8Array {
  let nonce = nonces.get(message);
  if (nonce === undefined) {
    nonce = crypto.getRandomValues(new Uint8Array(earlyNonceBytes));
    nonces.set(message, nonce);
  }
  return nonce;
}
