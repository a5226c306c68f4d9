import { InvalidArgumentError, ListenerClosedError } from "../errors.js";
import type { Acceptor, Engine, EngineResource } from "../native/engine.js";
import type {
  NativeAdmissionLimits,
  NativeConnectionOptions,
  NativeResumption,
} from "../native/environment.js";
import type { RingReader } from "../native/ring.js";
import { formatAddress, type SocketAddress } from "../transport/address.js";
import type { ServerCredential } from "../transport/credential.js";
import { type ConfigurationSettings, serverConfigurations } from "./configuration.js";
import { FailureWatch } from "./failure_watch.js";
import { isBeingReleased, noteRelease } from "./released_ports.js";
import { bindError, isInUse } from "./status.js";
import { fingerprint } from "./tls/fingerprint.js";

/** Where an engine listener binds, and what its connections have in common. */
export interface ListenerOptions {
  readonly address: string;
  readonly port: number;
  /** Other threads of this process may join; connections go to the thread with the fewest. */
  readonly shared: boolean;
  readonly settings: ConfigurationSettings;
  readonly credential: ServerCredential;
  readonly connectionOptions: NativeConnectionOptions;
  readonly limits: NativeAdmissionLimits;
  /** Undefined where it gives no tickets. */
  readonly resumption?: NativeResumption | undefined;
}

/** How many handshakes a listener's limits have refused, over all threads that share it. */
export interface RefusedConnections {
  /** By `maxConnections`. */
  readonly connections: number;
  /** By `maxConnectionsPerAddress`. */
  readonly connectionsPerAddress: number;
  /** By `maxHandshakesPerAddress`. */
  readonly handshakesPerAddress: number;
}

/** A connection object that the listener makes for an accepted connection. */
export interface AcceptedConnection extends EngineResource {
  /** Its first event. */
  accepted(record: RingReader): void;
}

/** One listener of the engine: makes a connection object for each handshake that completes. */
export class EngineListener implements Acceptor {
  readonly address: SocketAddress;
  connectionCount = 0;
  readonly #engine: Engine;
  readonly #id: number;
  readonly #settings: ConfigurationSettings;
  readonly #accept: (slot: number, generation: number, onEnd: () => void) => AcceptedConnection;
  readonly #givesTickets: boolean;
  readonly #failures: FailureWatch;
  #closing: Promise<void> | undefined;
  #lastRefusals: readonly [number, number, number] = [0, 0, 0];
  readonly #onEnd = () => {
    this.connectionCount -= 1;
  };

  /** @throws AddressInUseError, AddressForbiddenError, AddressUnavailableError, InternalError */
  static async open(
    engine: Engine,
    options: ListenerOptions,
    accept: (slot: number, generation: number, onEnd: () => void) => AcceptedConnection,
  ): Promise<EngineListener> {
    const { address, port, shared, settings, credential, connectionOptions, limits, resumption } = options;
    const family = address.includes(":") ? "ipv6" : "ipv4";
    if (resumption !== undefined) assertResumable(credential);
    const configurations = await serverConfigurations(engine, settings, credential, resumption !== undefined);
    let id = 0;
    const bind = async () => {
      const answer = await engine.request((request) => {
        id = engine.native.listen(
          request,
          configurations.byName,
          address,
          port,
          shared,
          settings.alpns,
          connectionOptions,
          limits,
          JSON.stringify([
            settings,
            limits,
            connectionOptions.authenticates,
            { ...resumption, ticketKeys: [] }, // the first thread's keys are everybody's
          ]),
          fingerprint(credential),
          resumption,
        );
      });
      if (answer.status !== 0) await engine.request((request) => engine.native.closeListener(request, id));
      return answer;
    };
    try {
      let { status, value } = await bind();
      while (isInUse(status) && (await isBeingReleased(port))) ({ status, value } = await bind());
      if (status !== 0) throw bindError(status, formatAddress({ address, family, port }));
      return new EngineListener(engine, id, options, { address, family, port: value }, accept);
    } finally {
      configurations.release();
    }
  }

  private constructor(
    engine: Engine,
    id: number,
    { settings, resumption }: ListenerOptions,
    address: SocketAddress,
    accept: (slot: number, generation: number, onEnd: () => void) => AcceptedConnection,
  ) {
    this.#engine = engine;
    this.#id = id;
    this.#givesTickets = resumption !== undefined;
    this.address = address;
    this.#failures = new FailureWatch(engine, id, address);
    this.#settings = settings;
    this.#accept = accept;
    engine.setAcceptor(id, this);
    engine.keepAlive(1);
  }

  onConnection(slot: number, generation: number, record: RingReader): EngineResource {
    const connection = this.#accept(slot, generation, this.#onEnd);
    this.connectionCount += 1;
    connection.accepted(record);
    return connection;
  }

  onHandshakeFailed(record: RingReader): void {
    this.#failures.onEvent(record);
  }

  get refused(): RefusedConnections {
    const [connections, connectionsPerAddress, handshakesPerAddress] =
      this.#engine.native.refusals(this.#id) ?? this.#lastRefusals;
    this.#lastRefusals = [connections, connectionsPerAddress, handshakesPerAddress];
    return { connections, connectionsPerAddress, handshakesPerAddress };
  }

  /**
   * From now on handshakes use this credential; open connections keep theirs. So it is for all threads that share the
   * listener.
   * @throws ListenerClosedError; InternalError
   */
  async setCredential(credential: ServerCredential): Promise<void> {
    if (this.#givesTickets) assertResumable(credential);
    const configurations = await serverConfigurations(
      this.#engine,
      this.#settings,
      credential,
      this.#givesTickets,
    );
    try {
      const { status } = await this.#engine.request((request) =>
        this.#engine.native.updateListener(request, this.#id, configurations.byName, fingerprint(credential)),
      );
      if (status !== 0) throw new ListenerClosedError("the listener is closed; listen again");
    } finally {
      configurations.release();
    }
  }

  /**
   * Replaces the keys that protect tickets, for all threads that share the listener.
   * @throws InvalidArgumentError where it gives no tickets; ListenerClosedError
   */
  async setTicketKeys(ticketKeys: Uint8Array): Promise<void> {
    if (!this.#givesTickets) {
      throw new InvalidArgumentError(
        "the listener gives no tickets; listen with resumption to set their keys",
      );
    }
    const { status } = await this.#engine.request((request) =>
      this.#engine.native.setTicketKeys(request, this.#id, ticketKeys),
    );
    if (status !== 0) throw new ListenerClosedError("the listener is closed; listen again");
  }

  /** Stops accepting. Resolves when this thread can listen on the port again. Idempotent. */
  close(): Promise<void> {
    this.#closing ??= this.#close();
    return this.#closing;
  }

  async #close(): Promise<void> {
    void this.refused; // the engine forgets it now
    this.#engine.setAcceptor(this.#id, undefined);
    await this.#engine.request((request) => this.#engine.native.closeListener(request, this.#id));
    this.#engine.keepAlive(-1);
    noteRelease(this.address.port);
  }
}

/** A resumed handshake has no certificates: who shows a ticket would be taken for who once earned it. */
function assertResumable({ clientCertificate }: ServerCredential): void {
  if (clientCertificate === "none") return;
  throw new InvalidArgumentError(
    "resumption and tls.clientCertificate exclude each other: who resumes shows no certificate; leave out one",
  );
}
