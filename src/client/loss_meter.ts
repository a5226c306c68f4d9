import type { TransportConnection } from "../transport/connection.js";

/** Fewer packets than that say little: one that was lost counts as one of so many. */
const leastPackets = 4;

/** Looks how many of the packets of a connection are lost, where its transport tells. */
export class LossMeter {
  readonly #connection: Pick<TransportConnection, "measure">;
  #sent = 0;
  #lost = 0;
  #rate: number | undefined = undefined;
  #isMeasuring = false;

  constructor(connection: Pick<TransportConnection, "measure">) {
    this.#connection = connection;
  }

  /** Asks the transport; {@link take} has what it says, once it has. */
  measure(): void {
    if (this.#connection.measure === undefined || this.#isMeasuring) return;
    this.#isMeasuring = true;
    const over = () => {
      this.#isMeasuring = false;
    };
    this.#connection
      .measure()
      .then(({ packetsSent, packetsLost }) => this.#learn(packetsSent, packetsLost))
      .then(over, over); // of a connection that has ended nothing is to be known
  }

  /** The part of what was sent between the last two measurements that was lost, once. */
  take(): number | undefined {
    const rate = this.#rate;
    this.#rate = undefined;
    return rate;
  }

  #learn(sent: number, lost: number): void {
    // What was taken for lost may have come after all.
    const more = Math.max(0, lost - this.#lost);
    this.#rate = Math.min(1, more / Math.max(leastPackets, sent - this.#sent));
    this.#sent = sent;
    this.#lost = Math.max(lost, this.#lost);
  }
}
