import type { TestContext } from "node:test";
import type * as quic from "millrace/quic";
import { deferred } from "./deferred.js";
import type { Loopback } from "./loopback.js";

/** Both ends of a raw connection. */
export interface Pair {
  readonly client: quic.QuicConnection;
  readonly server: quic.QuicConnection;
}

/** What one end is made of. */
export interface Side<Options> {
  readonly behaviour?: quic.QuicBehaviour;
  readonly options?: Partial<Options>;
}

/** The ends of a raw connection, of which the one is what a test is about. */
export interface Ends {
  readonly own: quic.QuicConnection;
  readonly peer: quic.QuicConnection;
}

/** Which of the ends that is. */
export type Role = "client" | "server";
export const roles: readonly Role[] = ["client", "server"];

/** The port by which clients reach a listener. */
export type Way = (listener: quic.SocketAddress) => Promise<number>;

/**
 * A raw connection between a listener of its own and a client.
 * @param way through something in between; none by default.
 */
export async function openPair(
  loopback: Loopback,
  t: TestContext,
  server: Side<quic.QuicListenOptions> = {},
  client: Side<quic.QuicConnectOptions> = {},
  way: Way = async ({ port }) => port,
): Promise<Pair> {
  const accepted = deferred<quic.QuicConnection>();
  const listener = await loopback.listenRaw(
    t,
    { ...server.behaviour, open: (connection) => accepted.resolve(connection) },
    server.options,
  );
  const port = await way(listener.address);
  const connection = await loopback.connectRaw(t, port, client.behaviour, client.options);
  return { client: connection, server: await accepted.promise };
}

/** {@link openPair} by roles: `own` is what the end of that role is made of. */
export async function openEnds(
  loopback: Loopback,
  t: TestContext,
  role: Role,
  own: Side<quic.QuicOptions> = {},
  peer: Side<quic.QuicOptions> = {},
  way?: Way,
): Promise<Ends> {
  const [server, client] = role === "server" ? [own, peer] : [peer, own];
  const pair = await openPair(loopback, t, server, client, way);
  return role === "server"
    ? { own: pair.server, peer: pair.client }
    : { own: pair.client, peer: pair.server };
}

/** Resolves with the peer's first stream; further ones are ignored. */
export function firstStream(behaviour: quic.QuicBehaviour = {}): {
  readonly behaviour: quic.QuicBehaviour;
  readonly stream: Promise<quic.QuicStream>;
} {
  const opened = deferred<quic.QuicStream>();
  return { behaviour: { ...behaviour, stream: (stream) => opened.resolve(stream) }, stream: opened.promise };
}
