import { type ClientBehaviour, type ClientOptions, connect } from "millrace/client";
import { MemoryTicketStore } from "millrace/quic";
import { createServer, type Server } from "millrace/server";
import { Authority, createRelay, createStreamRelay } from "millrace/testing";
import { type Benchmark, type BenchmarkOptions, type Comparison, inTurn } from "./benchmark.js";
import { median } from "./statistics.js";

const roundTripsMs = [50, 150] as const;

/** What one connection took, in round trips. */
interface Times {
  /** Until `connect` has resolved. */
  readonly usable: number;
  /** Until a request is answered that was made before it. */
  readonly answered: number;
  /** Until the server's handler has a message that was sent before it. */
  readonly handled: number;
}

/** A returning client by a long way: what it waits for, in round trips, which is what no faster machine makes less. */
export const sessionEarly: Benchmark = {
  name: "session-early",
  title: "Sessions, a client that was here before: 0-RTT",
  async run(options) {
    const comparisons: Comparison[] = [];
    for (const roundTripMs of roundTripsMs) comparisons.push(...(await compare(options, roundTripMs)));
    return comparisons;
  },
};

async function compare(options: BenchmarkOptions, roundTripMs: number): Promise<Comparison[]> {
  const way = await Way.open(roundTripMs);
  const times = options.durationMs < 1_000 ? 1 : 10;
  try {
    const title = `${roundTripMs} ms round trip`;
    const results = await inTurn(options, title, {
      early: () => way.measure(way.quicUrl, times, { earlyData: { store: way.store } }),
      late: () => way.measure(way.quicUrl, times),
      webSocket: () => way.measure(way.webSocketUrl, times),
    });
    const figures = (
      what: string,
      of: keyof Times,
      peer: "late" | "webSocket",
      name: string,
    ): Comparison => ({
      title: `${title}, ${what}`,
      unit: "round trips",
      ours: { name: "QUIC, 0-RTT", values: results.early.map((each) => each[of]) },
      peer: { name, values: results[peer].map((each) => each[of]) },
      // A round trip, and what two processes on one machine may need more for one than for the other.
      target: { of: "difference", atMost: -0.9 },
    });
    return (["late", "webSocket"] as const).flatMap((peer) => {
      const name = peer === "late" ? "QUIC, 1-RTT" : "WebSocket with TLS";
      return [
        figures("first answer", "answered", peer, name),
        figures("session usable", "usable", peer, name),
        figures("first message handled", "handled", peer, name),
      ];
    });
  } finally {
    await way.close();
  }
}

/** The server's handler of messages. */
interface Handling {
  handled(): void;
}

/** A server, and relays that make the way to it long. */
class Way {
  readonly store = new MemoryTicketStore();
  readonly #handling: Handling;
  readonly quicUrl: string;
  readonly webSocketUrl: string;
  readonly #roundTripMs: number;
  readonly #ca: string;
  readonly #open: readonly AsyncDisposable[];

  private constructor(
    roundTripMs: number,
    ca: string,
    [quicUrl, webSocketUrl]: readonly [string, string],
    handling: Handling,
    open: readonly AsyncDisposable[],
  ) {
    this.#handling = handling;
    this.#roundTripMs = roundTripMs;
    this.#ca = ca;
    this.quicUrl = quicUrl;
    this.webSocketUrl = webSocketUrl;
    this.#open = open;
  }

  static async open(roundTripMs: number): Promise<Way> {
    const authority = await Authority.make();
    const handling: Handling = { handled: () => {} };
    const price = () => "41.50";
    const seen = () => handling.handled();
    const server: Server = await createServer(
      {
        listen: ["quic://127.0.0.1:0", "wss://127.0.0.1:0"],
        tls: await authority.issue(),
        earlyData: true,
      },
      { earlyRequests: { price }, requests: { price }, earlyEvents: { seen }, events: { seen } },
    );
    const [quic, webSocket] = server.addresses;
    const delayMs = roundTripMs / 2;
    const udp = await createRelay({ target: quic!, delayMs });
    const tcp = await createStreamRelay({ target: webSocket!, delayMs });
    const urls = [`quic://127.0.0.1:${udp.address.port}`, `wss://127.0.0.1:${tcp.address.port}`] as const;
    return new Way(roundTripMs, authority.certificate, urls, handling, [udp, tcp, server]);
  }

  /** The median of some connections, one after the other. */
  async measure(url: string, times: number, options: ClientOptions = {}): Promise<Times> {
    const each: Times[] = [];
    for (let time = 0; time <= times; time += 1) each.push(await this.#measureOne(url, options));
    each.shift(); // the first one earns the ticket
    return {
      usable: median(each.map(({ usable }) => usable)),
      answered: median(each.map(({ answered }) => answered)),
      handled: median(each.map(({ handled }) => handled)),
    };
  }

  async #measureOne(url: string, options: ClientOptions): Promise<Times> {
    let answer: Promise<number> | undefined;
    const beganAt = performance.now();
    const roundTrips = () => (performance.now() - beganAt) / this.#roundTripMs;
    const handling = new Promise<number>((resolve) => {
      this.#handling.handled = () => resolve(roundTrips());
    });
    const behaviour: ClientBehaviour = {
      connecting(session) {
        session.send("tea", { subject: "seen", idempotent: true });
        answer = session.request("price", "tea", { idempotent: true }).then(roundTrips);
      },
    };
    const session = await connect(url, { tls: { ca: this.#ca }, ...options }, behaviour);
    const usable = roundTrips();
    const answered = await answer!;
    await session.request("price", "tea"); // behind it the ticket for the next time has come
    await session.close();
    return { usable, answered, handled: await handling };
  }

  async close(): Promise<void> {
    for (const each of this.#open) await each[Symbol.asyncDispose]();
  }
}
