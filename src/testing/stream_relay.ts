import { once } from "node:events";
import { type AddressInfo, createServer, type Server, type Socket } from "node:net";
import type { SocketAddress } from "../transport/address.js";
import { bindServer } from "../transport/bind.js";
import { resetSocket } from "../transport/reset.js";
import { resolveHost } from "../transport/resolve.js";
import { socketAddress } from "../transport/socket_address.js";
import { Random } from "./random.js";
import { type RelayEndpoint, readDirection, readTarget } from "./relay_options.js";
import { realTime, type Scheduler } from "./scheduler.js";
import {
  noStreamFaults,
  readStreamFaults,
  type StreamRelayFaults,
  streamChangesOf,
} from "./stream_faults.js";
import { StreamFlow, type StreamWays } from "./stream_flow.js";
import type { StreamWay } from "./stream_line.js";
import {
  type ReadStreamRelayOptions,
  readStreamRelayOptions,
  type StreamRelayOptions,
} from "./stream_relay_options.js";
import { checkSource, loopbackOf, resolveTarget } from "./target.js";
import type { Direction } from "./ways.js";

/** One connection through a relay, as long as it is there. */
export interface StreamRelayFlow {
  readonly client: SocketAddress;
  /** Where the server sees it; undefined until the relay has connected to it. */
  readonly source: SocketAddress | undefined;
  readonly forwardedBytes: Readonly<Record<Direction, number>>;
  /** Resets it, both ways, at once; what is under way is lost. */
  reset(): void;
  /**
   * Resets it when exactly so many more bytes have gone one way; 0 is at once. A peer that finds the reset right behind
   * bytes it has not read yet may take it for an end, as Node.js does.
   */
  resetAfter(direction: Direction, bytes: number): void;
  /** Half-closes it: what has come in goes on, and then that direction has ended; the other goes on. */
  end(direction: Direction): void;
}

/** What one direction of a relay of streams has done since it began. */
export interface StreamCounters {
  readonly receivedBytes: number;
  readonly forwardedBytes: number;
}

/** A TCP relay between clients and a server that does to their connections what networks do. */
export interface StreamRelay extends AsyncDisposable {
  /** Where clients connect. */
  readonly address: SocketAddress;
  /** What has gone through so far: a copy. */
  readonly counters: {
    readonly toServer: StreamCounters;
    readonly toClient: StreamCounters;
    /** Connections that were accepted. */
    readonly connections: number;
    /** Those of them that ended by a reset, whosever it was. */
    readonly resets: number;
  };
  /** The connections that are there, the oldest first. */
  readonly flows: readonly StreamRelayFlow[];

  /**
   * Changes faults from the next bytes on; those that are not named stay.
   * @throws InvalidArgumentError, with nothing changed
   */
  set(faults: StreamRelayFaults): void;
  /**
   * Takes clients that come from now on to another server; connections that are there stay with theirs.
   * @throws InvalidArgumentError; AddressUnavailableError
   */
  retarget(target: RelayEndpoint): Promise<void>;
  /**
   * A black hole: nothing arrives any more, in one direction or both, and no end of a connection either. TCP sends again
   * what is lost, so it arrives after {@link unblock}. Who connects meanwhile hears nothing.
   */
  block(direction?: Direction): void;
  /** Takes {@link block} back. */
  unblock(direction?: Direction): void;
  /** Resets all connections, both ways, at once; what is under way is lost. New ones go through. */
  cut(): void;
  /** Has new connections refused, as where nobody listens; those that are there go on. */
  refuse(): void;
  /** Takes {@link refuse} back. @throws AddressInUseError where another program has taken the port meanwhile */
  accept(): Promise<void>;
  /** Ends its connections and its socket; what is under way is lost. Idempotent. */
  close(): Promise<void>;
}

/**
 * Makes a TCP relay in front of a server. It passes WebSocket, TLS and everything else over TCP without looking into it.
 * @throws InvalidArgumentError; AddressInUseError, AddressForbiddenError, AddressUnavailableError
 */
export async function createStreamRelay(options: StreamRelayOptions): Promise<StreamRelay> {
  return openStreamRelay(options, realTime);
}

