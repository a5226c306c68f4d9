import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { createServer } from "millrace/server";
import { connect } from "#internal/client/browser.js";
import { providePageSocket } from "../kit/page_socket.js";
import { until } from "../kit/until.js";

providePageSocket();

describe("the statistics of a session in a page", () => {
  test("have its transports and the changes of its connections, from the first try on", async (t) => {
    const servers = [];
    for (let i = 0; i < 2; i += 1) {
      const server = await createServer(
        { listen: "ws://127.0.0.1:0" },
        { requests: { ask: () => "1234567" } },
      );
      t.after(() => server.close({ graceful: false }));
      servers.push(server);
    }
    const [dead, server] = servers as [(typeof servers)[0], (typeof servers)[0]];
    await dead!.close({ graceful: false });
    const [nowhere, url] = [dead!.urls[0]!, server!.urls[0]!];
    const session = await connect([nowhere, url], { reconnect: { delayMs: 1 } });
    t.after(() => session.close({ graceful: false }));
    await session.request("ask");
    session.abandon();
    await until("it is back", async () => (await session.statistics()).switches.length === 1);
    await session.switchTo(url);
    await session.close();
    const { transports, switches, ...totals } = await session.statistics();
    assert.equal(transports.length, 1);
    const [{ connectedMs, roundTripMs, failures, ...webSocket }] = transports as [(typeof transports)[0]];
    const { messagesSent, bytesSent, messagesReceived, bytesReceived } = totals;
    assert.deepEqual(webSocket, {
      ...{ transport: "websocket", connections: 3, losses: 1 },
      ...{ messagesSent, bytesSent, messagesReceived, bytesReceived },
      ...{ packetsSent: undefined, retransmissions: undefined },
    });
    assert.equal(bytesReceived, 7);
    assert.ok(connectedMs > 0);
    assert.ok(failures >= 1, "where nobody listens");
    assert.deepEqual(
      switches.map(({ from, to, reason }) => [from.url, to.url, reason]),
      [
        [url, url, "lost"],
        [url, url, "asked"],
      ],
    );
  });
});
