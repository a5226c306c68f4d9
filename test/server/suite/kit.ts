import type { TestContext } from "node:test";
import type { Transport } from "millrace";
import {
  type ClientBehaviour,
  type ClientOptions,
  type ClientSession,
  connectSession,
} from "millrace/client";
import { createServer, type Server, type ServerBehaviour, type ServerOptions } from "millrace/server";
import { authority, identity } from "../../transport/suite/kit.js";

/** Where sessions of the suite are. */
export interface SessionsUnderTest {
  readonly url: string;
  /** Beside those that are built in. */
  readonly transports?: readonly Transport[];
  /** Another client than that of Node.js; it takes no `tls`. */
  readonly connect?: typeof connectSession;
}

/** Servers and sessions that end with their test. */
export interface SessionKit {
  readonly under: SessionsUnderTest;
  serve<Data>(
    t: TestContext,
    behaviour: ServerBehaviour<Data>,
    options?: Partial<ServerOptions<Data>>,
  ): Promise<Server<Data>>;
  join<Data>(
    t: TestContext,
    server: Server<Data>,
    options?: ClientOptions,
    behaviour?: ClientBehaviour,
  ): Promise<ClientSession>;
}

export function sessionKit(under: SessionsUnderTest): SessionKit {
  const added = under.transports === undefined ? {} : { transports: under.transports };
  return {
    under,
    async serve(t, behaviour, options = {}) {
      const server = await createServer(
        { listen: under.url, tls: identity, ...added, ...options },
        behaviour,
      );
      t.after(() => server.close({ graceful: false }));
      return server;
    },
    async join(t, server, options = {}, behaviour = {}) {
      const { connect = connectSession } = under;
      const tls = under.connect === undefined ? { ca: authority.certificate } : undefined;
      const session = await connect(server.urls[0]!, { tls, ...added, ...options }, behaviour);
      t.after(() => session.close({ graceful: false }));
      return session;
    },
  };
}
