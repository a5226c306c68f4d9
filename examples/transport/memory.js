// A transport of one's own: connections inside of one process, for tests that need no port.
import {
  AbortedError,
  AddressInUseError,
  Admission,
  CloseCode,
  ConnectionClosedError,
  ConnectionLostError,
  ConnectionRefusedError,
  FrameTooLargeError,
  HandshakeTimeoutError,
  Liveness,
  nextConnectionId,
  ProtocolMismatchError,
  peerCloseError,
  ResourceExhaustedError,
} from "millrace";

/** @import * as millrace from "millrace" */

/**
 * A network in memory. It goes into the `transports` of `listen` and `connect`, and what is given the same one meets at
 * `memory://name:port`.
 * @implements {millrace.Transport}
 */
export class MemoryTransport {
  name = "memory";
  schemes = ["memory"];
  /** @type {Map<string, MemoryListener>} */
  #listeners = new Map();
  #lastPort = 49_151;
  #plugged = true;
  /** @type {(() => void)[]} What is on its way from one end to the other, the oldest first. */
  #posted = [];

  /** While it is false nothing arrives anywhere, as when somebody has pulled the cable. */
  get plugged() {
    return this.#plugged;
  }

  set plugged(plugged) {
    this.#plugged = plugged;
    for (const _ of this.#posted) setImmediate(() => this.#carry());
  }

  /** Does at the other end what this one asks, in a later turn of the event loop, in order. */
  post(/** @type {() => void} */ arrive) {
    this.#posted.push(arrive);
    setImmediate(() => this.#carry());
  }

  #carry() {
    if (this.#plugged) this.#posted.shift()?.();
  }

  /** @type {millrace.Transport["listen"]} */
  async listen(options, behaviour) {
    const { host } = options.url;
    let { port } = options.url;
    while (port === 0 || (options.url.port === 0 && this.#listeners.has(`${host}:${port}`))) {
      port = this.#nextPort();
    }
    const name = `${host}:${port}`;
    if (this.#listeners.has(name)) throw new AddressInUseError(`memory://${name} is in use; take another`);
    const context = new Context(this, options, behaviour);
    const free = () => this.#listeners.delete(name);
    const listener = new MemoryListener(name, port, context, new Admission(options), free);
    this.#listeners.set(name, listener);
    return listener;
  }

  /** @type {millrace.Transport["connect"]} */
  connect(options, behaviour) {
    const { url, signal, handshakeTimeoutMs } = options;
    const name = `${url.host}:${url.port}`;
    const context = new Context(this, options, behaviour);
    return new Promise((resolve, reject) => {
      const timer = setTimeout(() => {
        fail(new HandshakeTimeoutError(`memory://${name} did not answer within ${handshakeTimeoutMs} ms`));
      }, handshakeTimeoutMs);
      const onAbort = () => fail(new AbortedError("connecting was cancelled", { cause: signal?.reason }));
      signal?.addEventListener("abort", onAbort);
      let waiting = true;
      const end = () => {
        waiting = false;
        clearTimeout(timer);
        signal?.removeEventListener("abort", onAbort);
      };
      const fail = (/** @type {Error} */ error) => {
        end();
        reject(error);
      };
      this.post(() => {
        const listener = this.#listeners.get(name);
        const refusal = new ConnectionRefusedError(`nothing listens on memory://${name}`);
        const answer = listener === undefined ? refusal : listener.answer(context, this.#nextPort());
        this.post(() => {
          if (answer instanceof Error) return fail(answer);
          if (!waiting) return answer.server.lose("the client had given up before it was answered");
          end();
          answer.client.begin();
          resolve(answer.client);
        });
        if (!(answer instanceof Error)) listener?.open(answer.server);
      });
    });
  }

  #nextPort() {
    this.#lastPort = this.#lastPort === 65_535 ? 49_152 : this.#lastPort + 1;
    return this.#lastPort;
  }
}

/** What the connections of one listener, or of one connect, share. */
class Context {
  /** @type {Set<MemoryConnection>} */
  connections = new Set();

  /**
   * @param {MemoryTransport} network
   * @param {millrace.TransportOptions} options
   * @param {millrace.TransportBehaviour} behaviour
   */
  constructor(network, options, behaviour) {
    this.network = network;
    this.options = options;
    this.behaviour = behaviour;
    this.liveness = new Liveness(options.idleTimeoutMs);
  }
}

/** @implements {millrace.TransportListener} */
class MemoryListener {
  transport = "memory";
  #free;

  /**
   * @param {string} name
   * @param {number} port
   * @param {Context} context
   * @param {Admission} admission
   * @param {() => void} free
   */
  constructor(name, port, context, admission, free) {
    this.admission = admission;
    this.url = `memory://${name}`;
    this.address = loopback(port);
    this.context = context;
    this.#free = free;
  }

  get connectionCount() {
    return this.context.connections.size;
  }

  async close() {
    this.#free();
  }

  /**
   * @param {Context} client
   * @param {number} clientPort
   */
  answer(client, clientPort) {
    const { protocols } = this.context.options;
    const offered = client.options.protocols;
    const protocol = protocols.find((name) => offered.includes(name));
    if (protocol === undefined)
      return new ProtocolMismatchError(`${this.url} speaks ${protocols}, not ${offered}`);
    const remoteAddress = loopback(clientPort);
    if (!this.admission.admits(remoteAddress))
      return new ResourceExhaustedError(`${this.url} has no room for this connection now`);
    return MemoryConnection.pair(this.context, client, protocol, this.address, remoteAddress);
  }

  open(/** @type {MemoryConnection} */ server) {
    server.begin();
    this.context.behaviour.open(server);
  }
}

/** @implements {millrace.TransportConnection} */
class MemoryConnection {
  id = nextConnectionId();
  transport = "memory";
  roundTripMs = undefined;
  framesVerified = false;
  /** @type {millrace.ConnectionState} */
  state = "closed";
  bytesQueued = 0;
  /** @type {unknown} */
  owner = undefined;
  quietChecks = 0;
  #heard = true;
  #paused = false;
  /** True from `blocked` or `dropped` until `drain`. */
  #blocked = false;
  /** @type {Uint8Array[]} What the peer has yet to take. */
  #outbox = [];
  /** @type {millrace.CloseInfo | undefined} How it ends, as its own behaviour is told. */
  #info;
  /** @type {millrace.CloseInfo | undefined} How it ends, as the peer's is told. */
  #told;
  /** @type {NodeJS.Timeout | undefined} */
  #deadline;
  #context;
  #peer = this;

  /**
   * @param {Context} context
   * @param {string} protocol
   * @param {millrace.SocketAddress} localAddress
   * @param {millrace.SocketAddress} remoteAddress
   */
  constructor(context, protocol, localAddress, remoteAddress) {
    this.#context = context;
    this.protocol = protocol;
    this.localAddress = localAddress;
    this.remoteAddress = remoteAddress;
  }

  /**
   * @param {Context} serverContext
   * @param {Context} clientContext
   * @param {string} protocol
   * @param {millrace.SocketAddress} serverAddress
   * @param {millrace.SocketAddress} clientAddress
   */
  static pair(serverContext, clientContext, protocol, serverAddress, clientAddress) {
    const server = new MemoryConnection(serverContext, protocol, serverAddress, clientAddress);
    const client = new MemoryConnection(clientContext, protocol, clientAddress, serverAddress);
    server.#peer = client;
    client.#peer = server;
    return { server, client };
  }

  /** It is open now, and not before. */
  begin() {
    this.state = "open";
    this.#context.connections.add(this);
    this.#context.liveness.add(this);
  }

  /** @type {millrace.TransportConnection["send"]} */
  send(head, payload = new Uint8Array(0)) {
    if (this.state !== "open") throw new ConnectionClosedError(`connection ${this.id} is ${this.state}`);
    const { highWaterMarkBytes } = this.#context.options;
    this.#blocked ||= this.bytesQueued >= highWaterMarkBytes;
    if (this.bytesQueued >= highWaterMarkBytes) return "dropped";
    const frame = new Uint8Array(head.length + payload.length);
    frame.set(head);
    frame.set(payload, head.length);
    this.#outbox.push(frame);
    this.bytesQueued += frame.length;
    this.#wakePeer();
    this.#blocked ||= this.bytesQueued >= highWaterMarkBytes;
    return this.bytesQueued >= highWaterMarkBytes ? "blocked" : "sent";
  }

  pause() {
    this.#paused = true;
    return true;
  }

  resume() {
    this.#paused = false;
    setImmediate(() => this.#take()); // not from inside of this call
  }

  /** @type {millrace.TransportConnection["close"]} */
  close({ code = CloseCode.normal, reason = "", graceful = true, deadlineMs = 5_000 } = {}) {
    if (this.state === "open") {
      this.state = "closing";
      const error = peerCloseError(code, reason);
      this.#info = { by: "local", code, reason };
      this.#told = { by: "peer", code, reason, ...(error && { error }) };
      this.#deadline = setTimeout(() => this.#missDeadline(deadlineMs), deadlineMs);
    }
    if (this.state !== "closing") return;
    this.#wakePeer();
    if (graceful) return; // the peer ends both when it has taken all
    this.#drop();
    setImmediate(() => this.#finish());
  }

  /** The peer is not there any more, for all that is known. */
  lose(/** @type {string} */ why) {
    this.#info ??= lost(why);
    this.#told = lost("the connection was lost");
    this.#finish();
    this.#wakePeer();
  }

  /** For Liveness, as the next two. */
  takeHeard() {
    const heard = this.#heard;
    this.#heard = false;
    return heard;
  }

  ping() {
    const { network } = this.#context;
    network.post(() => this.#peer.state !== "closed" && network.post(() => (this.#heard = true)));
  }

  expire() {
    this.lose("nothing was heard from the peer for the idle timeout");
  }

  /** Takes what the peer has sent, and its end behind it. */
  #take() {
    const peer = this.#peer;
    const { network, behaviour, options } = this.#context;
    while (network.plugged && this.state === "open" && !this.#paused) {
      const frame = peer.#outbox.shift();
      if (frame === undefined) break;
      peer.bytesQueued -= frame.length;
      this.#heard = true;
      if (frame.length > options.maxFrameBytes) this.#refuse(frame.length);
      else behaviour.frame(this, frame);
    }
    peer.#tellRoom();
    if (peer.#told === undefined || (this.state === "open" && peer.#outbox.length > 0)) return;
    this.#info ??= peer.#told;
    this.#finish();
    peer.#finish();
  }

  #tellRoom() {
    const { highWaterMarkBytes } = this.#context.options;
    if (!this.#blocked || this.state !== "open" || this.bytesQueued >= highWaterMarkBytes / 2) return;
    this.#blocked = false;
    this.#context.behaviour.drain(this);
  }

  #refuse(/** @type {number} */ bytes) {
    const error = new FrameTooLargeError(`the peer sent a frame of ${bytes} bytes`);
    this.close({ code: CloseCode.frameTooLarge, reason: "message too large", graceful: false });
    this.#info = { by: "local", code: CloseCode.frameTooLarge, reason: "message too large", error };
  }

  #missDeadline(/** @type {number} */ deadlineMs) {
    const why = `the close did not finish within ${deadlineMs} ms; what was queued may be lost`;
    this.#info = { by: "local", code: 0, reason: "", ...this.#info, error: new ConnectionLostError(why) };
    this.lose(why);
  }

  #wakePeer() {
    this.#context.network.post(() => this.#peer.#take());
  }

  #drop() {
    this.#outbox = [];
    this.bytesQueued = 0;
  }

  #finish() {
    if (this.state === "closed") return;
    this.state = "closed";
    this.#drop();
    clearTimeout(this.#deadline);
    this.#context.liveness.remove(this);
    this.#context.connections.delete(this);
    this.#context.behaviour.close(this, this.#info ?? lost("the peer is gone"));
  }
}

/** @returns {millrace.SocketAddress} */
function loopback(/** @type {number} */ port) {
  return { address: "127.0.0.1", family: "ipv4", port };
}

/** @returns {millrace.CloseInfo} */
function lost(/** @type {string} */ why) {
  return { by: "transport", code: 0, reason: "", error: new ConnectionLostError(why) };
}
