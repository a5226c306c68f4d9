import { type AddressInfo, createServer, type Server, type Socket } from "node:net";
import { createServer as createTlsServer, type TLSSocket } from "node:tls";
import { formatHost, type SocketAddress } from "../transport/address.js";
import { bindServer } from "../transport/bind.js";
import type { TransportBehaviour } from "../transport/connection.js";
import type { ServerCredential } from "../transport/credential.js";
import { isRefused } from "../transport/node_tls.js";
import { ServerTls } from "../transport/server_tls.js";
import { socketAddress } from "../transport/socket_address.js";
import { SocketAdmission } from "../transport/socket_admission.js";
import type { TransportListener, TransportListenOptions } from "../transport/transport.js";
import { Acceptance, type Acceptor, accept } from "./acceptance.js";
import { TcpContext } from "./context.js";
import { formatHello } from "./greeting.js";

/** What a listener is opened with. */
export interface ListenerRequest {
  readonly options: TransportListenOptions;
  /** The URL's host, resolved. */
  readonly address: string;
  /** Undefined where the listener is clear. */
  readonly credential: ServerCredential | undefined;
  readonly behaviour: TransportBehaviour;
}

/** Accepts TCP connections, clear or in TLS. */
export class TcpListener implements TransportListener {
  readonly transport = "tcp";
  readonly address: SocketAddress;
  readonly url: string;
  updateTls: TransportListener["updateTls"] = undefined;
  readonly #server: Server;
  readonly #acceptor: Acceptor;

  static async open({ options, address, credential, behaviour }: ListenerRequest): Promise<TcpListener> {
    const acceptor: Acceptor = {
      context: new TcpContext(options, behaviour),
      admission: new SocketAdmission(options),
      protocols: options.protocols,
      answers: new Map(options.protocols.map((protocol) => [protocol, Buffer.from(formatHello([protocol]))])),
      waiting: new Set(),
      isSecure: credential !== undefined,
    };
    const tls = credential && new ServerTls(credential);
    const server =
      tls === undefined ? createClearServer(acceptor, options) : createSecureServer(acceptor, options, tls);
    if (tls !== undefined) acceptor.admission.guard(server);
    await bindServer(server, address, options.url.port, options.reusePort);
    // A failed accept (too many open files) concerns one client, not the server.
    server.on("error", (error) => process.emitWarning(error));
    const listener = new TcpListener(server, acceptor, options, address);
    if (tls !== undefined) listener.updateTls = (options) => tls.update(options);
    return listener;
  }

  private constructor(server: Server, acceptor: Acceptor, { url }: TransportListenOptions, address: string) {
    const { port } = server.address() as AddressInfo;
    this.#server = server;
    this.#acceptor = acceptor;
    this.address = socketAddress(address, port);
    if (isOne(this.address)) acceptor.context.localAddress = this.address; // to ask a socket is a system call
    this.url = `${url.scheme}://${formatHost(url.host)}:${port}`;
  }

  get connectionCount(): number {
    return this.#acceptor.context.connectionCount;
  }

  close(): Promise<void> {
    this.#server.close();
    for (const socket of this.#acceptor.waiting) socket.destroy();
    return Promise.resolve();
  }
}

/** Nothing waits for more to send: a turn's messages are joined already. */
const noDelay = true;

/** Whether all that is accepted at an address has it for its own: not where it stands for all of a machine's. */
function isOne({ address }: SocketAddress): boolean {
  return address !== "0.0.0.0" && address !== "::" && !address.includes("%");
}

function createClearServer(acceptor: Acceptor, options: TransportListenOptions): Server {
  return createServer({ allowHalfOpen: true, noDelay }, (socket) => {
    if (!acceptor.admission.admitsSocket(socket)) return;
    new Acceptance(acceptor, socket, options.handshakeTimeoutMs);
  });
}

function createSecureServer(acceptor: Acceptor, options: TransportListenOptions, tls: ServerTls): Server {
  const { handshakeTimeoutMs, protocols } = options;
  const handshakes = new Handshakes(acceptor.waiting);
  const own = { ALPNProtocols: [...protocols], handshakeTimeout: handshakeTimeoutMs, noDelay };
  const server = createTlsServer({ ...tls.options, ...own }, (socket) => {
    socket.allowHalfOpen = true; // not before: who leaves in the middle of the handshake would hold a file until its timeout
    const tookMs = handshakes.end(socket);
    if (isRefused(socket)) {
      socket.destroy();
      return;
    }
    acceptSecure(acceptor, socket, Math.max(1, handshakeTimeoutMs - tookMs));
  });
  server.on("connection", (socket: Socket) => handshakes.begin(socket));
  // Node only tells of a handshake whose time is over.
  server.on("tlsClientError", (_error, socket) => socket.destroy());
  tls.serve(server);
  return server;
}

/** TLS handshakes under way. Node shows their raw sockets only; by the client's address the two are known as one's. */
class Handshakes {
  readonly #waiting: Set<Socket>;
  readonly #begun = new Map<string, { readonly socket: Socket; readonly at: number }>();

  constructor(waiting: Set<Socket>) {
    this.#waiting = waiting;
  }

  begin(socket: Socket): void {
    const client = clientOf(socket);
    this.#begun.set(client, { socket, at: performance.now() });
    this.#waiting.add(socket);
    socket.once("close", () => {
      this.#waiting.delete(socket);
      if (this.#begun.get(client)?.socket === socket) this.#begun.delete(client);
    });
  }

  /** @returns how long it took. */
  end(socket: TLSSocket): number {
    const client = clientOf(socket);
    const begun = this.#begun.get(client);
    if (begun === undefined) return 0;
    this.#begun.delete(client);
    this.#waiting.delete(begun.socket);
    return performance.now() - begun.at;
  }
}

function clientOf({ remoteAddress, remotePort }: Socket): string {
  return `${remoteAddress} ${remotePort}`;
}

function acceptSecure(acceptor: Acceptor, socket: TLSSocket, timeoutMs: number): void {
  const { alpnProtocol } = socket;
  if (!alpnProtocol) {
    new Acceptance(acceptor, socket, timeoutMs);
    return;
  }
  const { framing } = acceptor.context;
  const answer = framing.encodeControl(alpnProtocol, { kind: "pong", code: 0, text: "" });
  accept(acceptor, socket, { protocol: alpnProtocol, answer, rest: Buffer.alloc(0) });
}
