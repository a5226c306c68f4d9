import { InvalidArgumentError } from "../errors.js";
import type { SocketAddress } from "./address.js";
import { throwUncaught } from "./uncaught.js";

/** What a listener asks of peers before they cost more than their address. */
export interface AdmissionOptions {
  /**
   * Whether a peer may connect, by its address (IPv4 also where it came through an IPv6 socket). Asked once for each, as
   * early as the transport can: on TCP and `wss` when its connection is accepted, before TLS; on `ws` when it asks for a
   * WebSocket; on QUIC when its handshake is done, before which the listener's own limits for each address act. Who is
   * refused is never reported: on TCP it is cut off, a WebSocket is answered 503 with Retry-After, and QUIC closed with
   * `exhausted`. What it throws is an uncaught exception, and refuses.
   */
  readonly admit?: ((remoteAddress: SocketAddress) => boolean) | undefined;
  /**
   * A peer that was admitted has gone, or was refused for something else, without becoming a connection: for each that
   * `admit` let in, either this is called or the behaviour's `open`.
   */
  readonly abandoned?: ((remoteAddress: SocketAddress) => void) | undefined;
}

/** How soon one who was refused for want of room may ask again, in seconds. */
export const retryAfterSeconds = 1;

/** Asks the application whom one listener admits: its faults are uncaught exceptions, and never let anybody in. */
export class Admission {
  readonly #options: AdmissionOptions;

  constructor(options: AdmissionOptions) {
    this.#options = options;
  }

  /** Whether anybody is asked at all. */
  get asks(): boolean {
    return this.#options.admit !== undefined;
  }

  /** Whether one more peer may connect from there. */
  admits(remoteAddress: SocketAddress): boolean {
    if (this.#options.admit === undefined) return true;
    try {
      const answer: unknown = this.#options.admit(remoteAddress);
      if (typeof answer === "boolean") return answer;
      throw new InvalidArgumentError("options.admit must answer true or false, at once");
    } catch (cause) {
      throwUncaught(cause);
      return false;
    }
  }

  /** One that was admitted does not become a connection. */
  abandon(remoteAddress: SocketAddress): void {
    if (!this.asks) return;
    try {
      this.#options.abandoned?.(remoteAddress);
    } catch (cause) {
      throwUncaught(cause);
    }
  }
}
