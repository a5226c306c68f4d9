import assert from "node:assert/strict";
import { test } from "node:test";
import { InvalidArgumentError } from "#internal/errors.js";
import { negotiate } from "#internal/websocket/handshake.js";
import { serverLibrary } from "#internal/websocket/library.js";
import { originRules } from "#internal/websocket/origin.js";

test("MILLRACE_WEBSOCKET names a library that exists", async () => {
  process.env.MILLRACE_WEBSOCKET = "other";
  await assert.rejects(serverLibrary("ws"), InvalidArgumentError);
  process.env.MILLRACE_WEBSOCKET = "ws";
  const { wsLibrary } = await import("#internal/websocket/ws.js");
  assert.equal(await serverLibrary("ws"), wsLibrary);
  process.env.MILLRACE_WEBSOCKET = "uws";
  assert.notEqual(await serverLibrary("ws"), wsLibrary);
  assert.equal(await serverLibrary("wss"), wsLibrary, "in TLS there is one only");
});

test("a subprotocol list is read by RFC 6455: commas, with or without spaces", () => {
  const wanted = { path: "/", protocols: ["x", "y"], origins: originRules({}) };
  const chosen = (protocols: string) => negotiate(wanted, { path: "/", protocols, origin: "" });
  assert.equal(chosen("y"), "y");
  assert.equal(chosen("z ,y, x"), "x");
  assert.notEqual(typeof chosen("xy"), "string");
  assert.notEqual(typeof chosen(""), "string");
});
