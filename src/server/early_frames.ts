import { ResourceExhaustedError } from "../errors.js";
import { type FrameContents, Kind } from "../frame/frame.js";

/** About what a frame costs beside its bytes, or empty ones would cost nothing. */
const frameCost = 256;

/**
 * What comes between a welcome and its commit. A client sends behind its commit at once, and lanes do not wait for each
 * other: on QUIC what is on another lane than the commit's, or came as a datagram, may overtake it. It is kept until
 * then, and is nothing before.
 */
export class EarlyFrames {
  #units: Uint8Array[] = [];
  #bytes = 0;

  /** Whether a frame may have overtaken the commit: those on its own lane cannot. */
  static mayBe({ kind, channel, seq }: Readonly<FrameContents>): boolean {
    const isOfSession =
      (kind >= Kind.Message && kind <= Kind.Ack) || (kind >= Kind.Subscribe && kind <= Kind.Publish);
    return isOfSession && (channel !== 0 || (kind === Kind.Message && seq === 0));
  }

  /**
   * @param unit as the transport has it, valid during the call only. @param maxBytes of all of them
   * @throws ResourceExhaustedError
   */
  keep(unit: Uint8Array, maxBytes: number): void {
    this.#bytes += unit.length + frameCost;
    if (this.#bytes > maxBytes) {
      throw new ResourceExhaustedError(`more than ${maxBytes} bytes came before the session has begun`);
    }
    this.#units.push(new Uint8Array(unit));
  }

  /** All of them, in the order they came; there are none afterwards. */
  take(): readonly Uint8Array[] {
    const units = this.#units;
    this.#units = [];
    return units;
  }
}
