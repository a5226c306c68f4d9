import type { Rejection } from "../delivery/confirmation.js";
import { FailureCode, RequestFailure } from "../delivery/failure.js";
import type { Message } from "../delivery/message.js";
import { shortText } from "../delivery/meta.js";
import { ReaderLockedError, TimeoutError, TransferFailedError } from "../errors.js";
import { Assembly, malformed } from "./assembly.js";
import { Confirmations } from "./confirmations.js";
import { IdleWatch } from "./idle_watch.js";
import type { LargeMessage } from "./large_message.js";
import type { Offer } from "./offer.js";
import { costOfPart, type Part } from "./part.js";
import { type LargeBytesOptions, receivedBytes } from "./received_bytes.js";

const maxReasonCharacters = 1_024;

/** What one large message is held to. */
export interface IncomingLimits {
  readonly windowBytes: number;
  readonly maxBytes: number;
  readonly idleTimeoutMs: number;
}

/** Where it came to. */
export interface Place {
  /** Whether a connection carries its session. */
  isConnected(): boolean;
  /** It takes up no more room: it is over. Its sender may not know that yet. */
  ended(): void;
  /** It need not be known any more. */
  forget(): void;
}

/**
 * ```text
 *  offered ── read ──► accepted ── the end was read ──► whole ── the handler is done ──► over
 *     └──────────────────┴── cancelled, aborted, lost ───┴─────────────────────────────────┘
 * ```
 * One that is over and has failed stays where it is known for a while: it answers what is still on its way.
 */
type State = "offered" | "accepted" | "whole" | "over";

/** A {@link LargeMessage}, with what comes of it and what its sender is told. */
export class IncomingLarge implements LargeMessage {
  readonly subject: string | undefined;
  readonly about: unknown;
  readonly totalBytes: number | undefined;
  /** Resolves when it is read for the first time. @throws RequestFailure where it never is */
  readonly accepted: Promise<void>;
  readonly #place: Place;
  readonly #assembly: Assembly;
  readonly #watch: IdleWatch;
  readonly #confirmations = new Confirmations();
  #state: State = "offered";
  #verdict: Rejection | undefined = undefined;
  #failure: Error | undefined = undefined;
  #abort: AbortController | undefined = undefined;
  /** Wakes the reader, where it waits. */
  #wake: (() => void) | undefined = undefined;
  #accept!: () => void;
  #refuse!: (failure: RequestFailure) => void;

