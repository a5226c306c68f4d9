import assert from "node:assert/strict";
import { fork } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, type TestContext, test } from "node:test";
import { InvalidArgumentError, StoreFailedError } from "millrace";
import { connect } from "millrace/client";
import {
  createServer,
  FailureCode,
  MemoryStore,
  type Message,
  type Store,
  type StoredMessage,
} from "millrace/server";
import { deferred } from "../kit/deferred.js";
import { until } from "../kit/until.js";
import { FileStore } from "./file_store.js";
import { sessionKit } from "./suite/kit.js";

const kit = sessionKit({ url: "tcp://127.0.0.1:0" });

/** One whose messages are taken, or not, when the test says so. */
class Gate implements Store {
  readonly durability: Store["durability"];
  readonly waiting: { readonly message: StoredMessage; take(): void; fail(cause: unknown): void }[] = [];

  constructor(durability: Store["durability"] = "process") {
    this.durability = durability;
  }

  append(message: StoredMessage): Promise<void> {
    const { promise, resolve, reject } = deferred();
    this.waiting.push({ message, take: resolve, fail: reject });
    return promise;
  }
}

async function storePath(t: TestContext): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), "millrace-store-"));
  t.after(() => rm(folder, { recursive: true, force: true }));
  return join(folder, "messages");
}

