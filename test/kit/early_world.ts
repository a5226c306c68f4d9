import type { TestContext } from "node:test";
import { type ClientBehaviour, type ClientOptions, type ClientSession, connect } from "millrace/client";
import { MemoryTicketStore } from "millrace/quic";
import { createServer, type Server, type ServerBehaviour, type ServerOptions } from "millrace/server";
import { createRelay, type Relay } from "millrace/testing";
import { authority, identity } from "../transport/suite/kit.js";
import { until } from "./until.js";

type Served = { readonly options?: Partial<ServerOptions>; readonly behaviour: ServerBehaviour };

/** A server that takes early data, and a client who comes again and again by a way that can be cut. */
export class EarlyWorld {
  readonly store = new MemoryTicketStore();
  readonly relay: Relay;
  readonly #t: TestContext;
  readonly #served: Served;
  server: Server;
  /** Ports of those who have been here before. */
  readonly #earlier = new Set<number>();

  private constructor(t: TestContext, served: Served, server: Server, relay: Relay) {
    this.#t = t;
    this.#served = served;
    this.server = server;
    this.relay = relay;
  }

  static async begin(
    t: TestContext,
    behaviour: ServerBehaviour,
    options: Partial<ServerOptions> = {},
  ): Promise<EarlyWorld> {
    const served = { behaviour, options };
    const server = await serve(t, served);
    const relay = await createRelay({ target: addressOf(server), record: true });
    t.after(() => relay.close());
    return new EarlyWorld(t, served, server, relay);
  }

  get url(): string {
    return `quic://127.0.0.1:${this.relay.address.port}`;
  }

  /** What any client needs to come. */
  get tls(): { readonly ca: string } {
    return { ca: authority.certificate };
  }

  async connect(behaviour: ClientBehaviour = {}, options: ClientOptions = {}): Promise<ClientSession> {
    const earlyData = { store: this.store };
    const session = await connect(this.url, { tls: this.tls, earlyData, ...options }, behaviour);
    this.#t.after(() => session.close({ graceful: false }));
    return session;
  }

  /** Resolves when there is a ticket for the next time. */
  async hasTicket(): Promise<void> {
    await until("the server gives a ticket", () => this.store.size === 1);
  }

  /** Comes for the first time. */
  async earnTicket(): Promise<void> {
    const session = await this.connect();
    await this.hasTicket();
    await session.close();
    this.forgetClients();
  }

  /** Whoever has come until now is no part of what {@link flight} is of. */
  forgetClients(): void {
    for (const { client } of this.relay.recorded) this.#earlier.add(client.port);
  }

  /** What the newest client has sent until now. */
  get flight(): Uint8Array[] {
    return this.relay.recorded
      .filter(({ client, direction }) => direction === "toServer" && !this.#earlier.has(client.port))
      .map(({ bytes }) => bytes);
  }

  /** Another server takes the place of this one, as after a restart. */
  async restart(): Promise<void> {
    await this.server.close({ graceful: false });
    this.server = await serve(this.#t, this.#served);
    await this.relay.retarget(addressOf(this.server));
  }
}

async function serve(t: TestContext, { behaviour, options }: Served): Promise<Server> {
  const listen = "quic://127.0.0.1:0";
  const server = await createServer({ listen, tls: identity, earlyData: true, ...options }, behaviour);
  t.after(() => server.close({ graceful: false }));
  return server;
}

/** Where it really listens. */
export function addressOf(server: Server): { readonly address: string; readonly port: number } {
  return server.addresses[0]!;
}
