import assert from "node:assert/strict";
import { test } from "node:test";
import { ConnectionRefusedError, HandshakeFailedError } from "#internal/errors.js";
import { loadAddon } from "#internal/native/addon.js";
import { handshakeError } from "#internal/quic/status.js";

const alert = (number: number) => handshakeError(loadAddon().constants.status!.tlsAlert! + number, "there:1");

test("a server that gives up a handshake by an internal error refuses for now: it may be closing", () => {
  const error = alert(80);
  assert.ok(error instanceof ConnectionRefusedError);
  assert.equal(error.retryable, true);
});

test("an alert without a class of its own is named by its number", () => {
  const error = alert(50);
  assert.ok(error instanceof HandshakeFailedError);
  assert.match(error.message, /TLS alert 50/);
});
