import assert from "node:assert/strict";
import { describe, type TestContext, test } from "node:test";
import { type ClientOptions, connect } from "millrace/client";
import { brotli, type Compression, deflate } from "millrace/compression";
import { createServer } from "millrace/server";
import { sessionKit } from "../server/suite/kit.js";
import { dictionary, message } from "./kit.js";

const kit = sessionKit({ url: "tcp://127.0.0.1:0" });

/** What a server and a client agree on, and whether all comes through. */
async function agreed(
  t: TestContext,
  atServer: readonly Compression[],
  atClient: readonly Compression[],
  options: ClientOptions = {},
) {
  const echo = { requests: { echo: (_session: unknown, request: { text(): string }) => request.text() } };
  const server = await kit.serve(t, echo, { compression: atServer });
  const client = await kit.join(t, server, { compression: atClient, ...options });
  const text = message(5).repeat(20);
  const reply = await client.request("echo", text);
  assert.equal(reply.status === "success" && Buffer.from(reply.payload).toString(), text);
  return client;
}

describe("a session", () => {
  test("uses the server's first compression that its client has, with the dictionary that both have", async (t) => {
    const old = deflate({ dictionary: "what was said in the last version" });
    const own = deflate({ dictionary });
    const name = async (...lists: [readonly Compression[], readonly Compression[]]) => {
      const { compression } = await agreed(t, ...lists);
      return compression && `${compression.name}${compression.hasDictionary ? " with a dictionary" : ""}`;
    };
    assert.equal(await name([brotli(), deflate()], [deflate(), brotli()]), "brotli");
    assert.equal(await name([deflate(), brotli()], [brotli()]), "brotli");
    assert.equal(await name([own, deflate()], [own]), "deflate with a dictionary");
    assert.equal(
      await name([own, old, deflate()], [old]),
      "deflate with a dictionary",
      "while clients change",
    );
    assert.equal(await name([own, deflate()], [old, deflate()]), "deflate");
    assert.equal(await name([own], [old]), undefined);
  });

  test("goes on over a connection that has another, and counts for all of them", async (t) => {
    const echo = { requests: { echo: (_session: unknown, request: { text(): string }) => request.text() } };
    const server = await kit.serve(t, echo, {
      listen: ["tcp://127.0.0.1:0", "ws://127.0.0.1:0"],
      compression: [deflate()],
    });
    const client = await kit.join(t, server, { compression: [deflate()] });
    const text = message(5).repeat(20);
    for (const where of ["websocket", "tcp", "websocket"]) {
      assert.equal(await client.switchTo(where), true);
      const reply = await client.request("echo", text);
      assert.equal(reply.status === "success" && reply.payload.length, text.length);
    }
    const { sent, received } = client.compression!;
    assert.deepEqual([sent.messages, received.messages], [3, 3]);
    assert.equal(received.plainBytes, 3 * text.length);
  });

  test("has a window that counts what is compressed as it was, so that neither side takes the other for rude", async (t) => {
    const got: number[] = [];
    const server = await kit.serve(
      t,
      { message: async (_session, { payload }) => void got.push(payload.length) },
      { compression: [deflate()], windowBytes: 20_000, maxMessageBytes: 10_000 },
    );
    const client = await kit.join(t, server, { compression: [deflate()], maxMessageBytes: 10_000 });
    for (let i = 0; i < 100; i += 1) client.send(new Uint8Array(9_000));
    assert.equal((await client.sendAcked(new Uint8Array(9_000))).status, "acknowledged");
    assert.equal(got.length, 101);
    assert.equal(client.state, "connected");
  });

  test("is told what is no compression", async () => {
    for (const compression of [["deflate"], deflate(), [{ name: "deflate" }], [undefined]] as never[]) {
      const expected = {
        name: "InvalidArgumentError",
        message: /compression must be a list of what millrace/,
      };
      await assert.rejects(connect("tcp://127.0.0.1:1", { compression }), expected);
      await assert.rejects(createServer({ listen: "tcp://127.0.0.1:0", compression }, {}), expected);
    }
  });
});
