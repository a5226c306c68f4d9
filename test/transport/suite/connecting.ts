import assert from "node:assert/strict";
import { describe, test } from "node:test";
import {
  AbortedError,
  ConnectionRefusedError,
  HandshakeTimeoutError,
  ProtocolMismatchError,
} from "#internal/errors.js";
import { deferred } from "../../kit/deferred.js";
import { type Connection, echo, identity, receive, type SuiteKit } from "./kit.js";

/** How long a handshake may take unless it is told. */
const defaultTimeoutMs = 10_000;

/** How connections begin, or do not. */
export function describeConnecting({ transport, listen, connect, serve, dial }: SuiteKit): void {
  describe("connecting", () => {
    test("tells both sides who they are and what they speak", async (t) => {
      const opened = deferred<Connection>();
      const protocols = ["second.v1", "first.v1"];
      const listener = await serve(t, { open: (connection) => opened.resolve(connection) }, { protocols });
      const client = await dial(t, listener, undefined, { protocols: ["first.v1"] });
      const server = await opened.promise;
      assert.equal(client.protocol, "first.v1");
      assert.equal(server.protocol, "first.v1");
      const port = Number(new URL(listener.urls[0]!).port);
      assert.deepEqual(client.remoteAddress, { address: "127.0.0.1", family: "ipv4", port });
      assert.equal(server.localAddress.port, port);
      assert.equal(server.remoteAddress.address, "127.0.0.1");
      if (transport.tellsClientPort) assert.equal(server.remoteAddress.port, client.localAddress.port);
      assert.equal(client.transport, server.transport);
      assert.equal(client.state, "open");
      assert.equal(listener.connectionCount, 1);
    });

    test("with no protocol in common is a protocol mismatch", async (t) => {
      const listener = await serve(t, echo, { protocols: ["a.v1"] });
      await assert.rejects(
        dial(t, listener, undefined, { protocols: ["b.v1", "c.v1"] }),
        ProtocolMismatchError,
      );
      assert.equal(listener.connectionCount, 0);
    });

    test("where nothing listens is refused", async (t) => {
      const listener = await listen(transport.url, echo, { tls: identity });
      await listener.close();
      await assert.rejects(
        dial(t, listener, undefined, { handshakeTimeoutMs: 5_000 }),
        ConnectionRefusedError,
      );
    });

    test("to a silent peer ends at the handshake timeout", async (t) => {
      const silent = await transport.silentPeer();
      t.after(() => silent.close());
      const begun = performance.now();
      const url = transport.url.replace(/:0\b/, `:${silent.port}`);
      await assert.rejects(connect(url, undefined, { handshakeTimeoutMs: 300 }), HandshakeTimeoutError);
      const took = performance.now() - begun;
      assert.ok(took > 250 && took < defaultTimeoutMs, `took ${took} ms`);
    });

    test("is aborted by the caller's signal, before and during the handshake", async (t) => {
      const silent = await transport.silentPeer();
      t.after(() => silent.close());
      const url = transport.url.replace(/:0\b/, `:${silent.port}`);
      await assert.rejects(connect(url, undefined, { signal: AbortSignal.abort() }), AbortedError);
      const controller = new AbortController();
      const connecting = connect(url, undefined, { signal: controller.signal });
      setImmediate(() => controller.abort());
      await assert.rejects(connecting, AbortedError);
    });

    test("does not listen to its signal any more once it is connected", async (t) => {
      const controller = new AbortController();
      const connection = await dial(t, await serve(t, echo), undefined, { signal: controller.signal });
      controller.abort();
      connection.send(new Uint8Array(7));
      assert.equal((await receive(connection, 1))[0]!.length, 7);
    });
  });
}
