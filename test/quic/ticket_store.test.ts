import assert from "node:assert/strict";
import { readdir, readFile, rm, stat, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { before, describe, test } from "node:test";
import * as quic from "millrace/quic";
import { InvalidArgumentError } from "#internal/errors.js";
import { temporaryFolder } from "../kit/folder.js";
import { Loopback } from "../kit/loopback.js";
import { earnTicket } from "../kit/tickets.js";
import { until } from "../kit/until.js";

const later = () => Date.now() + 60_000;

function bytes(...values: number[]): Uint8Array {
  return Uint8Array.from(values);
}

describe("tickets in memory", () => {
  test("are found by their key until they expire or are deleted", () => {
    const store = new quic.MemoryTicketStore();
    store.set("a", bytes(1), later());
    store.set("a", bytes(2), later());
    store.set("b", bytes(3), Date.now());
    assert.deepEqual(store.get("a"), bytes(2));
    assert.equal(store.get("b"), undefined);
    assert.equal(store.size, 1);
    store.delete("a");
    assert.equal(store.get("a"), undefined);
  });

  test("are as many as allowed: the least recently used goes", () => {
    const store = new quic.MemoryTicketStore({ maxTickets: 2 });
    store.set("a", bytes(1), later());
    store.set("b", bytes(2), later());
    store.get("a");
    store.set("c", bytes(3), later());
    assert.deepEqual([store.get("a"), store.get("b"), store.get("c")], [bytes(1), undefined, bytes(3)]);
    for (const maxTickets of [0, 1.5, Number.NaN]) {
      assert.throws(() => new quic.MemoryTicketStore({ maxTickets }), InvalidArgumentError);
    }
  });
});

describe("tickets in a folder", () => {
  const parent = temporaryFolder();
  let count = 0;
  const newFolder = () => join(parent, String(count++));
  let loopback: Loopback;

  before(async () => {
    loopback = await Loopback.make();
  });

  test("belong to their user alone, and their names tell no host", async () => {
    const folder = newFolder();
    const store = new quic.FileTicketStore({ folder });
    await store.set("bank.example:443", bytes(1, 2, 3), later());
    const [name, ...others] = await readdir(folder);
    assert.deepEqual(others, []);
    assert.ok(!name!.includes("bank"));
    assert.equal((await stat(folder)).mode & 0o777, 0o700);
    assert.equal((await stat(join(folder, name!))).mode & 0o777, 0o600);
    assert.deepEqual(await readFile(join(folder, name!)), Buffer.from([1, 2, 3]));
  });

  test("are replaced as a whole, and found again by another store", async () => {
    const folder = newFolder();
    const store = new quic.FileTicketStore({ folder });
    const large = new Uint8Array(100_000).fill(7);
    await Promise.all([store.set("a", large, later()), store.set("a", large, later())]);
    const found = await new quic.FileTicketStore({ folder }).get("a");
    assert.ok(found !== undefined && Buffer.from(found).equals(large));
    assert.equal((await readdir(folder)).length, 1);
    await store.delete("a");
    await store.delete("a");
    assert.equal(await store.get("a"), undefined);
    assert.deepEqual(await readdir(folder), []);
  });

  test("go when they have expired, and the first to expire when there are too many", async () => {
    const folder = newFolder();
    const store = new quic.FileTicketStore({ folder, maxTickets: 2 });
    await store.set("expired", bytes(0), Date.now() - 1);
    assert.equal(await store.get("expired"), undefined);
    await store.set("first", bytes(1), later());
    await store.set("second", bytes(2), later() + 1_000);
    await store.set("third", bytes(3), later() + 2_000);
    assert.equal(await store.get("first"), undefined);
    assert.ok((await store.get("second")) !== undefined && (await store.get("third")) !== undefined);
    assert.throws(() => new quic.FileTicketStore({ folder: "" }), InvalidArgumentError);
    assert.throws(() => new quic.FileTicketStore({ folder, maxTickets: 0 }), InvalidArgumentError);
  });

  test("resume a session after the process that earned them, and are used once", async (t) => {
    const folder = newFolder();
    const listener = await loopback.listenRaw(t, {}, { resumption: {} });
    const { port } = listener.address;
    await earnTicket(t, loopback, port, new quic.FileTicketStore({ folder }));
    const store = new quic.FileTicketStore({ folder });
    const connection = await loopback.connectRaw(t, port, {}, { resumption: { store } });
    assert.equal(connection.resumed, true);
    await until("the server gives another", async () => (await readdir(folder)).length === 1);
    await connection.close();
  });

  test("that cannot be kept or read cost a full handshake, and no connection", async (t) => {
    const folder = newFolder();
    await writeFile(folder, "not a folder");
    t.after(() => rm(folder, { force: true }));
    const listener = await loopback.listenRaw(t, {}, { resumption: {} });
    const store = new quic.FileTicketStore({ folder });
    for (let i = 0; i < 2; i++) {
      const connection = await loopback.connectRaw(t, listener.address.port, {}, { resumption: { store } });
      assert.equal(connection.resumed, false);
      await connection.close();
    }
  });
});
