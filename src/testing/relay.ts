import type { Socket } from "node:dgram";
import { isIPv6 } from "node:net";
import { performance } from "node:perf_hooks";
import type { SocketAddress } from "../transport/address.js";
import { resolveHost } from "../transport/resolve.js";
import { socketAddress } from "../transport/socket_address.js";
import { changeFaults, noFaults, type RelayFaults, readFaults } from "./faults.js";
import { Flow } from "./flow.js";
import { type Fate, Link, type LinkCounters } from "./link.js";
import { Random } from "./random.js";
import { type RecordedDatagram, Recording } from "./recording.js";
import {
  type ReadRelayOptions,
  type RelayEndpoint,
  type RelayOptions,
  readDirection,
  readRebind,
  readRelayOptions,
  readTarget,
} from "./relay_options.js";
import { realTime, type Scheduler } from "./scheduler.js";
import { checkSource, loopbackOf, resolveTarget } from "./target.js";
import { bindSocket, udpSocket } from "./udp_socket.js";
import type { Direction } from "./ways.js";

/** One client of a relay. */
export interface RelayFlow {
  readonly client: SocketAddress;
  /** Where the server sees it; undefined for the moment until its socket is bound. */
  readonly source: SocketAddress | undefined;
}

/** A UDP relay between clients and a server that does to their datagrams what networks do. */
export interface Relay extends AsyncDisposable {
  /** Where clients connect. */
  readonly address: SocketAddress;
  /** What each direction has done so far: a copy. */
  readonly counters: { readonly toServer: LinkCounters; readonly toClient: LinkCounters };
  readonly flows: readonly RelayFlow[];
  /** What came in so far, where `record` was asked for. */
  readonly recorded: readonly RecordedDatagram[];
  /** Datagrams that came in when the recording was full. */
  readonly unrecorded: number;

  /**
   * Changes faults from the next datagram on; those that are not named stay.
   * @throws InvalidArgumentError, with nothing changed
   */
  set(faults: RelayFaults): void;
  /**
   * A NAT forgets its mappings: the server sees every client at a new port, and what it sends to the old one is lost.
   * @param options.address another address of this machine to come from, as when a phone changes its network.
   * @throws InvalidArgumentError; AddressUnavailableError
   */
  rebind(options?: { readonly address?: string | undefined }): Promise<void>;
  /**
   * Another server is at the address from now on, as after a restart: it gets what clients send, those that are there as
   * well, whom it sees at new ports.
   * @throws InvalidArgumentError; AddressUnavailableError
   */
  retarget(target: RelayEndpoint): Promise<void>;
  /** A black hole: drops everything that comes in from now on, in one direction or both. */
  block(direction?: Direction): void;
  /** Takes {@link block} back. */
  unblock(direction?: Direction): void;
  /** Closes its sockets; what is under way is lost. Idempotent. */
  close(): Promise<void>;
}

/**
 * Makes a UDP relay in front of a server. It passes QUIC, and everything else over UDP, without looking into it.
 * @throws InvalidArgumentError; AddressInUseError, AddressForbiddenError, AddressUnavailableError
 */
export async function createRelay(options: RelayOptions): Promise<Relay> {
  return openRelay(options, realTime);
}

/** {@link createRelay} with a time of the caller's. */
export async function openRelay(given: RelayOptions, time: Scheduler): Promise<Relay> {
  const options = readRelayOptions(given);
  const server = await resolveTarget(options.target);
  checkSource("sourceAddress", options.sourceAddress, server);
  const [listenAddress] = await resolveHost(options.listen?.address ?? loopbackOf(server));
  const socket = udpSocket(listenAddress);
  try {
    await bindSocket(socket, listenAddress, options.listen?.port ?? 0);
  } catch (error) {
    socket.close();
    throw error;
  }
  return new UdpRelay(socket, server, options, time);
}

class UdpRelay implements Relay {
  readonly address: SocketAddress;
  readonly #socket: Socket;
  #target: SocketAddress;
  readonly #links: Readonly<Record<Direction, Link>>;
  readonly #flows = new Map<string, Flow>();
  readonly #maxClients: number;
  readonly #recording: Recording | undefined;
  readonly #startedAt = performance.now();
  #sourceAddress: string | undefined;
  #closed: Promise<void> | undefined;

