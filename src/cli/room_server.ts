import { type Listener, listen, type ServerTlsOptions } from "../index.js";
import { urlHost } from "./argument.js";
import { isLoopback } from "./identity.js";
import type { Member } from "./member.js";
import { loadPage } from "./page.js";
import { Room } from "./room.js";

const measureEveryMs = 2_000;

export interface RoomServerOptions {
  readonly host: string;
  /** UDP for QUIC, TCP for WebSocket and the page over TLS. */
  readonly port: number;
  /** TCP without TLS: browsers then have nothing to warn of. */
  readonly httpPort: number;
  readonly tls: ServerTlsOptions;
  readonly messagesPerSecond?: number;
}

/** Where the room is, one URL for each way in. */
export interface RoomUrls {
  readonly quic: string;
  readonly wss: string;
  readonly ws: string;
  readonly https: string;
  readonly http: string;
}

/** The room, served over every transport at once, and its page. */
export class RoomServer {
  readonly urls: RoomUrls;
  readonly #listener: Listener<Member>;
  readonly #measuring: NodeJS.Timeout;

  private constructor(urls: RoomUrls, listener: Listener<Member>, measuring: NodeJS.Timeout) {
    this.urls = urls;
    this.#listener = listener;
    this.#measuring = measuring;
  }

  /** @throws what `listen` throws. */
  static async start(options: RoomServerOptions): Promise<RoomServer> {
    const { port, httpPort, tls, messagesPerSecond } = options;
    const host = urlHost(options.host);
    const room = new Room(messagesPerSecond === undefined ? {} : { messagesPerSecond });
    let urls: RoomUrls | undefined;
    const listener = await listen<Member>(
      [`quic://${host}:${port}`, `wss://${host}:${port}/`, `ws://${host}:${httpPort}/`],
      room,
      { tls, http: await loadPage(() => urls ?? {}), ...Room.limits },
    );
    const [quicPort, wssPort, wsPort] = listener.addresses.map((address) => address.port);
    const shown = showHost(options.host);
    urls = {
      quic: `quic://${shown}:${quicPort}`,
      wss: `wss://${shown}:${wssPort}/`,
      ws: `ws://${shown}:${wsPort}/`,
      https: `https://${shown}:${wssPort}/`,
      http: `http://${shown}:${wsPort}/`,
    };
    return new RoomServer(
      urls,
      listener,
      setInterval(() => room.measure(), measureEveryMs),
    );
  }

  /** Tells everybody, sends what is queued, and frees the ports. */
  async close(): Promise<void> {
    clearInterval(this.#measuring);
    await this.#listener.close({ graceful: true, deadlineMs: 3_000 });
  }
}

/** A name that people reach it by: the development certificate is for `localhost`. */
function showHost(host: string): string {
  return isLoopback(host) || host === "0.0.0.0" || host === "::" ? "localhost" : urlHost(host);
}
