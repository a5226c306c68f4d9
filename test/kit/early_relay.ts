import type { TestContext } from "node:test";
import type * as quic from "millrace/quic";
import { createRelay, type Relay } from "millrace/testing";
import type { Loopback } from "./loopback.js";
import { earnTicket, StolenTicket } from "./tickets.js";
import { until } from "./until.js";

/** A client with a ticket whose way to the server can be cut. */
export interface EarlyRelay {
  readonly relay: Relay;
  readonly ticket: StolenTicket;
  /** Connects with the ticket; what comes back from the server is lost until `release`. */
  connectUnanswered(behaviour?: quic.QuicBehaviour): Promise<quic.QuicConnection>;
  /** What that client has sent so far, once that is more than its handshake and so many bytes. */
  firstFlight(streamBytes: number): Promise<Uint8Array[]>;
  /** Lets the server's answers through. */
  release(): void;
}

export async function earlyRelay(
  t: TestContext,
  loopback: Loopback,
  listener: Pick<quic.QuicListener, "address">,
  options: Partial<quic.QuicConnectOptions> = {},
): Promise<EarlyRelay> {
  const relay = await createRelay({ target: listener.address, record: true });
  t.after(() => relay.close());
  const { port } = relay.address;
  const ticket = new StolenTicket();
  await earnTicket(t, loopback, port, ticket);
  const earlierClients = new Set<number>();
  const sent = () =>
    relay.recorded
      .filter(({ client, direction }) => direction === "toServer" && !earlierClients.has(client.port))
      .map(({ bytes }) => bytes);
  return {
    relay,
    ticket,
    connectUnanswered(behaviour = {}) {
      relay.block("toClient");
      for (const { client } of relay.recorded) earlierClients.add(client.port);
      const resumption = { store: ticket, earlyData: true };
      // The client tries again soon, so that nothing waits long once the answers come through.
      return loopback.connectRaw(t, port, behaviour, { initialRttMs: 20, ...options, resumption });
    },
    async firstFlight(streamBytes) {
      const bytes = () => sent().reduce((sum, datagram) => sum + datagram.length, 0);
      await until("the first flight has left", () => bytes() > 1_200 + streamBytes);
      return sent();
    },
    release: () => relay.unblock("toClient"),
  };
}
