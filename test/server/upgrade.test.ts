import assert from "node:assert/strict";
import { describe, type TestContext, test } from "node:test";
import { connect } from "millrace/client";
import { createServer, type Server, type ServerOptions } from "millrace/server";
import { until } from "../kit/until.js";
import { authority, identity } from "../transport/suite/kit.js";
import { RawClient } from "../websocket/raw_client.js";

async function serve(t: TestContext, options: Partial<ServerOptions> = {}): Promise<Server> {
  const server = await createServer({ listen: "ws://127.0.0.1:0", ...options }, {});
  t.after(() => server.close({ graceful: false }));
  return server;
}

async function dial(t: TestContext, server: Server): Promise<RawClient> {
  const client = await RawClient.connect(server.addresses[0]!.port);
  t.after(() => client.socket.destroy());
  return client;
}

describe("an upgrade to a server of sessions", () => {
  const protocol = { "Sec-WebSocket-Protocol": "millrace.v1" };

  test("is for the pages that the server names, exactly, and for what is no browser where that is allowed", async (t) => {
    const origins = ["https://example.com"];
    const foreign = [
      "null",
      "http://example.com",
      "https://example.com.evil.invalid",
      "https://a.example.com",
    ];
    for (const allowMissingOrigin of [true, false]) {
      const server = await serve(t, { origins, allowMissingOrigin });
      const ask = async (headers: Record<string, string>) =>
        (await (await dial(t, server)).upgrade("/", { ...protocol, ...headers })).slice(9, 12);
      assert.equal(await ask({ Origin: "https://example.com" }), "101");
      for (const origin of foreign) assert.equal(await ask({ Origin: origin }), "403", origin);
      assert.equal(await ask({}), allowMissingOrigin ? "101" : "403");
    }
  });

  test("agrees on permessage-deflate only where the server is told to, so that nothing small becomes large", async (t) => {
    const offer = { "Sec-WebSocket-Extensions": "permessage-deflate; client_max_window_bits" };
    for (const permessageDeflate of [undefined, false, true]) {
      const server = await serve(t, { permessageDeflate });
      const answer = await (await dial(t, server)).upgrade("/", { ...protocol, ...offer });
      assert.match(answer, /^HTTP\/1\.1 101 /);
      assert.equal(/sec-websocket-extensions: permessage-deflate/i.test(answer), permessageDeflate === true);
    }
  });

  test("that is begun and never ended is let go, a byte now and then as well", async (t) => {
    const server = await serve(t, { authenticateTimeoutMs: 200 });
    const silent = await dial(t, server);
    const slow = await dial(t, server);
    slow.socket.write("GET / HTTP/1.1\r\nHost: localhost\r\n");
    const drip = setInterval(() => slow.socket.write("X"), 50);
    t.after(() => clearInterval(drip));
    await Promise.all([silent.closed, slow.closed]);
    await until("nothing is left of them", () => server.connectionCount === 0);
  });
});

for (const scheme of ["tcp", "tls", "ws", "wss", "quic"]) {
  test(`a server of sessions serves IPv6 and IPv4 on one port, and counts an address as one however it is written, over ${scheme}`, async (t) => {
    const server = await createServer(
      { listen: `${scheme}://[::]:0`, tls: identity, limits: { sessionsPerAddress: 1 } },
      { requests: { from: (session) => session.remoteAddress!.address } },
    );
    t.after(() => server.close({ graceful: false }));
    const { port } = server.addresses[0]!;
    const tls = /^(tls|wss|quic)$/.test(scheme) ? { ca: authority.certificate } : undefined;
    const join = async (host: string) => {
      const session = await connect(`${scheme}://${host}:${port}`, { tls });
      t.after(() => session.close({ graceful: false }));
      return session;
    };
    const [four, six] = [await join("127.0.0.1"), await join("[::1]")];
    const from = async (session: typeof four) => {
      const reply = await session.request("from");
      return reply.status === "success" && Buffer.from(reply.payload).toString();
    };
    assert.deepEqual([await from(four), await from(six)], ["127.0.0.1", "::1"]);
    await assert.rejects(join("127.0.0.1"), /as many sessions of this address/);
    await assert.rejects(join("[::1]"), /as many sessions of this address/);
  });
}
