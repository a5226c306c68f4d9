import type { TestContext } from "node:test";
import type * as quic from "millrace/quic";
import type { Loopback } from "./loopback.js";
import { until } from "./until.js";

/** Remembers what it was asked, and lets a test put in what it likes. */
export class SpyStore implements quic.TicketStore {
  readonly calls: string[] = [];
  readonly tickets = new Map<string, Uint8Array>();
  readonly expiries: number[] = [];

  get(key: string): Uint8Array | undefined {
    this.calls.push("get");
    return this.tickets.get(key);
  }

  set(key: string, ticket: Uint8Array, expiresAt: number): void {
    this.calls.push("set");
    this.expiries.push(expiresAt);
    this.tickets.set(key, ticket);
  }

  delete(key: string): void {
    this.calls.push("delete");
    this.tickets.delete(key);
  }
}

/** One ticket, which it gives for every server, and again and again: what no good client does. */
export class StolenTicket implements quic.TicketStore {
  ticket: Uint8Array | undefined;

  get(): Uint8Array | undefined {
    return this.ticket;
  }

  set(_: string, ticket: Uint8Array): void {
    this.ticket ??= ticket;
  }

  delete(): void {}
}

/** Connects once, and leaves the server's ticket in the store. */
export async function earnTicket(
  t: TestContext,
  loopback: Loopback,
  port: number,
  store: quic.TicketStore,
  options: Partial<quic.QuicConnectOptions> = {},
): Promise<void> {
  let earned = false;
  const watched: quic.TicketStore = {
    get: () => undefined,
    async set(...ticket) {
      await store.set(...ticket);
      earned = true;
    },
    delete: () => {},
  };
  const connection = await loopback.connectRaw(t, port, {}, { ...options, resumption: { store: watched } });
  await until("the server gives a ticket", () => earned);
  await connection.close();
}
