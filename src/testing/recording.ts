import type { SocketAddress } from "../transport/address.js";
import type { Fate } from "./link.js";
import type { Direction } from "./ways.js";

/** A datagram as it came in at the relay. */
export interface RecordedDatagram {
  readonly direction: Direction;
  /** Whose it is: the client's address, in both directions. */
  readonly client: SocketAddress;
  /** Since the relay was made. */
  readonly atMs: number;
  readonly bytes: Uint8Array;
  /** Whether it was forwarded, or why not. */
  readonly fate: Fate;
}

/** Datagrams in the order in which they came in, up to a number of bytes. */
export class Recording {
  readonly datagrams: RecordedDatagram[] = [];
  readonly #maxBytes: number;
  #bytes = 0;
  #left = 0;

  constructor(maxBytes: number) {
    this.#maxBytes = maxBytes;
  }

  /** Those that came when it was full. */
  get left(): number {
    return this.#left;
  }

  add(datagram: RecordedDatagram): void {
    if (this.#bytes + datagram.bytes.length > this.#maxBytes) {
      this.#left += 1;
      return;
    }
    this.#bytes += datagram.bytes.length;
    this.datagrams.push(datagram);
  }
}
