import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { AbortedError, CloseCode, InvalidArgumentError, ResourceExhaustedError } from "millrace";
import type { ClientSession } from "millrace/client";
import { deflate } from "millrace/compression";
import { FailureCode, MemoryStore, type Message, type Session, type Store } from "millrace/server";
import { AckLevel } from "#internal/delivery/ack.js";
import { readConfirmation } from "#internal/delivery/confirmation.js";
import { encodeHello } from "#internal/delivery/hello.js";
import { withMarks } from "#internal/delivery/marks.js";
import { batchFlag, encodeBatch } from "#internal/frame/batch.js";
import { CompressionCode } from "#internal/frame/compressed_payload.js";
import { compressPayload } from "#internal/frame/compression.js";
import { Kind } from "#internal/frame/frame.js";
import { deferred } from "../../kit/deferred.js";
import { until } from "../../kit/until.js";
import type { SessionKit } from "./kit.js";
import { hello, RawClient } from "./raw_client.js";

type Level = "received" | "stored" | "delivered" | "read";

/** A store that takes everything at once. */
const taking: Store = { durability: "process", append: () => {} };

export function describeAcknowledgements(kit: SessionKit): void {
  describe("acknowledgements", () => {
    test("of each level come when it is reached, from server and client alike", async (t) => {
      const atServer: string[] = [];
      const atClient: string[] = [];
      const opened = deferred<Session>();
      const confirm = (message: Message, log: string[]): void => {
        log.push(message.text());
        const wanted = message.text() as Level;
        if (wanted === "delivered" || wanted === "read") assert.equal(message.confirm(wanted), true);
        else assert.equal(message.confirm("delivered"), wanted === "stored", "who did not ask is not told");
      };
      const server = await kit.serve(
        t,
        {
          open: (session) => opened.resolve(session),
          message: (_session, message) => confirm(message, atServer),
        },
        { store: taking },
      );
      const client = await kit.join(
        t,
        server,
        {},
        { message: (_session, message) => confirm(message, atClient) },
      );
      for (const level of ["received", "delivered", "read"] as const) {
        const acknowledged = { status: "acknowledged", level };
        assert.deepEqual(await client.sendAcked(level, { level }), acknowledged);
        assert.deepEqual(await (await opened.promise).sendAcked(level, { level }), acknowledged);
      }
      const stored = await client.sendAcked("stored", { level: "stored" });
      assert.equal(stored.status, "acknowledged");
      assert.deepEqual(await client.sendAcked("received"), { status: "acknowledged", level: "received" });
      assert.deepEqual(atClient, ["received", "delivered", "read"]);
      assert.deepEqual(atServer, ["received", "delivered", "read", "stored", "received"]);
    });

    test("are given later, of a copy: a level implies those below, and each is told once", async (t) => {
      const kept: Message[] = [];
      const server = await kit.serve(t, { message: (_session, message) => kept.push(message.copy()) });
      const client = await kit.join(t, server);
      const read = client.sendAcked("read me", { level: "read" });
      const delivered = client.sendAcked("take me", { level: "delivered" });
      await until("both have come", () => kept.length === 2);
      const [first, second] = kept as [Message, Message];
      assert.equal(first.confirm("delivered"), true);
      assert.equal(first.confirm("read"), true);
      assert.equal(first.confirm("delivered"), false, "that was said");
      assert.equal(second.confirm("read"), true);
      assert.deepEqual(await read, { status: "acknowledged", level: "read" });
      assert.deepEqual(await delivered, { status: "acknowledged", level: "read" });
      assert.throws(() => first.confirm("stored" as never), InvalidArgumentError);
    });

    test("are refused by the application: who waits is told why, once, and a client's handler, too", async (t) => {
      const told: unknown[] = [];
      const opened = deferred<Session>();
      const refuse = (message: Message): void => {
        const [reason, code] = message.text().split(",");
        if (message.subject === "late") kept.push(message.copy());
        else if (code === undefined) assert.equal(message.reject(reason!), true);
        else assert.equal(message.reject(reason!, Number(code)), true);
        if (message.subject === "late") return;
        assert.equal(message.reject("again"), false);
        assert.equal(message.confirm("read"), false, "it is refused");
      };
      const kept: Message[] = [];
      const server = await kit.serve(t, {
        open: (session) => opened.resolve(session),
        message: (_session, message) => refuse(message),
      });
      const client = await kit.join(
        t,
        server,
        {},
        {
          message: (_session, message) => refuse(message),
          rejected: (_session, { code, reason }) => told.push([code, reason]),
        },
      );
      const failed = { status: "rejected", code: FailureCode.failed, reason: "no" };
      const other = { status: "rejected", code: 1_005, reason: "never" };
      for (const side of [client, await opened.promise]) {
        assert.deepEqual(await side.sendAcked("no", { level: "delivered" }), failed);
        assert.deepEqual(await side.sendAcked("never,1005", { level: "read" }), other);
        const late = side.sendAcked("x", { level: "read", subject: "late" });
        await until("it is kept", () => kept.length === 1);
        assert.equal(kept.shift()!.reject("no"), true);
        assert.deepEqual(await late, failed);
      }
      client.send("nobody waits");
      await until("the client is told of all", () => told.length === 4);
      assert.deepEqual(told.at(-1), [FailureCode.failed, "nobody waits"]);
      const [last] = await Promise.all([
        (await opened.promise).sendAcked("x", { level: "read", subject: "late" }),
        until("it is kept", () => kept.length === 1).then(() => client.close()),
      ]);
      assert.deepEqual(last, { status: "lost" });
      assert.equal(kept[0]!.reject("too late"), false);
    });

    test("survive a change of connection: what was said while there was none is told on the next", async (t) => {
      const kept: Message[] = [];
      const server = await kit.serve(t, { message: (_session, message) => kept.push(message.copy()) });
      const client = await kit.join(t, server);
      const count = 100;
      const outcomes = Array.from({ length: count }, (_, i) =>
        client.sendAcked(String(i), { level: "read" }),
      );
      await until("some have come", () => kept.length > 0);
      for (let round = 0; round < 3; round += 1) {
        await cutOff(client);
        for (const message of kept) message.confirm(round === 0 ? "delivered" : "read");
        assert.equal(await client.switchTo(server.urls[0]!), true);
        await until("all have come", () => kept.length === count);
        for (const message of kept) message.confirm(round === 0 ? "delivered" : "read");
      }
      for (const outcome of await Promise.all(outcomes)) {
        assert.deepEqual(outcome, { status: "acknowledged", level: "read" });
      }
      assert.deepEqual(
        kept.map((message) => message.text()),
        Array.from({ length: count }, (_, i) => `${i}`),
      );
    });

    test("end in time, by a signal, and with the session, and say so", async (t) => {
      const server = await kit.serve(t, {});
      const client = await kit.join(t, server);
      assert.deepEqual(await client.sendAcked("x", { level: "read", timeoutMs: 20 }), { status: "timeout" });
      const abort = new AbortController();
      const aborted = client.sendAcked("x", { level: "read", signal: abort.signal });
      abort.abort();
      await assert.rejects(aborted, AbortedError);
      await assert.rejects(client.sendAcked("x", { signal: abort.signal }), AbortedError);
      const lost = client.sendAcked("x", { level: "read" });
      await client.close();
      assert.deepEqual(await lost, { status: "lost" });
    });

    test("of what was never sent say why: its deadline, a full queue, or a class without any", async (t) => {
      const server = await kit.serve(t, {});
      const client = await kit.join(t, server, { queueBytes: 4_096 });
      await until("it has begun", () => server.sessionCount === 1);
      await cutOff(client);
      const expired = client.sendAcked("late", { deadlineMs: 1 });
      const results = Array.from({ length: 20 }, () =>
        client.sendAcked(new Uint8Array(500), { level: "received" }),
      );
      assert.equal(await client.switchTo(server.urls[0]!), true);
      assert.deepEqual(await expired, { status: "expired" });
      const statuses = (await Promise.all(results)).map(({ status }) => status);
      assert.deepEqual([...new Set(statuses)], ["acknowledged", "dropped"]);
      const wrong = [
        { delivery: "unreliable" },
        { delivery: "latest", key: "k" },
        { level: "seen" as never },
      ] as const;
      for (const options of wrong) {
        await assert.rejects(client.sendAcked("x", options), InvalidArgumentError);
      }
    });

    test("are waited for by so many at most", async (t) => {
      const opened = deferred<Session>();
      const server = await kit.serve(
        t,
        { open: (session) => opened.resolve(session) },
        { maxAwaitedAcks: 2 },
      );
      const client = await kit.join(t, server, { maxAwaitedAcks: 3 });
      for (const [side, most] of [
        [await opened.promise, 2],
        [client, 3],
      ] as const) {
        const abort = new AbortController();
        const waiting = Array.from({ length: most }, () =>
          side.sendAcked("x", { level: "read", signal: abort.signal }),
        );
        await assert.rejects(side.sendAcked("x"), (error) => {
          assert.ok(error instanceof ResourceExhaustedError);
          assert.match(error.message, new RegExp(`${most} messages .*maxAwaitedAcks`));
          return true;
        });
        abort.abort();
        for (const one of waiting) await assert.rejects(one, AbortedError);
        assert.equal((await side.sendAcked("x")).status, "acknowledged");
      }
    });

    test("are asked of a server that stores nothing in vain: it says so at once, and handles nothing", async (t) => {
      const opened = deferred<Session>();
      const got: string[] = [];
      for (const store of [undefined, new MemoryStore()]) {
        const server = await kit.serve(
          t,
          {
            open: (session) => opened.resolve(session),
            message: (_session, message) => got.push(message.text()),
          },
          { store },
        );
        const client = await kit.join(t, server);
        const outcome = await client.sendAcked("keep this", { level: "stored" });
        assert.equal(outcome.status === "rejected" && outcome.code, FailureCode.unstorable);
        assert.equal((await client.sendAcked("handle this", { level: "received" })).status, "acknowledged");
      }
      assert.deepEqual(got, ["handle this", "handle this"]);
      const fromClient = await (await opened.promise).sendAcked("keep this", { level: "stored" });
      assert.equal(fromClient.status === "rejected" && fromClient.code, FailureCode.unstorable);
    });

    test("of messages that middleware or a full dispatcher keeps from their handler are refused", async (t) => {
      const release = deferred();
      const server = await kit.serve(
        t,
        {
          message: async () => {
            await release.promise;
          },
        },
        {
          dispatcher: { concurrency: 1, maxQueued: 1 },
          middleware: [
            {
              name: "no secrets",
              incoming: (_session, { subject }, next) => (subject === "secret" ? undefined : next()),
            },
          ],
        },
      );
      const rejected: number[] = [];
      const client = await kit.join(t, server, {}, { rejected: (_session, { code }) => rejected.push(code) });
      const refused = await client.sendAcked("x", { level: "delivered", subject: "secret" });
      assert.equal(refused.status === "rejected" && refused.code, FailureCode.forbidden);
      const outcomes = Array.from({ length: 5 }, () =>
        client.sendAcked("x", { level: "delivered", timeoutMs: 200 }),
      );
      const last = await outcomes[4]!;
      release.resolve();
      assert.equal(last.status === "rejected" && last.code, FailureCode.overloaded);
      await until("they are told", () => rejected.length >= 2);
      assert.deepEqual([...new Set(rejected)], [FailureCode.forbidden, FailureCode.overloaded]);
    });

    test("of a batch wait for all its messages, and say once where some are refused", async (t) => {
      const release = deferred();
      const got: string[] = [];
      const server = await kit.serve(
        t,
        {
          message: async (_session, message) => {
            got.push(`${message.type} ${message.text()}`);
            await release.promise;
          },
        },
        { dispatcher: { concurrency: 1, maxQueued: 2, maxQueuedPerKey: 2 } },
      );
      const peer = await RawClient.connect(t, kit.under, server);
      await peer.begin();
      const messages = ["a", "b", "c", "d", "e"].map((text, type) => ({ type, payload: Buffer.from(text) }));
      peer.say({ kind: Kind.Message, flags: batchFlag, seq: 1, payload: encodeBatch(messages) });
      const rejection = await peer.next();
      assert.deepEqual([rejection.kind, rejection.type, rejection.ref], [Kind.Ack, AckLevel.rejected, 0]);
      const { lane, sequence, rejection: why } = readConfirmation(rejection);
      assert.deepEqual([lane, sequence, why?.code], [0, 1, FailureCode.overloaded]);
      release.resolve();
      const handled = await peer.credit();
      assert.deepEqual([handled.kind, handled.type, handled.seq, handled.ref], [Kind.Ack, 0, 0, 1]);
      await until("those that were taken are handled", () => got.length === 3);
      assert.deepEqual(got, ["0 a", "1 b", "2 c"]);
    });

    test("of a compressed message are those of any other", async (t) => {
      const server = await kit.serve(
        t,
        { message: (_session, message) => message.confirm("delivered") },
        { compression: [deflate()] },
      );
      const peer = await RawClient.connect(t, kit.under, server);
      await peer.begin(encodeHello({ ...hello, compressions: [Uint8Array.of(CompressionCode.deflate)] }));
      const payload = compressPayload(new Uint8Array(5_000), CompressionCode.deflate);
      const meta = withMarks(undefined, Buffer.from("1"), AckLevel.delivered)!;
      for (const seq of [1, 2]) {
        peer.say({ kind: Kind.Message, flags: CompressionCode.deflate, seq, payload, meta });
        const confirmation = readConfirmation(await peer.next());
        assert.deepEqual(confirmation, { level: AckLevel.delivered, lane: 0, sequence: seq });
      }
    });

    test("are told to the hooks, of messages that have ids", async (t) => {
      const log: string[] = [];
      const opened = deferred<Session>();
      const server = await kit.serve(t, {
        open: (session) => opened.resolve(session),
        sent: (_session, id) => log.push(`server sent ${id}`),
        delivered: (_session, id, level) => log.push(`server ${level} ${id}`),
        message: (_session, message) => message.confirm("delivered"),
      });
      const client = await kit.join(
        t,
        server,
        {},
        {
          sent: (_session, id) => log.push(`client sent ${id}`),
          acknowledged: (_session, id, level) => log.push(`client ${level} ${id}`),
          message: (_session, message) => {
            message.confirm("delivered");
            message.confirm("read");
          },
        },
      );
      const session = await opened.promise;
      await client.sendAcked("a", { messageId: "a", level: "delivered" });
      await session.sendAcked("b", { messageId: "b", level: "read" });
      await session.sendAcked("without an id", { level: "read" });
      session.send("c", { messageId: "c" });
      await cutOff(client);
      client.send("d", { messageId: "d" });
      assert.equal(log.includes("client sent d"), false, "it has not gone out");
      assert.equal(await client.switchTo(server.urls[0]!), true);
      await until("it has gone out", () => log.includes("client sent d"));
      for (const side of ["client", "server"]) {
        const own = log.filter((line) => line.startsWith(side) && !line.includes("received"));
        const expected =
          side === "client"
            ? ["client sent a", "client delivered a", "client sent d"]
            : ["server sent b", "server delivered b", "server read b", "server sent c"];
        assert.deepEqual(own, expected);
      }
    });

    test("of what was never sent are no fault, and those that are none break the protocol", async (t) => {
      const server = await kit.serve(t, {});
      const peer = await RawClient.connect(t, kit.under, server);
      await peer.begin();
      const words = (...numbers: number[]) => new Uint8Array(Uint32Array.from(numbers).buffer);
      peer.say({ kind: 7, type: 2, seq: 1, payload: words(0, 99) });
      peer.say({ kind: 4, seq: 2, payload: words(1), meta: [{ key: "ack", value: words(1) }] });
      const answer = await peer.next();
      assert.deepEqual([answer.kind, answer.type, answer.seq], [7, 4, 1]);
      assert.deepEqual(answer.payload, words(0, 2));
      peer.say({ kind: 4, seq: 3, meta: [{ key: "ack", value: words(9) }] });
      assert.equal((await peer.closed).code, CloseCode.protocolViolation);
    });
  });
}

async function cutOff(client: ClientSession): Promise<void> {
  client.abandon();
  await until("it is detached", () => client.state === "disconnected");
}
