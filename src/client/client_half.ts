import type { Reply } from "../delivery/failure.js";
import { halfContext } from "../delivery/half_options.js";
import { idBytesOf } from "../delivery/marks.js";
import type { Outgoing } from "../delivery/outgoing.js";
import { RequestBudget } from "../delivery/pending_requests.js";
import { type ClientRequestOptions, type RetryOptions, readClientRequest } from "../delivery/send_options.js";
import type { AskOptions } from "../delivery/session_half.js";
import { SpeakingHalf } from "../delivery/speaking_half.js";
import type { Clock } from "../dispatch/clock.js";
import { Kind } from "../frame/frame.js";
import type { SendResult } from "../transport/connection.js";
import { unref } from "../transport/timer.js";
import type { Linger } from "./linger.js";
import type { ReadClientOptions } from "./options.js";
import { Repeater } from "./repeater.js";

/** Acknowledgements that no message has carried are sent so often. */
const turnMs = 50;
/** How often it is looked for what has waited too long without a connection. */
const agingMs = 1_000;

/** The client's end of a session as it sends: what lingers, ages without a connection, or is owed to the server. */
export abstract class ClientHalf extends SpeakingHalf {
  /** Where small messages wait for others. */
  protected linger: Linger | undefined = undefined;
  protected readonly repeater: Repeater;
  readonly #offlineMaxAgeMs: number | undefined;
  /** Looks whether what waits without a connection is too old. */
  #aging: NodeJS.Timeout | undefined = undefined;
  #acks: NodeJS.Timeout | undefined = undefined;

  protected constructor(options: ReadClientOptions, clock: Clock) {
    const requests = new RequestBudget(options.maxPendingRequests);
    super(halfContext(options, requests, options.queuePolicy));
    this.#offlineMaxAgeMs = options.offlineMaxAgeMs;
    this.repeater = new Repeater(options, clock, requests);
  }

  /** The queue was full, and the policy is to close. */
  protected abstract onFull(): void;

  /** What is sent without a connection ages, or may end the session. */
  protected override get isLayered(): boolean {
    return this.carrier === undefined;
  }

  override sendMessage(message: Outgoing): SendResult {
    const maxAgeMs = this.#offlineMaxAgeMs;
    const ages = this.carrier === undefined && maxAgeMs !== undefined;
    if (!ages || message.kind !== Kind.Message) return super.sendMessage(message);
    const latest = this.nowMs + maxAgeMs;
    return super.sendMessage({ ...message, expiresAt: Math.min(message.expiresAt ?? latest, latest) });
  }

  override sendPlain(type: number, payload: Uint8Array): SendResult {
    if (this.linger !== undefined) return this.sendDirectly({ kind: Kind.Message, type, payload });
    return this.#judged(super.sendPlain(type, payload));
  }

  override sendDirectly(message: Outgoing): SendResult {
    return this.#judged(this.linger?.send(message) ?? super.sendDirectly(message));
  }

  #judged(result: SendResult): SendResult {
    if (result === "dropped" && this.outbound.rarities?.mustClose) this.onFull();
    return result;
  }

  /** What may be done twice may be sent later, too. */
  override ask(
    kind: number,
    subject: string,
    payload: Uint8Array,
    options: AskOptions & RetryOptions,
  ): Promise<Reply> {
    if (options.idempotent !== true) return super.ask(kind, subject, payload, options);
    const own = payload.slice();
    return this.repeater.ask(
      (timeoutMs) => super.ask(kind, subject, own, { ...options, timeoutMs }),
      options,
      options.meta !== undefined && idBytesOf(options.meta) !== undefined,
    );
  }

  protected override readRequest(subject: string, options: ClientRequestOptions) {
    return readClientRequest(subject, options);
  }

  protected override onOwing(): void {
    this.#acks ??= unref(
      setTimeout(() => {
        this.#acks = undefined;
        this.sendAcks(true);
      }, turnMs),
    );
  }

  /** There is no connection: what waits ages. */
  protected age(): void {
    this.stopAging();
    this.#aging = unref(setInterval(() => this.pump(this.nowMs), agingMs));
  }

  protected stopAging(): void {
    clearInterval(this.#aging);
  }

  protected override endHalf(reason: string): void {
    this.stopAging();
    clearTimeout(this.#acks);
    this.repeater.end();
    super.endHalf(reason);
  }
}