  constructor({ subject, about, totalBytes }: Offer, limits: IncomingLimits, place: Place) {
    this.subject = subject;
    this.about = about;
    this.totalBytes = totalBytes;
    this.#place = place;
    this.#assembly = new Assembly({ ...limits, totalBytes });
    this.accepted = new Promise((resolve, reject) => {
      this.#accept = resolve;
      this.#refuse = reject;
    });
    const { idleTimeoutMs } = limits;
    this.#watch = new IdleWatch(
      idleTimeoutMs,
      () => this.#wake !== undefined && place.isConnected(),
      () => {
        const reason = `nothing has come for ${idleTimeoutMs} ms`;
        this.#fail({ code: FailureCode.timeout, reason }, new TimeoutError(reason));
      },
    );
  }

  get bytesReceived(): number {
    return this.#assembly.bytesTaken;
  }

  get signal(): AbortSignal {
    this.#abort ??= new AbortController();
    if (this.#failure !== undefined) this.#abort.abort(this.#failure);
    return this.#abort.signal;
  }

  /** It has failed: what its handler throws then is no fault of the handler's. */
  get hasFailed(): boolean {
    return this.#failure !== undefined;
  }

  toBytes(options: LargeBytesOptions = {}): Promise<Uint8Array> {
    return receivedBytes(this, this.totalBytes, options);
  }

  [Symbol.asyncIterator](): AsyncIterator<Uint8Array, undefined> {
    return {
      next: async () => {
        const value = await this.#read();
        return value === undefined ? { done: true, value } : { done: false, value };
      },
      return: async () => {
        this.cancel("the receiver wants no more of it");
        return { done: true, value: undefined };
      },
    };
  }

  cancel(reason = "it was cancelled", code: number = FailureCode.failed): void {
    if (this.#state === "whole") return; // there is nothing left to be given up but the handler's own doing
    this.#fail({ code, reason }, new TransferFailedError(reason, { failureCode: code }));
  }

  /** A part of it has come; the message is to be kept. */
  take(part: Part, message: Message): void {
    if (part.kind === "abort") {
      const reason = `its sender has given it up: ${shortText(message.text(), maxReasonCharacters)}`;
      this.lose(new TransferFailedError(reason, { failureCode: FailureCode.failed }));
      this.#place.forget();
    } else if (this.#verdict !== undefined) {
      message.reject(this.#verdict.reason, this.#verdict.code);
    } else {
      const wrong = this.#add(part, message);
      this.#watch.touch();
      if (wrong === undefined) this.#wake?.();
      else this.breach(wrong, message);
    }
  }

  /** Its sender has broken the rules, by this message. */
  breach(wrong: Rejection, message: Message): void {
    message.reject(wrong.reason, wrong.code);
    this.#fail(wrong, new TransferFailedError(wrong.reason, { failureCode: wrong.code }));
  }

  /** Its handler is done. */
  finish(): void {
    if (this.#state !== "whole") {
      this.#fail(...verdict(FailureCode.failed, "the receiver has not taken all of it"));
      return;
    }
    this.#over();
    this.#confirmations.tell(this.#assembly.end!, () => this.#place.forget());
  }

  /** Its handler has failed. */
  failBy(cause: unknown): void {
    if (cause instanceof RequestFailure) this.#fail(...verdict(cause.code, cause.message));
    else this.#fail(...verdict(FailureCode.internal, "a fault of the receiver"));
  }

  /** It comes no more, and there is nobody to be told. */
  lose(failure: Error): void {
    if (this.#state === "over") {
      this.#confirmations.stop();
      return;
    }
    this.#assembly.clear();
    this.#confirmations.stop();
    this.#fail({ code: FailureCode.lost, reason: failure.message }, failure);
  }

  #add(part: Exclude<Part, { readonly kind: "abort" }>, message: Message): Rejection | undefined {
    if (this.#state !== "accepted") return malformed("it was not accepted yet, or is complete");
    if (part.kind === "chunk") return this.#assembly.add(part.index, message);
    return this.#assembly.finish(part.index, part.totalBytes, message);
  }

  async #read(): Promise<Uint8Array | undefined> {
    if (this.#wake !== undefined) throw new ReaderLockedError("a large message has one reader");
    this.#begin();
    for (;;) {
      if (this.#failure !== undefined) throw this.#failure;
      if (this.#state !== "accepted") return undefined;
      const message = this.#assembly.take();
      if (message !== undefined) {
        const { payload } = message;
        const cost = costOfPart(payload);
        // It counts until then: a sender that does not hear us would have us keep all that it sends.
        this.#confirmations.tell(message, () => this.#assembly.release(cost));
        return payload;
      }
      this.#look();
      if (this.#state === "accepted") await this.#more();
    }
  }

  #begin(): void {
    if (this.#state !== "offered") return;
    this.#state = "accepted";
    this.#accept();
  }

  /** All that has come is taken: perhaps it was all. */
  #look(): void {
    const { shortage, isWhole } = this.#assembly;
    if (shortage !== undefined) this.#fail(...verdict(shortage.code, shortage.reason));
    if (!isWhole) return;
    this.#state = "whole";
    this.#watch.stop();
  }

  async #more(): Promise<void> {
    await new Promise<void>((resolve) => {
      this.#wake = resolve;
    });
    this.#wake = undefined;
  }

  #fail(told: Rejection, failure: Error): void {
    if (this.#state === "over") return;
    const wasOffered = this.#state === "offered";
    this.#failure = failure;
    // Of a part that would say that it may be sent again.
    const code = told.code === FailureCode.overloaded ? FailureCode.failed : told.code;
    this.#verdict = { ...told, code };
    for (const message of [...this.#confirmations.stop(), ...this.#assembly.clear()]) {
      message.reject(told.reason, code);
    }
    this.#refuse(new RequestFailure(told.reason, told.code));
    this.#over();
    this.#abort?.abort(failure);
    this.#wake?.();
    if (wasOffered) this.#place.forget(); // its sender is told by the answer
  }

  #over(): void {
    this.#state = "over";
    this.#watch.stop();
    this.#place.ended();
  }
}

function verdict(code: number, reason: string): [Rejection, Error] {
  return [{ code, reason }, new TransferFailedError(reason, { failureCode: code })];
}
