import {
  createRelay,
  createStreamRelay,
  type Direction,
  type Relay,
  type StreamRelay,
  type StreamRelayFlow,
} from "millrace/testing";
import type { Way } from "./step.js";

const directions: Readonly<Record<Way, Direction>> = { up: "toServer", down: "toClient" };
/** What a bad network does to datagrams, and what is left of that to see for who has TCP. */
const badDatagrams = { lossRate: 0.05, reorderRate: 0.2, duplicateRate: 0.01 };
const badStreams = { jitterMs: 20, bytesPerSecond: 500_000 };
const fairDatagrams = { lossRate: 0, reorderRate: 0, duplicateRate: 0 };
const fairStreams = { jitterMs: 0, bytesPerSecond: Number.POSITIVE_INFINITY };

/** The network between one client and one of its server's URLs; there is none where that is in this process' memory. */
export class Road {
  #url: string;
  readonly #datagrams: Relay | undefined;
  readonly #streams: StreamRelay | undefined;
  #cut: StreamRelayFlow | undefined = undefined;

  private constructor(url: string, datagrams: Relay | undefined, streams: StreamRelay | undefined) {
    this.#url = url;
    this.#datagrams = datagrams;
    this.#streams = streams;
  }

  static async to(url: string): Promise<Road> {
    const { protocol } = new URL(url);
    if (protocol === "memory:") return new Road(url, undefined, undefined);
    const options = { target: endpointOf(url) };
    if (protocol === "quic:") return new Road(url, await createRelay(options), undefined);
    return new Road(url, undefined, await createStreamRelay(options));
  }

  /** By which the client reaches the server through here. */
  get url(): string {
    const { address } = this.#datagrams ?? this.#streams ?? {};
    return address === undefined ? this.#url : this.#url.replace(/:\d+/, `:${address.port}`);
  }

  /** Its newest connection is going to be cut. */
  get isAtStake(): boolean {
    return this.#cut !== undefined && this.#streams!.flows.includes(this.#cut);
  }

  /** The server is another one now. */
  async retarget(url: string): Promise<void> {
    this.#url = url;
    await this.#datagrams?.retarget(endpointOf(url));
    await this.#streams?.retarget(endpointOf(url));
  }

  /** Cuts its newest connection when so many more bytes have gone one way; nobody can cut what goes over UDP. */
  cut(way: Way, afterBytes: number): void {
    const newest = this.#streams?.flows.at(-1);
    newest?.resetAfter(directions[way], afterBytes);
    this.#cut = newest;
  }

  /** A black hole, one way or both. */
  block(way: Way | undefined): void {
    const direction = way && directions[way];
    this.#datagrams?.block(direction);
    this.#streams?.block(direction);
  }

  unblock(): void {
    this.#datagrams?.unblock();
    this.#streams?.unblock();
  }

  blockUdp(): void {
    this.#datagrams?.block();
  }

  /** A NAT forgets who is behind it: over UDP the client has another port, and over TCP what it says is reset. */
  async rebind(): Promise<void> {
    this.#streams?.cut();
    if (this.#datagrams !== undefined && this.#datagrams.flows.length > 0) await this.#datagrams.rebind();
  }

  spoil(): void {
    this.#datagrams?.set(badDatagrams);
    this.#streams?.set(badStreams);
  }

  /** All is well again. */
  mend(): void {
    this.unblock();
    this.#datagrams?.set(fairDatagrams);
    this.#streams?.set(fairStreams);
  }

  async close(): Promise<void> {
    await this.#datagrams?.close();
    await this.#streams?.close();
  }
}

function endpointOf(url: string): { address: string; port: number } {
  return { address: "127.0.0.1", port: Number(new URL(url).port) };
}
