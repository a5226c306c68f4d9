import { readReply } from "../delivery/answer.js";
import { earlyNonceBytes, encodeEarly, maxEarlyBytes, maxEarlyRequests } from "../delivery/early_request.js";
import { FailureCode, type Reply } from "../delivery/failure.js";
import type { Outbound } from "../delivery/outbound.js";
import type { Repeatable } from "../delivery/pending_requests.js";
import { unsent, withdraw } from "../delivery/unsent.js";
import { decodeFrame, type FrameContents, FrameView, Kind } from "../frame/frame.js";
import type { Flight } from "./carried.js";

/** A session whose requests go early. */
export interface Asking {
  readonly outbound: Outbound;
  repeatable(id: number): Repeatable | undefined;
  settleRequest(id: number, reply: Reply): void;
}

/** A request keeps its own however often it goes early, so that the server knows it again. */
const nonces = new WeakMap<Repeatable, Uint8Array>();
const view = new FrameView();

/**
 * The requests that go with a hello which may be early data. They wait in the session all the same, in their places: who
 * is not answered early goes out there, as if there had been no early data.
 */
export class EarlyFlight implements Flight {
  readonly frames: Uint8Array[] = [];
  readonly #session: Asking;
  /** Those that are not answered, by their ids. */
  readonly #aboard = new Map<number, Repeatable>();
  /** They do not wait in the session: the connection brings their answers, or is lost. */
  #flies = false;

  /** Takes those with which the session's queue begins: none overtakes what is to come before it. */
  constructor(session: Asking) {
    this.#session = session;
    let bytes = 0;
    for (const { frame } of unsent(session.outbound)) {
      const { kind, flags, type } = decodeFrame(frame, true, view);
      const request = kind === Kind.Request && flags === 0 ? session.repeatable(type) : undefined;
      if (request === undefined || this.#aboard.size === maxEarlyRequests) return;
      const early = encodeEarly(view, nonceOf(request));
      bytes += early.length;
      if (bytes > maxEarlyBytes) return;
      this.frames.push(early);
      this.#aboard.set(type, request);
    }
  }

  take(frame: Readonly<FrameContents>): void {
    const { type: id } = frame;
    const request = this.#aboard.get(id);
    if (request === undefined) return;
    const reply = readReply(frame);
    this.#aboard.delete(id);
    if (reply.status === "failure" && reply.code === FailureCode.tooEarly) {
      if (this.#flies) this.#askAgain(id, request);
      return;
    }
    withdraw(this.#session.outbound, new Set([request]));
    this.#session.settleRequest(id, reply);
  }

  board(answersEarly: boolean): void {
    if (!answersEarly) this.#aboard.clear();
    this.#flies = true;
    for (const request of this.#aboard.values()) request.isSent = true;
    withdraw(this.#session.outbound, new Set(this.#aboard.values()));
  }

  land(): void {
    this.#flies = false;
    const aboard = [...this.#aboard];
    this.#aboard.clear();
    for (const [id, request] of aboard) this.#askAgain(id, request);
  }

  #askAgain(id: number, request: Repeatable): void {
    if (this.#session.repeatable(id) !== request) return; // nobody waits for it any more
    request.isSent = false;
    if (request.again()) return;
    const reason = "the session's queue is full";
    this.#session.settleRequest(id, { status: "failure", code: FailureCode.lost, reason });
  }
}

function nonceOf(request: Repeatable): Uint8Array {
  let nonce = nonces.get(request);
  if (nonce === undefined) {
    nonce = crypto.getRandomValues(new Uint8Array(earlyNonceBytes));
    nonces.set(request, nonce);
  }
  return nonce;
}
