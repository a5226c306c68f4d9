import { once } from "node:events";
import { type AddressInfo, connect, createServer, type Server, type Socket } from "node:net";
import type { Way } from "./step.js";

interface Cut {
  readonly way: Way;
  left: number;
}

/** A network between TCP clients and a server, which can be cut at any byte. */
export class Link {
  /** Where the server is now. */
  targetPort = 0;
  readonly #server: Server;
  readonly #sockets = new Set<Socket>();
  /** Of the newest connection. */
  #cut: Cut | undefined = undefined;
  #severed: (() => void) | undefined = undefined;

  private constructor() {
    this.#server = createServer({ allowHalfOpen: true }, (client) => this.#join(client));
  }

  static async open(): Promise<Link> {
    const link = new Link();
    link.#server.listen(0, "127.0.0.1");
    await once(link.#server, "listening");
    return link;
  }

  get port(): number {
    return (this.#server.address() as AddressInfo).port;
  }

  /** It is going to be cut. */
  get isAtStake(): boolean {
    return this.#cut !== undefined;
  }

  /** Cuts the newest connection when so many more bytes have gone one way. */
  cut(way: Way, afterBytes: number): void {
    if (afterBytes === 0) this.#severed?.();
    else this.#cut = { way, left: afterBytes };
  }

  async close(): Promise<void> {
    const closed = once(this.#server, "close");
    this.#server.close();
    for (const socket of this.#sockets) socket.destroy();
    await closed;
  }

  #join(client: Socket): void {
    const server = connect({ port: this.targetPort, host: "127.0.0.1", allowHalfOpen: true });
    const sever = () => {
      for (const socket of [client, server]) socket.destroy();
    };
    this.#cut = undefined;
    this.#severed = sever;
    for (const socket of [client, server]) {
      this.#sockets.add(socket);
      socket.setNoDelay(true);
      socket.on("error", sever);
      socket.on("close", () => {
        this.#sockets.delete(socket);
        sever();
      });
    }
    this.#carry(client, server, "up", sever);
    this.#carry(server, client, "down", sever);
  }

  #carry(from: Socket, to: Socket, way: Way, sever: () => void): void {
    from.on("end", () => to.end());
    from.on("data", (bytes: Buffer) => {
      const cut = this.#severed === sever ? this.#cut : undefined;
      if (cut === undefined || cut.way !== way || cut.left > bytes.length) {
        if (cut?.way === way) cut.left -= bytes.length;
        to.write(bytes);
        return;
      }
      this.#cut = undefined;
      from.pause();
      to.write(bytes.subarray(0, cut.left), sever);
    });
  }
}
