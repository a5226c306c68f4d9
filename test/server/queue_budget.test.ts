import assert from "node:assert/strict";
import { describe, type TestContext, test } from "node:test";
import { CloseCode } from "millrace";
import type { ClientSession } from "millrace/client";
import type { Server, ServerOptions, ServerWarning, SessionEnd } from "millrace/server";
import { Kind } from "#internal/frame/frame.js";
import { until } from "../kit/until.js";
import { sessionKit } from "./suite/kit.js";
import { RawClient } from "./suite/raw_client.js";

const kit = sessionKit({ url: "tcp://127.0.0.1:0" });
const kib = new Uint8Array(1_024);

interface Watched {
  readonly server: Server;
  readonly ends: (readonly [string | undefined, SessionEnd])[];
  readonly warnings: ServerWarning[];
}

async function watched(
  t: TestContext,
  queueBytes: number,
  options: Partial<ServerOptions> = {},
): Promise<Watched> {
  const ends: (readonly [string | undefined, SessionEnd])[] = [];
  const warnings: ServerWarning[] = [];
  const server = await kit.serve(
    t,
    {
      close: ({ clientId }, end) => ends.push([clientId, end]),
      warning: (warning) => warnings.push(warning),
    },
    { limits: { queueBytes }, ...options },
  );
  return { server, ends, warnings };
}

/** A client that has lost its connection. */
async function away(
  t: TestContext,
  server: Server,
  clientId: string,
  got: string[] = [],
): Promise<ClientSession> {
  const message = (_session: unknown, { subject }: { readonly subject: string | undefined }) =>
    got.push(subject!);
  const client = await kit.join(t, server, { clientId }, { message });
  await until("it has begun", () => server.sessionsOf(clientId).length === 1);
  client.abandon();
  await until("it is detached", () => server.sessionsOf(clientId)[0]?.state === "detached");
  return client;
}

describe("what all sessions may hold that cannot go on", () => {
  test("is kept by closing those that hold most, and nobody else; its end is warned of before", async (t) => {
    const { server, ends, warnings } = await watched(t, 100_000);
    const [small, other] = [await away(t, server, "small"), await away(t, server, "other")];
    await away(t, server, "large");
    const send = (clientId: string) => server.sendTo({ clientId }, kib, { subject: clientId });
    for (let i = 0; i < 5; i += 1)
      for (const clientId of ["small", "other"]) assert.equal(send(clientId), "sent");
    const before = server.bytesHeld;
    assert.ok(before >= 10 * kib.length, `${before} bytes`);
    let sent = 0;
    while (ends.length === 0) {
      assert.ok(++sent < 100, "somebody pays");
      send("large");
      assert.ok(server.bytesHeld <= 100_000);
    }
    assert.ok(sent > 40);
    const [[clientId, end]] = ends as [(typeof ends)[0]];
    assert.deepEqual([clientId, end.by, end.code], ["large", "local", CloseCode.exhausted]);
    assert.equal(server.bytesHeld, before, "all that it held is given back");
    assert.deepEqual(
      warnings.map(({ kind, limit }) => [kind, limit]),
      [["queueBytes", 100_000]],
    );
    assert.ok(warnings[0]!.current >= 80_000 && warnings[0]!.current < 85_000);
    for (const client of [small, other]) assert.equal(await client.switchTo(server.urls[0]!), true);
    await until("all have what they lacked", () => server.bytesHeld === 0);
    assert.equal(ends.length, 1);
  });

  test("is kept by dropping the oldest that wait, where that is the policy", async (t) => {
    const { server, ends } = await watched(t, 100_000, { queuePolicy: "drop-oldest" });
    const small: string[] = [];
    const large: string[] = [];
    const [one, other] = [await away(t, server, "small", small), await away(t, server, "large", large)];
    for (let i = 0; i < 5; i += 1) server.sendTo({ clientId: "small" }, kib, { subject: String(i) });
    for (let i = 0; i < 200; i += 1) {
      assert.notEqual(server.sendTo({ clientId: "large" }, kib, { subject: String(i) }), "dropped");
      assert.ok(server.bytesHeld <= 100_000);
    }
    for (const client of [one, other]) assert.equal(await client.switchTo(server.urls[0]!), true);
    await until("all has come", () => small.length === 5 && large.at(-1) === "199");
    assert.deepEqual(small, ["0", "1", "2", "3", "4"]);
    assert.ok(large.length > 40 && large.length < 100, `${large.length} have come`);
    assert.equal(Number(large[0]), 200 - large.length, "the newest are left");
    assert.deepEqual(ends, []);
  });

  test("counts what slow sessions hold, sent and not acknowledged or waiting, until they have taken it", async (t) => {
    const { server } = await watched(t, 10_000_000);
    const peer = await RawClient.connect(t, kit.under, server);
    await peer.begin(); // acknowledges nothing: its window is 256 KiB
    await until("it has begun", () => server.sessionCount === 1);
    const [session] = server.sessions().sessions;
    const count = 400;
    for (let i = 0; i < count; i += 1) session!.send(kib);
    assert.ok(server.bytesHeld >= count * kib.length, `${server.bytesHeld} bytes`);
    for (let acknowledged = 0; acknowledged < count; ) {
      const { kind, seq } = await peer.next();
      if (kind !== Kind.Message) continue;
      acknowledged = seq;
      peer.say({ kind: Kind.Ack, ref: seq });
    }
    await until("nothing is held", () => server.bytesHeld === 0);
    session!.send(kib);
    assert.equal(server.bytesHeld, 0, "what goes out at once counts for nothing");
  });

  test("may be less from one moment to the next", async (t) => {
    const { server, ends } = await watched(t, 1_000_000);
    await away(t, server, "one");
    for (let i = 0; i < 50; i += 1) server.sendTo({ clientId: "one" }, kib);
    await server.reload({ limits: { queueBytes: server.bytesHeld } });
    assert.equal(ends.length, 0);
    await server.reload({ limits: { queueBytes: server.bytesHeld - 1 } });
    assert.deepEqual([ends.length, server.bytesHeld], [1, 0]);
  });

  test("closes who keeps what was sent to it, and has nothing to drop", async (t) => {
    const { server, ends } = await watched(t, 50_000, { queuePolicy: "drop-oldest" });
    const peer = await RawClient.connect(t, kit.under, server);
    await peer.begin();
    await until("it has begun", () => server.sessionCount === 1);
    const [session] = server.sessions().sessions;
    for (let i = 0; i < 60; i += 1) session!.send(kib);
    assert.equal(server.bytesHeld, 0, "its connection takes all");
    peer.drop();
    await until("it is closed", () => ends.length === 1);
    assert.equal(ends[0]![1].code, CloseCode.exhausted);
    assert.equal(server.bytesHeld, 0);
  });
});
