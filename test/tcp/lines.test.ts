import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { describe, type TestContext, test } from "node:test";
import { CloseCode, type CloseInfo, connect, frameCodec, jsonCodec, type Listener, publish } from "millrace";
import { messagePackCodec } from "millrace/msgpack";
import { deferred } from "../kit/deferred.js";
import { until } from "../kit/until.js";
import { echo, plainLines, RawPeer, serve } from "./kit.js";

const codecs = [frameCodec, jsonCodec];

/** Runs a command to its end, with an input that ends. */
async function run(command: string, args: readonly string[], input: string): Promise<string> {
  const child = spawn(command, args, { stdio: ["pipe", "pipe", "inherit"] });
  let output = "";
  child.stdout.setEncoding("utf8").on("data", (text: string) => {
    output += text;
  });
  child.stdin.end(input);
  await once(child, "close");
  return output;
}

describe("nc", () => {
  function portOf({ addresses }: Listener): string {
    return `${addresses[0]!.port}`;
  }

  test("talks to a server at once: each line that is typed is answered", async (t) => {
    const listener = await serve(t, echo, { codecs });
    const nc = spawn("nc", ["127.0.0.1", portOf(listener)], { stdio: ["pipe", "pipe", "inherit"] });
    t.after(() => nc.kill());
    const lines = createInterface({ input: nc.stdout })[Symbol.asyncIterator]();
    for (const text of ["hello", "héllo ✓", "again"]) {
      nc.stdin.write(`${JSON.stringify({ type: "message", text })}\n`);
      assert.deepEqual(JSON.parse((await lines.next()).value), { type: "message", text });
    }
    nc.stdin.write('{"type":"ping"}\n');
    assert.equal((await lines.next()).value, '{"type":"pong"}');
    const [connection] = [...listener.connections()];
    assert.equal(connection!.codec, "json");
    assert.equal(connection!.protocol, "millrace-json/1");
    const closing = connection!.close({ code: 300, reason: "enough" });
    assert.equal((await lines.next()).value, '{"type":"close","messageType":300,"text":"enough"}');
    nc.kill(); // it stays while its input does
    assert.deepEqual(await closing, { by: "local", code: 300, reason: "enough" });
  });

  test("in a pipe gets the answers to all that was piped", async (t) => {
    const closed = deferred<CloseInfo>();
    const listener = await serve(t, { ...echo, close: (_, info) => closed.resolve(info) }, { codecs });
    const asked = Array.from({ length: 1000 }, (_, index) => `{"type":"message","text":"${index}"}\n`).join(
      "",
    );
    const answered = await run("nc", ["-N", "127.0.0.1", portOf(listener)], asked);
    assert.equal(answered, asked);
    assert.deepEqual(await closed.promise, { by: "peer", code: 0, reason: "" });
  });

  test("is told what is spoken where lines are not", async (t) => {
    const listener = await serve(t, echo);
    const answered = await run("nc", ["127.0.0.1", portOf(listener)], '{"type":"message","text":"hello"}\n');
    assert.equal(answered, "MISMATCH millrace/1\n");
    assert.equal(listener.connectionCount, 0);
  });

  test("does what docs/codecs.md shows", async (t) => {
    const root = join(import.meta.dirname, "../../..");
    const page = readFileSync(join(root, "docs/codecs.md"), "utf8");
    const program = /```js\n(\/\/ lines\.mjs[\s\S]*?)```/.exec(page)![1]!;
    const [, typed, shown] = /```console\n\$ nc [^\n]*\n([^\n]+\n)([^\n]+\n)```/.exec(page)!;
    const folder = mkdtempSync(join(root, "out", "lines-"));
    t.after(() => rmSync(folder, { recursive: true }));
    writeFileSync(join(folder, "lines.mjs"), program.replace(":4434", ":0"));
    const server = spawn(process.execPath, [join(folder, "lines.mjs")], {
      stdio: ["ignore", "pipe", "inherit"],
    });
    t.after(() => server.kill());
    const { value: url } = await createInterface({ input: server.stdout })[Symbol.asyncIterator]().next();
    assert.equal(await run("nc", ["-N", "localhost", new URL(url).port], typed!), shown);
  });
});

