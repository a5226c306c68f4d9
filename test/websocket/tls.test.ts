import assert from "node:assert/strict";
import { once } from "node:events";
import { createServer } from "node:https";
import type { AddressInfo } from "node:net";
import { test } from "node:test";
import type { TLSSocket } from "node:tls";
import { connect, InvalidArgumentError, listen } from "millrace";
import { Authority } from "millrace/testing";
import { WebSocketServer } from "ws";
import { Pkcs12Packer } from "../kit/pkcs12.js";

const packer = new Pkcs12Packer();

const authority = await Authority.make();
const identity = await authority.issue();

test("a wss server takes its identity in every form that QUIC takes", async (t) => {
  const tls = { pkcs12: packer.packBytes(identity, "secret"), passphrase: "secret" };
  const listener = await listen("wss://127.0.0.1:0/", {}, { tls });
  t.after(() => listener.close({ graceful: false }));
  const connection = await connect(listener.urls[0]!, {}, { tls: { ca: authority.certificate } });
  await connection.close({ graceful: false });
});

test("a wss client shows the certificate that it has", async (t) => {
  const https = createServer({
    cert: identity.certificate,
    key: identity.privateKey,
    ca: authority.certificate,
    requestCert: true,
  });
  const sockets = new WebSocketServer({ server: https });
  t.after(() => {
    for (const socket of sockets.clients) socket.terminate();
    https.close();
  });
  https.listen(0, "127.0.0.1");
  await once(https, "listening");
  const { port } = https.address() as AddressInfo;
  const accepted = once(sockets, "connection") as Promise<[unknown, { socket: TLSSocket }]>;
  const client = await authority.issueClient({ name: "alice" });
  await connect(
    `wss://127.0.0.1:${port}/`,
    {},
    { tls: { ca: authority.certificate, ...client }, protocols: ["x"] },
  );
  const [, request] = await accepted;
  assert.equal(request.socket.authorized, true);
  assert.equal(request.socket.getPeerX509Certificate()?.subject, "CN=alice");
});

test("options that only QUIC and TCP honour are refused where WebSocket would ignore them", async () => {
  const server = {
    clientCertificate: "require",
    clientCa: authority.certificate,
    serverNames: {},
    cipherSuites: ["TLS_AES_128_GCM_SHA256"],
    keyLogFile: "/nowhere",
  } as const;
  const isRefused = (name: string) => (error: Error) =>
    error instanceof InvalidArgumentError && error.message.includes(`tls.${name} works on QUIC and TCP only`);
  for (const [name, value] of Object.entries(server)) {
    const tls = { ...identity, [name]: value };
    await assert.rejects(listen("wss://127.0.0.1:0/", {}, { tls }), isRefused(name), name);
  }
  const tls = { keyLogFile: "/nowhere" };
  await assert.rejects(connect("wss://127.0.0.1:1/", {}, { tls }), isRefused("keyLogFile"));
});
