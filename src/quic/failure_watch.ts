import { ConnectionClosedError, ConnectionRefusedError, type MillraceError } from "../errors.js";
import type { Engine } from "../native/engine.js";
import type { RingReader } from "../native/ring.js";
import type { SocketAddress } from "../transport/address.js";
import { publishFailedHandshake } from "./diagnostics.js";
import { acceptError } from "./status.js";

/** Where nobody listens, the engine tells of a failed handshake so rarely. */
const UNHEARD_MS = 1_000;

/** Limits of a listener, by the engine's number (FailedBy in events.h), after those of ClosedBy. */
const limits: Readonly<Record<number, string>> = {
  3: "maxConnections",
  4: "maxConnectionsPerAddress",
  5: "maxHandshakesPerAddress",
};
const BY_TRANSPORT = 2;

/** Publishes a listener's failed handshakes, at most one a turn: a flood of them costs no more than that. */
export class FailureWatch {
  readonly #engine: Engine;
  readonly #listener: number;
  readonly #address: SocketAddress;
  #missed = 0;
  readonly #heed = () => {
    this.#missed += this.#engine.native.heedFailures(this.#listener);
  };

  constructor(engine: Engine, listener: number, address: SocketAddress) {
    this.#engine = engine;
    this.#listener = listener;
    this.#address = address;
  }

  /** The record is {u32 listener, u32 by, i32 status, u32, u64 code, address}. */
  onEvent(record: RingReader): void {
    const heard = publishFailedHandshake(() => {
      const remote = record.text(24);
      const missed = this.#missed;
      this.#missed = 0;
      const error = failure(record.uint32(4), record.int32(8), remote);
      return { side: "server", localAddress: this.#address, remote, error, missed };
    });
    if (heard) setImmediate(this.#heed);
    else setTimeout(this.#heed, UNHEARD_MS).unref();
  }
}

function failure(by: number, status: number, remote: string): MillraceError {
  const limit = limits[by];
  if (limit !== undefined) return new ConnectionRefusedError(`${remote} was refused by ${limit}`);
  if (by === BY_TRANSPORT) return acceptError(status, remote);
  return new ConnectionClosedError(`${by === 0 ? "we" : remote} ended the connection during its handshake`);
}
