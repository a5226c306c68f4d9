import { after } from "node:test";
import { identity } from "../../transport/suite/kit.js";
import { type SessionKit, type SessionsUnderTest, sessionKit } from "../suite/kit.js";
import type { FarCall } from "./far_protocol.js";
import { asServer, FarServer } from "./far_server.js";
import { FarThread } from "./far_thread.js";

const count = 3;

/**
 * The suite's kit, whose servers are a group of three threads each: a client's session is in any of them, and what a test
 * asks of the server, it asks of each by turns. The handlers are the test's still, and called in its thread. The threads
 * stay for all tests of a file; each server has sessions and ports of its own.
 */
export function farKit(under: SessionsUnderTest): SessionKit {
  const near = sessionKit(under);
  const servers = new Map<number, FarServer<never>>();
  let threads: readonly FarThread[] = [];
  const onCall = (thread: FarThread, call: FarCall) => void servers.get(call.server)!.take(thread, call);
  after(async () => {
    await Promise.all(threads.map((thread) => thread.end()));
  });
  return {
    under,
    threads: count,
    join: near.join,
    standStill(ms) {
      for (const thread of threads) thread.tell({ type: "still", ms });
      near.standStill(ms);
    },
    async serve(t, behaviour, options = {}) {
      if (threads.length === 0) threads = FarThread.start(count, onCall);
      const server = new FarServer(threads, behaviour, { listen: under.url, tls: identity, ...options });
      servers.set(server.number, server as unknown as FarServer<never>);
      t.after(() => server.close({ graceful: false }));
      await server.start();
      return asServer(server);
    },
  };
}
