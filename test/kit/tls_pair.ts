import type { TestContext } from "node:test";
import * as quic from "millrace/quic";
import { type Deferred, deferred } from "./deferred.js";
import { rawAlpn } from "./loopback.js";

/** A listener on 127.0.0.1 that tells of the connections it opened, for tests of TLS alone. */
export interface TlsServer {
  readonly listener: quic.QuicListener;
  /** Those that have opened, the oldest first. */
  readonly opened: readonly quic.QuicConnection[];
  /** The next one that opens. */
  next(): Promise<quic.QuicConnection>;
  /** Gets the bytes of all streams from now on. */
  hear(data: NonNullable<quic.QuicBehaviour["data"]>): void;
  connect(
    tls: quic.ClientTlsOptions,
    behaviour?: quic.QuicBehaviour,
    options?: Partial<quic.QuicConnectOptions>,
  ): Promise<quic.QuicConnection>;
}

export interface TlsServerOptions extends Partial<quic.QuicListenOptions> {
  readonly authenticate?: NonNullable<quic.QuicBehaviour["authenticate"]>;
  readonly error?: NonNullable<quic.QuicBehaviour["error"]>;
}

export async function serveTls(
  t: TestContext,
  tls: quic.ServerTlsOptions,
  { authenticate, error, ...options }: TlsServerOptions = {},
): Promise<TlsServer> {
  const opened: quic.QuicConnection[] = [];
  let waiting: Deferred<quic.QuicConnection> | undefined;
  let heard: quic.QuicBehaviour["data"];
  const behaviour: quic.QuicBehaviour = {
    open(connection) {
      opened.push(connection);
      waiting?.resolve(connection);
      waiting = undefined;
    },
    data: (stream, chunk) => heard?.(stream, chunk),
    ...(authenticate && { authenticate }),
    ...(error && { error }),
  };
  const listener = await quic.listen(
    { host: "127.0.0.1", port: 0, alpn: [rawAlpn], tls, ...options },
    behaviour,
  );
  t.after(() => listener.close());
  return {
    listener,
    opened,
    next() {
      waiting ??= deferred<quic.QuicConnection>();
      return waiting.promise;
    },
    hear(data) {
      heard = data;
    },
    async connect(clientTls, clientBehaviour = {}, clientOptions = {}) {
      const url = `quic://127.0.0.1:${listener.address.port}`;
      const connection = await quic.connect(
        url,
        { alpn: [rawAlpn], tls: clientTls, ...clientOptions },
        clientBehaviour,
      );
      t.after(() => connection.close({ graceful: false }));
      return connection;
    },
  };
}
