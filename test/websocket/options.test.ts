import assert from "node:assert/strict";
import { test } from "node:test";
import { connect, listen, type WebSocketBehaviour } from "millrace/websocket";
import { InvalidArgumentError } from "#internal/errors.js";

const behaviour: WebSocketBehaviour = { open() {}, frame() {}, drain() {}, close() {} };

test("names of protocols that no subprotocol can have are left out, and refused where no other is there", async (t) => {
  for (const protocols of [["a b"], ["a/1", "\r\nx: y"]]) {
    for (const attempt of [
      listen("ws://127.0.0.1:0", behaviour, { protocols }),
      connect("ws://127.0.0.1:1", behaviour, { protocols }),
    ]) {
      await assert.rejects(attempt, {
        code: "ERR_MILLRACE_INVALID_ARGUMENT",
        message: /^protocols has no name/,
      });
    }
  }
  const protocols = ["a/1", "a.v1", "a.v1"];
  const listener = await listen("ws://127.0.0.1:0", behaviour, { protocols });
  t.after(() => listener.close());
  const client = await connect(listener.url, behaviour, { protocols });
  t.after(() => client.close({ graceful: false }));
  assert.equal(client.protocol, "a.v1");
});

test("options of plain WebSockets that are wrong or unknown are refused by name, on both sides", async () => {
  for (const [options, said] of [
    [{ maxFrameBytes: 0 }, "maxFrameBytes must be an integer from 1 to 1073741824, and not 0"],
    [{ idleTimeoutMs: "1" }, 'idleTimeoutMs must be an integer from 0 to 86400000, and not "1"'],
    [
      { protocols: [""] },
      'protocols must be a list of names, each of 1 or more bytes, and protocols[0] is ""',
    ],
    [{ maxFrameByte: 1 }, 'there is no option "maxFrameByte"; did you mean maxFrameBytes?'],
    [7, /^options must be an object \{protocols, .*, and not 7$/],
  ] as const) {
    for (const attempt of [
      listen("ws://127.0.0.1:0", {} as never, options as object),
      connect("ws://127.0.0.1:1", {} as never, options as object),
    ]) {
      await assert.rejects(attempt, (error: Error) => {
        assert.ok(error instanceof InvalidArgumentError);
        if (typeof said === "string") assert.equal(error.message, said);
        else assert.match(error.message, said);
        return true;
      });
    }
  }
});

test("a behaviour with a handler that is none is refused before anybody calls it", async () => {
  for (const [wrong, said] of [
    [null, "behaviour must be an object of handlers, and not null"],
    [{ ...behaviour, frame: "x" }, 'behaviour.frame must be a function, and not "x"'],
    [{ ...behaviour, close: 7 }, "behaviour.close must be a function, and not 7"],
    [{ ...behaviour, text: "x" }, 'behaviour.text must be a function, and not "x"'],
  ] as const) {
    for (const attempt of [
      listen("ws://127.0.0.1:0", wrong as never),
      connect("ws://127.0.0.1:1", wrong as never),
    ]) {
      await assert.rejects(attempt, { code: "ERR_MILLRACE_INVALID_ARGUMENT", message: said });
    }
  }
});

test("no handler is needed", async (t) => {
  const listener = await listen("ws://127.0.0.1:0", {});
  t.after(() => listener.close());
  const client = await connect(listener.url);
  assert.equal(client.state, "open");
  client.close({ graceful: false });
});

test("origins are as browsers write them, or refused", async () => {
  const said =
    /^origins must be a list of origins as browsers write them, like https:\/\/example.com, and origins\[0\] is/;
  for (const origin of [
    "https://example.com/",
    "https://example.com:443",
    "https://example.com/path",
    "https://user@example.com",
    "https://bücher.example",
    "example.com",
    "*",
    "https://*.example.com",
    "",
    7,
  ]) {
    const attempt = listen("ws://127.0.0.1:0", {}, { origins: [origin as string] });
    await assert.rejects(attempt, { code: "ERR_MILLRACE_INVALID_ARGUMENT", message: said }, `${origin}`);
  }
});
