import type { TestContext } from "node:test";
import type { Transport } from "millrace";
import { type ClientBehaviour, type ClientOptions, type ClientSession, connect } from "millrace/client";
import type { deflate } from "millrace/compression";
import { createServer, type Server, type ServerBehaviour, type ServerOptions } from "millrace/server";
import { authority, identity } from "../../transport/suite/kit.js";

/** Where sessions of the suite are. */
export interface SessionsUnderTest {
  readonly url: string;
  /** Beside those that are built in. */
  readonly transports?: readonly Transport[];
  /** Another client than that of Node.js; it takes no `tls`. */
  readonly connect?: typeof connect;
  /** What it compresses by, where that is another than in Node.js. */
  readonly deflate?: typeof deflate;
}

/** Servers and sessions that end with their test. */
export interface SessionKit {
  readonly under: SessionsUnderTest;
  /**
   * In how many threads a server is. In several, what one does is not known to the others at once, and limits are of each:
   * tests of what a server does at once, or counts for itself, are of one.
   */
  readonly threads: number;
  /** Has the event loops of the test and of its servers stand still for so long. */
  standStill(ms: number): void;
  serve<Data>(
    t: TestContext,
    behaviour: ServerBehaviour<Data>,
    options?: Partial<ServerOptions<Data>>,
  ): Promise<Server<Data>>;
  /** By all URLs that it names. */
  join(
    t: TestContext,
    server: Pick<Server, "urls">,
    options?: ClientOptions,
    behaviour?: ClientBehaviour,
  ): Promise<ClientSession>;
}

export function standStill(ms: number): void {
  const end = performance.now() + ms;
  while (performance.now() < end);
}

export function sessionKit(under: SessionsUnderTest): SessionKit {
  const added = under.transports === undefined ? {} : { transports: under.transports };
  return {
    under,
    threads: 1,
    standStill,
    async serve(t, behaviour, options = {}) {
      const server = await createServer(
        { listen: under.url, tls: identity, ...added, ...options },
        behaviour,
      );
      t.after(() => server.close({ graceful: false }));
      return server;
    },
    async join(t, server, options = {}, behaviour = {}) {
      const tls = under.connect === undefined ? { ca: authority.certificate } : undefined;
      const begin = under.connect ?? connect;
      const session = await begin(server.urls, { tls, ...added, reconnect: false, ...options }, behaviour);
      t.after(() => session.close({ graceful: false }));
      return session;
    },
  };
}
