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

/** A raw connection between a listener of its own and a client. */
export async function openPair(
  loopback: Loopback,
  t: TestContext,
  server: Side<quic.QuicListenOptions> = {},
  client: Side<quic.QuicConnectOptions> = {},
): Promise<Pair> {
  const accepted = deferred<quic.QuicConnection>();
  const listener = await loopback.listenRaw(
    t,
    { ...server.behaviour, open: (connection) => accepted.resolve(connection) },
    server.options,
  );
  const connection = await loopback.connectRaw(t, listener.address.port, client.behaviour, client.options);
  return { client: connection, server: await accepted.promise };
}

/** Resolves with the peer's first stream; further ones are ignored. */
export function firstStream(behaviour: quic.QuicBehaviour = {}): {
  readonly behaviour: quic.QuicBehaviour;
  readonly stream: Promise<quic.QuicStream>;
} {
  const opened = deferred<quic.QuicStream>();
  return { behaviour: { ...behaviour, stream: (stream) => opened.resolve(stream) }, stream: opened.promise };
}
