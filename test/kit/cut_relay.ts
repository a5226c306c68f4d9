import { once } from "node:events";
import { connect, createServer, type Server, type Socket } from "node:net";
import { resetSocket } from "#internal/transport/reset.js";

/** Stands between TCP clients and a server, and cuts what goes through. */
export class CutRelay {
  /** That of the server, through here. */
  readonly url: string;
  readonly #server: Server;
  readonly #sockets = new Set<Socket>();

  private constructor(server: Server, url: string) {
    this.#server = server;
    this.url = url;
  }

  /** @param url of a server on this machine */
  static async start(url: string): Promise<CutRelay> {
    const server = createServer().listen(0, "127.0.0.1");
    await once(server, "listening");
    const { port } = server.address() as { port: number };
    const to = Number(/:(\d+)/.exec(url)![1]);
    const relay = new CutRelay(server, url.replace(/:\d+/, `:${port}`));
    server.on("connection", (client) => {
      const onward = connect(to, "127.0.0.1");
      for (const [socket, other] of [
        [client, onward],
        [onward, client],
      ] as const) {
        relay.#sockets.add(socket);
        socket.on("error", () => {});
        socket.on("close", () => {
          relay.#sockets.delete(socket);
          other.destroy();
        });
        socket.pipe(other);
      }
    });
    return relay;
  }

  /** Cuts all connections; new ones go through. */
  cut(): void {
    for (const socket of this.#sockets) resetSocket(socket);
  }

  async close(): Promise<void> {
    this.cut();
    this.#server.close();
    await once(this.#server, "close");
  }
}