  constructor(socket: Socket, target: SocketAddress, options: ReadRelayOptions, time: Scheduler) {
    const { sourceAddress, seed, record, maxRecordedBytes, maxClients } = options;
    const bound = socket.address();
    this.address = socketAddress(bound.address, bound.port);
    this.#socket = socket;
    this.#target = target;
    this.#sourceAddress = sourceAddress;
    this.#maxClients = maxClients;
    this.#recording = record ? new Recording(maxRecordedBytes) : undefined;
    // Each direction draws its own numbers, so that one does not depend on the traffic of the other.
    this.#links = {
      toServer: new Link(changeFaults(noFaults, options, "toServer"), new Random(seed), time),
      toClient: new Link(changeFaults(noFaults, options, "toClient"), new Random(~seed), time),
    };
    socket.on("error", () => {});
    socket.on("message", (bytes, { address, port }) => this.#fromClient(bytes, address, port));
  }

  get counters() {
    return { toServer: this.#links.toServer.counters, toClient: this.#links.toClient.counters };
  }

  get flows(): readonly RelayFlow[] {
    return [...this.#flows.values()].map(({ client, source }) => ({ client, source }));
  }

  get recorded(): readonly RecordedDatagram[] {
    return this.#recording?.datagrams ?? [];
  }

  get unrecorded(): number {
    return this.#recording?.left ?? 0;
  }

  set(given: RelayFaults): void {
    const faults = readFaults(given);
    const { toServer, toClient } = this.#links;
    toServer.faults = changeFaults(toServer.faults, faults, "toServer");
    toClient.faults = changeFaults(toClient.faults, faults, "toClient");
  }

  async rebind(options: { readonly address?: string | undefined } = {}): Promise<void> {
    const { address } = readRebind(options);
    if (address !== undefined) {
      checkSource("address", address, this.#target);
      this.#sourceAddress = address;
    }
    const source = this.#source;
    await Promise.all([...this.#flows.values()].map((flow) => flow.rebind(source)));
  }

  async retarget(given: RelayEndpoint): Promise<void> {
    const target = await resolveTarget(readTarget(given));
    checkSource("target", target.address, this.#target);
    this.#target = target;
    this.#forgetFlows();
  }

  block(direction?: Direction): void {
    this.#setBlocked(direction, true);
  }

  unblock(direction?: Direction): void {
    this.#setBlocked(direction, false);
  }

  close(): Promise<void> {
    this.#closed ??= new Promise((resolve) => {
      for (const link of Object.values(this.#links)) link.clear();
      this.#forgetFlows();
      this.#socket.close(() => resolve());
    });
    return this.#closed;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }

  #forgetFlows(): void {
    for (const flow of this.#flows.values()) flow.close();
    this.#flows.clear();
  }

  get #source(): string {
    return this.#sourceAddress ?? (this.#target.family === "ipv6" ? "::" : "0.0.0.0");
  }

  #setBlocked(direction: Direction | undefined, blocked: boolean): void {
    for (const name of readDirection(direction)) {
      this.#links[name].blocked = blocked;
    }
  }

  #fromClient(bytes: Uint8Array, address: string, port: number): void {
    const link = this.#links.toServer;
    const flow = this.#flowOf(address, port);
    if (flow === undefined) {
      link.drop(bytes.length, "flows");
      this.#record("toServer", socketAddress(address, port), bytes, "flows");
      return;
    }
    const failed = () => link.undo(bytes.length);
    const fate = link.push(bytes, (datagram) => flow.send(datagram, failed));
    this.#record("toServer", flow.client, bytes, fate);
  }

  #fromServer(flow: Flow, bytes: Uint8Array): void {
    const link = this.#links.toClient;
    const { address, port } = flow.client;
    const fate = link.push(bytes, (datagram) => {
      this.#socket.send(datagram, port, address, (error) => {
        if (error !== null) link.undo(bytes.length);
      });
    });
    this.#record("toClient", flow.client, bytes, fate);
  }

  #flowOf(address: string, port: number): Flow | undefined {
    const key = `${address} ${port}`;
    const known = this.#flows.get(key);
    if (known !== undefined || this.#flows.size >= this.#maxClients) return known;
    // As the socket names it, and not in canonical form: answers are sent to this.
    const client: SocketAddress = { address, family: isIPv6(address) ? "ipv6" : "ipv4", port };
    const flow = new Flow(client, this.#target, this.#source, (from, bytes) => this.#fromServer(from, bytes));
    this.#flows.set(key, flow);
    return flow;
  }

  #record(direction: Direction, client: SocketAddress, bytes: Uint8Array, fate: Fate): void {
    const atMs = performance.now() - this.#startedAt;
    this.#recording?.add({ direction, client, atMs, bytes, fate });
  }
}
