import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { connect } from "millrace/client";
import { createPair, type PairOptions, type PairScheme } from "millrace/testing";
import { InvalidArgumentError } from "#internal/errors.js";
import { deferred } from "../kit/deferred.js";
import { until } from "../kit/until.js";

const schemes: readonly PairScheme[] = ["quic", "wss", "ws", "tls", "tcp"];

describe("a pair", () => {
  for (const scheme of schemes) {
    test(`is a client and a server that are connected over ${scheme}, and end with their scope`, async () => {
      const heard = deferred<string>();
      const ends: string[] = [];
      {
        await using pair = await createPair({
          scheme,
          client: { clientId: "ali" },
          clientBehaviour: {
            message: (_session, message) => heard.resolve(message.text()),
            close: () => ends.push("client"),
          },
          serverBehaviour: {
            request: (_session, request) => `${request.text()}!`,
            close: () => ends.push("server"),
          },
        });
        assert.ok(pair.url.startsWith(`${scheme}://127.0.0.1:`));
        assert.deepEqual(
          [pair.session.clientId, pair.session.id, pair.relay],
          ["ali", pair.client.id, undefined],
        );
        const reply = await pair.client.request("say", "hello");
        assert.equal(reply.status === "success" && Buffer.from(reply.payload).toString(), "hello!");
        pair.session.send("hello, you");
        assert.equal(await heard.promise, "hello, you");
      }
      assert.deepEqual(ends.sort(), ["client", "server"]);
    });

    test(`over ${scheme} with a relay between has the faults that it is given`, async () => {
      await using pair = await createPair({ scheme, relay: true });
      const { relay, client, session } = pair;
      relay!.block();
      client.send("late");
      const reply = client.request("anything", "", { timeoutMs: 50 });
      assert.equal((await reply).status, "timeout");
      relay!.unblock();
      assert.equal((await client.request("anything")).status, "failure");
      assert.equal(session.state, "open");
    });
  }

  test("with a relay of streams can be cut", async () => {
    const detached = deferred();
    await using pair = await createPair({
      scheme: "ws",
      relay: true,
      serverBehaviour: { detached: () => detached.resolve() },
    });
    pair.relay!.cut();
    await detached.promise;
    assert.equal(pair.relay!.counters.resets, 1);
  });

  test("lets further clients in, who trust it", async () => {
    await using pair = await createPair({ scheme: "wss" });
    await using other = await connect(pair.url, { tls: { ca: pair.ca } });
    assert.notEqual(other.id, pair.client.id);
    await until("the server has both", () => pair.server.sessionCount === 2);
  });

  test("keeps the plugins that it is given, and closes more than once", async () => {
    const seen: string[] = [];
    const pair = await createPair({
      server: { plugins: [{ name: "mine", hooks: { open: () => seen.push("open") } }] },
    });
    await Promise.all([pair.close(), pair.close(), pair[Symbol.asyncDispose]()]);
    assert.deepEqual(seen, ["open"]);
    assert.equal((await pair.client.closed).by, "local");
  });

  test("says what is wrong, and leaves nothing open", async () => {
    const refused: readonly (readonly [unknown, RegExp])[] = [
      [{ scheme: "http" }, /scheme/],
      [{ relay: "yes" }, /relay/],
      [{ server: 1 }, /server/],
      [{ server: { listen: [] } }, /listen is the pair's own/],
      [{ client: { tls: {} } }, /tls is the pair's own/],
      [{ client: { heartbeat: 1 } }, /heartbeat/],
      [{ servers: {} }, /servers/],
      [{ serverBehaviour: { message: 1 } }, /message/],
    ];
    for (const [options, message] of refused) {
      await assert.rejects(createPair(options as PairOptions), (error: Error) => {
        assert.ok(error instanceof InvalidArgumentError, `${error}`);
        assert.match(error.message, message);
        return true;
      });
    }
  });
});
