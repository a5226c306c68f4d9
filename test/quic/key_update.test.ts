import assert from "node:assert/strict";
import { describe, type TestContext, test } from "node:test";
import type * as quic from "millrace/quic";
import { createRelay } from "millrace/testing";
import { AbortedError, ConnectionClosedError, InvalidArgumentError, TimeoutError } from "#internal/errors.js";
import { deferred } from "../kit/deferred.js";
import { Loopback } from "../kit/loopback.js";
import { until } from "../kit/until.js";

const loopback = await Loopback.make();

/** Both ends of a connection, and the relay between them. */
async function link(t: TestContext) {
  const accepted = deferred<quic.QuicConnection>();
  const listener = await loopback.listenRaw(t, {
    open: accepted.resolve,
    data: (stream, chunk) => void stream.write(chunk),
  });
  const relay = await createRelay({ target: listener.address });
  t.after(() => relay.close());
  let echoed = "";
  const client = await loopback.connectRaw(t, relay.address.port, {
    data: (_, chunk) => {
      echoed += Buffer.from(chunk).toString();
    },
  });
  const stream = client.openStream();
  const echo = async (text: string) => {
    echoed = "";
    stream.write(Buffer.from(text));
    await until(`${text} comes back`, () => echoed === text);
  };
  const server = await accepted.promise;
  t.after(() => server.close({ graceful: false })); // where the relay has lost the client's own word
  return { client, server, relay, echo };
}

describe("new keys", () => {
  test("are used from either side on, and bytes go on as before", async (t) => {
    const { client, server, echo } = await link(t);
    assert.equal((await client.statistics()).keyUpdates, 0);
    await client.updateKeys();
    await echo("with the client's new keys");
    await server.updateKeys();
    await echo("with the server's new keys");
    for (const side of [client, server]) assert.equal((await side.statistics()).keyUpdates, 2);
  });

  test("follow each other on a connection that is idle", async (t) => {
    const { client, server } = await link(t);
    for (let update = 1; update <= 5; update++) {
      await client.updateKeys();
      assert.equal((await client.statistics()).keyUpdates, update);
    }
    await until("the server has heard of four", async () => (await server.statistics()).keyUpdates >= 4);
  });

  test("wait until the peer has confirmed the last ones", async (t) => {
    const { client, relay, echo } = await link(t);
    await echo("the handshake is confirmed");
    relay.block();
    await client.updateKeys();
    await assert.rejects(client.updateKeys({ timeoutMs: 50 }), TimeoutError);
    assert.equal((await client.statistics()).keyUpdates, 1);
    relay.unblock();
    await Promise.all([client.updateKeys(), echo("the last keys are confirmed")]);
    assert.equal((await client.statistics()).keyUpdates, 2);
  });

  test("are given up when the caller's signal fires, or the connection ends", async (t) => {
    const { client, relay, echo } = await link(t);
    await echo("the handshake is confirmed");
    await assert.rejects(client.updateKeys({ signal: AbortSignal.abort() }), AbortedError);
    relay.block();
    await client.updateKeys();
    const cancel = new AbortController();
    const waits = assert.rejects(client.updateKeys({ signal: cancel.signal }), AbortedError);
    cancel.abort();
    await waits;
    const ends = assert.rejects(client.updateKeys(), ConnectionClosedError);
    void client.close({ graceful: false });
    await ends;
    await assert.rejects(client.updateKeys(), ConnectionClosedError);
  });

  test("are asked for with sound options", async (t) => {
    const { client } = await link(t);
    for (const options of [null, 5, { timeoutMs: 0 }, { timeoutMs: "1" }, { signal: {} }, { timeout: 1 }]) {
      await assert.rejects(client.updateKeys(options as never), InvalidArgumentError);
    }
    assert.equal((await client.statistics()).keyUpdates, 0);
  });
});
