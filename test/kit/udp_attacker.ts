import { createSocket, type Socket } from "node:dgram";
import { once } from "node:events";
import { until } from "./until.js";

/** A UDP socket of 127.0.0.0/8 that sends what it likes, and keeps what comes back. */
export class UdpAttacker {
  readonly received: Buffer[] = [];
  /** Called when another datagram was received. */
  onDatagram: () => void = () => {};
  readonly #socket: Socket;
  readonly #port: number;

  private constructor(socket: Socket, port: number) {
    this.#socket = socket;
    this.#port = port;
    socket.on("message", (datagram) => {
      this.received.push(datagram);
      this.onDatagram();
    });
    socket.on("error", () => {}); // what nobody listens to is answered by ICMP
  }

  /** @param source any address of 127.0.0.0/8, each as good as another host. */
  static async open(port: number, source = "127.0.0.1"): Promise<UdpAttacker> {
    const socket = createSocket("udp4");
    socket.bind(0, source);
    await once(socket, "listening");
    return new UdpAttacker(socket, port);
  }

  /** Resolves when the kernel has it. */
  send(datagram: Uint8Array, port = this.#port): Promise<void> {
    return new Promise((resolve) => this.#socket.send(datagram, port, "127.0.0.1", () => resolve()));
  }

  /** What comes next after `from` datagrams that are known already. */
  async answer(from = 0): Promise<Buffer> {
    await until("an answer has come", () => this.received.length > from);
    return this.received[from]!;
  }

  close(): Promise<void> {
    return new Promise((resolve) => this.#socket.close(() => resolve()));
  }
}

/** The nth of the addresses of 127.0.0.0/8, 127.1.0.1 being the first. */
export function loopbackAddress(n: number): string {
  const host = 0x7f01_0001 + n;
  return [24, 16, 8, 0].map((shift) => (host >>> shift) & 0xff).join(".");
}
