import type { Socket } from "node:dgram";
import type { SocketAddress } from "../transport/address.js";
import { socketAddress } from "../transport/socket_address.js";
import { bindSocket, udpSocket } from "./udp_socket.js";

/** One client's way through a relay: the server sees it at this socket's address, as behind a NAT. */
export class Flow {
  readonly client: SocketAddress;
  readonly #target: SocketAddress;
  readonly #onDatagram: (flow: Flow, bytes: Uint8Array) => void;
  #socket: Socket;
  #closed = false;

  /**
   * @param sourceAddress numeric; where the server sees it come from.
   * @param onDatagram called for each datagram of the server.
   */
  constructor(
    client: SocketAddress,
    target: SocketAddress,
    sourceAddress: string,
    onDatagram: (flow: Flow, bytes: Uint8Array) => void,
  ) {
    this.client = client;
    this.#target = target;
    this.#onDatagram = onDatagram;
    this.#socket = udpSocket(sourceAddress);
    this.#attach(this.#socket);
    this.#socket.bind({ address: sourceAddress, port: 0 });
  }

  /** Where the server sees it; undefined until it is bound. */
  get source(): SocketAddress | undefined {
    try {
      const { address, port } = this.#socket.address();
      return socketAddress(address, port);
    } catch {
      return undefined;
    }
  }

  /** @param failed called instead of sending where the operating system refuses. */
  send(bytes: Uint8Array, failed: () => void): void {
    if (this.#closed) return;
    this.#socket.send(bytes, this.#target.port, this.#target.address, (error) => {
      if (error !== null) failed();
    });
  }

  /**
   * Goes on from another port, or address; what the server still sends to the last is lost.
   * @throws AddressUnavailableError
   */
  async rebind(sourceAddress: string): Promise<void> {
    const socket = udpSocket(sourceAddress);
    try {
      await bindSocket(socket, sourceAddress, 0);
    } catch (error) {
      socket.close();
      throw error;
    }
    if (this.#closed) {
      socket.close();
      return;
    }
    this.#attach(socket);
    this.#socket.close();
    this.#socket = socket;
  }

  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#socket.close();
  }

  #attach(socket: Socket): void {
    socket.on("error", () => {}); // what cannot be sent is counted by the one who sends
    socket.on("message", (bytes, { address, port }) => {
      const fromServer = port === this.#target.port && address === this.#target.address;
      if (fromServer && !this.#closed && socket === this.#socket) this.#onDatagram(this, bytes);
    });
  }
}
