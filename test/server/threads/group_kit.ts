import type { TestContext } from "node:test";
import { type ClientBehaviour, type ClientOptions, type ClientSession, connect } from "millrace/client";
import { createServer, type Server, type ServerBehaviour, type ServerOptions } from "millrace/server";
import { enterGroup } from "#internal/server/threads/group.js";
import { Peers } from "#internal/server/threads/peers.js";
import { until } from "../../kit/until.js";
import { authority, identity } from "../../transport/suite/kit.js";

/** Servers of one group, each on a port of its own, in one thread: so a test says at which of them a client is. */
export interface ServerGroup<Data> {
  readonly peers: Peers;
  readonly servers: readonly Server<Data>[];
  /** Which of them has the session of a client. */
  ownerOf(client: ClientSession): Server<Data> | undefined;
  join(server: Server<Data>, options?: ClientOptions, behaviour?: ClientBehaviour): Promise<ClientSession>;
}

export async function serverGroup<Data>(
  t: TestContext,
  url: string,
  behaviours: readonly ServerBehaviour<Data>[],
  options: Partial<ServerOptions<Data>> = {},
): Promise<ServerGroup<Data>> {
  const peers = Peers.create({ maxSessions: 64, maxEnvironments: behaviours.length + 2 });
  const servers: Server<Data>[] = [];
  t.after(async () => {
    await Promise.all(servers.map((server) => server.close({ graceful: false })));
    peers.close();
  });
  for (const behaviour of behaviours) {
    enterGroup({ group: peers.group, boundUrls: [], acceptsAlone: true, listens: () => {} });
    servers.push(await createServer({ listen: url, tls: identity, ...options }, behaviour));
  }
  return {
    peers,
    servers,
    ownerOf: ({ id }) => servers.find((server) => server.session(id) !== undefined),
    async join(server, clientOptions = {}, behaviour = {}) {
      const tls = { ca: authority.certificate };
      const client = await connect(server.urls[0]!, { tls, reconnect: false, ...clientOptions }, behaviour);
      t.after(() => client.close({ graceful: false }));
      await until("it has begun", () => server.session(client.id) !== undefined);
      return client;
    },
  };
}
