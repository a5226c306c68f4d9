import assert from "node:assert/strict";
import { once } from "node:events";
import { readFileSync } from "node:fs";
import { createServer } from "node:https";
import type { AddressInfo } from "node:net";
import { join } from "node:path";
import { test } from "node:test";
import type { TLSSocket } from "node:tls";
import { type CloseInfo, connect, HandshakeFailedError, listen } from "millrace";
import { Authority } from "millrace/testing";
import { listen as listenRaw, type WebSocketBehaviour } from "millrace/websocket";
import { WebSocket, WebSocketServer } from "ws";
import { deferred } from "../kit/deferred.js";
import { temporaryFolder } from "../kit/folder.js";
import { Pkcs12Packer } from "../kit/pkcs12.js";
import { until } from "../kit/until.js";

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

test("a wss server and its client honour what QUIC and TCP do", async (t) => {
  const folder = temporaryFolder();
  const other = await authority.issue({ names: ["other.example"] });
  const [serverLog, clientLog] = [join(folder, "server.keys"), join(folder, "client.keys")];
  const cipherSuites = ["TLS_CHACHA20_POLY1305_SHA256"] as const;
  const listener = await listen(
    "wss://127.0.0.1:0/",
    {},
    { tls: { ...identity, serverNames: { "other.example": other }, cipherSuites, keyLogFile: serverLog } },
  );
  t.after(() => listener.close({ graceful: false }));
  const ca = authority.certificate;
  const tls = { ca, serverName: "other.example", keyLogFile: clientLog, cipherSuites };
  const client = await connect(listener.urls[0]!, {}, { tls });
  assert.equal(client.peerCertificate?.checkHost("other.example"), "other.example");
  await until("both logs have secrets", () =>
    [serverLog, clientLog].every((file) => readFileSync(file, "utf8").includes("CLIENT_TRAFFIC_SECRET_0")),
  );
  await client.close();
  const none = { ca, cipherSuites: ["TLS_AES_256_GCM_SHA384"] } as const;
  await assert.rejects(connect(listener.urls[0]!, {}, { tls: none }), HandshakeFailedError);
});

test("a wss client may ping in the middle of much that it sends", async (t) => {
  const count = 400;
  let received = 0;
  const closed = deferred<CloseInfo>();
  const behaviour: WebSocketBehaviour = {
    open() {},
    frame: () => void received++,
    drain() {},
    close: (_connection, info) => closed.resolve(info),
  };
  const listener = await listenRaw("wss://127.0.0.1:0/", behaviour, { tls: identity });
  t.after(() => listener.close());
  const client = new WebSocket(listener.url, { ca: authority.certificate });
  await once(client, "open");
  const message = new Uint8Array(16 * 1024);
  for (let sent = 0; sent < count; sent++) {
    client.send(message);
    if (sent % 20 === 0) client.ping();
  }
  client.close(1000);
  assert.equal((await closed.promise).error, undefined);
  assert.equal(received, count);
});

test("a wss connection that is ended at once, behind an answer, brings both the answer and the code", async (t) => {
  const behaviour: WebSocketBehaviour = {
    open() {},
    frame(connection, bytes) {
      connection.send(bytes);
      connection.close({ code: 400, reason: "now", graceful: false });
    },
    drain() {},
    close() {},
  };
  const listener = await listenRaw("wss://127.0.0.1:0/", behaviour, { tls: identity });
  t.after(() => listener.close());
  const client = new WebSocket(listener.url, { ca: authority.certificate });
  await once(client, "open");
  const heard: string[] = [];
  client.on("message", (message: Buffer) => heard.push(message.toString()));
  const closed = once(client, "close");
  client.send(Buffer.from("answer"));
  const [code, reason] = (await closed) as [number, Buffer];
  assert.deepEqual([heard, code, reason.toString()], [["answer"], 4400, "now"]);
});

test("a ws client at a port that speaks TLS is told to connect by wss", async (t) => {
  const listener = await listen("wss://127.0.0.1:0/", {}, { tls: identity });
  t.after(() => listener.close({ graceful: false }));
  await assert.rejects(connect(listener.urls[0]!.replace("wss:", "ws:"), {}), (error) => {
    assert.ok(error instanceof HandshakeFailedError);
    assert.match(
      error.message,
      /127\.0\.0\.1.* ended the connection before.*; if it speaks TLS, connect by wss:/,
    );
    return true;
  });
});
