import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { setTimeout as delay } from "node:timers/promises";
import { type ClientBehaviour, type ClientSession, connect } from "millrace/client";
import { Peers } from "#internal/server/threads/peers.js";
import { seededRandom } from "../../kit/random.js";
import { until } from "../../kit/until.js";
import { authority } from "../../transport/suite/kit.js";
import { Member } from "./members.js";

/** A client that counts to its server, whichever way it is connected, and is counted to. */
class Counter {
  told = 0;
  next = 0;
  readonly disorders: [number, number][] = [];
  #session: ClientSession | undefined = undefined;
  target = 0;

  readonly behaviour: ClientBehaviour = {
    message: (_session, message) => {
      const said = new DataView(message.payload.slice().buffer).getUint32(0, true);
      if (said !== this.next) this.disorders.push([said, this.next]);
      this.next = said + 1;
    },
    drain: () => this.count(),
  };

  set session(session: ClientSession) {
    this.#session = session;
  }

  count(): void {
    while (this.told < this.target) {
      const payload = new Uint8Array(4 + (this.told % 5) * 5_000);
      new DataView(payload.buffer).setUint32(0, this.told, true);
      const result = this.#session!.send(payload);
      if (result === "dropped") return;
      this.told += 1;
      if (result === "blocked") return;
    }
  }
}

for (const url of ["ws://127.0.0.1:0", "tcp://127.0.0.1:0", "quic://127.0.0.1:0"]) {
  describe(`over ${url.split(":")[0]}, between threads`, () => {
    test("a client that changes the thread again and again loses nothing, and hears nothing twice", async (t) => {
      const peers = Peers.create({ maxSessions: 64, maxEnvironments: 5 });
      t.after(() => peers.close());
      const members = [
        await Member.start(t, peers.group, url),
        await Member.start(t, peers.group, url),
        await Member.start(t, peers.group, url),
      ] as const;
      const target = 3_000;
      const counter = new Counter();
      const client = await connect(
        members[0].url,
        { tls: { ca: authority.certificate }, queueBytes: 64 * 1024, reconnect: false },
        counter.behaviour,
      );
      t.after(() => client.close({ graceful: false }));
      counter.session = client;
      await begun(client);
      for (const member of members) member.tell({ do: "count", to: target });
      counter.target = target;
      const random = seededRandom(20);
      for (let round = 0; counter.next < target || members[0].heard < target; round += 1) {
        counter.count();
        const { next } = counter;
        await delay(random(30));
        if (round % 3 === 2) await until("something has come", () => counter.next > next || next === target);
        if (random(2) === 0) {
          client.abandon();
          await until("it is detached", () => client.state === "disconnected");
        }
        const at = members[(round + 1) % 3]!;
        if (round < 40) assert.equal(await client.switchTo(at.url), true, "the session is the same");
        else if (client.state === "disconnected") await client.switchTo(members[0].url);
      }
      assert.equal(members[0].heard, target);
      assert.deepEqual(counter.disorders, []);
      assert.deepEqual(members[0].disorders, []);
    });

    for (const how of ["exit", "throw"] as const) {
      test(`a thread that ends (${how}) at either end of a relay takes only its own with it`, async (t) => {
        const peers = Peers.create({ maxSessions: 64, maxEnvironments: 5 });
        t.after(() => peers.close());
        const [owner, edge, other] = [
          await Member.start(t, peers.group, url),
          await Member.start(t, peers.group, url),
          await Member.start(t, peers.group, url),
        ];
        const tls = { ca: authority.certificate };
        const client = await connect(owner.url, { tls, reconnect: false });
        t.after(() => client.close({ graceful: false }));
        const bystander = await connect(other.url, { tls, reconnect: false });
        t.after(() => bystander.close({ graceful: false }));
        await Promise.all([begun(client), begun(bystander)]);
        const { id } = client;
        assert.equal(await client.switchTo(edge.url), true);
        await edge.end(how);
        await until("it is cut off", () => client.state === "disconnected");
        assert.equal(await client.switchTo(other.url), true, "its owner lives");
        assert.equal(client.id, id);
        await owner.end(how);
        await until("it is cut off again", () => client.state === "disconnected");
        assert.equal(await client.switchTo(other.url), false, "its owner does not live any more");
        assert.notEqual(client.id, id);
        assert.equal(bystander.state, "connected");
      });
    }
  });
}

/** The server has read the client's commit: until then no other thread knows of the session. */
async function begun(client: ClientSession): Promise<void> {
  assert.equal((await client.request("anything")).status, "failure");
}
