import type { TestContext } from "node:test";
import { connect, listen } from "millrace";
import * as quic from "millrace/quic";
import { Authority, type Identity } from "millrace/testing";

type Listener = Awaited<ReturnType<typeof listen>>;
type Connection = Awaited<ReturnType<typeof connect>>;
type Behaviour = NonNullable<Parameters<typeof connect>[1]>;
type ListenOptions = NonNullable<Parameters<typeof listen>[2]>;
type ConnectOptions = NonNullable<Parameters<typeof connect>[2]>;

/** The ALPN of raw connections in tests. */
export const rawAlpn = "millrace-test";

/** Listeners and connections on 127.0.0.1 that trust each other and end with their test. */
export class Loopback {
  readonly identity: Identity;
  /** The CA's certificate as PEM. */
  readonly ca: string;

  private constructor(authority: Authority, identity: Identity) {
    this.ca = authority.certificate;
    this.identity = identity;
  }

  static async make(): Promise<Loopback> {
    const authority = await Authority.make();
    return new Loopback(authority, await authority.issue());
  }

  /** Listens for messages over QUIC, unless `url` says otherwise. */
  async listen(
    t: TestContext,
    behaviour: Behaviour,
    options: ListenOptions & { url?: string } = {},
  ): Promise<Listener> {
    const { url = "quic://127.0.0.1:0", ...rest } = options;
    const listener = await listen(url, behaviour, { tls: this.identity, ...rest });
    t.after(() => listener.close({ graceful: false }));
    return listener;
  }

  async connect(
    t: TestContext,
    url: string,
    behaviour?: Behaviour,
    options?: ConnectOptions,
  ): Promise<Connection> {
    const connection = await connect(url, behaviour, { tls: { ca: this.ca }, ...options });
    t.after(() => connection.close({ graceful: false }));
    return connection;
  }

  async listenRaw(
    t: TestContext,
    behaviour: quic.QuicBehaviour,
    options: Partial<quic.QuicListenOptions> = {},
  ): Promise<quic.QuicListener> {
    const listener = await quic.listen(
      { host: "127.0.0.1", port: 0, alpn: [rawAlpn], tls: this.identity, ...options },
      behaviour,
    );
    t.after(() => listener.close());
    return listener;
  }

  async connectRaw(
    t: TestContext,
    port: number,
    behaviour: quic.QuicBehaviour = {},
    options: Partial<quic.QuicConnectOptions> = {},
  ): Promise<quic.QuicConnection> {
    const connection = await quic.connect(
      `quic://127.0.0.1:${port}`,
      { alpn: [rawAlpn], tls: { ca: this.ca }, ...options },
      behaviour,
    );
    t.after(() => connection.close({ graceful: false }));
    return connection;
  }
}
