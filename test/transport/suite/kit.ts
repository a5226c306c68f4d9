import assert from "node:assert/strict";
import type { TestContext } from "node:test";
import { connect, listen, type Transport } from "millrace";
import { Authority } from "millrace/testing";
import { deferred } from "../../kit/deferred.js";
import type { SilentPeer } from "../../kit/silent_peer.js";

/** What differs between transports. */
export interface TransportUnderTest {
  /** Where most tests listen. */
  readonly url: string;
  /** Where tests of certificates listen; undefined where the transport has none, as nothing leaves the process. */
  readonly secureUrl: string | undefined;
  /** Whether a server's connection can stop its peer by pause(). */
  readonly serverPauses: boolean;
  /** Whether a server learns the client's port. */
  readonly tellsClientPort: boolean;
  /** The application's own transports, where this is one. */
  readonly transports?: readonly Transport[];
  silentPeer(): Promise<SilentPeer>;
}

export type Connection = Awaited<ReturnType<typeof connect>>;
export type Listener = Awaited<ReturnType<typeof listen>>;
export type Behaviour = NonNullable<Parameters<typeof connect>[1]>;
type ListenOptions = NonNullable<Parameters<typeof listen>[2]>;
type ConnectOptions = NonNullable<Parameters<typeof connect>[2]>;

export const KiB = 1024;
export const MiB = 1024 * 1024;

/** Whom clients trust, and who listeners are. */
export const authority = await Authority.make();
export const identity = await authority.issue();

export const echo: Behaviour = {
  message(connection, bytes) {
    connection.send(bytes);
  },
};

/** Listeners and connections of one transport, which end with their test. */
export interface SuiteKit {
  readonly transport: TransportUnderTest;
  /** `listen` and `connect`, told of the transport. */
  listen(url: string, behaviour: Behaviour, options?: ListenOptions): Promise<Listener>;
  connect(url: string, behaviour?: Behaviour, options?: ConnectOptions): Promise<Connection>;
  serve(t: TestContext, behaviour: Behaviour, options?: ListenOptions): Promise<Listener>;
  dial(
    t: TestContext,
    listener: Listener,
    behaviour?: Behaviour,
    options?: ConnectOptions,
  ): Promise<Connection>;
  assertEchoes(t: TestContext, listener: Listener): Promise<void>;
}

export function suiteKit(transport: TransportUnderTest): SuiteKit {
  const { transports = [] } = transport;
  const kit: SuiteKit = {
    transport,
    listen: (url, behaviour, options = {}) => listen(url, behaviour, { transports, ...options }),
    connect: (url, behaviour, options = {}) => connect(url, behaviour, { transports, ...options }),
    async serve(t, behaviour, options = {}) {
      const listener = await kit.listen(transport.url, behaviour, { tls: identity, ...options });
      t.after(() => listener.close({ graceful: false }));
      return listener;
    },
    async dial(t, listener, behaviour, options = {}) {
      const tls = { ca: authority.certificate };
      const connection = await kit.connect(listener.urls[0]!, behaviour, { tls, ...options });
      t.after(() => connection.close({ graceful: false }));
      return connection;
    },
    async assertEchoes(t, listener) {
      const connection = await kit.dial(t, listener);
      connection.send(Buffer.from("are you there"));
      const [answer] = await receive(connection, 1);
      assert.equal(Buffer.from(answer!).toString(), "are you there");
      await connection.close();
    },
  };
  return kit;
}

/** The next messages, so many. */
export async function receive(connection: Connection, count: number): Promise<Uint8Array[]> {
  const received: Uint8Array[] = [];
  if (count === 0) return received;
  for await (const message of connection) {
    received.push(message);
    if (received.length === count) break;
  }
  return received;
}

/** Sends all of `messages`, waiting whenever the transport says so; `pump` is to be called at every drain. */
export class Writer {
  readonly done = deferred();
  maxBytesQueued = 0;
  readonly #connection: Connection;
  readonly #messages: Iterator<Uint8Array>;
  #next: IteratorResult<Uint8Array>;

  constructor(connection: Connection, messages: Iterable<Uint8Array>) {
    this.#connection = connection;
    this.#messages = messages[Symbol.iterator]();
    this.#next = this.#messages.next();
  }

  pump(): void {
    while (!this.#next.done) {
      const result = this.#connection.send(this.#next.value);
      this.maxBytesQueued = Math.max(this.maxBytesQueued, this.#connection.bytesQueued);
      if (result === "dropped") return;
      this.#next = this.#messages.next();
      if (result === "blocked") return;
    }
    this.done.resolve();
  }
}
