import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { ResourceExhaustedError } from "millrace";
import { encodeCommand, readCommand } from "#internal/server/threads/command.js";
import { Elsewhere } from "#internal/server/threads/elsewhere.js";
import { Listing } from "#internal/server/threads/listing.js";
import { PeerKind } from "#internal/server/threads/peer_kind.js";
import { Peers } from "#internal/server/threads/peers.js";
import { until } from "../../kit/until.js";

/** Two environments of one thread, and what comes to the second. */
function pairOfPeers(maxSessions = 4) {
  const here = Peers.create({ maxSessions, maxEnvironments: 2 });
  const there = Peers.join(here.group);
  const got: string[] = [];
  there.onPost(PeerKind.revoke, () => got.push("order"));
  there.onPost(PeerKind.replaced, (bytes) => got.push(`replaced ${readCommand(bytes).details.session}`));
  there.onSessionPost(PeerKind.message, () => got.push("message"));
  const handle = there.sessions.allocate();
  const id = Uint32Array.of(1, 2, 3, 4);
  assert.equal(there.sessions.open(handle, { transport: 0, connection: 0, id }, 0), true);
  const order = (elsewhere: Elsewhere) =>
    elsewhere.order(there.environment, PeerKind.revoke, { text: "x".repeat(20_000) });
  return { here, there, got, handle, order };
}

describe("sessions of another thread", () => {
  test("are ended where others have their places, however far behind that thread is", async () => {
    const { here, there, got, handle, order } = pairOfPeers();
    const elsewhere = new Elsewhere(here);
    let orders = 0;
    assert.throws(() => {
      for (;;) {
        order(elsewhere);
        orders += 1;
      }
    }, ResourceExhaustedError);
    elsewhere.replace(handle);
    await until("it has heard of all", () => got.length > orders);
    assert.equal(got.at(-1), `replaced ${handle}`);
    there.close();
    here.close();
  });

  test("get nothing that was sent after an order before that order", async () => {
    const { here, there, got, handle, order } = pairOfPeers();
    const elsewhere = new Elsewhere(here);
    for (let i = 0; i < 100; i += 1) order(elsewhere);
    there.sessions.receive(); // there is room, and nobody here has heard of that
    const found = { handle, owner: there.environment };
    while (elsewhere.send(found, Buffer.from("late")) === "dropped") there.sessions.receive();
    await until("it has come", () => got.includes("message"));
    assert.deepEqual([got.length, got.at(-1)], [101, "message"]);
    there.close();
    here.close();
  });

  test("are listed by so many slots at once that what is told of them finds room", async () => {
    const { here, there } = pairOfPeers(20_000);
    const asked: unknown[] = [];
    there.onPost(PeerKind.list, (bytes, sender) => {
      const { id, details } = readCommand(bytes);
      const { cursor, budget } = details;
      asked.push([cursor, budget]);
      const sessions = [{ id: `${cursor}` }];
      there.post(sender, PeerKind.listed, encodeCommand({ id, details: { sessions, last: true } }));
    });
    const listing = new Listing(here, new Elsewhere(here));
    const own: number[] = [];
    const list = await listing.list({ cursor: 100, budget: 10_000 }, ({ cursor }) => {
      own.push(cursor);
      return [];
    });
    assert.deepEqual(asked, [
      [100, 4_096],
      [4_196, 4_096],
      [8_292, 1_808],
    ]);
    assert.deepEqual(own, [100, 4_196, 8_292]);
    assert.deepEqual([list.sessions.map(({ id }) => id), list.cursor], [["100", "4196", "8292"], 10_100]);
    there.close();
    here.close();
  });
});