/** {@link createStreamRelay} with a time of the caller's. */
export async function openStreamRelay(given: StreamRelayOptions, time: Scheduler): Promise<StreamRelay> {
  const options = readStreamRelayOptions(given);
  const target = await resolveTarget(options.target);
  checkSource("sourceAddress", options.sourceAddress, target);
  const [host] = await resolveHost(options.listen?.address ?? loopbackOf(target));
  const relay = new TcpRelay(target, options, time);
  await relay.listen(host, options.listen?.port ?? 0);
  return relay;
}

class TcpRelay implements StreamRelay {
  address!: SocketAddress;
  readonly #options: ReadStreamRelayOptions;
  readonly #ways: StreamWays;
  readonly #flows = new Set<StreamFlow>();
  #target: SocketAddress;
  #server: Server | undefined = undefined;
  #connections = 0;
  #resets = 0;
  #isClosed = false;

  constructor(target: SocketAddress, options: ReadStreamRelayOptions, time: Scheduler) {
    this.#target = target;
    this.#options = options;
    const way = (direction: Direction, seed: number): StreamWay => ({
      faults: { ...noStreamFaults, ...streamChangesOf(options, direction) },
      ...{ blocked: false, receivedBytes: 0, forwardedBytes: 0, random: new Random(seed), time },
    });
    this.#ways = { toServer: way("toServer", options.seed), toClient: way("toClient", ~options.seed) };
  }

  get counters() {
    const of = ({ receivedBytes, forwardedBytes }: StreamWay) => ({ receivedBytes, forwardedBytes });
    return {
      toServer: of(this.#ways.toServer),
      toClient: of(this.#ways.toClient),
      connections: this.#connections,
      resets: this.#resets,
    };
  }

  get flows(): readonly StreamRelayFlow[] {
    return [...this.#flows];
  }

  async listen(host: string, port: number): Promise<void> {
    const server = createServer({ allowHalfOpen: true, noDelay: true }, (socket) => this.#join(socket));
    await bindServer(server, host, port);
    const bound = server.address() as AddressInfo;
    this.address = socketAddress(bound.address, bound.port);
    this.#server = server;
  }

  set(given: StreamRelayFaults): void {
    const faults = readStreamFaults(given);
    for (const direction of readDirection(undefined)) {
      const change = streamChangesOf(faults, direction);
      Object.assign(this.#ways[direction], { faults: { ...this.#ways[direction].faults, ...change } });
      const { resetAfterBytes } = change;
      if (resetAfterBytes === undefined) continue;
      for (const flow of [...this.#flows]) flow.resetAfter(direction, resetAfterBytes);
    }
  }

  async retarget(given: RelayEndpoint): Promise<void> {
    const target = await resolveTarget(readTarget(given));
    checkSource("target", target.address, this.#target);
    this.#target = target;
  }

  block(direction?: Direction): void {
    for (const name of readDirection(direction)) this.#ways[name].blocked = true;
  }

  unblock(direction?: Direction): void {
    for (const name of readDirection(direction)) this.#ways[name].blocked = false;
    for (const flow of [...this.#flows]) flow.run();
  }

  cut(): void {
    for (const flow of [...this.#flows]) flow.reset();
  }

  refuse(): void {
    this.#server?.close(); // it stops listening at once, and is closed when the last connection is
    this.#server = undefined;
  }

  async accept(): Promise<void> {
    if (this.#server !== undefined || this.#isClosed) return;
    await this.listen(this.address.address, this.address.port);
  }

  async close(): Promise<void> {
    this.#isClosed = true;
    const server = this.#server;
    const closed = server && once(server, "close");
    this.refuse();
    this.cut();
    await closed;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }

  #join(socket: Socket): void {
    if (this.#isClosed || this.#flows.size >= this.#options.maxClients) {
      socket.on("error", () => {});
      resetSocket(socket);
      return;
    }
    this.#connections += 1;
    const flow = new StreamFlow(socket, this.#target, this.#options.sourceAddress, this.#ways, (wasReset) => {
      this.#flows.delete(flow);
      if (wasReset) this.#resets += 1;
    });
    this.#flows.add(flow);
  }
}
