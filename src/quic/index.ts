/**
 * Raw QUIC: connections, streams and datagrams as RFC 9000 and RFC 9221 have them, over the native engine.
 * @module millrace/quic
 */

import { sharedEngine } from "../native/engine.js";
import { checkHandlers } from "../options/handlers.js";
import { formatHost, type SocketAddress } from "../transport/address.js";
import { loadClientCredential } from "../transport/credential.js";
import { resolveLocal } from "../transport/reachable.js";
import type { ServerTlsOptions } from "../transport/tls.js";
import { bounded, readWait, throwIfAborted, type WaitOptions, within } from "../transport/wait.js";
import { behaviourHandlers, type QuicBehaviour } from "./behaviour.js";
import type { QuicConnection } from "./connection.js";
import { publishFailedHandshake } from "./diagnostics.js";
import { dial } from "./dial.js";
import { EngineListener, type RefusedConnections } from "./listener.js";
import { type QuicConnectOptions, readConnectOptions, readUrl } from "./options/connect_options.js";
import {
  type QuicListenOptions,
  type ReadListenOptions,
  readListenOptions,
} from "./options/listen_options.js";
import { configurationSettings, rawConnectionOptions } from "./options/settings.js";
import { RawConnection } from "./raw_connection.js";
import { ServerTickets } from "./resumption/client_resumption.js";
import { serverResumption } from "./resumption/server_resumption.js";
import { packTicketKeys, type TicketKey } from "./resumption/ticket_keys.js";
import { Authenticator } from "./tls/authentication.js";
import { listenerSettings, loadListenerCredential } from "./tls/listener_tls.js";
import { Turns } from "./turns.js";

export type { SocketAddress } from "../transport/address.js";
export type { CloseInfo, CloseOptions } from "../transport/close.js";
export type { SendResult } from "../transport/connection.js";
export type { TicketStore } from "../transport/early_data.js";
export type {
  CipherSuite,
  ClientTlsOptions,
  PemSource,
  ServerTlsOptions,
  TlsIdentity,
  TlsOptions,
} from "../transport/tls.js";
export type { WaitOptions } from "../transport/wait.js";
export type { EarlyDataDecision, QuicBehaviour } from "./behaviour.js";
export type {
  DatagramsOptions,
  OutcomeOfDatagram,
  QuicCloseOptions,
  QuicConnection,
  SendDatagramOptions,
} from "./connection.js";
export { type QuicCounters, quicCounters } from "./counters.js";
export type { FailedHandshake, QuicDiagnostics } from "./diagnostics.js";
export type { RefusedConnections } from "./listener.js";
export type { QuicConnectOptions } from "./options/connect_options.js";
export { configureEngine, type EngineOptions } from "./options/engine_options.js";
export type { QuicListenOptions } from "./options/listen_options.js";
export type { QuicOptions } from "./options/settings.js";
export type { PathChange } from "./path_change.js";
export { publish, publishDatagram } from "./publish.js";
export type { RebindOptions } from "./rebind.js";
export type { ClientResumptionOptions } from "./resumption/client_resumption.js";
export { FileTicketStore } from "./resumption/file_ticket_store.js";
export type { ServerResumptionOptions } from "./resumption/server_resumption.js";
export type { TicketKey } from "./resumption/ticket_keys.js";
export { MemoryTicketStore } from "./resumption/ticket_store.js";
export type { QuicStatistics } from "./statistics.js";
export type { OpenStreamOptions, QuicStream, StreamCloseInfo, WebStreams } from "./stream/stream.js";
export type { QuicPeer } from "./tls/authentication.js";
export { quicTransport } from "./transport.js";

/** Accepts raw QUIC connections on one endpoint. */
export interface QuicListener extends AsyncDisposable {
  /** The bound address, with the real port. */
  readonly address: SocketAddress;
  /** Connections accepted by this thread and not yet closed. */
  readonly connectionCount: number;
  /** Handshakes that the listener's limits have refused. */
  readonly refused: RefusedConnections;
  /**
   * Handshakes from now on use these: a renewed certificate, say. Open connections keep what they have. Where threads
   * share the listener it holds for all of them. What cannot be used is refused, and nothing changes. Of several calls
   * the last one counts: each begins when the one before has ended.
   * @param options bound the wait; what was begun goes on.
   * @throws what `listen` throws for `options.tls`; ListenerClosedError; AbortedError, TimeoutError
   */
  updateTls(tls: ServerTlsOptions, options?: WaitOptions): Promise<void>;
  /**
   * Stops accepting; open connections stay, and with them the port is taken until the last one has ended. Resolves
   * when nobody is accepted any more. Idempotent.
   * @param options bound the wait; it closes regardless.
   * @throws AbortedError, TimeoutError, InvalidArgumentError
   */
  close(options?: WaitOptions): Promise<void>;
  /**
   * Sets the keys that protect tickets, the newest first: it makes new tickets, and all are taken. A ticket whose key
   * is not in the list costs its client a full handshake. So put the new key first, on every node that shares it, and
   * take the old one out when the last ticket that it made has expired. Open connections are not touched.
   * @param options bound the wait; what was begun goes on.
   * @throws InvalidArgumentError; ListenerClosedError; AbortedError, TimeoutError
   */
  setTicketKeys(ticketKeys: readonly TicketKey[], options?: WaitOptions): Promise<void>;
}

