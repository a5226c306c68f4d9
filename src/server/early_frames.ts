import type { InboundLimits } from "../delivery/inbound.js";
import { ResourceExhaustedError } from "../errors.js";
import { type FrameContents, Kind } from "../frame/frame.js";

/** About what a frame costs beside its bytes, where no window counts it: empty ones would cost nothing. */
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
   * A client that does as it should has sent no more by now than its window lets it, which is counted as it counts; or it
   * would be cut off each time that it comes.
   * @param unit as the transport has it, valid during the call only.
   * @throws ResourceExhaustedError
   */
  keep(
    { seq }: Readonly<FrameContents>,
    unit: Uint8Array,
    { windowBytes, maxFrameBytes }: InboundLimits,
  ): void {
    this.#bytes += unit.length + (seq === 0 ? frameCost : 0);
    if (this.#bytes > windowBytes + maxFrameBytes) {
      throw new ResourceExhaustedError(
        `more came before the session has begun than the ${windowBytes} bytes that were allowed`,
      );
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