describe("a server's store", () => {
  test("has what it took when its process is killed: no message that is stored is lost", async (t) => {
    const path = await storePath(t);
    const child = fork(new URL("./store_server.js", import.meta.url), [path]);
    t.after(() => child.kill("SIGKILL"));
    const [url] = (await once(child, "message")) as [string];
    const client = await connect(url, { clientId: "ada", maxAwaitedAcks: 100_000, reconnect: false });
    t.after(() => client.close({ graceful: false }));
    const stored: string[] = [];
    const enough = deferred();
    let next = 0;
    const fill = (): void => {
      for (let i = 0; i < 100; i += 1) {
        const text = String(next++);
        void client.sendAcked(text, { level: "stored" }).then(({ status }) => {
          if (status === "acknowledged") stored.push(text);
          if (stored.length === 500) enough.resolve();
        });
      }
    };
    const filling = setInterval(fill, 1);
    t.after(() => clearInterval(filling));
    await enough.promise;
    child.kill("SIGKILL");
    await once(child, "exit");
    clearInterval(filling);
    const found = new Set(await FileStore.read(path));
    assert.ok(stored.length >= 500);
    assert.deepEqual(
      stored.filter((text) => !found.has(text)),
      [],
    );
  });

  test("is what stored means: not before it has taken the message, and nothing above without it", async (t) => {
    const store = new Gate();
    const server = await kit.serve(t, { message: (_session, message) => message.confirm("read") }, { store });
    const client = await kit.join(t, server, { clientId: "ada" });
    let outcome: object | undefined;
    const meta = [{ key: "colour", value: Buffer.from("red") }];
    const options = { level: "delivered", type: 3, subject: "s", messageId: "m", meta } as const;
    const acked = client.sendAcked("keep", options).then((given) => {
      outcome = given;
    });
    await until("the store has it", () => store.waiting.length === 1);
    await client.sendAcked("another that asks for no more than to be received");
    assert.equal(outcome, undefined, "the handler has confirmed it, and it is not stored");
    const { message, take } = store.waiting[0]!;
    const { sessionId, clientId, lane, sequence, type, subject, receivedAtMs } = message;
    assert.deepEqual([sessionId, clientId, lane, sequence], [client.id, "ada", 0, 1]);
    assert.deepEqual([type, subject, Buffer.from(message.payload).toString()], [3, "s", "keep"]);
    assert.equal(Buffer.from(message.messageId!).toString(), "m");
    assert.equal(message.meta.find(({ key }) => key === "colour")?.value.toString(), "114,101,100");
    assert.ok(Math.abs(receivedAtMs - Date.now()) < 60_000);
    take();
    await acked;
    assert.deepEqual(outcome, { status: "acknowledged", level: "read" });
    assert.equal(store.waiting.length, 1);
  });

  test("that fails or is too slow rejects what it was given; the server is told, and goes on", async (t) => {
    const store = new Gate();
    const errors: unknown[] = [];
    const got: string[] = [];
    const server = await kit.serve(
      t,
      {
        message: (_session, message) => got.push(message.text()),
        error: (_session, cause) => errors.push(cause),
      },
      { store, storeTimeoutMs: 50 },
    );
    const client = await kit.join(t, server);
    const failed = client.sendAcked("fails", { level: "stored" });
    await until("the store has it", () => store.waiting.length === 1);
    store.waiting[0]!.fail(new Error("disk full"));
    const slow = client.sendAcked("slow", { level: "stored", messageId: "1" });
    for (const outcome of [await failed, await slow]) {
      assert.equal(outcome.status === "rejected" && outcome.code, FailureCode.unstored);
    }
    assert.ok(errors.every((error) => error instanceof StoreFailedError));
    assert.deepEqual(
      errors.map((error) => ((error as Error).cause as Error).message),
      ["disk full", "the store took longer than 50 ms"],
    );
    store.waiting[1]!.take(); // too late
    const again = client.sendAcked("slow", { level: "stored", messageId: "1" });
    await until("it is stored again", () => store.waiting.length === 3);
    store.waiting[2]!.take();
    assert.deepEqual(await again, { status: "acknowledged", level: "stored" });
    assert.deepEqual(got, ["fails", "slow"], "what came again was handled before");
  });

  test("that throws, or has no error handler beside it, ends no server", async (t) => {
    const store: Store = {
      durability: "power",
      append: () => {
        throw new Error("no");
      },
    };
    const server = await kit.serve(t, {}, { store });
    const client = await kit.join(t, server);
    const outcome = await client.sendAcked("x", { level: "stored" });
    assert.equal(outcome.status === "rejected" && outcome.code, FailureCode.unstored);
    assert.equal((await client.sendAcked("x")).status, "acknowledged");
  });

  test("is given so much at a time: the rest is rejected", async (t) => {
    const store = new Gate();
    const server = await kit.serve(t, { error: () => {} }, { store, storeQueueBytes: 25_000 });
    const client = await kit.join(t, server);
    const outcomes = Array.from({ length: 5 }, () =>
      client.sendAcked(new Uint8Array(10_000), { level: "stored" }),
    );
    await until("it has what it takes", () => store.waiting.length === 2);
    const rejected = await Promise.all(outcomes.slice(2));
    assert.ok(rejected.every((one) => one.status === "rejected" && one.code === FailureCode.unstored));
    for (const { take } of store.waiting) take();
    const taken = await Promise.all(outcomes.slice(0, 2));
    assert.ok(taken.every(({ status }) => status === "acknowledged"));
    const next = client.sendAcked(new Uint8Array(10_000), { level: "stored" });
    await until("there is room again", () => store.waiting.length === 3);
    store.waiting[2]!.take();
    assert.equal((await next).status, "acknowledged");
  });

  test("is given no more than that either where it is too slow: what it has been given it holds", async (t) => {
    const store = new Gate();
    const options = { store, storeQueueBytes: 25_000, storeTimeoutMs: 50 };
    const server = await kit.serve(t, { error: () => {} }, options);
    const client = await kit.join(t, server);
    const store10k = () => client.sendAcked(new Uint8Array(10_000), { level: "stored" });
    for (let i = 0; i < 3; i += 1) {
      const late = await store10k();
      assert.equal(late.status === "rejected" && late.code, FailureCode.unstored);
    }
    assert.equal(store.waiting.length, 2);
    store.waiting[0]!.take();
    store.waiting[1]!.fail(new Error("at last"));
    for (const length of [3, 4]) {
      void store10k();
      await until("there is room again", () => store.waiting.length === length);
    }
  });

  test("stores a message once that comes again while it is being stored", async (t) => {
    const store = new Gate();
    const server = await kit.serve(t, {}, { store });
    const client = await kit.join(t, server);
    const acks = [1, 2, 3].map(() => client.sendAcked("x", { level: "stored", messageId: "1" }));
    await client.sendAcked("all are there");
    assert.equal(store.waiting.length, 1);
    store.waiting[0]!.take();
    for (const ack of acks) assert.deepEqual(await ack, { status: "acknowledged", level: "stored" });
    assert.equal((await client.sendAcked("x", { level: "stored", messageId: "1" })).status, "acknowledged");
    assert.equal(store.waiting.length, 1);
  });

  test("in memory keeps the newest, and lets nobody believe that they are stored", async (t) => {
    const store = new MemoryStore({ maxMessages: 2, maxBytes: 20 });
    const kept: Message[] = [];
    const server = await kit.serve(
      t,
      { message: (_session, message) => kept.push(message.copy()) },
      { store },
    );
    const client = await kit.join(t, server);
    for (const [index, text] of ["one", "two", "three", "a text of twenty byte"].entries()) {
      const acked = client.sendAcked(text, { level: "delivered" });
      await until("it has come", () => kept.length === index + 1);
      if (index === 2) assert.deepEqual([...store].map(textOf), ["two", "three"]);
      kept[index]!.confirm("delivered");
      assert.deepEqual(await acked, { status: "acknowledged", level: "delivered" });
    }
    assert.equal(store.size, 0, "the last was larger than all may be");
    client.send("of no account");
    await client.sendAcked("this neither");
    assert.equal(store.size, 0);
  });

  test("has a durability and append", async () => {
    for (const store of [{}, { durability: "process" }, { durability: "much", append: () => {} }]) {
      await assert.rejects(createServer({ listen: [], store: store as never }, {}), InvalidArgumentError);
    }
    assert.throws(() => new MemoryStore({ maxMessages: 0 }), InvalidArgumentError);
  });

  test("that keeps nothing is a gap after a restart: a new session, a new epoch, and what waited is lost", async (t) => {
    const options = {
      listen: "tcp://127.0.0.1:0",
      store: new MemoryStore(),
      topics: { history: { ">": { count: 9 } } },
    };
    const behaviour = { subscribe: () => true };
    const before = await createServer(options, behaviour);
    const client = await kit.join(t, before);
    const { cursor } = await client.subscribe("news", { from: "oldest" });
    before.publish("news", "old");
    const waiting = client.sendAcked("x", { level: "delivered" });
    await client.sendAcked("y");
    await before.close({ graceful: false });
    await until("it is detached", () => client.state === "disconnected");
    const after = await kit.serve(t, behaviour, options);
    const { id } = client;
    assert.equal(await client.switchTo(after.urls[0]!), false);
    assert.deepEqual(await waiting, { status: "lost" });
    assert.notEqual(client.id, id);
    after.publish("news", "new");
    const subscribed = await client.subscribe("news", { from: cursor! });
    assert.notEqual(subscribed.cursor!.epoch, cursor!.epoch);
    assert.equal(subscribed.recovered, false);
  });
});

function textOf({ payload }: StoredMessage): string {
  return Buffer.from(payload).toString();
}
