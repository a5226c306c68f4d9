import {
  ConnectionClosedError,
  type ConnectionState,
  nextConnectionId,
  type SendResult,
  type SocketAddress,
  type Transport,
  type TransportBehaviour,
  type TransportConnection,
  type TransportConnectOptions,
  type TransportListener,
  type TransportListenOptions,
  UnknownTransportError,
} from "millrace";
import type { CloseInfo, CloseOptions } from "#internal/transport/close.js";

const address: SocketAddress = { address: "127.0.0.1", family: "ipv4", port: 7 };

/** A transport in memory: frames move when the event loop turns, one at a time, in order. */
export class FakeTransport implements Transport {
  readonly name = "fake";
  readonly schemes = ["fake"];
  /** False makes connections that cannot be paused, as uWebSockets' are. */
  pausable = true;
  /** Options as the transport was given them. */
  listenOptions: TransportListenOptions | undefined;
  connectOptions: TransportConnectOptions | undefined;
  /** The server's and the client's end of every connection. */
  readonly ends: FakeConnection[] = [];
  readonly #listeners = new Map<number, FakeListener>();

  async listen(options: TransportListenOptions, behaviour: TransportBehaviour): Promise<TransportListener> {
    this.listenOptions = options;
    const port = options.url.port === 0 ? this.#listeners.size + 1 : options.url.port;
    const listener = new FakeListener(port, behaviour, () => this.#listeners.delete(port));
    this.#listeners.set(port, listener);
    return listener;
  }

  async connect(
    options: TransportConnectOptions,
    behaviour: TransportBehaviour,
  ): Promise<TransportConnection> {
    this.connectOptions = options;
    const listener = this.#listeners.get(options.url.port);
    if (listener === undefined) throw new UnknownTransportError("nobody listens");
    const client = new FakeConnection(this, behaviour, options.highWaterMarkBytes);
    const server = new FakeConnection(this, listener.behaviour, 65_536);
    client.peer = server;
    server.peer = client;
    this.ends.push(server, client);
    server.later(() => listener.behaviour.open(server));
    return client;
  }
}

class FakeListener implements TransportListener {
  readonly transport = "fake";
  readonly address: SocketAddress;
  readonly url: string;
  readonly connectionCount = 0;
  readonly behaviour: TransportBehaviour;
  readonly #free: () => void;

  constructor(port: number, behaviour: TransportBehaviour, free: () => void) {
    this.address = { ...address, port };
    this.url = `fake://127.0.0.1:${port}`;
    this.behaviour = behaviour;
    this.#free = free;
  }

  async close(): Promise<void> {
    this.#free();
  }
}

export class FakeConnection implements TransportConnection {
  readonly id = nextConnectionId();
  readonly transport = "fake";
  readonly remoteAddress = address;
  readonly localAddress = address;
  readonly protocol = "millrace/1";
  readonly roundTripMs = 0.25;
  readonly framesVerified = false;
  state: ConnectionState = "open";
  bytesQueued = 0;
  owner: unknown = undefined;
  peer: FakeConnection | undefined;
  paused = false;
  readonly #transport: FakeTransport;
  readonly #behaviour: TransportBehaviour;
  readonly #mark: number;
  /** What is to happen at this end, each in a turn of its own. */
  readonly #events: (() => void)[] = [];
  #turning = false;

  constructor(transport: FakeTransport, behaviour: TransportBehaviour, mark: number) {
    this.#transport = transport;
    this.#behaviour = behaviour;
    this.#mark = mark;
  }

  send(head: Uint8Array, payload: Uint8Array = new Uint8Array(0)): SendResult {
    if (this.state !== "open") throw new ConnectionClosedError("the connection is closed");
    if (this.bytesQueued >= this.#mark) return "dropped";
    const frame = Buffer.concat([head, payload]);
    this.bytesQueued += frame.length;
    this.peer?.arrive(frame);
    return this.bytesQueued >= this.#mark ? "blocked" : "sent";
  }

  /** Delivers bytes as a frame from the peer. */
  arrive(frame: Uint8Array): void {
    this.later(() => {
      this.peer?.left(frame.length);
      if (this.state === "closed") return;
      const valid = new Uint8Array(frame);
      this.#behaviour.frame(this, valid);
      valid.fill(0xdd); // valid during the call only
    });
  }

  pause(): boolean {
    if (!this.#transport.pausable) return false;
    this.paused = true;
    return true;
  }

  resume(): void {
    this.paused = false;
    this.#turn();
  }

  close({ code = 0, reason = "", graceful = true }: CloseOptions = {}): void {
    if (this.state !== "open") return;
    this.state = "closing";
    if (!graceful) this.#events.length = 0;
    this.peer?.end({ by: "peer", code, reason });
    this.end({ by: "local", code, reason });
  }

  end(info: CloseInfo): void {
    this.later(() => {
      if (this.state === "closed") return;
      this.state = "closed";
      this.#behaviour.close(this, info);
    });
  }

  left(bytes: number): void {
    const before = this.bytesQueued;
    this.bytesQueued -= bytes;
    const half = this.#mark / 2;
    if (before >= half && this.bytesQueued < half && this.state === "open") {
      this.later(() => this.#behaviour.drain(this));
    }
  }

  later(event: () => void): void {
    this.#events.push(event);
    this.#turn();
  }

  #turn(): void {
    if (this.#turning || this.#events.length === 0) return;
    this.#turning = true;
    setImmediate(() => {
      this.#turning = false;
      if (this.paused && this.state === "open") return;
      this.#events.shift()?.();
      this.#turn();
    });
  }
}
