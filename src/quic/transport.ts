import { InvalidArgumentError } from "../errors.js";
import { type Engine, sharedEngine } from "../native/engine.js";
import type { NativeResumption } from "../native/environment.js";
import { readOptions } from "../options/read.js";
import { formatHost, type SocketAddress } from "../transport/address.js";
import { Admission } from "../transport/admission.js";
import type { TransportBehaviour, TransportConnection } from "../transport/connection.js";
import {
  loadClientCredential,
  loadServerCredential,
  type ServerCredential,
} from "../transport/credential.js";
import { resolveLocal } from "../transport/reachable.js";
import { parseAddress } from "../transport/socket_address.js";
import type { ServerTlsOptions } from "../transport/tls.js";
import type {
  Transport,
  TransportConnectOptions,
  TransportListener,
  TransportListenOptions,
} from "../transport/transport.js";
import { dial } from "./dial.js";
import { FramedConnection } from "./framed_connection.js";
import { EngineListener } from "./listener.js";
import { framedOptions, framedSettings } from "./options/framed_options.js";
import { RefusedConnection } from "./refused_connection.js";
import { ServerTickets } from "./resumption/client_resumption.js";
import { serverResumption, serverResumptionSchema } from "./resumption/server_resumption.js";

/** QUIC (RFC 9000) carrying frames; the native addon does the work. */
export const quicTransport: Transport = {
  name: "quic",
  schemes: ["quic"],
  sharesPort: () => true,
  listen,
  connect,
};

async function listen(
  options: TransportListenOptions,
  behaviour: TransportBehaviour,
): Promise<TransportListener> {
  const engine = sharedEngine();
  const { url, tls } = options;
  if (tls === undefined) {
    throw new InvalidArgumentError(
      `quic://${url.host}:${url.port} needs options.tls with certificate and privateKey`,
    );
  }
  const connectionOptions = framedOptions(options);
  const [credential, [address]] = await Promise.all([loadCredential(tls), resolveLocal(url.host)]);
  const admission = new Admission(options);
  const listener = await EngineListener.open(
    engine,
    {
      address,
      port: url.port,
      shared: options.reusePort ?? false,
      settings: framedSettings(options, "server"),
      credential,
      connectionOptions,
      limits: {},
      resumption: options.earlyData === true ? takesEarlyData() : undefined,
    },
    (slot, generation, onEnd) =>
      admission.admits(remoteAddress(engine, slot, generation))
        ? new FramedConnection(engine, slot, generation, behaviour, connectionOptions, { onEnd })
        : new RefusedConnection(engine, slot, generation, onEnd),
  );
  return new QuicTransportListener(listener, url.host);
}

/** @throws what is wrong with it */
async function loadCredential(tls: ServerTlsOptions): Promise<ServerCredential> {
  const credential = await loadServerCredential(tls);
  if (credential.clientCertificate === "none" || credential.clientCaPem !== undefined) return credential;
  throw new InvalidArgumentError("tls.clientCertificate needs tls.clientCa, which says whose are taken");
}

async function connect(
  options: TransportConnectOptions,
  behaviour: TransportBehaviour,
): Promise<TransportConnection> {
  const engine: Engine = sharedEngine();
  const { url } = options;
  const { host, port } = url;
  const connectionOptions = framedOptions(options, options.earlyData !== undefined);
  const settings = framedSettings(options, "client");
  const credential = await loadClientCredential(options.tls, host);
  const tickets =
    options.earlyData === undefined
      ? undefined
      : new ServerTickets(
          { ...options.earlyData, earlyData: true },
          { host, port, alpns: settings.alpns },
          credential,
        );
  return dial(
    engine,
    {
      host,
      port,
      settings,
      credential,
      connectionOptions,
      socket: "own",
      signal: options.signal,
      tickets,
    },
    (slot, generation, opening) =>
      new FramedConnection(engine, slot, generation, behaviour, connectionOptions, { opening, tickets }),
  );
}

/** Tickets of this listener alone: another would take no early data of them. */
function takesEarlyData(): NativeResumption | undefined {
  return serverResumption(readOptions(serverResumptionSchema, { earlyData: true }));
}

/** Where a peer was when its handshake was done. */
function remoteAddress(engine: Engine, slot: number, generation: number): SocketAddress {
  return parseAddress(engine.native.addresses(slot, generation)?.[1] ?? "");
}

class QuicTransportListener implements TransportListener {
  readonly transport = "quic";
  readonly url: string;
  readonly #listener: EngineListener;

  constructor(listener: EngineListener, host: string) {
    this.#listener = listener;
    this.url = `quic://${formatHost(host)}:${listener.address.port}`;
  }

  get address() {
    return this.#listener.address;
  }

  get connectionCount(): number {
    return this.#listener.connectionCount;
  }

  readonly updateTls = async (tls: ServerTlsOptions): Promise<void> => {
    await this.#listener.setCredential(await loadCredential(tls));
  };

  close(): Promise<void> {
    return this.#listener.close();
  }
}
