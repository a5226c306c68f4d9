import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { connect } from "millrace/client";
import { createServer } from "millrace/server";
import { encodeCommand } from "#internal/server/threads/command.js";
import { enterGroup } from "#internal/server/threads/group.js";
import { PatientPosts } from "#internal/server/threads/patient_posts.js";
import { PeerKind } from "#internal/server/threads/peer_kind.js";
import { Peers } from "#internal/server/threads/peers.js";
import { IdKind } from "#internal/session/sessions.js";
import { deferred } from "../../kit/deferred.js";
import { seededRandom } from "../../kit/random.js";
import { until } from "../../kit/until.js";

const { relay: _, homes: __, ...commands } = PeerKind;

/** Details that are not what any command has. */
const wrongDetails: readonly object[] = [
  {},
  { session: "1", client: 1, reason: 2 },
  { session: -1, client: {}, reason: [] },
  { session: Number.MAX_SAFE_INTEGER, client: "x", reason: "y".repeat(500) },
  { session: 2 ** 20 + 1, code: -1, delivery: "by pigeon", priority: 7, deadlineMs: "soon", timeoutMs: -5 },
  { cursor: -1, budget: 0, sessions: [1, null], last: true, status: 1, code: "x" },
  { cursor: 0, budget: 2 ** 30, where: "all", sessions: {}, status: "success?" },
  { __proto__: null, constructor: 1, toString: 2 },
];

test("what another thread writes that is no command, or an impossible one, ends nothing and is no fault", async () => {
  const attacker = Peers.create({ maxSessions: 8, maxEnvironments: 2 });
  attacker.countSessions(-1);
  enterGroup({ group: attacker.group, boundUrls: [], acceptsAlone: true, listens: () => {} });
  const faults: unknown[] = [];
  const opened = deferred<string>();
  const server = await createServer(
    { listen: "tcp://127.0.0.1:0" },
    { open: ({ id }) => opened.resolve(id), error: (_session, cause) => faults.push(cause) },
  );
  const heard: string[] = [];
  const client = await connect(
    server.urls[0]!,
    { clientId: "victim" },
    { message: (_session, message) => void heard.push(message.text()) },
  );
  const id = new Uint32Array(Uint8Array.from(Buffer.from(await opened.promise, "hex")).buffer);
  const { handle, owner } = attacker.sessions.find(IdKind.session, id)!;
  const random = seededRandom(7);
  const noise = () => Uint8Array.from({ length: random(200) }, () => random(256));
  for (const kind of [...Object.values(commands), 13, 31, 65_535]) {
    const whole = wrongDetails.map((details) => encodeCommand({ id: random(9), subject: "a..b", details }));
    const cut = whole.map((bytes) => bytes.slice(0, random(bytes.length)));
    const spoiled = whole.map((bytes) => bytes.map((byte) => (random(10) === 0 ? random(256) : byte)));
    const listOfDetails = encodeCommand({ details: [1, 2] });
    for (const bytes of [...whole, ...cut, ...spoiled, listOfDetails, noise(), noise()]) {
      await until("there is room", () => attacker.post(owner, kind, bytes) !== "dropped");
      await until("there is room", () => attacker.sendTo(handle, kind, bytes) !== "dropped");
    }
  }
  const patient = new PatientPosts(attacker);
  const last = encodeCommand({ payload: Buffer.from("still here") });
  assert.equal(patient.post(owner, PeerKind.broadcast, last), true);
  await until("the session has lived through it", () => heard.includes("still here"));
  assert.equal(client.state, "connected");
  assert.equal(server.sessionCount, 1);
  assert.deepEqual(faults, []);
  await client.close();
  await server.close();
  attacker.close();
});

describe("posts that wait for room", () => {
  test("come in order, however full the way is, and are refused where too much waits", async () => {
    const receiver = Peers.create({ maxSessions: 4, maxEnvironments: 2 });
    const sender = Peers.join(receiver.group);
    const got: number[] = [];
    receiver.onPost(40, (bytes) => got.push(new DataView(bytes.buffer, bytes.byteOffset).getUint32(0)));
    const patient = new PatientPosts(sender);
    const taken: number[] = [];
    for (let number = 0; number < 2_000; number += 1) {
      const bytes = new Uint8Array(20_000);
      new DataView(bytes.buffer).setUint32(0, number);
      if (patient.post(receiver.environment, 40, bytes)) taken.push(number);
    }
    assert.ok(taken.length > 500 && taken.length < 1_000, `${taken.length}`);
    await until("all have come", () => got.length === taken.length);
    assert.deepEqual(got, taken);
    assert.equal(patient.post(receiver.environment, 40, new Uint8Array(8)), true, "and there is room again");
    sender.close();
    receiver.close();
  });

  test("come to the next that has the number, though the end of the one before is told only then", async () => {
    const sender = Peers.create({ maxSessions: 4, maxEnvironments: 2 });
    const before = Peers.join(sender.group);
    const { environment } = before;
    sender.sessions.maintain();
    let left = 0;
    sender.onLeft(() => {
      left += 1;
    });
    const patient = new PatientPosts(sender);
    const post = (bytes: number) => assert.equal(patient.post(environment, 40, new Uint8Array(bytes)), true);
    for (let number = 0; number < 300; number += 1) post(20_000);
    before.close();
    const successor = Peers.join(sender.group);
    assert.equal(successor.environment, environment);
    const got: number[] = [];
    successor.onPost(40, ({ length }) => got.push(length));
    for (let number = 0; number < 300; number += 1) post(20_001);
    sender.sessions.maintain(); // all in this turn, or what a slow machine leaves in the next
    await until("its end is told", () => left === 1);
    post(1);
    await until("the last has come", () => got.at(-1) === 1);
    assert.equal(got.filter((length) => length === 20_001).length, 300);
    successor.close();
    sender.close();
  });

  test("are forgotten when who they are for has ended", async () => {
    const sender = Peers.create({ maxSessions: 4, maxEnvironments: 2 });
    const receiver = Peers.join(sender.group);
    sender.sessions.maintain();
    const patient = new PatientPosts(sender);
    const { environment } = receiver;
    for (let number = 0; number < 100; number += 1) patient.post(environment, 40, new Uint8Array(20_000));
    receiver.close();
    let left = false;
    sender.onLeft(() => {
      left = true;
    });
    await until("that is known", () => left);
    const successor = Peers.join(sender.group);
    assert.equal(successor.environment, environment);
    const got: number[] = [];
    successor.onPost(40, (bytes) => got.push(bytes.length));
    assert.equal(patient.post(environment, 40, new Uint8Array(8)), true);
    await until("it has come", () => got.length > 0);
    assert.deepEqual(got, [8]);
    successor.close();
    sender.close();
  });
});
