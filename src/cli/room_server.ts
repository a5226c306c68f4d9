import type { ServerTlsOptions } from "../index.js";
import {
  type LoggingMiddleware,
  type LogLevel,
  logging,
  type RateLimitMiddleware,
  type RateLimitOptions,
  rateLimit,
} from "../middleware/index.js";
import { createServer, type Server } from "../server/index.js";
import { urlHost } from "./argument.js";
import { isLoopback } from "./identity.js";
import type { LogChoice, StderrLog } from "./log.js";
import { loadPage } from "./page.js";
import { type Member, Room } from "./room.js";
import { maxRoomMessageBytes, topics } from "./room_words.js";
import type { Settings } from "./settings.js";

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
  /** Where it is told of members that come, go, and are refused; of `debug`, of every message, too. */
  readonly log?: StderrLog;
  readonly settings?: Partial<Settings>;
}

/** What a room is made of, as far as it may change. */
interface Parts {
  readonly server: Server<Member>;
  readonly room: Room;
  /** Refuses what is too much. */
  readonly polite: RateLimitMiddleware<Member>;
  /** Sends away who goes on in spite of that. */
  readonly rude: RateLimitMiddleware<Member>;
  readonly log: StderrLog | undefined;
  readonly logging: LoggingMiddleware<Member> | undefined;
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
  readonly #parts: Parts;
  readonly #measuring: NodeJS.Timeout;

  private constructor(urls: RoomUrls, parts: Parts) {
    this.urls = urls;
    this.#parts = parts;
    this.#measuring = setInterval(() => parts.room.measure(), measureEveryMs);
  }

  /** @throws what `createServer` throws. */
  static async start(options: RoomServerOptions): Promise<RoomServer> {
    const { port, httpPort, tcpPort, tls, log, settings = {} } = options;
    const { messagesPerSecond = 10, limits } = settings;
    const host = urlHost(options.host);
    const room = new Room(messagesPerSecond / 2);
    const polite = rateLimit<Member>({ ...politeRates(messagesPerSecond), exceeded: "drop" });
    const rude = rateLimit<Member>({ ...rudeRates(messagesPerSecond), exceeded: "close" });
    const logged = log && logging<Member>({ logger: log.write, level: leastOf(log.level), messages: true });
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
        limits,
        topics: { history: { [topics.lines]: { count: linesKept }, [topics.roster]: { count: 1 } } },
        middleware: [...(logged === undefined ? [] : [logged]), rude, polite],
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
    return new RoomServer(urls, { server, room, polite, rude, log, logging: logged });
  }

  /** Goes on by other settings, for members that are there, too. @throws what `reload` throws: then all is as it was */
  async reload(tls: ServerTlsOptions, { log, messagesPerSecond, limits }: Settings): Promise<void> {
    const { server, room, polite, rude, log: written, logging: logged } = this.#parts;
    await server.reload({ tls, limits });
    polite.update(politeRates(messagesPerSecond));
    rude.update(rudeRates(messagesPerSecond));
    room.linesPerSecond = messagesPerSecond / 2;
    if (written !== undefined) written.level = log;
    if (logged !== undefined) logged.level = leastOf(log);
  }

  /** Tells everybody, finishes what is asked, sends what is queued, and frees the ports. */
  async close(): Promise<void> {
    clearInterval(this.#measuring);
    await this.#parts.server.close({ graceful: true, deadlineMs: closeDeadlineMs, spreadMs });
  }
}

function politeRates(messagesPerSecond: number): Omit<RateLimitOptions, "exceeded"> {
  return { messagesPerSecond, messagesBurst: 2 * messagesPerSecond };
}

function rudeRates(messagesPerSecond: number): Omit<RateLimitOptions, "exceeded"> {
  return { messagesPerSecond: 10 * messagesPerSecond };
}

/** What is written of nothing has some level, too. */
function leastOf(level: LogChoice): LogLevel {
  return level === "silent" ? "error" : level;
}

/** A name that people reach it by: the development certificate is for `localhost`. */
function showHost(host: string): string {
  return isLoopback(host) || host === "0.0.0.0" || host === "::" ? "localhost" : urlHost(host);
}
