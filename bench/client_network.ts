import { readFile } from "node:fs/promises";
import { join } from "node:path";
import type { ClientOptions } from "millrace/client";
import { createRelay, createStreamRelay, type Relay, type StreamRelay } from "millrace/testing";
import { serverCore } from "./pinning.js";
import { BenchProcess } from "./process.js";
import { root } from "./root.js";
import { type Identity, makeIdentity } from "./servers.js";

const schemes = ["quic", "wss", "tls"] as const;
export type Scheme = (typeof schemes)[number];

/** A server of sessions, which any number of networks lead to. */
export class ClientServer {
  readonly #process: BenchProcess;
  readonly #urls: readonly string[];
  /** By which clients know it. */
  readonly tls: ClientOptions["tls"];

  private constructor(process: BenchProcess, urls: readonly string[], certificate: string) {
    this.#process = process;
    this.#urls = urls;
    this.tls = { ca: certificate };
  }

  static async start({ certificatePath, privateKeyPath }: Identity): Promise<ClientServer> {
    const program = join(root, "out", "bench", "servers", "client_session.js");
    const listen = schemes.map((scheme) => `${scheme}://127.0.0.1:0`);
    const { process: started, ready } = await BenchProcess.start<{ urls: readonly string[] }>(
      [process.execPath, program, certificatePath, privateKeyPath, ...listen],
      { core: serverCore },
    );
    return new ClientServer(started, ready.urls, await readFile(certificatePath, "utf8"));
  }

  urlOf(scheme: Scheme): string {
    return this.#urls[schemes.indexOf(scheme)]!;
  }

  stop(): Promise<void> {
    return this.#process.stop();
  }
}

/** Has a server of sessions while something is done. */
export async function withClientServer<Result>(
  use: (server: ClientServer) => Promise<Result>,
): Promise<Result> {
  const identity = await makeIdentity();
  try {
    const server = await ClientServer.start(identity);
    try {
      return await use(server);
    } finally {
      await server.stop();
    }
  } finally {
    await identity.remove();
  }
}

/**
 * A network between one client and a server, of a given round trip: relays in the client's process. TCP connections are
 * accepted by its kernel, so that the round trip of TCP's own handshake is not in what is measured.
 */
export class ClientNetwork implements AsyncDisposable {
  readonly #server: ClientServer;
  readonly #datagrams: Relay;
  readonly #streams: Readonly<Record<"wss" | "tls", StreamRelay>>;

  private constructor(
    server: ClientServer,
    datagrams: Relay,
    streams: Readonly<Record<"wss" | "tls", StreamRelay>>,
  ) {
    this.#server = server;
    this.#datagrams = datagrams;
    this.#streams = streams;
  }

  static async to(server: ClientServer, roundTripMs: number): Promise<ClientNetwork> {
    const options = (scheme: Scheme) => ({
      delayMs: roundTripMs / 2,
      target: { address: "127.0.0.1", port: Number(new URL(server.urlOf(scheme)).port) },
    });
    const datagrams = await createRelay(options("quic"));
    const wss = await createStreamRelay(options("wss"));
    const tls = await createStreamRelay(options("tls"));
    return new ClientNetwork(server, datagrams, { wss, tls });
  }

  /** By which the server is reached through here. */
  url(scheme: Scheme): string {
    const { port } = this.#relay(scheme).address;
    return this.#server.urlOf(scheme).replace(/:\d+/, `:${port}`);
  }

  /** From now on nothing gets through that way, and nobody is told. */
  block(scheme: Scheme): void {
    this.#relay(scheme).block();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#datagrams.close();
    await this.#streams.wss.close();
    await this.#streams.tls.close();
  }

  #relay(scheme: Scheme): Relay | StreamRelay {
    return scheme === "quic" ? this.#datagrams : this.#streams[scheme];
  }
}
