// Clients of a server that is begun anew. Commands: `join {"url", "count", "jitter"}` begins their sessions, and answers
// when all have one; `outcome` says of each how it has tried to have one, and since when it does (bench/storm.ts).
import { createInterface } from "node:readline";
import type { Transport } from "millrace";
import { type ClientSession, connect } from "millrace/client";
import { webSocketTransport } from "millrace/websocket";
import type { StormClient, Try } from "../storm.js";

interface Join {
  readonly url: string;
  readonly count: number;
  readonly jitter: number;
}

const atOnce = 50;

/** A client that comes back whatever becomes of its server. */
class Returning implements StormClient {
  readonly tries: Try[] = [];
  backAtMs: number | undefined = undefined;
  session: ClientSession | undefined = undefined;

  async join({ url, jitter }: Join): Promise<void> {
    this.session = await connect(
      url,
      { transports: [this.#watched()], reconnect: { jitter, initial: true } },
      {
        connected: () => {
          this.backAtMs = Date.now();
        },
        disconnected: () => {
          this.backAtMs = undefined;
        },
      },
    );
  }

  /** WebSocket, which notes when it is asked for a connection, and when there is one. */
  #watched(): Transport {
    return {
      ...webSocketTransport,
      connect: async (options, behaviour) => {
        const attempt: Try = { atMs: Date.now(), openedAtMs: undefined };
        this.tries.push(attempt);
        const connection = await webSocketTransport.connect(options, behaviour);
        attempt.openedAtMs = Date.now();
        return connection;
      },
    };
  }
}

const clients: Returning[] = [];

async function join(given: Join): Promise<object> {
  while (clients.length < given.count) {
    const some = Array.from(
      { length: Math.min(atOnce, given.count - clients.length) },
      () => new Returning(),
    );
    await Promise.all(some.map((client) => client.join(given)));
    clients.push(...some);
  }
  return { joined: clients.length };
}

function say(line: object): void {
  process.stdout.write(`${JSON.stringify(line)}\n`);
}

createInterface({ input: process.stdin })
  .on("line", async (line) => {
    if (line.startsWith("join ")) say(await join(JSON.parse(line.slice(5)) as Join));
    else say({ clients: clients.map(({ tries, backAtMs }) => ({ tries, backAtMs })) });
  })
  .on("close", () => process.exit(0));
say({ ready: true });
