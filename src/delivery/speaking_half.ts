import { Kind } from "../frame/frame.js";
import type { SendResult } from "../transport/connection.js";
import type { Acknowledgement } from "./acknowledgement.js";
import type { Reply } from "./failure.js";
import { payloadOf } from "./payload.js";
import {
  type RequestOptions,
  readRequest,
  readSend,
  readSendAcked,
  type SendAckedOptions,
  type SendOptions,
} from "./send_options.js";
import { SessionHalf } from "./session_half.js";

const nothing = new Uint8Array(0);

/** The end of a session as its application speaks by it. */
export abstract class SpeakingHalf extends SessionHalf {
  /** @throws SessionClosedError where nothing more can be sent */
  protected abstract checkOpen(): void;

  /** Whether what is sent passes others first, who want to see it as a whole. */
  protected get isLayered(): boolean {
    return false;
  }

  send(message: Uint8Array | string, options?: SendOptions): SendResult {
    const payload = this.checked(message, "a message");
    if (options === undefined && !this.isLayered) return this.sendPlain(0, payload);
    return this.sendRead(readSend(payload, options ?? {}, this.nowMs));
  }

  async sendAcked(message: Uint8Array | string, options: SendAckedOptions = {}): Promise<Acknowledgement> {
    const payload = this.checked(message, "a message");
    const { wait, ...read } = readSendAcked(payload, options, this.nowMs);
    return this.sendAwaited(read, wait);
  }

  async request(
    subject: string,
    payload: Uint8Array | string = nothing,
    options: RequestOptions = {},
  ): Promise<Reply> {
    const read = this.readRequest(subject, options);
    return this.ask(Kind.Request, subject, this.checked(payload, "a request's payload"), read);
  }

  /** @throws InvalidArgumentError */
  protected readRequest(subject: string, options: RequestOptions): ReturnType<typeof readRequest> {
    return readRequest(subject, options);
  }

  /** @throws SessionClosedError, FrameTooLargeError, InvalidArgumentError */
  protected checked(message: Uint8Array | string, what: string): Uint8Array {
    const payload = payloadOf(message, what);
    this.checkOpen();
    this.checkSize(payload);
    return payload;
  }
}
