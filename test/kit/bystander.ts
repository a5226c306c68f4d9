import assert from "node:assert/strict";
import type { TestContext } from "node:test";
import type { QuicConnection, QuicStream } from "millrace/quic";
import type { Loopback } from "./loopback.js";
import { until } from "./until.js";

/**
 * An innocent client of a listener that echoes: it makes round trips, one after the other, for as long as its test
 * runs, whatever is done to the listener meanwhile.
 */
export class Bystander {
  roundTrips = 0;
  readonly #connection: QuicConnection;
  readonly #stream: QuicStream;
  #left = 0;

  private constructor(connection: QuicConnection) {
    this.#connection = connection;
    this.#stream = connection.openStream();
  }

  static async open(t: TestContext, loopback: Loopback, port: number): Promise<Bystander> {
    let bystander: Bystander | undefined;
    const connection = await loopback.connectRaw(t, port, {
      data: (_, chunk) => bystander?.onEcho(chunk.length),
    });
    bystander = new Bystander(connection);
    bystander.#ask();
    await bystander.assertUnharmed();
    return bystander;
  }

  onEcho(bytes: number): void {
    this.#left -= bytes;
    if (this.#left > 0) return;
    this.roundTrips += 1;
    if (this.#stream.writable) this.#ask();
  }

  /** Its connection is open, and more round trips are made. */
  async assertUnharmed(): Promise<void> {
    const before = this.roundTrips;
    await until("the bystander has made more round trips", () => this.roundTrips >= before + 10);
    assert.equal(this.#connection.state, "open");
  }

  #ask(): void {
    this.#left = 1_000;
    this.#stream.write(new Uint8Array(this.#left));
  }
}