describe("lines", () => {
  async function closing(t: TestContext, options = {}) {
    const closed = deferred<CloseInfo>();
    const heard: string[] = [];
    const listener = await serve(
      t,
      {
        message: (connection, bytes) => {
          heard.push(Buffer.from(bytes).toString());
          connection.send(bytes);
        },
        close: (_, info) => closed.resolve(info),
      },
      { codecs, ...options },
    );
    return { listener, heard, closed: closed.promise, peer: await RawPeer.dial(t, listener) };
  }

  test("are the same however they are cut, and white space between them is nothing", async (t) => {
    const listener = await serve(t, echo, { codecs });
    const typed = ' \r\n\t{"type":"message","text":"a ✓"}\r\n\n   \n{ "type": "message", "text": "b" }\n';
    const bytes = Buffer.from(typed);
    for (let cut = 1; cut < bytes.length; cut++) {
      const peer = await RawPeer.dial(t, listener);
      peer.socket.setNoDelay(true);
      peer.write(bytes.subarray(0, cut));
      // Until the server has read the first part, so that the second is another chunk.
      if (bytes.subarray(0, cut).includes("\n{"))
        await until("it is open", () => listener.connectionCount > 0);
      await new Promise(setImmediate);
      peer.write(bytes.subarray(cut));
      await until("both are answered", () => peer.lines.length === 2);
      assert.deepEqual(peer.lines, ['{"type":"message","text":"a ✓"}', '{"type":"message","text":"b"}']);
      peer.socket.end();
      await peer.isEnded();
    }
  });

  test("end with the peer's FIN, the last one without a newline", async (t) => {
    const { peer, heard, closed } = await closing(t);
    peer.socket.end('{"type":"message","text":"first"}\n{"type":"message","text":"last"}');
    assert.deepEqual(await closed, { by: "peer", code: 0, reason: "" });
    assert.deepEqual(heard, ["first", "last"]);
    await peer.hears('"last"');
  });

  test("say how the peer closes", async (t) => {
    const { peer, closed } = await closing(t);
    peer.write('{"type":"close","messageType":400,"text":"enough"}\n{"type":"message","text":"too late"}\n');
    assert.deepEqual(await closed, { by: "peer", code: 400, reason: "enough" });
    await peer.isEnded();
  });

  test("that are none are answered with the code and the end", async (t) => {
    const { peer, closed } = await closing(t);
    peer.write("{hello}\n");
    assert.equal((await closed).code, CloseCode.frameMalformed);
    await peer.isEnded();
    assert.match(peer.text, /^\{"type":"close","messageType":4,"text":"a line is no JSON[^"]*"\}\n$/);
  });

  test("without an end stop at the limit", async (t) => {
    const { peer, closed } = await closing(t, { maxMessageBytes: 1000 });
    const piece = `{"type":"message","text":"${"x".repeat(500)}`;
    while (!peer.ended && !peer.closed) {
      peer.write(piece);
      await new Promise(setImmediate);
    }
    const { code, error } = await closed;
    assert.equal(code, CloseCode.frameTooLarge);
    assert.match(`${error}`, /a line of more than \d+ bytes/);
    assert.match(peer.text, /"messageType":3/);
  });

  test("carry bytes that are no text, and messages up to the limit", async (t) => {
    const listener = await serve(t, echo, { codecs });
    const connection = await connect(listener.urls[0]!, {}, { codecs: [jsonCodec] });
    t.after(() => connection.close({ graceful: false }));
    assert.equal(connection.codec, "json");
    const sent = [new Uint8Array(0), new Uint8Array([255, 0, 10]), new Uint8Array(1024 * 1024).fill(0x81)];
    for (const message of sent) connection.send(message);
    for await (const message of connection) {
      assert.equal(Buffer.compare(message, sent.shift()!), 0);
      if (sent.length === 0) break;
    }
    assert.equal((await connection.close({ code: 256, reason: "✓" })).error, undefined);
  });

  test("reach many at once, as frames reach others", async (t) => {
    const listener = await serve(t, { message() {} }, { codecs });
    const peers = [await RawPeer.dial(t, listener), await RawPeer.dial(t, listener)];
    for (const peer of peers) peer.write('{"type":"message","text":"here"}\n');
    const framed = await connect(listener.urls[0]!);
    t.after(() => framed.close({ graceful: false }));
    await until("three are open", () => listener.connectionCount === 3);
    assert.equal(publish(listener.connections(), Buffer.from("news")), 3);
    for (const peer of peers) await peer.hears('{"type":"message","text":"news"}\n');
    for await (const message of framed) {
      assert.equal(Buffer.from(message).toString(), "news");
      break;
    }
  });
});

describe("the codecs of TCP", () => {
  for (const codec of [frameCodec, jsonCodec, messagePackCodec, plainLines]) {
    test(`are agreed on by the greeting: ${codec.name}`, async (t) => {
      const listener = await serve(t, echo, {
        codecs: [plainLines, messagePackCodec, jsonCodec, frameCodec],
      });
      const connection = await connect(listener.urls[0]!, {}, { codecs: [codec] });
      t.after(() => connection.close({ graceful: false }));
      assert.equal(connection.codec, codec.name);
      connection.send(Buffer.from("hello"));
      for await (const message of connection) {
        assert.equal(Buffer.from(message).toString(), "hello");
        break;
      }
      const closed = await connection.close({ code: 256 });
      assert.equal(closed.code, 256);
    });
  }

  test("are the server's choice, where there is more than one in common", async (t) => {
    const listener = await serve(t, echo, { codecs: [messagePackCodec, frameCodec] });
    const connection = await connect(listener.urls[0]!, {}, { codecs: [frameCodec, messagePackCodec] });
    t.after(() => connection.close({ graceful: false }));
    assert.equal(connection.codec, "msgpack");
  });

  test("with none in common are a mismatch that names those there are", async (t) => {
    const listener = await serve(t, echo, { codecs: [messagePackCodec] });
    await assert.rejects(connect(listener.urls[0]!, {}, { codecs: [jsonCodec] }), {
      code: "ERR_MILLRACE_PROTOCOL_MISMATCH",
      message: /it speaks "millrace-msgpack\/1", and not "millrace-json\/1"$/,
    });
  });

  test("may have names that a greeting must escape", async (t) => {
    const protocols = ["a b%20\n✓", "MILLRACE"];
    const listener = await serve(t, echo, { protocols });
    for (const protocol of protocols) {
      const connection = await connect(listener.urls[0]!, {}, { protocols: [protocol] });
      assert.equal(connection.protocol, protocol);
      await connection.close();
    }
    await assert.rejects(
      connect(
        listener.urls[0]!,
        {},
        {
          protocols: ["x".repeat(200)].concat(
            Array.from({ length: 20 }, (_, i) => `${i}`.repeat(200).slice(0, 200)),
          ),
        },
      ),
      {
        code: "ERR_MILLRACE_INVALID_ARGUMENT",
        message: /greeting/,
      },
    );
  });
});
