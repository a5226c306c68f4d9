import assert from "node:assert/strict";
import { once } from "node:events";
import { connect as connectTcp, type Socket } from "node:net";
import { describe, type TestContext, test } from "node:test";
import { type Connection, connect } from "millrace";
import { Authority } from "millrace/testing";
import { Program } from "../kit/program.js";
import { until } from "../kit/until.js";

/** So many files may the server open; Node takes about forty of them. */
const fileLimit = 96;

const authority = await Authority.make();
const identity = await authority.issue();
const module = new URL("./scarce_program.js", import.meta.url);

/** Clients that connect and say nothing. */
async function crowd(t: TestContext, port: number, size: number): Promise<Socket[]> {
  const sockets = Array.from({ length: size }, () => connectTcp({ host: "127.0.0.1", port }));
  t.after(() => {
    for (const socket of sockets) socket.destroy();
  });
  for (const socket of sockets) socket.on("error", () => {});
  await Promise.all(sockets.map((socket) => Promise.race([once(socket, "connect"), once(socket, "close")])));
  return sockets;
}

async function assertEchoes(connection: Connection, text: string): Promise<void> {
  connection.send(Buffer.from(text));
  for await (const message of connection) {
    assert.equal(Buffer.from(message).toString(), text);
    return;
  }
  assert.fail("the connection ended");
}

for (const [name, url, library = ""] of [
  ["TCP", "tcp://127.0.0.1:0"],
  ["TCP in TLS", "tls://127.0.0.1:0"],
  ["WebSocket by uWebSockets.js", "ws://127.0.0.1:0", "uws"],
  ["WebSocket by ws", "ws://127.0.0.1:0", "ws"],
  ["WebSocket in TLS", "wss://127.0.0.1:0"],
] as const) {
  describe(`a ${name} server that may open no more files`, () => {
    test("goes on serving who is there, and serves others as soon as there is room", async (t) => {
      const limited = ["env", `MILLRACE_WEBSOCKET=${library}`, "prlimit", `--nofile=${fileLimit}`];
      const program = new Program(module, limited);
      t.after(() => program.end());
      const served = await program.call<string>("serve", { url, tls: identity });
      const tls = { ca: authority.certificate };
      const early = await connect(served, {}, { tls, idleTimeoutMs: 0 });
      t.after(() => early.close({ graceful: false }));
      const sockets = await crowd(t, Number(new URL(served).port), 2 * fileLimit);
      await until("it can open no more", async () => !(await program.call("mayOpenFile")));
      await assertEchoes(early, "while there are too many");
      for (const socket of sockets) socket.destroy();
      await until("a new client is served", async () => {
        const attempt = connect(served, {}, { tls, handshakeTimeoutMs: 5_000 });
        const late = await attempt.catch(() => undefined); // who came too early may have been cut off
        if (late === undefined) return false;
        await assertEchoes(late, "when there is room again");
        await late.close();
        return true;
      });
      await until("all others are gone", async () => (await program.call("connectionCount")) === 1);
      await assertEchoes(early, "all the time");
    });
  });
}
