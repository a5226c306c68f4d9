import type { ServerTlsOptions } from "../index.js";
import { type Logger, logging, rateLimit } from "../middleware/index.js";
import { createServer, type Server } from "../server/index.js";
import { urlHost } from "./argument.js";
import { isLoopback } from "./identity.js";
import { loadPage } from "./page.js";
import { type Member, Room } from "./room.js";
import { maxRoomMessageBytes, topics } from "./room_words.js";

const measureEveryMs = 2_000;
/** Who lost its connection is waited for so long. */
const resumeWindowMs = 20_000;
const maxMembers = 256;
const linesKept = 100;
/** How long an end may take: for lines that are on their way, and for slow readers. */
const closeDeadlineMs = 3_000;
/** Members are not to come back all at once; and the end is told to them before it comes. */
const spreadMs = 1_000;

export interface RoomServerOptions {
  readonly host: string;
  /** UDP for QUIC, TCP for WebSocket and the page over TLS. */
  readonly port: number;
  /** Of WebSocket and the page without TLS: browsers then have nothing to warn of. */
  readonly httpPort: number;
  /** Of plain TCP. */
  readonly tcpPort: number;
  readonly tls: ServerTlsOptions;
  /** What a member may send for long; twice that at once. 10 by default. */
  readonly messagesPerSecond?: number;
  /** Hears of members that come, go, and are refused. */
  readonly log?: Logger | undefined;
  /** Whether it hears of every message, too. */
  readonly logMessages?: boolean | undefined;
}

/** Where the room is, one URL for each way in. */
export interface RoomUrls {
  readonly quic: string;
  readonly wss: string;
  readonly ws: string;
  readonly tcp: string;
  readonly https: string;
  readonly http: string;
}

/** The room, served over every transport at once, and its page. */
export class RoomServer {
  readonly urls: RoomUrls;
  readonly #server: Server<Member>;
  readonly #measuring: NodeJS.Timeout;

  private constructor(urls: RoomUrls, server: Server<Member>, measuring: NodeJS.Timeout) {
    this.urls = urls;
    this.#server = server;
    this.#measuring = measuring;
  }

  /** @throws what `createServer` throws. */
  static async start(options: RoomServerOptions): Promise<RoomServer> {
    const { port, httpPort, tcpPort, tls, messagesPerSecond = 10 } = options;
    const host = urlHost(options.host);
    const room = new Room(messagesPerSecond / 2);
    let urls: RoomUrls | undefined;
    const server = await createServer<Member>(
      {
        listen: [
          ...[`quic://${host}:${port}`, `wss://${host}:${port}/`],
          ...[`ws://${host}:${httpPort}/`, `tcp://${host}:${tcpPort}`],
        ],
        tls,
        http: await loadPage(() => urls ?? {}),
        maxMessageBytes: maxRoomMessageBytes,
        maxSessions: maxMembers,
        resumeWindowMs,
        topics: { history: { [topics.lines]: { count: linesKept }, [topics.roster]: { count: 1 } } },
        middleware: [
          ...(options.log === undefined
            ? []
            : [logging<Member>({ logger: options.log, messages: options.logMessages })]),
          // Who floods is refused, and sent away when it goes on in spite of that.
          rateLimit<Member>({ messagesPerSecond: 10 * messagesPerSecond, exceeded: "close" }),
          rateLimit<Member>({ messagesPerSecond, messagesBurst: 2 * messagesPerSecond, exceeded: "drop" }),
        ],
        plugins: [{ name: "room", setup: (attached) => room.attach(attached) }],
      },
      room,
    );
    const [quicPort, wssPort, wsPort, ownTcpPort] = server.addresses.map((address) => address.port);
    const shown = showHost(options.host);
    urls = {
      quic: `quic://${shown}:${quicPort}`,
      wss: `wss://${shown}:${wssPort}/`,
      ws: `ws://${shown}:${wsPort}/`,
      tcp: `tcp://${shown}:${ownTcpPort}`,
      https: `https://${shown}:${wssPort}/`,
      http: `http://${shown}:${wsPort}/`,
    };
    return new RoomServer(
      urls,
      server,
      setInterval(() => room.measure(), measureEveryMs),
    );
  }

  /** Tells everybody, finishes what is asked, sends what is queued, and frees the ports. */
  async close(): Promise<void> {
    clearInterval(this.#measuring);
    await this.#server.close({ graceful: true, deadlineMs: closeDeadlineMs, spreadMs });
  }
}

/** A name that people reach it by: the development certificate is for `localhost`. */
function showHost(host: string): string {
  return isLoopback(host) || host === "0.0.0.0" || host === "::" ? "localhost" : urlHost(host);
}
