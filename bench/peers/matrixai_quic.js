// @matrixai/quic (quiche in Rust under JavaScript), doing what bench/native/answer.h says as far as it can: it has no
// datagrams. Arguments: a certificate and its key.
import { webcrypto } from "node:crypto";
import { readFile } from "node:fs/promises";
import Logger, { LogLevel } from "@matrixai/logger";
import { events, QUICServer } from "@matrixai/quic";
import { AnswerHead, answerAlpn, answerStreams } from "../../out/bench/servers/answer.js";
import { announce } from "../../out/bench/servers/control.js";

const hmac = { name: "HMAC", hash: "SHA-256" };

/** It names connections and signs retry tokens with these. */
async function serverCrypto() {
  const key = await webcrypto.subtle.exportKey(
    "raw",
    await webcrypto.subtle.generateKey(hmac, true, ["sign"]),
  );
  const use = (bytes, usage) => webcrypto.subtle.importKey("raw", bytes, hmac, false, [usage]);
  const sign = async (bytes, data) => webcrypto.subtle.sign("HMAC", await use(bytes, "sign"), data);
  const verify = async (bytes, data, signature) =>
    webcrypto.subtle.verify("HMAC", await use(bytes, "verify"), signature, data);
  return { key, ops: { sign, verify } };
}

async function answer(stream) {
  const head = new AnswerHead();
  for await (const chunk of stream.readable) head.read(chunk);
  const writer = stream.writable.getWriter();
  if (head.answer.length > 0) await writer.write(head.answer);
  await writer.close();
}

const [certificate, privateKey] = process.argv.slice(2);
const server = new QUICServer({
  crypto: await serverCrypto(),
  config: {
    key: await readFile(privateKey, "utf8"),
    cert: await readFile(certificate, "utf8"),
    applicationProtos: [answerAlpn],
    initialMaxStreamsBidi: answerStreams,
  },
  logger: new Logger("bench", LogLevel.SILENT),
});
server.addEventListener(events.EventQUICServerConnection.name, ({ detail: connection }) => {
  connection.addEventListener(events.EventQUICConnectionStream.name, ({ detail: stream }) => {
    answer(stream).catch(() => {}); // a client that closes in the middle
  });
});
await server.start({ host: "127.0.0.1", port: 0 });
announce(server.port);