/**
 * Listens for QUIC connections.
 * @throws AddonUnavailableError; InvalidArgumentError; the Credential… classes and CertificateExpiredError;
 *   AddressInUseError, AddressForbiddenError, AddressUnavailableError; AbortedError, TimeoutError
 */
export async function listen(options: QuicListenOptions, behaviour: QuicBehaviour): Promise<QuicListener> {
  const read = readListenOptions(options);
  checkHandlers(behaviour, behaviourHandlers);
  throwIfAborted("listening", read.signal);
  const listening = openListener(read, behaviour);
  try {
    return await within(listening, "listening", read);
  } catch (error) {
    listening.then(
      (listener) => listener.close(), // nobody has it
      () => {},
    );
    throw error;
  }
}

async function openListener(read: ReadListenOptions, behaviour: QuicBehaviour): Promise<QuicListener> {
  const { port, shared, maxConnections, maxConnectionsPerAddress, maxHandshakesPerAddress } = read;
  const limits = { maxConnections, maxConnectionsPerAddress, maxHandshakesPerAddress };
  const authenticator = Authenticator.of(behaviour, read.handshakeTimeoutMs);
  const settings = listenerSettings(read, authenticator);
  const connectionOptions = rawConnectionOptions(read, authenticator !== undefined, false);
  const engine = sharedEngine();
  const [credential, [address]] = await Promise.all([
    loadListenerCredential(read.tls, behaviour),
    resolveLocal(read.host),
  ]);
  const listener = await EngineListener.open(
    engine,
    {
      address,
      port,
      shared,
      settings,
      credential,
      connectionOptions,
      limits,
      resumption: serverResumption(read.resumption),
    },
    (slot, generation, onEnd) =>
      new RawConnection(engine, slot, generation, behaviour, connectionOptions, { onEnd, authenticator }),
  );
  const updates = new Turns(); // else the one that is read last would count
  return {
    address: listener.address,
    get connectionCount() {
      return listener.connectionCount;
    },
    get refused() {
      return listener.refused;
    },
    updateTls(tls, options: WaitOptions = {}) {
      const update = async () => listener.setCredential(await loadListenerCredential(tls, behaviour));
      return bounded("updating TLS", options, () => updates.take(update));
    },
    async close(options: WaitOptions = {}) {
      const wait = readWait(options);
      return within(listener.close(), "closing a listener", wait);
    },
    setTicketKeys(keys, options: WaitOptions = {}) {
      return bounded("setting ticket keys", options, () => listener.setTicketKeys(packTicketKeys(keys)));
    },
    [Symbol.asyncDispose]: () => listener.close(),
  };
}

/**
 * Opens a QUIC connection.
 * @param url `quic://host:port`, an IPv6 address in brackets.
 * @throws AddonUnavailableError; InvalidArgumentError; ConnectionRefusedError, HandshakeTimeoutError,
 *   ProtocolMismatchError, CertificateUntrustedError, CertificateNameError, CertificateExpiredError,
 *   CertificateRefusedError, HandshakeFailedError; AbortedError; the Credential… classes. In TLS 1.3 a client's handshake
 *   is complete before the server has looked at its certificate: where that is missing or refused, the connection opens,
 *   and its `closed` has CertificateRequiredError, CertificateRefusedError or their like
 */
export async function connect(
  url: string | URL,
  options: QuicConnectOptions,
  behaviour: QuicBehaviour = {},
): Promise<QuicConnection> {
  const { host, port } = readUrl(url);
  const read = readConnectOptions(options);
  checkHandlers(behaviour, behaviourHandlers);
  const { socket, signal, resumption } = read;
  const settings = configurationSettings(read);
  const authenticator = Authenticator.of(behaviour, read.handshakeTimeoutMs);
  const connectionOptions = rawConnectionOptions(read, authenticator !== undefined, resumption !== undefined);
  const engine = sharedEngine();
  const credential = await loadClientCredential(read.tls, host);
  const tickets =
    resumption === undefined
      ? undefined
      : new ServerTickets(resumption, { host, port, alpns: settings.alpns }, credential);
  const extras = { authenticator, tickets };
  try {
    return await dial(
      engine,
      { host, port, settings, credential, connectionOptions, socket, signal, tickets },
      (slot, generation, opening) =>
        new RawConnection(engine, slot, generation, behaviour, connectionOptions, { opening, ...extras }),
    );
  } catch (cause) {
    const remote = `${formatHost(host)}:${port}`;
    const error = cause as Error;
    publishFailedHandshake(() => ({ side: "client", localAddress: undefined, remote, error, missed: 0 }));
    throw cause;
  }
}
